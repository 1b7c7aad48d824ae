# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page: how well a model classifies surfaces, and why its training went as it did.

The page needs no network and no other file: figures are inlined, text stays text. It is built in two steps, so that the
demo can show a live drive on the same page as `surface evaluate` shows folds and `surface report` a diagnosis: a
`ReportPage` holds what is shown, and `render_page` turns it into HTML. Given the same input, the same bytes come out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier import __version__
from surface_classifier.report.diagnosis_sections import DiagnosisPart, diagnosis_curve, diagnosis_part, number
from surface_classifier.report.figures import (
    EpochPoint,
    Picture,
    TrainingCurve,
    drive_timeline,
    figure_svg,
    learning_curves,
    style_axes,
    training_pictures,
)
from surface_classifier.report.group_tables import GroupTable, group_tables
from surface_classifier.report.page_template import open_template
from surface_classifier.report.reliability import comparison_sentences, reliability_picture
from surface_classifier.report.sweep_sections import SweepPart

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.model.contract import ModelContract

# Pictures are drawn next door; who fills a page finds what it takes here.
__all__ = [
    'DiagnosisPart',
    'EpochPoint',
    'ModelScore',
    'Picture',
    'RecordingScore',
    'ReportPage',
    'SweepPart',
    'TrainingCurve',
    'contract_rows',
    'count_text',
    'data_rows',
    'diagnosis_page',
    'drive_timeline',
    'evaluation_page',
    'figure_svg',
    'model_score',
    'recording_score',
    'render_page',
    'style_axes',
    'value_rows',
    'verdict',
    'write_diagnosis_report',
    'write_page',
    'write_report',
]

Ids = npt.NDArray[np.int64]

MODEL_TITLES = {
    'lstm': 'LSTM',
    'trees': 'ExtraTrees on levels',
    'nearest_mean': 'Nearest mean',
    'majority': 'Majority class',
}


@dataclass(frozen=True)
class ModelScore:
    """Scores of one model, and the counts they come from.

    Attributes:
        name: What the reader sees, such as "LSTM".
        accuracy: Share of windows that were right, mean over folds, 0 to 1.
        balanced_accuracy: Mean recall of the classes, mean over folds, 0 to 1.
        macro_f1: Mean F1 of the classes, mean over folds, 0 to 1.
        confusion: Window counts over all folds; row i, column j: how many of class i were taken for class j.
        per_class: `precision`, `recall`, `f1` and `windows` by class name, over all folds.
        per_fold: Balanced accuracy of each fold; empty when there is only one set of windows.
    """

    name: str
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    confusion: Sequence[Sequence[int]]
    per_class: Mapping[str, Mapping[str, float]]
    per_fold: tuple[float, ...] = ()


@dataclass(frozen=True)
class RecordingScore:
    """How one recording, or one stretch of a drive, was classified.

    Attributes:
        name: Name of the recording.
        surfaces: Names of the true surfaces, joined for reading.
        windows: Number of windows.
        accuracy: Share of windows that were right, 0 to 1.
        taken_for: The wrong surface it was most often taken for; empty when all was right.
    """

    name: str
    surfaces: str
    windows: int
    accuracy: float
    taken_for: str = ''


