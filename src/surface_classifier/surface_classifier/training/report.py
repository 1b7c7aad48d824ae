# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page that shows how well a model tells surfaces apart.

The page needs no network and no other file: figures are inlined, text stays text. It is built in two steps, so that the
demo can show a live drive on the same page as `surface evaluate` shows folds: a `ReportPage` holds what is shown, and
`render_page` turns it into HTML. Given the same input, the same bytes come out.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from surface_classifier import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from surface_classifier.data.dataset import Dataset
    from surface_classifier.model.contract import ModelContract

Ids = npt.NDArray[np.int64]

MODEL_TITLES = {
    'lstm': 'LSTM',
    'trees': 'ExtraTrees on levels',
    'nearest_mean': 'Nearest mean',
    'majority': 'Majority class',
}
_PALETTE = ('#2f6db5', '#c8702a', '#3d8f5f', '#8a5bb0', '#b8433f', '#6c7680', '#b39b1d', '#2f9aa5')


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
class EpochPoint:
    """One epoch of one training run; losses in nat, NaN where there is none."""

    run: str
    epoch: int
    loss: float
    validation_loss: float
    validation_accuracy: float


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
class Picture:
    """A finished picture: heading, SVG text, what it shows for who cannot see it, and the line under it."""

    title: str
    svg: str
    alt: str
    caption: str = ''

    @property
    def data_uri(self) -> str:
        """The picture as a data URI; as an image it cannot clash with the ids of another SVG on the page."""
        return 'data:image/svg+xml;base64,' + base64.b64encode(self.svg.encode()).decode()


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
        recordings: One row per recording or stretch.
        recordings_title: Heading above these rows.
        figures: Further pictures, such as a drive over time.
        data_summary: Rows of the table that describes the data.
        contract: Rows of the table that describes the model.
        notes: What a reader of the scores should know.
        command: What to type to make this page again.
    """

    title: str
    lead: str
    verdict: str
    classes: tuple[str, ...]
    scores: tuple[ModelScore, ...]
    epochs: tuple[EpochPoint, ...] = ()
    recordings: tuple[RecordingScore, ...] = ()
    recordings_title: str = 'Per recording'
    figures: tuple[Picture, ...] = ()
    data_summary: tuple[tuple[str, str], ...] = ()
    contract: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ''


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
    page = evaluation_page(result, command=command, dataset=dataset, contract=contract, title=title)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(page), encoding='utf-8')
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
        f'{_count(result["windows"])} windows of {_recordings_phrase(result["recordings"])}, {len(classes)} surfaces. '
        f'{_sentence(result["protocol"])}'
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
        recordings=tuple(_recording_scores(first['predictions'], classes)) if first else (),
        data_summary=tuple(data_rows(dataset)) if dataset is not None else (),
        contract=tuple(contract_rows(contract)) if contract is not None else (),
        notes=tuple(result.get('notes', ())),
        command=command,
    )


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
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['score'] = lambda value: '–' if np.isnan(value) else f'{value:.3f}'
    environment.filters['percent'] = lambda value: '–' if np.isnan(value) else f'{100 * value:.0f} %'
    environment.filters['count'] = _count
    figures = list(page.figures)
    if page.epochs:
        figures.append(learning_curves(page.epochs))
    return environment.get_template('report.html.j2').render(
        page=page,
        figures=figures,
        matrices=[(score.name, _matrix_rows(score.confusion, page.classes)) for score in page.scores],
        class_table=_class_table(page),
        folds=any(score.per_fold for score in page.scores),
        version=__version__,
    )


def learning_curves(epochs: Sequence[EpochPoint]) -> Picture:
    """Draws loss and held-out accuracy per epoch: every run thin, their mean bold where there is more than one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.1), layout='constrained')
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    runs = sorted({point.run for point in epochs})
    curves = {
        'training loss': (loss_axes, _PALETTE[0], 'loss'),
        'held-out loss': (loss_axes, _PALETTE[1], 'validation_loss'),
        'held-out balanced accuracy': (accuracy_axes, _PALETTE[2], 'validation_accuracy'),
    }
    for label, (axes, colour, attribute) in curves.items():
        by_epoch: dict[int, list[float]] = {}
        for run in runs:
            points = [point for point in epochs if point.run == run and not np.isnan(getattr(point, attribute))]
            values = [getattr(point, attribute) for point in points]
            for point, value in zip(points, values, strict=True):
                by_epoch.setdefault(point.epoch, []).append(value)
            alone = len(runs) == 1
            axes.plot(
                [point.epoch for point in points],
                values,
                color=colour,
                linewidth=1.8 if alone else 0.7,
                alpha=1.0 if alone else 0.4,
                label=label if alone and points else None,
            )
        if len(runs) > 1 and by_epoch:
            ordered = sorted(by_epoch)
            axes.plot(
                ordered,
                [float(np.mean(by_epoch[epoch])) for epoch in ordered],
                color=colour,
                linewidth=2.0,
                label=f'{label}, mean of {len(runs)} runs',
            )
    loss_axes.set_ylabel('cross-entropy [nat]')
    loss_axes.set_ylim(bottom=0.0)
    accuracy_axes.set_ylabel('balanced accuracy [1]')
    accuracy_axes.set_ylim(0.0, 1.0)
    for axes in (loss_axes, accuracy_axes):
        axes.set_xlabel('epoch')
        style_axes(axes)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=8)
    return Picture(
        'Learning curves',
        figure_svg(figure),
        alt='Training loss, held-out loss and held-out balanced accuracy by epoch',
        caption='Held-out means recordings that were kept out of the training steps, for early stopping.',
    )


