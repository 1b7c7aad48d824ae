# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Report of a live drive: tables in the terminal, and the HTML page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from live_scores import DriveScore, Ids, balanced_accuracy
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from surface_classifier.data.dataset import Dataset
from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.clients.drive_observer import Drive
from surface_classifier.report.page import (
    EpochPoint,
    ReportPage,
    contract_rows,
    data_rows,
    drive_timeline,
    model_score,
    recording_score,
    render_page,
    verdict,
)
from surface_classifier.training.metrics import confusion

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class LiveResult:
    """A live drive and what came of it.

    Attributes:
        drive: Everything that was published.
        classes: Class names.
        score: Labels against the truth.
        baseline: What the nearest-mean classifier says of the same steady windows, as class ids.
    """

    drive: Drive
    classes: tuple[str, ...]
    score: DriveScore
    baseline: Ids

    @property
    def lstm(self) -> float:
        """Balanced accuracy of the live labels on steady windows."""
        return balanced_accuracy(self.score.truth, self.score.predicted)

    @property
    def nearest_mean(self) -> float:
        """Balanced accuracy of the nearest-mean classifier on the same windows."""
        return balanced_accuracy(self.score.truth, self.baseline)


def print_result(result: LiveResult, console: Console) -> None:
    """Prints what was right, per surface and around changes, and the confusion matrix."""
    score = result.score
    table = Table(title='Live labels', title_justify='left', title_style='bold', box=SIMPLE_HEAD)
    for heading in ('truth', 'windows', 'right', 'nearest mean', 'most often taken for'):
        table.add_column(heading, justify='left' if heading in ('truth', 'most often taken for') else 'right')
    for index, name in enumerate(result.classes):
        mine = score.truth == index
        if not mine.any():
            continue
        row = recording_score(name, score.truth[mine], score.predicted[mine], (*result.classes, 'unknown'))
        other = float(np.mean(result.baseline[mine] == index))
        table.add_row(name, str(row.windows), f'{row.accuracy:.0%}', f'{other:.0%}', row.taken_for)
    table.add_section()
    steady = len(score.steady)
    table.add_row('balanced', str(steady), f'{result.lstm:.0%}', f'{result.nearest_mean:.0%}', '', style='bold')
    changing = len(score.changing)
    share = f'{score.changing_right / changing:.0%}' if changing else '–'
    table.add_row('around a change', str(changing), share, '', '')
    table.caption = 'Around a change of surface a window lies on two surfaces; either counts as right.'
    table.caption_justify = 'left'
    console.print(table)

    counts = np.array(confusion(score.truth, score.predicted, len(result.classes)))
    matrix = Table(
        title='Confusion matrix: truth down, label across', title_justify='left', title_style='bold', box=SIMPLE_HEAD
    )
    matrix.add_column('')
    for name in result.classes:
        matrix.add_column(name, justify='right')
    for index, name in enumerate(result.classes):
        total = max(1, int(counts[index].sum()))
        cells = [_cell(int(count), count / total, column == index) for column, count in enumerate(counts[index])]
        matrix.add_row(name, *cells)
    console.print(matrix)


def write_live_report(
    path: Path, result: LiveResult, *, dataset: Path, model: Path, training: Path, command: str
) -> Path:
    """Writes the HTML page of a live drive.

    Args:
        path: File to write.
        result: The drive.
        dataset: Data set the model was to learn.
        model: The model that labelled the drive.
        training: What `surface train --json` wrote.
        command: What to type to make the page again.

    Returns:
        The file that was written.
    """
    score, labels = result.score, result.drive.labels
    scores = (
        model_score('Live LSTM', score.truth, score.predicted, result.classes),
        model_score('Nearest mean', score.truth, result.baseline, result.classes),
    )
    start_ns = labels[0].start_ns
    stretches = tuple(
        recording_score(
            f'{(segment.start_ns - start_ns) / NANOSECONDS:.0f} s to {(segment.end_ns - start_ns) / NANOSECONDS:.0f} s',
            score.truth[score.segment_of == index],
            score.predicted[score.segment_of == index],
            (*result.classes, 'unknown'),
        )
        for index, segment in enumerate(score.segments)
        if (score.segment_of == index).any()
    )
    curve = json.loads(training.read_text(encoding='utf-8'))
    page = ReportPage(
        title='An unseen drive, classified live',
        lead=(
            f'A simulated robot drove {(labels[-1].end_ns - start_ns) / NANOSECONDS:.0f} s over {len(result.classes)} '
            f'surfaces; the live nodes gave {len(labels)} labels. Scored are the {len(score.steady)} windows that lie '
            f'entirely on one surface. Of the {len(score.changing)} windows over a change of surface, '
            f'{score.changing_right} were labelled as one of the two.'
        ),
        verdict=verdict(scores),
        classes=result.classes,
        scores=scores,
        epochs=tuple(_epoch_point(entry) for entry in curve['epochs']),
        recordings=stretches,
        recordings_title='Per stretch of the drive',
        figures=(_timeline(result),),
        data_summary=tuple(data_rows(Dataset.load(dataset))),
        contract=tuple(contract_rows(load_contract(model))),
        command=command,
    )
    path.write_text(render_page(page), encoding='utf-8')
    return path


def _timeline(result: LiveResult) -> Any:
    labels = result.drive.labels
    start_ns = labels[0].start_ns
    segments = result.score.segments
    truth = [
        next((segment.surface for segment in segments if segment.start_ns <= label.end_ns < segment.end_ns), '')
        for label in labels
    ]
    # Windows overlap; of each, only the samples after the end of the one before are new.
    seconds, currents = [], []
    shown_ns = start_ns - 1
    for label in labels:
        samples = next(iter(result.drive.windows[label.window_index].values()))
        stamps_ns = np.linspace(label.start_ns, label.end_ns, len(samples))
        fresh = stamps_ns > shown_ns
        seconds.append((stamps_ns[fresh] - start_ns) / NANOSECONDS)
        currents.append(np.nanmean(samples[fresh], axis=1))
        shown_ns = label.end_ns
    return drive_timeline(
        result.classes,
        np.array([(label.end_ns - start_ns) / NANOSECONDS for label in labels]),
        truth,
        [label.surface for label in labels],
        np.array([label.confidence for label in labels]),
        np.concatenate(seconds),
        np.concatenate(currents),
    )


def _epoch_point(entry: dict[str, Any]) -> EpochPoint:
    values = [entry[name] for name in ('loss', 'validation_loss', 'validation_accuracy')]
    return EpochPoint('training', entry['epoch'], *(float('nan') if value is None else value for value in values))


def _cell(count: int, share: float, right: bool) -> Text:
    if not count:
        return Text('·', style='dim')
    if right:
        return Text(str(count), style='bold green')
    return Text(str(count), style='red' if share >= 0.1 else '')