@dataclass(frozen=True)
class ReportPage:
    """Everything the page shows; empty parts are left out.

    Attributes:
        title: Heading of the page.
        lead: What was done, in one or two sentences.
        verdict: The result in one sentence; names the winner even when it is a baseline.
        classes: Class names in the order of the confusion matrices.
        scores: The model first, then the baselines.
        epochs: Learning curves of one or more runs.
        groups: Accuracy by motion, speed and time on a surface.
        recordings: One row per recording or stretch.
        recordings_title: Heading above these rows.
        figures: Further pictures, such as a drive over time.
        data_summary: Rows of the table that describes the data.
        contract: Rows of the table that describes the model.
        scores_note: What was scored, where the lead is about something else.
        notes: What a reader should know.
        command: What to type to make this page again.
        diagnosis: Why the training went as it did.
        training: The loss of one training by epoch and step.
        training_note: What to know of it.
        sweep: Trials of a sweep.
        configuration: Rows of the table of the training configuration.
        configuration_title: Heading above them.
    """

    title: str
    lead: str
    verdict: str
    classes: tuple[str, ...]
    scores: tuple[ModelScore, ...]
    epochs: tuple[EpochPoint, ...] = ()
    groups: tuple[GroupTable, ...] = ()
    recordings: tuple[RecordingScore, ...] = ()
    recordings_title: str = 'Per recording'
    figures: tuple[Picture, ...] = ()
    data_summary: tuple[tuple[str, str], ...] = ()
    contract: tuple[tuple[str, str], ...] = ()
    scores_note: str = ''
    notes: tuple[str, ...] = ()
    command: str = ''
    diagnosis: DiagnosisPart | None = None
    training: TrainingCurve | None = None
    training_note: str = ''
    sweep: SweepPart | None = None
    configuration: tuple[tuple[str, str], ...] = ()
    configuration_title: str = 'Training configuration'


def write_report(
    path: str | Path,
    result: Mapping[str, Any],
    *,
    command: str,
    dataset: Dataset | None = None,
    contract: ModelContract | None = None,
    title: str = 'Surface classification',
) -> Path:
    """Writes the page of one `surface evaluate` result.

    Args:
        path: HTML file to write; its folder is made.
        result: What `surface evaluate --json` holds.
        command: What to type to make this page again.
        dataset: The data set that was evaluated, for the data table.
        contract: Contract of the model that was evaluated, if it was a finished one.
        title: Heading of the page.

    Returns:
        The file that was written.
    """
    return write_page(path, evaluation_page(result, command=command, dataset=dataset, contract=contract, title=title))


def write_diagnosis_report(path: str | Path, result: Mapping[str, Any], *, dataset: Dataset | None = None) -> Path:
    """Writes the page of one `surface diagnose` result.

    Args:
        path: HTML file to write; its folder is made.
        result: What `surface diagnose --json` holds.
        dataset: The data set that was diagnosed, for the data table and the plots of suspected windows.

    Returns:
        The file that was written.

    Raises:
        SurfaceError: Nothing can be written there.
    """
    return write_page(path, diagnosis_page(result, dataset=dataset))


