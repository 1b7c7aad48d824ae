# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The page of the forum question: is it normal, and why, every claim with its arms and seeds, and the curves.

The page needs no network and no other file. Given the same runs, the same bytes come out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from current_driver.files.result_files import write_result
from surface_classifier import __version__
from surface_classifier.report.figures import PALETTE, Picture, figure_svg, legend_above, style_axes
from surface_classifier.report.page_template import open_template
from surface_classifier.reproduce.forum_claims import (
    ABOUT_800_EPOCHS,
    ACCURACY_MARGIN,
    BATCHES,
    GRIDS,
    JUMPING_LOG_STD,
    JUMPING_RISING_SHARE,
    LEARNT_ACCURACY,
    NEEDED_SEEDS,
    NETWORKS,
    OPTIMIZERS,
    RATIO_MARGIN,
    Arm,
    ClaimResult,
    ClaimTestResult,
    Run,
    answers,
    format_value,
)
from surface_classifier.reproduce.forum_runs import FRESH_WINDOWS, ForumResult
from surface_classifier.reproduce.forum_task import ForumTask, forum_task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BY = {'user': 'the user', 'answer': 'the answer they were given', 'ours': 'this project'}
_SIGNS = {'holds': '\N{HEAVY CHECK MARK}', 'fails': '\N{HEAVY MULTIPLICATION X}', 'undecided': '\N{EN DASH}'}
_LINE_SPANS = 180  # of a curve, each drawn by its lowest and its highest value: all that a panel this wide can show
_BAND_SPANS = 90
_SMALLEST_DRAWN = 1e-5  # losses below are drawn there [nat]

Values = NDArray[np.float64]

PAGE_FILE = 'fluctuating_loss.html'


def write_forum_page(path: str | Path, result: ForumResult, *, command: str) -> Path:
    """Write the page.

    Args:
        path: HTML file to write; its folder is made.
        result: What `reproduce_fluctuating_loss` returned.
        command: What to type to make this page again.

    Returns:
        The file that was written.
    """
    path = Path(path)
    write_result(path, render_forum_page(result, command=command), 'page')
    return path


def render_forum_page(result: ForumResult, *, command: str) -> str:
    """Render the page as one HTML document without references to anything outside it; arguments as above."""
    settings = result.settings
    return open_template(Path(__file__).with_name('forum_page.html.j2')).render(
        settings=settings,
        answers=answers(result.claims),
        claims=[_claim_view(number, claim, result) for number, claim in enumerate(result.claims, 1)],
        windows_picture=_windows_picture(forum_task(settings.generator, 0, settings.windows, settings.samples)),
        pictures=_fluctuation_pictures(result),
        grids=_grid_rows(result),
        others=[_panel(arm, arm.title, result.of(arm.name)) for arm in _others(result)],
        arms=[_arm_row(arm, result.of(arm.name)) for arm in result.arms.values()],
        runs=len(result.runs),
        planned=result.planned,
        core_minutes=sum(run.seconds for run in result.runs.values()) / 60.0,
        shorter=_shorter(result),
        limits={
            'rising': JUMPING_RISING_SHARE,
            'log_std': JUMPING_LOG_STD,
            'ratio': RATIO_MARGIN,
            'accuracy': ACCURACY_MARGIN,
            'seeds': NEEDED_SEEDS,
            'about_800': ABOUT_800_EPOCHS,
            'learnt': LEARNT_ACCURACY,
        },
        fresh_windows=FRESH_WINDOWS,
        command=command,
        version=__version__,
    )


def _claim_view(number: int, claim: ClaimResult, result: ForumResult) -> dict[str, Any]:
    return {
        'number': number,
        'name': claim.claim.name,
        'by': _BY[claim.claim.by],
        'text': claim.claim.text,
        'verdict': claim.verdict,
        'sentence': claim.sentence,
        'tests': [_test_view(test, result) for test in claim.tests],
    }


def _test_view(test: ClaimTestResult, result: ForumResult) -> dict[str, Any]:
    unit = test.test.unit
    median = format_value(test.value, unit) if test.judgements else ''
    fluctuations = [item.fluctuation for item in test.judgements if not math.isnan(item.fluctuation)]
    if fluctuations:
        median = f'{median} of epochs, by {_percent(float(np.median(fluctuations)))}'
    opposite = test.verdict == 'does not hold'
    return {
        'subject': test.test.subject,
        'statement': test.test.statement,
        'arms': [(name, result.arms[name].title) for name in test.test.arms],
        'measure': test.test.measure,
        'median': median,
        'seeds': [
            {
                'seed': item.seed,
                'outcome': item.outcome,
                'sign': _SIGNS[item.outcome],
                'value': format_value(item.value, unit),
            }
            for item in test.judgements
        ],
        'count': test.fails_on if opposite else test.holds_on,
        'word': 'the opposite on' if opposite else 'differ alike on' if test.test.either else 'holds on',
        'of': len(test.judgements),
        'verdict': test.verdict if test.judgements else 'not run',
    }


