# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the HTML page: training curves, arms of a diagnosis, suspected windows, a sweep, a drive over time.

Each picture is SVG text made by matplotlib without a date and with fixed ids, so that the same input gives the same
bytes. Panels are drawn at the width of a phone, so that their text can be read there; the page puts two beside each
other where there is room.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from surface_classifier.data.dataset import Dataset

Values = npt.NDArray[np.float64]

PALETTE = ('#2f6db5', '#c8702a', '#3d8f5f', '#8a5bb0', '#b8433f', '#6c7680', '#b39b1d', '#2f9aa5')
INK = '#44505c'
FAINT = '#aab3bb'

# Arms in which nothing is changed, from the start and from the fork on; and the colours of the others, without a grey.
UNCHANGED = {'as_configured': INK, 'same': '#7d8b98'}
_ARM_COLOURS = (
    *(colour for colour in PALETTE if colour != '#6c7680'),
    '#d0629a',
    '#6b8e23',
    '#7a4f2b',
    '#1f3f77',
    '#e0a13a',
)

_PANEL_INCHES = (4.5, 2.9)
_DRAWN_POINTS = 400  # of a band or of raw steps: more cannot be distinguished at this width
_CHOICES = 8  # settings of a parameter that stand side by side rather than on a scale
_LOG_RATIO = 30.0  # a loss that spans more than this is drawn on a logarithmic axis
_SMALLEST_LOSS = 1e-7  # a cross-entropy below this is rounding in float32 [nat]