def drive_timeline(
    classes: Sequence[str],
    seconds: npt.NDArray[np.float64],
    truth: Sequence[str],
    predicted: Sequence[str],
    confidence: npt.NDArray[np.float64],
    current_seconds: npt.NDArray[np.float64],
    current_a: npt.NDArray[np.float64],
) -> Picture:
    """Draws one drive over time: motor current, true surface above labelled surface, and confidence.

    Args:
        classes: Class names, in the order of their colours.
        seconds: (windows,) end of every window since the start of the drive [s].
        truth: True surface at the end of every window; empty where there is none.
        predicted: Label of every window.
        confidence: (windows,) confidence of every label, 0 to 1.
        current_seconds: (samples,) time of every current sample since the start of the drive [s].
        current_a: (samples,) motor current, mean over the motors [A].
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(9.0, 4.0), layout='constrained')
    current_axes, strip_axes, confidence_axes = figure.subplots(
        3, 1, sharex=True, gridspec_kw={'height_ratios': [2.2, 1.1, 1.2]}
    )
    current_axes.fill_between(*_envelope(current_seconds, current_a), color='#44505c', linewidth=0.4)
    current_axes.set_ylabel('current [A]')
    colours = {name: _PALETTE[index % len(_PALETTE)] for index, name in enumerate(classes)}
    step_s = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    for row, names in ((1, truth), (0, predicted)):
        # Equal neighbours are drawn as one bar: separate ones leave hairlines between them.
        starts = [k for k in range(len(names)) if k == 0 or names[k] != names[k - 1]]
        ends = [*starts[1:], len(names)]
        strip_axes.broken_barh(
            [
                (seconds[k] - step_s, seconds[end - 1] - seconds[k] + step_s)
                for k, end in zip(starts, ends, strict=True)
            ],
            (row + 0.09, 0.82),
            facecolors=[colours.get(names[k], '#d5d9dd') for k in starts],
            linewidth=0,
        )
    strip_axes.set_yticks([0.5, 1.5], ['label', 'truth'])
    strip_axes.set_ylim(0, 2)
    strip_axes.tick_params(axis='y', length=0)
    confidence_axes.plot(seconds, confidence, color='#44505c', linewidth=0.8)
    confidence_axes.set_ylim(0.0, 1.0)
    confidence_axes.set_ylabel('confidence')
    confidence_axes.set_xlabel('time in the drive [s]')
    for axes in (current_axes, confidence_axes):
        style_axes(axes)
    for side in ('top', 'right', 'left', 'bottom'):
        strip_axes.spines[side].set_visible(False)
    if len(seconds):
        strip_axes.set_xlim(0.0, float(seconds[-1]))
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in colours.items()],
        loc='outside upper center',
        ncols=min(len(colours), 6),
        frameon=False,
        fontsize=8,
    )
    return Picture(
        'The drive',
        figure_svg(figure),
        alt='Motor current, true and labelled surface, and confidence over the drive',
        caption='The drive as the live nodes saw it. Every label stands at the end of its window, so it follows a '
        'change of surface by up to one window.',
    )


def _envelope(
    seconds: npt.NDArray[np.float64], values: npt.NDArray[np.float64], bins: int = 1500
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper bound of a signal in at most `bins` spans: all that a line this wide can show."""
    size = max(1, -(-len(values) // bins))
    starts = np.arange(0, len(values), size)
    if not len(starts):
        return seconds, values, values
    return seconds[starts], np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)


def style_axes(axes: Any) -> None:
    """Gives matplotlib axes the look of the page: no box, light grid."""
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
    for side in ('left', 'bottom'):
        axes.spines[side].set_color('#9aa3ab')
    axes.grid(visible=True, color='#e4e7ea', linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, color='#9aa3ab')


def figure_svg(figure: Figure) -> str:
    """Returns a figure as SVG text, without a date and with ids that do not change from run to run."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({'svg.hashsalt': 'surface_classifier', 'svg.fonttype': 'path'}):
        figure.savefig(buffer, format='svg', metadata={'Date': None, 'Creator': None})
    text = buffer.getvalue()
    return text[text.index('<svg') :]


def data_rows(dataset: Dataset) -> Iterable[tuple[str, str]]:
    """Yields the rows of the data table: windows, span, channels, classes, digest."""
    yield 'windows', _count(len(dataset.labels))
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
        yield f'part {part.name}', f'{part.sample_rate_hz:g} Hz: {channels}'
    labels = np.asarray(dataset.labels)
    for index, name in enumerate(dataset.classes):
        mine = labels == index
        of_recordings = len(np.unique(np.asarray(dataset.recording)[mine])) if dataset.has_recordings else None
        text = f'{_count(int(mine.sum()))} windows'
        yield f'class {name}', text if of_recordings is None else f'{text} of {of_recordings} recordings'
    yield 'digest', dataset.digest


def contract_rows(contract: ModelContract) -> Iterable[tuple[str, str]]:
    """Yields the rows of the model table: every field of the contract, nested ones as compact JSON."""
    for key, value in contract.to_dict().items():
        if value is None:
            continue
        yield key.replace('_', ' '), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
    def number(entry: Mapping[str, Any], key: str) -> float:
        value = entry.get(key)
        return float('nan') if value is None else float(value)

    for entry in entries:
        yield EpochPoint(
            run=f'fold {entry.get("fold", 0)}, seed {entry.get("seed", 0)}',
            epoch=int(entry['epoch']),
            loss=number(entry, 'loss'),
            validation_loss=number(entry, 'validation_loss'),
            validation_accuracy=number(entry, 'validation_accuracy'),
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
    """Sums up the windows of one recording; `truth` and `predicted` are class ids of its windows, at least one."""
    wrong = predicted[predicted != truth]
    return RecordingScore(
        name=name,
        surfaces=', '.join(classes[index] for index in np.unique(truth)),
        windows=len(truth),
        accuracy=float(np.mean(predicted == truth)),
        taken_for=classes[int(np.bincount(wrong).argmax())] if len(wrong) else '',
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


def _count(value: int) -> str:
    return f'{int(value):,}'.replace(',', '\N{THIN SPACE}')


def _recordings_phrase(recordings: int) -> str:
    if not recordings:
        return 'recordings that are not known'
    return 'one recording' if recordings == 1 else f'{_count(recordings)} recordings'


def _sentence(text: str) -> str:
    return text if text.endswith('.') else text + '.'