def _arm_row(arm: Arm, runs: Sequence[Run]) -> dict[str, Any]:
    """One row of the table of arms: medians over the seeds, with the lowest and the highest."""
    measures = [run.measures() for run in runs]
    reached = [item['epochs_to_full_training_accuracy'] for item in measures]
    trained = [item for item in measures if item['epochs']]
    return {
        'name': arm.name,
        'title': arm.title,
        'epochs': arm.config.epochs if arm.config is not None else None,
        'runs': len(runs),
        'rising': _span([item['rising_share'] for item in trained], _percent),
        'log_std': _span([item['detrended_log_std'] for item in trained], _percent),
        'reached': _reached(reached) if trained else '',
        'training': _span([item['training_accuracy'] for item in measures], '{:.2f}'.format),
        'fresh': _span([item['held_out_accuracy'] for item in measures], '{:.2f}'.format),
    }


def _reached(epochs: Sequence[int | None]) -> str:
    """Epochs to 100 % of all seeds, in ascending order, and how many never got there."""
    known = sorted(epoch for epoch in epochs if epoch is not None)
    never = len(epochs) - len(known)
    if not known:
        return 'never'
    listed = ', '.join(map(str, known))
    return f'{listed}; never on {never} of {len(epochs)}' if never else listed


def _span(values: Sequence[float], text: Any) -> tuple[str, str]:
    """Median, and lowest to highest where they differ as written."""
    if not values:
        return '', ''
    low, high = text(min(values)), text(max(values))
    return text(float(np.median(values))), '' if low == high else f'{low} to {high}'


def _percent(value: float) -> str:
    share = 100.0 * value
    digits = 0 if share >= 10 or share == 0 else 1 if share >= 0.1 else 2
    return f'{share:.{digits}f}\N{NO-BREAK SPACE}%'


def _shorter(result: ForumResult) -> list[tuple[str, int]]:
    """Arms of the question's networks that got fewer epochs than was asked for."""
    return [
        (arm.title, arm.config.epochs)
        for arm in result.arms.values()
        if arm.config is not None and arm.config.epochs < result.settings.epochs
    ]


def _grid_rows(result: ForumResult) -> list[dict[str, Any]]:
    """The question's figures: for each network and optimiser, one panel for each batch."""
    rows = []
    for network in GRIDS[result.settings.network]:
        for optimizer, name in OPTIMIZERS.items():
            panels = []
            for batch in BATCHES:
                arm = result.arms[f'{network}-{optimizer}-{batch}']
                panels.append(_panel(arm, _batch_text(batch), result.of(arm.name)))
            rows.append({'title': f'{NETWORKS[network]}, {name}', 'panels': panels})
    return rows


def _others(result: ForumResult) -> list[Arm]:
    grid = {
        f'{network}-{optimizer}-{batch}'
        for network in GRIDS[result.settings.network]
        for optimizer in OPTIMIZERS
        for batch in BATCHES
    }
    return [arm for name, arm in result.arms.items() if name not in grid and arm.config is not None]


def _batch_text(batch: str) -> str:
    return 'full batch' if batch == 'full' else f'batch {batch}'