@dataclass(frozen=True)
class EpochPoint:
    """One epoch of one training run; losses in nat, NaN where there is none.

    Attributes:
        run: Which run, where there are several.
        epoch: From 1.
        loss: Mean training loss [nat].
        validation_loss: Loss on the held-out recordings [nat].
        validation_accuracy: Balanced accuracy on the held-out recordings, 0 to 1.
        loss_noise: Standard deviation of the loss over the steps of the epoch [nat].
        training_accuracy: Balanced accuracy on the training windows, 0 to 1.
    """

    run: str
    epoch: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    loss_noise: float = float('nan')
    training_accuracy: float = float('nan')


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    Attributes:
        title: Heading.
        svg: The picture as SVG text.
        alt: What it shows, for who cannot see it.
        caption: The line under it.
        wide: Whether it needs the whole width of the page; others stand side by side.
    """

    title: str
    svg: str
    alt: str
    caption: str = ''
    wide: bool = False

    @property
    def data_uri(self) -> str:
        """The picture as a data URI; as an image it cannot clash with the ids of another SVG on the page."""
        return 'data:image/svg+xml;base64,' + base64.b64encode(self.svg.encode()).decode()


@dataclass(frozen=True)
class Arm:
    """One arm of a diagnosis: the same training with one thing changed.

    Attributes:
        name: Its name, as the verdicts refer to it.
        description: What was changed.
        loss: (epochs,) mean loss over its runs [nat]; empty where the arm has no curve.
        low: (epochs,) lowest loss over its runs [nat].
        high: (epochs,) highest loss over its runs [nat].
        accuracy: Balanced accuracy on held-out windows, 0 to 1; NaN where it was not measured.
        colour: The same in every picture of a page.
        forked: Whether it went on from a checkpoint of the training as configured.
        first_epoch: Epoch of its first loss; from the fork for a forked arm where the epoch of the fork is not known.
    """

    name: str
    description: str
    loss: Values
    low: Values
    high: Values
    accuracy: float
    colour: str
    forked: bool = False
    first_epoch: int = 1


@dataclass(frozen=True)
class TrainingCurve:
    """How the loss went, by epoch and by step.

    Attributes:
        epochs: The epochs of one run.
        step_losses: (steps,) loss of every step [nat]; empty where they were not kept.
        steps_per_epoch: Steps in an epoch.
        low: (epochs,) lowest loss over its repetitions on other folds or seeds [nat]; empty where there are none.
        high: (epochs,) highest loss over them [nat].
    """

    epochs: tuple[EpochPoint, ...]
    step_losses: Values
    steps_per_epoch: int
    low: Values
    high: Values


def training_pictures(curve: TrainingCurve) -> tuple[Picture, ...]:
    """Draws one run: loss by epoch with its noise band, loss by step, and held-out accuracy where there is one."""
    pictures = [_epoch_picture(curve)]
    if len(curve.step_losses):
        pictures.append(_step_picture(curve))
    if any(np.isfinite([point.training_accuracy, point.validation_accuracy]).any() for point in curve.epochs):
        pictures.append(_accuracy_picture(curve))
    return tuple(pictures)


def _accuracy_picture(curve: TrainingCurve) -> Picture:
    figure, axes = _panel()
    epochs = [point.epoch for point in curve.epochs]
    for label, attribute, colour in (
        ('training', 'training_accuracy', PALETTE[0]),
        ('held out', 'validation_accuracy', PALETTE[1]),
    ):
        accuracies = np.array([getattr(point, attribute) for point in curve.epochs])
        if np.isfinite(accuracies).any():
            axes.plot(epochs, accuracies, color=colour, linewidth=_line_width(len(epochs)), label=label)
    axes.set_ylim(0.0, 1.02)
    axes.set_ylabel('balanced accuracy [1]')
    _epoch_axis(axes)
    _legend(axes)
    return Picture(
        'Accuracy by epoch',
        figure_svg(figure),
        alt='Balanced accuracy by epoch',
        caption='Held out are windows that were kept out of the training steps.',
    )


def _epoch_picture(curve: TrainingCurve) -> Picture:
    figure, axes = _panel()
    epochs = np.array([point.epoch for point in curve.epochs], dtype=np.float64)
    losses = np.array([point.loss for point in curve.epochs])
    noise = np.array([point.loss_noise for point in curve.epochs])
    held_out = np.array([point.validation_loss for point in curve.epochs])
    drawn = [losses, curve.step_losses, curve.low, curve.high, held_out]
    caption = 'Mean training loss of each epoch'
    if len(curve.step_losses):
        steps = (np.arange(len(curve.step_losses)) + 0.5) / curve.steps_per_epoch + 0.5
        _draw_raw(axes, steps, curve.step_losses, 'steps', curve.steps_per_epoch)
        caption += '; grey, the losses of its steps'
    if len(curve.low):
        _draw_band(axes, epochs, curve.low, curve.high, PALETTE[0], 'repetitions')
        caption += '; the band lies between the lowest and the highest of its repetitions'
    elif np.isfinite(noise).any():
        _draw_band(axes, epochs, losses - noise, losses + noise, PALETTE[0], '± 1 std')
        drawn += [np.maximum(losses - noise, 0.0), losses + noise]
        caption += '; the band is one standard deviation of its steps up and down'
    axes.plot(epochs, losses, color=PALETTE[0], linewidth=_line_width(len(epochs)), label='mean')
    if np.isfinite(held_out).any():
        axes.plot(epochs, held_out, color=PALETTE[1], linewidth=_line_width(len(epochs)), label='held out')
    _loss_axis(axes, drawn)
    _epoch_axis(axes)
    _legend(axes)
    return Picture('Loss by epoch', figure_svg(figure), alt='Training loss by epoch', caption=f'{caption}.')


def _step_picture(curve: TrainingCurve) -> Picture:
    figure, axes = _panel()
    losses = curve.step_losses
    _draw_raw(axes, np.arange(1.0, len(losses) + 1.0), losses, 'steps', -(-len(losses) // (2 * _DRAWN_POINTS)))
    ends = np.arange(curve.steps_per_epoch, len(losses) + 1, curve.steps_per_epoch)
    if curve.steps_per_epoch > 1 and len(ends):
        means = losses[: ends[-1]].reshape(len(ends), curve.steps_per_epoch).mean(axis=1)
        axes.plot(ends, means, color=PALETTE[0], linewidth=_line_width(len(ends)), label='mean of an epoch')
    _loss_axis(axes, [losses])
    axes.set_xlabel('step')
    _legend(axes)
    steps = '1 step' if curve.steps_per_epoch == 1 else f'{curve.steps_per_epoch} steps'
    return Picture(
        'Loss by step',
        figure_svg(figure),
        alt='Training loss by step',
        caption=f'Every step of the optimiser, {steps} an epoch.',
    )


def learning_curves(epochs: Sequence[EpochPoint]) -> tuple[Picture, ...]:
    """Draws loss and held-out accuracy per epoch: every run thin, their mean bold where there is more than one."""
    loss_figure, loss_axes = _panel()
    accuracy_figure, accuracy_axes = _panel()
    runs = sorted({point.run for point in epochs})
    curves = {
        'training': (loss_axes, PALETTE[0], 'loss'),
        'held out': (loss_axes, PALETTE[1], 'validation_loss'),
        'held out ': (accuracy_axes, PALETTE[2], 'validation_accuracy'),
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
                linewidth=1.6 if alone else 0.6,
                alpha=1.0 if alone else 0.35,
                label=label if alone and points else None,
            )
        if len(runs) > 1 and by_epoch:
            ordered = sorted(by_epoch)
            axes.plot(
                ordered,
                [float(np.mean(by_epoch[epoch])) for epoch in ordered],
                color=colour,
                linewidth=2.0,
                label=f'{label.strip()}, mean of {len(runs)} runs',
            )
    loss_axes.set_ylabel('cross-entropy [nat]')
    loss_axes.set_ylim(bottom=0.0)
    accuracy_axes.set_ylabel('balanced accuracy [1]')
    accuracy_axes.set_ylim(0.0, 1.02)
    for axes in (loss_axes, accuracy_axes):
        _epoch_axis(axes)
        _legend(axes)
    pictures = [
        Picture(
            'Loss by epoch',
            figure_svg(loss_figure),
            alt='Training loss and held-out loss by epoch',
            caption='Held-out means recordings that were kept out of the training steps, for early stopping.',
        )
    ]
    if any(np.isfinite(point.validation_accuracy) for point in epochs):
        pictures.append(
            Picture(
                'Accuracy by epoch',
                figure_svg(accuracy_figure),
                alt='Balanced accuracy on held-out recordings by epoch',
                caption='Mean recall of the surfaces in the held-out recordings.',
            )
        )
    return tuple(pictures)


def arms_picture(arms: Sequence[Arm], title: str) -> Picture:
    """Draws the loss curves of arms with the span of their runs, or their accuracies where no arm has a curve.

    Args:
        arms: The arms, at least one.
        title: Heading.
    """
    names = ', '.join(_words(arm.name) for arm in arms)
    with_curve = [arm for arm in arms if len(arm.loss)]
    if not with_curve:
        return _accuracies_picture(arms, title)
    figure, axes = _panel()
    for arm in with_curve:
        epochs = arm.first_epoch + np.arange(len(arm.loss), dtype=np.float64)
        _draw_band(axes, epochs, arm.low, arm.high, arm.colour, None)
        axes.plot(epochs, arm.loss, color=arm.colour, linewidth=_line_width(len(epochs)), label=_words(arm.name))
    _loss_axis(axes, [values for arm in with_curve for values in (arm.loss, arm.low, arm.high)])
    from_fork = [arm.forked and arm.first_epoch == 1 for arm in with_curve]
    _epoch_axis(
        axes,
        'epoch since the fork'
        if all(from_fork)
        else 'epoch; forked arms: since the fork'
        if any(from_fork)
        else 'epoch',
    )
    _legend(axes)
    return Picture(title, figure_svg(figure), alt=f'Loss by epoch of the arms {names}')


def _accuracies_picture(arms: Sequence[Arm], title: str) -> Picture:
    measured = [arm for arm in arms if np.isfinite(arm.accuracy)]
    figure, axes = _panel(height=0.75 + 0.34 * len(measured))
    places = np.arange(len(measured))[::-1]
    axes.barh(places, [arm.accuracy for arm in measured], color=[arm.colour for arm in measured], height=0.62)
    for place, arm in zip(places, measured, strict=True):
        axes.text(arm.accuracy + 0.015, place, f'{arm.accuracy:.2f}', va='center', fontsize=8.5, color=INK)
    axes.set_yticks(places, [_words(arm.name) for arm in measured])
    axes.tick_params(axis='y', length=0)
    axes.set_xlim(0.0, 1.1)
    axes.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
    axes.set_xlabel('balanced accuracy [1]')
    axes.grid(visible=False, axis='y')
    names = ', '.join(_words(arm.name) for arm in arms)
    return Picture(title, figure_svg(figure), alt=f'Held-out accuracy of the arms {names}')


def window_picture(dataset: Dataset, window: int, typical: Mapping[str, int]) -> Picture:
    """Draws one window above typical windows of the surfaces it may belong to.

    Args:
        dataset: The data set.
        window: Index of the window.
        typical: Index of a typical window by surface; drawn fainter, below.
    """
    from matplotlib.figure import Figure

    rows = [('this window', window), *((f'a typical {name} window', index) for name, index in typical.items())]
    parts = dataset.config.parts
    figure = Figure(figsize=(_PANEL_INCHES[0], 0.5 + 0.85 * len(rows)), layout='constrained')
    grid = figure.subplots(len(rows), len(parts), squeeze=False, sharex='col', sharey='col')
    for column, part in enumerate(parts):
        values = dataset.parts[part.name]
        units = {channel.unit for channel in part.channels}
        for row, (name, index) in enumerate(rows):
            axes = grid[row][column]
            samples = np.asarray(values[index])
            seconds = np.arange(len(samples)) / part.sample_rate_hz
            for channel in range(samples.shape[1]):
                # The faint rows are a background to compare with, the first row is what is asked about.
                axes.plot(
                    seconds,
                    samples[:, channel],
                    color=PALETTE[channel % len(PALETTE)] if row == 0 else '#8a97a3',
                    linewidth=1.0,
                    alpha=1.0 if row == 0 else 0.9 - 0.35 * channel / samples.shape[1],
                )
            style_axes(axes)
            if column == 0:
                axes.set_title(name, loc='left', fontsize=8.5, color=INK if row == 0 else '#76808a', pad=2)
        grid[-1][column].set_xlabel('time in the window [s]', fontsize=8.5)
        if len(units) == 1:
            quantity = part.name if len(parts) > 1 else 'current' if units == {'A'} else part.name
            grid[0][column].set_ylabel(f'{quantity} [{units.pop()}]', fontsize=8.5)
    return Picture(f'window {window}', figure_svg(figure), alt=f'Samples of window {window} over time')


def importance_picture(importances: Mapping[str, float]) -> Picture:
    """Draws the share of each parameter in what the outcome of a sweep depended on, the largest first."""
    ordered = sorted(importances.items(), key=lambda item: (-item[1], item[0]))
    figure, axes = _panel(height=0.75 + 0.34 * len(ordered))
    places = np.arange(len(ordered))[::-1]
    shares = [share for _, share in ordered]
    axes.barh(places, shares, color=PALETTE[0], height=0.62)
    for place, share in zip(places, shares, strict=True):
        axes.text(share + 0.012 * max(shares), place, f'{100 * share:.0f} %', va='center', fontsize=8.5, color=INK)
    axes.set_yticks(places, [_words(name) for name, _ in ordered])
    axes.tick_params(axis='y', length=0)
    axes.set_xlim(0.0, 1.16 * max(shares) or 1.0)
    axes.set_xlabel('share of the importance [1]')
    axes.grid(visible=False, axis='y')
    return Picture(
        'What mattered',
        figure_svg(figure),
        alt='Importance of each parameter',
        caption='How much of the differences between the trials goes back to each parameter.',
    )


def trials_picture(
    numbers: Sequence[int], values: Sequence[float], best: Sequence[float], best_value: float
) -> Picture:
    """Draws the outcome of every trial of a sweep in their order, and the best so far.

    Args:
        numbers: Numbers of the trials.
        values: Their outcomes.
        best: The best outcome up to each trial.
        best_value: The best of all.
    """
    figure, axes = _panel()
    axes.plot(numbers, best, color=PALETTE[1], linewidth=1.4, drawstyle='steps-post', label='best so far')
    axes.plot(numbers, values, color=PALETTE[0], linestyle='none', marker='o', markersize=3.2, label='trial')
    where = list(values).index(best_value)
    axes.plot([numbers[where]], [best_value], color=PALETTE[1], linestyle='none', marker='o', markersize=6)
    axes.set_xlabel('trial')
    axes.set_ylabel('balanced accuracy [1]')
    _legend(axes)
    return Picture('Trials', figure_svg(figure), alt='Outcome of every trial in their order')


def slice_picture(name: str, settings: Sequence[Any], values: Sequence[float], best_value: float) -> Picture:
    """Draws the outcome of the trials of a sweep against one parameter.

    Args:
        name: Name of the parameter.
        settings: Its value in each trial, numbers or anything else, not None.
        values: The outcomes.
        best_value: The best of them.
    """
    figure, axes = _panel()
    numeric = all(isinstance(setting, int | float) and not isinstance(setting, bool) for setting in settings)
    choices = sorted(set(settings)) if numeric else sorted({_words(str(setting)) for setting in settings})
    if numeric and len(choices) > _CHOICES:
        places = [float(setting) for setting in settings]
        if min(places) > 0 and max(places) / min(places) > _LOG_RATIO:
            axes.set_xscale('log')
    else:
        places = [float(choices.index(setting if numeric else _words(str(setting)))) for setting in settings]
        axes.set_xticks(range(len(choices)), [f'{choice:g}' if numeric else choice for choice in choices])
        axes.set_xlim(-0.5, len(choices) - 0.5)
    axes.plot(places, values, color=PALETTE[0], linestyle='none', marker='o', markersize=3.6, alpha=0.75)
    best = [place for place, value in zip(places, values, strict=True) if value == best_value]
    axes.plot(best, [best_value] * len(best), color=PALETTE[1], linestyle='none', marker='o', markersize=6)
    axes.set_xlabel(_words(name))
    axes.set_ylabel('balanced accuracy [1]')
    return Picture(f'By {_words(name)}', figure_svg(figure), alt=f'Outcome of the trials by {_words(name)}')


def arm_colours(names: Iterable[str]) -> dict[str, str]:
    """Gives every arm a colour of its own; the unchanged ones are grey."""
    others = [name for name in names if name not in UNCHANGED]
    return {**UNCHANGED, **{name: _ARM_COLOURS[index % len(_ARM_COLOURS)] for index, name in enumerate(others)}}


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
    colours = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(classes)}
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
    legend_above(
        figure,
        'upper center',
        handles=[Patch(color=colour, label=name) for name, colour in colours.items()],
        ncols=min(len(colours), 6),
        fontsize=8,
    )
    return Picture(
        'The drive',
        figure_svg(figure),
        alt='Motor current, true and labelled surface, and confidence over the drive',
        caption='The drive as the live nodes saw it. Every label stands at the end of its window, so it follows a '
        'change of surface by up to one window.',
        wide=True,
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


def _panel(height: float = _PANEL_INCHES[1]) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL_INCHES[0], height), layout='constrained')
    axes = figure.subplots()
    style_axes(axes)
    axes.tick_params(labelsize=8.5)
    return figure, axes


def legend_above(figure: Figure, place: str, *, ncols: int, fontsize: float, **options: Any) -> None:
    """Put a legend above every axes of a figure whose layout is constrained.

    Args:
        figure: The figure.
        place: `upper left` or `upper center`.
        ncols: Columns of the legend.
        fontsize: Size of its text [pt].
        **options: More options of `Figure.legend`.
    """
    import matplotlib

    options |= {'ncols': ncols, 'fontsize': fontsize, 'frameon': False}
    if matplotlib.__version_info__ >= (3, 7):
        figure.legend(**options, loc=f'outside {place}')  # type: ignore[call-overload]
        return
    # Before 3.7 a legend of a figure takes no room from the axes: it is taken here.
    legend = figure.legend(**options, loc=place)  # type: ignore[call-overload]
    rows = -(-len(legend.get_texts()) // ncols)
    height = (rows * 1.6 * fontsize + 8.0) / 72.0 / figure.get_size_inches()[1]
    figure.set_layout_engine('constrained', rect=(0.0, 0.0, 1.0, 1.0 - height))


def _legend(axes: Axes) -> None:
    """Puts the legend above the axes, where it hides nothing."""
    labels = axes.get_legend_handles_labels()[1]
    if labels:
        columns = 3 if sum(map(len, labels)) < 34 else 2
        legend_above(cast('Figure', axes.figure), 'upper left', ncols=columns, fontsize=8.5, handlelength=1.4)


def _epoch_axis(axes: Axes, label: str = 'epoch') -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel(label)


def _line_width(points: int) -> float:
    """Thinner for curves of so many points that neighbours touch."""
    return 1.4 if points < _DRAWN_POINTS else 0.8


def _loss_axis(axes: Axes, losses: Sequence[Values]) -> None:
    """Labels the axis of a loss, and makes it logarithmic where the loss spans orders of magnitude."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_ylabel('cross-entropy [nat]')
    values = np.concatenate(losses)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    lowest = max(float(values.min()), _SMALLEST_LOSS)
    highest = float(values.max())
    if highest > _LOG_RATIO * lowest:
        axes.set_yscale('log')
        axes.set_ylim(lowest / 1.3, highest * 1.3)
        # Two or three decades have room for numbers in between; more decades are labelled by their powers.
        if highest < 2000 * lowest:
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
            axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0.0, 1.05 * highest or 1.0)


def _draw_band(axes: Axes, places: Values, low: Values, high: Values, colour: str, label: str | None) -> None:
    """Fills the span between two curves, both thinned where there are more points than can be seen."""
    size = max(1, -(-len(places) // _DRAWN_POINTS))
    starts = np.arange(0, len(places), size)
    axes.fill_between(
        places[starts],
        np.maximum(np.fmin.reduceat(low, starts), _SMALLEST_LOSS),
        np.fmax.reduceat(high, starts),
        color=colour,
        alpha=0.2,
        linewidth=0,
        label=label,
    )


def _draw_raw(axes: Axes, places: Values, losses: Values, label: str, span: int) -> None:
    """Draws the loss of every step thin and pale; from lowest to highest of `span` steps where there are too many."""
    if len(losses) <= 2 * _DRAWN_POINTS:
        axes.plot(places, losses, color=FAINT, linewidth=0.6, label=label)
        return
    starts = np.arange(0, len(losses), span)
    axes.fill_between(
        places[starts],
        np.fmin.reduceat(losses, starts),
        np.fmax.reduceat(losses, starts),
        color='#dfe4e8',
        linewidth=0,
        label=label,
    )


def _words(name: str) -> str:
    return name.replace('_', ' ')