def write_page(path: str | Path, page: ReportPage) -> Path:
    """Renders a page into a file, whose folder is made.

    Raises:
        SurfaceError: Nothing can be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise SurfaceError(f'{path} is a folder; name a file for the page, such as {path / "report.html"}')
    html = render_page(page)
    write_result(path, html, 'page')
    return path


def evaluation_page(
    result: Mapping[str, Any],
    *,
    command: str,
    dataset: Dataset | None = None,
    contract: ModelContract | None = None,
    title: str = 'Surface classification',
) -> ReportPage:
    """Turns one `surface evaluate` result into a page; arguments as in `write_report`."""
    classes = tuple(result['classes'])
    scores = [_model_score(name, result[key]) for key, name in MODEL_TITLES.items() if result.get(key)]
    lead = (
        f'{count_text(result["windows"])} windows of {_recordings_phrase(result["recordings"])}, {len(classes)} '
        f'surfaces. {_sentence(result["protocol"])}'
    )
    first = next((result[key] for key in MODEL_TITLES if result.get(key)), None)
    epochs = tuple(_epoch_points(result['lstm'].get('epochs', ()))) if result.get('lstm') else ()
    return ReportPage(
        title=title,
        lead=lead,
        verdict=verdict(scores),
        classes=classes,
        scores=tuple(scores),
        epochs=epochs,
        groups=group_tables(result),
        recordings=tuple(_recording_scores(first['predictions'], classes)) if first else (),
        data_summary=tuple(data_rows(dataset)) if dataset is not None else (),
        contract=tuple(contract_rows(contract)) if contract is not None else (),
        notes=(*result.get('notes', ()), *comparison_sentences(result)),
        command=command,
        figures=tuple(
            reliability_picture(name, result[key]['reliability'])
            for key, name in MODEL_TITLES.items()
            if result.get(key) and result[key].get('reliability')
        ),
    )


def diagnosis_page(result: Mapping[str, Any], *, dataset: Dataset | None = None) -> ReportPage:
    """Turns one `surface diagnose` result into a page; arguments as in `write_diagnosis_report`.

    Raises:
        KeyError: Something is missing in the result.
        ValueError: A number in it cannot be read.
        TypeError: Something in it is of another type.
    """
    data = result['dataset']
    classes = tuple(data['classes'])
    if dataset is not None:
        summary = tuple(data_rows(dataset))
    else:
        summary = (
            ('path', str(data['path'])),
            ('windows', count_text(data['windows'])),
            ('classes', ', '.join(classes)),
            ('digest', str(data['digest'])),
        )
    return ReportPage(
        title='Why this training goes as it does',
        lead=(
            f'A training on {count_text(data["windows"])} windows of {len(classes)} surfaces ({data["path"]}) was '
            'repeated with one thing changed at a time, to find why its loss moves as it does.'
        ),
        verdict='',
        classes=classes,
        scores=(),
        diagnosis=diagnosis_part(result, dataset),
        training=diagnosis_curve(result),
        training_note=_fluctuation_sentence(result['fluctuation']),
        data_summary=summary,
        configuration=(*value_rows(result['config']), ('seed', str(result['seed']))),
        command=str(result.get('command', '')),
    )


def _fluctuation_sentence(fluctuation: Mapping[str, Any]) -> str:
    rising, wobble = number(fluctuation['rising_share']), number(fluctuation['detrended_log_std'])
    texts = [
        *((f'rises in {100 * rising:.0f} % of the epochs',) if np.isfinite(rising) else ()),
        *((f'deviates from its trend by {100 * wobble:.1f} % of itself',) if np.isfinite(wobble) else ()),
    ]
    return f'The loss {" and ".join(texts)}.' if texts else ''


def verdict(scores: Sequence[ModelScore]) -> str:
    """Says in one sentence who wins, by balanced accuracy: the first of `scores` or one of the baselines after it."""
    if not scores:
        return 'Nothing was evaluated.'
    model, *baselines = scores
    if not baselines:
        return f'{model.name} reaches a balanced accuracy of {model.balanced_accuracy:.2f}.'
    best = max(baselines, key=lambda score: score.balanced_accuracy)
    lead = model.balanced_accuracy - best.balanced_accuracy
    if abs(lead) < 0.005:
        return (
            f'{model.name} and the best baseline ({best.name}) reach the same balanced accuracy, '
            f'{model.balanced_accuracy:.2f}.'
        )
    winner = f'{model.name} is ahead' if lead > 0 else 'The baseline is ahead'
    return (
        f'{winner} by {abs(lead):.2f}: {model.name} reaches a balanced accuracy of {model.balanced_accuracy:.2f}, '
        f'the best baseline ({best.name}) {best.balanced_accuracy:.2f}.'
    )


def model_score(name: str, truth: Ids, predicted: Ids, classes: tuple[str, ...]) -> ModelScore:
    """Scores one model on one set of windows.

    Args:
        name: What the reader sees.
        truth: True class ids, 0 to len(classes) - 1.
        predicted: Predicted class ids, same length.
        classes: Class names.
    """
    from surface_classifier.training.metrics import confusion, per_class_scores, scores

    values = scores(truth, predicted)
    return ModelScore(
        name=name,
        accuracy=values['accuracy'],
        balanced_accuracy=values['balanced_accuracy'],
        macro_f1=values['macro_f1'],
        confusion=confusion(truth, predicted, len(classes)),
        per_class=per_class_scores(truth, predicted, classes),
    )


def render_page(page: ReportPage) -> str:
    """Renders the page as one HTML document without references to anything outside it."""
    filters: dict[str, Callable[..., Any]] = {
        'score': lambda value: '–' if np.isnan(value) else f'{value:.3f}',
        'percent': lambda value: '–' if np.isnan(value) else f'{100 * value:.0f}\N{NARROW NO-BREAK SPACE}%',
        'count': count_text,
        'code_pieces': _code_pieces,
    }
    return open_template(Path(__file__).with_name('page.html.j2'), filters).render(
        page=page,
        training=training_pictures(page.training) if page.training is not None else (),
        curves=learning_curves(page.epochs) if page.epochs else (),
        matrices=[(score.name, _matrix_rows(score.confusion, page.classes)) for score in page.scores],
        class_table=_class_table(page),
        folds=any(score.per_fold for score in page.scores),
        sections=tuple(_sections(page)),
        version=__version__,
    )


def _sections(page: ReportPage) -> Iterable[tuple[str, str]]:
    """Yields anchor and name of each section, in the order of the template."""
    diagnosis = page.diagnosis
    yield from (
        (anchor, name)
        for anchor, name, there in (
            ('causes', 'Verdict' if diagnosis and len(diagnosis.cards) == 1 else 'Verdicts', diagnosis is not None),
            ('open', 'What is still unknown', diagnosis is not None and diagnosis.open_questions),
            ('training', 'The training', page.training is not None),
            ('suspects', 'Suspected labels', diagnosis is not None and diagnosis.suspects),
            ('scores', 'Scores', page.scores),
            ('confusion', 'Confusion matrix', page.scores),
            ('groups', 'Where it is right', page.groups),
            ('curves', 'Learning curves', page.epochs),
            ('recordings', page.recordings_title, page.recordings),
            ('sweep', 'Sweep', page.sweep is not None),
            ('trials', 'Trials', page.sweep is not None),
            ('data', 'Data', page.data_summary),
            ('configuration', page.configuration_title, page.configuration),
            ('model', 'Model', page.contract),
            ('again', 'Make this page again', page.command),
        )
        if there
    )


def data_rows(dataset: Dataset) -> Iterable[tuple[str, str]]:
    """Yields the rows of the data table: windows, span, channels, classes, digest."""
    yield 'windows', count_text(len(dataset.labels))
    if dataset.has_recordings:
        seconds = sum(info.seconds for info in dataset.recordings)
        yield 'recordings', f'{len(dataset.recordings)}, {seconds:.0f} s'
    window = dataset.config
    first_rate = window.parts[0].sample_rate_hz
    span = f'{window.window_samples} samples ({window.window_samples / first_rate:.2f} s)'
    stride = f'{window.stride_samples} samples ({window.stride_samples / first_rate:.2f} s)'
    yield 'window', f'{span}, a new one every {stride}'
    for part in window.parts:
        channels = ', '.join(f'{channel.name} [{channel.unit}]' for channel in part.channels)
        motion = ', which measure the motion' if part.role == 'motion' else ''
        yield f'part {part.name}', f'{part.sample_rate_hz:g} Hz: {channels}{motion}'
    labels = np.asarray(dataset.labels)
    for index, name in enumerate(dataset.classes):
        mine = labels == index
        of_recordings = len(np.unique(np.asarray(dataset.recording)[mine])) if dataset.has_recordings else None
        text = f'{count_text(int(mine.sum()))} windows'
        yield f'class {name}', text if of_recordings is None else f'{text} of {of_recordings} recordings'
    yield 'digest', dataset.digest


def contract_rows(contract: ModelContract) -> Iterable[tuple[str, str]]:
    """Yields the rows of the model table: every field of the contract."""
    yield from value_rows(contract.to_dict())


def value_rows(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yields a row for each value that is not None; nested values as YAML, which breaks into lines that can be read."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes lists of plain values in one line."""

    def represent_list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
        flat = not any(isinstance(item, list | dict) for item in data)
        return dumper.represent_sequence('tag:yaml.org,2002:seq', data, flow_style=flat)

    Dumper.add_representer(list, represent_list)
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping | list | tuple):
            text = yaml.dump(_plain(value), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100).strip()
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield key.replace('_', ' '), text