def _panel(arm: Arm, title: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Loss and training accuracy by epoch of one arm: one seed as a line, all seeds as a band."""
    from matplotlib.figure import Figure

    picture = None
    if runs:
        # Placed by hand: matplotlib's own layout takes longer than all the drawing.
        figure = Figure(figsize=(2.6, 2.7))
        figure.subplots_adjust(left=0.215, right=0.94, bottom=0.14, top=0.975, hspace=0.12)
        loss_axes, accuracy_axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1.0))
        _draw_curves(loss_axes, [np.maximum(run.losses, _SMALLEST_DRAWN) for run in runs], PALETTE[0])
        _draw_curves(accuracy_axes, [np.asarray(run.accuracies) for run in runs], PALETTE[2])
        _logarithmic(loss_axes)
        loss_axes.set_ylim(*_decades(runs))
        loss_axes.set_ylabel('loss [nat]', fontsize=8)
        accuracy_axes.set_ylim(0.0, 1.03)
        accuracy_axes.set_yticks([0.0, 0.5, 1.0])
        accuracy_axes.set_ylabel('accuracy', fontsize=8)
        accuracy_axes.set_xlabel('epoch', fontsize=8)
        for axes in (loss_axes, accuracy_axes):
            axes.yaxis.set_label_coords(-0.2, 0.5)
        picture = Picture(
            arm.title,
            figure_svg(figure),
            alt=f'Training loss and training accuracy by epoch: {arm.title}',
        )
    return {'name': arm.name, 'title': title, 'picture': picture, 'row': _arm_row(arm, runs)}


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale('log')
    # Plain numbers: setting powers takes longer than all the drawing.
    axes.yaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_minor_formatter('')


def _decades(runs: Sequence[Run]) -> tuple[float, float]:
    """Limits of the loss axis: whole decades, and two of them or more, so that a calm loss looks calm."""
    values = np.concatenate([run.losses for run in runs])
    low = math.floor(math.log10(max(float(values.min()), _SMALLEST_DRAWN)) + 1e-9)
    high = math.log10(max(float(values.max()), 2.0)) + 0.1
    return 10.0 ** min(low, -1), 10.0**high


def _draw_curves(axes: Axes, curves: Sequence[Values], colour: str) -> None:
    style_axes(axes)
    epochs = min(map(len, curves))
    together = np.stack([curve[:epochs] for curve in curves])
    if len(curves) > 1:
        starts = _starts(epochs, _BAND_SPANS)
        axes.fill_between(
            starts + 1,
            np.minimum.reduceat(together.min(axis=0), starts),
            np.maximum.reduceat(together.max(axis=0), starts),
            color=colour,
            alpha=0.16,
            linewidth=0,
        )
    axes.plot(*_outline(together[0]), color=colour, linewidth=0.7)
    axes.tick_params(labelsize=7.5)
    axes.set_xlim(0, max(epochs, 2))
    axes.locator_params(axis='x', nbins=4, integer=True)


def _outline(values: Values) -> tuple[Values, Values]:
    """Epochs and values of a curve's lowest and highest point in each span, in the order in which they come."""
    if len(values) <= 2 * _LINE_SPANS:
        return np.arange(1.0, len(values) + 1), values
    places: list[int] = []
    for start, end in zip(
        _starts(len(values), _LINE_SPANS), [*_starts(len(values), _LINE_SPANS)[1:], len(values)], strict=True
    ):
        span = values[start:end]
        places += sorted({start + int(span.argmin()), start + int(span.argmax())})
    chosen = np.array(places)
    return chosen + 1.0, values[chosen]


def _starts(count: int, spans: int) -> NDArray[np.int64]:
    return np.arange(0, count, max(1, -(-count // spans)))


def _fluctuation_pictures(result: ForumResult) -> list[Picture]:
    """How often, and by how much, the loss fluctuates, by batch and optimiser: a dot for each seed."""
    from matplotlib.figure import Figure

    network = GRIDS[result.settings.network][0]
    pictures = []
    for key, title, label, limit in (
        ('rising_share', 'How often the loss rises', 'epochs in which it rises [1]', JUMPING_RISING_SHARE),
        (
            'detrended_log_std',
            'How much it deviates from its trend',
            'std of log loss about its trend [1]',
            JUMPING_LOG_STD,
        ),
    ):
        figure = Figure(figsize=(4.5, 2.9), layout='constrained')
        axes = figure.subplots()
        style_axes(axes)
        axes.axhline(limit, color='#6c7680', linewidth=0.8, linestyle=(0, (4, 3)))
        for place, (optimizer, name) in enumerate(OPTIMIZERS.items()):
            for column, batch in enumerate(BATCHES):
                runs = result.of(f'{network}-{optimizer}-{batch}')
                values = [run.measures()[key] for run in runs]
                values = [max(value, 1e-5) if key == 'detrended_log_std' else value for value in values]
                axes.plot(
                    [column + 0.24 * (place - 1)] * len(values),
                    values,
                    'o',
                    color=PALETTE[place],
                    markersize=4.5,
                    alpha=0.75,
                    markeredgewidth=0,
                    label=name if not column else None,
                )
        if key == 'detrended_log_std':
            _logarithmic(axes)
        else:
            axes.set_ylim(-0.02, 0.6)
        axes.set_xticks(range(len(BATCHES)), [_batch_text(batch) for batch in BATCHES])
        axes.set_xlim(-0.5, len(BATCHES) - 0.5)
        axes.set_ylabel(label, fontsize=8.5)
        axes.tick_params(labelsize=8.5)
        legend_above(figure, 'upper left', ncols=3, fontsize=8.5, handletextpad=0.1)
        pictures.append(
            Picture(
                title,
                figure_svg(figure),
                alt=f'{title}, by batch and optimiser',
                caption=f'{NETWORKS[network]}; a dot is a seed. Dashed: the limit from which a loss counts as jumping.',
            )
        )
    return pictures


def _windows_picture(task: ForumTask) -> Picture:
    """One window of each surface."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 2.9), layout='constrained')
    panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    seconds = np.arange(task.windows.shape[1]) / task.sample_rate_hz
    for label, (axes, name) in enumerate(zip(panels, task.classes, strict=True)):
        style_axes(axes)
        axes.plot(
            seconds, task.windows[np.flatnonzero(task.labels == label)[0], :, 0], color=PALETTE[label], linewidth=0.8
        )
        axes.set_title(name, fontsize=8.5, color='#44505c', loc='left', pad=2)
        axes.tick_params(labelsize=7.5)
    figure.supxlabel('time [s]', fontsize=8)
    figure.supylabel('motor current [A]', fontsize=8)
    return Picture(
        'The data: one window of each surface',
        figure_svg(figure),
        alt='Motor current of one window of each of the six surfaces',
        caption=f'{len(task.labels)} windows of {task.windows.shape[1]} × 1, simulated ({task.name.split("-")[0]}).',
    )