def _model_score(name: str, entry: Mapping[str, Any]) -> ModelScore:
    return ModelScore(
        name=name,
        accuracy=entry['accuracy'],
        balanced_accuracy=entry['balanced_accuracy'],
        macro_f1=entry['macro_f1'],
        confusion=entry['confusion'],
        per_class=entry['per_class'],
        per_fold=tuple(fold['balanced_accuracy'] for fold in entry['per_fold']),
    )


def _epoch_points(entries: Iterable[Mapping[str, Any]]) -> Iterable[EpochPoint]:
    for entry in entries:
        yield EpochPoint(
            run=f'fold {entry.get("fold", 0)}, seed {entry.get("seed", 0)}',
            epoch=int(entry['epoch']),
            loss=number(entry.get('loss')),
            validation_loss=number(entry.get('validation_loss')),
            validation_accuracy=number(entry.get('validation_accuracy')),
        )


def _recording_scores(predictions: Mapping[str, Any], classes: Sequence[str]) -> list[RecordingScore]:
    """One row per recording, the worst first."""
    rows = []
    for name, entry in predictions.items():
        truth = np.asarray(entry['truth'], dtype=np.int64)
        predicted = np.asarray(entry['predicted'], dtype=np.int64)
        if not len(truth):
            continue
        rows.append(recording_score(name, truth, predicted, classes))
    return sorted(rows, key=lambda row: (row.accuracy, row.name))


def recording_score(name: str, truth: Ids, predicted: Ids, classes: Sequence[str]) -> RecordingScore:
    """Sums up the windows of one recording; `truth` and `predicted` are class ids of its windows, at least one.

    A prediction of -1 is the last of the `classes`, as where unknown windows are counted.
    """
    wrong, counts = np.unique(predicted[predicted != truth], return_counts=True)
    return RecordingScore(
        name=name,
        surfaces=', '.join(classes[index] for index in np.unique(truth)),
        windows=len(truth),
        accuracy=float(np.mean(predicted == truth)),
        taken_for=classes[int(wrong[counts.argmax()])] if len(wrong) else '',
    )


def _matrix_rows(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the confusion table; `share` of the row's windows decides how dark a cell is."""
    rows = []
    for name, counts in zip(classes, confusion, strict=True):
        total = sum(counts)
        cells = [
            {'count': count, 'share': count / total if total else 0.0, 'right': classes[column] == name}
            for column, count in enumerate(counts)
        ]
        rows.append({'name': name, 'total': total, 'cells': cells})
    return rows


def _class_table(page: ReportPage) -> list[dict[str, Any]]:
    if not page.scores:
        return []
    first, *others = page.scores
    return [
        {'name': name, **first.per_class[name], 'others': [score.per_class[name]['f1'] for score in others]}
        for name in page.classes
    ]


def count_text(value: int) -> str:
    """A count with its thousands set apart."""
    return f'{int(value):,}'.replace(',', '\N{THIN SPACE}')


def _recordings_phrase(recordings: int) -> str:
    if not recordings:
        return 'recordings that are not known'
    return 'one recording' if recordings == 1 else f'{count_text(recordings)} recordings'


def _sentence(text: str) -> str:
    return text if text.endswith('.') else text + '.'


def _code_pieces(text: str) -> list[tuple[bool, str]]:
    """Splits a text at its backticks: pairs of whether a piece stood between two of them, and the piece."""
    pieces = text.split('`')
    if len(pieces) % 2 == 0:
        return [(False, text)]  # a lone backtick is one
    return [(index % 2 == 1, piece) for index, piece in enumerate(pieces)]


def _plain(value: Any) -> Any:
    """The same value of types that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
