# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One picture of a data set: every recording as a strip of current, and spectra and levels of each class."""

from __future__ import annotations

import dataclasses
import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.editing.window_selection import span_origin_ns
from surface_classifier.signal.grid import NANOSECONDS
from surface_classifier.signal.window_config import PartConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.float64]

SUFFIXES = ('.png', '.svg', '.pdf')

# Distinct for people who see colours differently, too; more classes than these get colours from a scale.
_COLOURS = (
    '#2f6db5',
    '#e07b28',
    '#3d8f5f',
    '#b8433f',
    '#8a5bb0',
    '#7a4f2b',
    '#d0629a',
    '#6c7680',
    '#b39b1d',
    '#2f9aa5',
)
_INK, _FAINT = '#333c44', '#aab3bb'

_WIDTH_INCHES = 13.0
_MOST_STRIPS = 150  # more cannot be read on one page
_COLUMN_STEPS = ((24, 1), (60, 2), (_MOST_STRIPS, 3))  # up to so many strips in so many columns
_COLUMN_BINS = {1: 900, 2: 450, 3: 300}
_WINDOWS_OF_STRIP = 600
_WINDOWS_OF_CLASS = 1500
_MOST_CHANNELS = 4  # whose levels are drawn
_NAME_LETTERS = 22
_LONG_DRIVE = 4.0  # a drive so many times as long as the median one gives every strip its own time
_PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Strip:
    """One recording over time.

    Attributes:
        name: Name of the recording.
        seconds: Middle of each bin, from the beginning of the recording [s].
        low: Lowest value of any channel in the bin.
        high: Highest.
        labels: Class of each bin.
    """

    name: str
    seconds: Values
    low: Values
    high: Values
    labels: NDArray[np.int64]


def plot_dataset(dataset: Dataset, file: str | os.PathLike[str], part_name: str | None = None) -> Path:
    """Draw a data set.

    Args:
        dataset: The data set.
        file: Picture to write; its suffix, .png, .svg or .pdf, says as what.
        part_name: The part that is drawn; the first one when None.

    Raises:
        SurfaceError: The suffix is another one, there is no such part, or the file cannot be written.
    """
    target = Path(file)
    if target.suffix.lower() not in SUFFIXES:
        raise SurfaceError(f'{target}: is no picture; give a name that ends with {", ".join(SUFFIXES)}')
    figure = draw_dataset(dataset, _part(dataset, part_name))
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=target.suffix[1:].lower())
    write_result(target, picture.getvalue(), 'picture')
    return target


def draw_dataset(dataset: Dataset, part: PartConfig) -> Figure:
    """Draw one part of a data set."""
    from matplotlib.figure import Figure

    columns = _drawn_channels(part)
    shown = _shown_recordings(dataset)
    number = next(count for most, count in _COLUMN_STEPS if len(shown) <= most)
    rows = math.ceil(len(shown) / number)
    strips_inches = rows * (0.5 if rows <= 8 else 0.32 if rows <= 24 else 0.24) + 0.5
    classes = int((dataset.class_counts > 0).sum())
    below_inches = max(3.2, 0.45 + 0.34 * classes)
    top_inches = 0.5 + 0.24 * math.ceil(len(dataset.classes) / 8)
    height = top_inches + strips_inches + below_inches + 0.6
    figure = Figure(figsize=(_WIDTH_INCHES, height), facecolor='white', layout='constrained')
    areas: Any = figure.subfigures(3, 1, height_ratios=(top_inches, strips_inches, below_inches))
    head, above, below = areas
    colours = class_colours(len(dataset.classes))
    _draw_head(head, dataset, part, columns, colours, len(shown))
    _draw_strips(above, dataset, part, columns, shown, number, rows, colours)
    spectra, levels = below.subplots(1, 2)
    _draw_spectra(spectra, dataset, part, columns, colours)
    _draw_levels(levels, dataset, part, columns, colours)
    return figure


def class_colours(count: int) -> list[Any]:
    """A colour for each class."""
    if count <= len(_COLOURS):
        return list(_COLOURS[:count])
    from matplotlib import colormaps

    return [colormaps['turbo'](value) for value in np.linspace(0.03, 0.97, count)]


def recording_strip(dataset: Dataset, recording: int, part: PartConfig, columns: list[int], bin_s: float) -> Strip:
    """Lowest and highest value of a recording's windows over time.

    Args:
        dataset: The data set.
        recording: Number of the recording.
        part: The part.
        columns: Its channels.
        bin_s: Length of a bin [s].
    """
    rows = np.flatnonzero(dataset.recording == recording)
    rows = rows[np.argsort(dataset.start_ns[rows], kind='stable')]
    rows = rows[_evenly(len(rows), _WINDOWS_OF_STRIP)]
    values = np.asarray(dataset.parts[part.name][rows])[:, :, columns]
    starts_s = (dataset.start_ns[rows] - span_origin_ns(dataset, recording)) / NANOSECONDS
    offsets_s = np.arange(values.shape[1]) / part.sample_rate_hz
    bins = np.floor((starts_s[:, None] + offsets_s[None, :]) / bin_s).astype(np.int64)
    measured = np.isfinite(values).any(axis=2)
    low = np.where(np.isfinite(values), values, np.inf).min(axis=2)[measured]
    high = np.where(np.isfinite(values), values, -np.inf).max(axis=2)[measured]
    labels = np.broadcast_to(np.asarray(dataset.labels)[rows][:, None], bins.shape)[measured]
    order = np.argsort(bins[measured], kind='stable')
    if not len(order):
        nothing = np.empty(0)
        return Strip(dataset.recordings[recording].name, nothing, nothing, nothing, np.empty(0, dtype=np.int64))
    found, firsts = np.unique(bins[measured][order], return_index=True)
    return Strip(
        name=dataset.recordings[recording].name,
        seconds=((found + 0.5) * bin_s).astype(np.float64),
        low=np.minimum.reduceat(low[order], firsts),
        high=np.maximum.reduceat(high[order], firsts),
        labels=labels[order][firsts],
    )


def class_spectrum(windows: Values, sample_rate_hz: float) -> tuple[Values, Values]:
    """Mean power spectral density of windows, over all of them and their channels; Hann taper, mean left out.

    Args:
        windows: (n, samples, channels); NaN where unmeasured, which counts as the mean.
        sample_rate_hz: Rate of the samples [Hz].

    Returns:
        Frequencies above 0 [Hz] and densities [unit^2/Hz].
    """
    measured = np.isfinite(windows)
    count = np.maximum(measured.sum(axis=1, keepdims=True), 1)
    mean = np.where(measured, windows, 0.0).sum(axis=1, keepdims=True) / count
    centred = np.where(measured, windows - mean, 0.0)
    taper = np.hanning(windows.shape[1] + 2)[1:-1]
    power = np.abs(np.fft.rfft(centred * taper[None, :, None], axis=1)) ** 2
    density = 2.0 * power.mean(axis=(0, 2)) / (sample_rate_hz * float((taper**2).sum()))
    frequencies = np.fft.rfftfreq(windows.shape[1], 1.0 / sample_rate_hz).astype(np.float64)
    return frequencies[1:], density[1:]


def _part(dataset: Dataset, name: str | None) -> PartConfig:
    for part in dataset.config.parts:
        if name in (None, part.name):
            return part
    listed = ', '.join(part.name for part in dataset.config.parts)
    raise SurfaceError(f'{dataset.path}: has no part {name!r}; its parts are {listed}')


def _drawn_channels(part: PartConfig) -> list[int]:
    """Channels that share the unit of the first current, or of the first channel where there is no current."""
    units = part.channel_units
    unit = 'A' if 'A' in units else units[0]
    return [column for column, other in enumerate(units) if other == unit]


def _shown_recordings(dataset: Dataset) -> list[int]:
    """Recordings with windows, by name, before that by class where each is of one class; evenly some, if too many."""
    labels, recording = np.asarray(dataset.labels), np.asarray(dataset.recording)
    lowest = np.full(len(dataset.recordings), len(dataset.classes))
    highest = np.full(len(dataset.recordings), -1)
    np.minimum.at(lowest, recording, labels)
    np.maximum.at(highest, recording, labels)
    found = np.flatnonzero(highest >= 0).tolist()
    by_class = all(lowest[index] == highest[index] for index in found)
    names = dataset.recording_names
    ordered = sorted(found, key=lambda index: (lowest[index] if by_class else 0, names[index]))
    return [ordered[index] for index in _evenly(len(ordered), _MOST_STRIPS)]


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    """Numbers of at most `most` of `count` things, evenly spaced."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def _windows_of_class(dataset: Dataset, label: int, part: PartConfig, columns: list[int]) -> Values:
    rows = np.flatnonzero(dataset.labels == label)
    windows: Values = np.asarray(dataset.parts[part.name][rows[_evenly(len(rows), _WINDOWS_OF_CLASS)]])[:, :, columns]
    return windows


def _draw_head(
    head: Any, dataset: Dataset, part: PartConfig, columns: list[int], colours: list[Any], shown: int
) -> None:
    from matplotlib.patches import Patch

    channels = ', '.join(part.channel_names[column] for column in columns)
    recordings = len(np.unique(dataset.recording)) if dataset.has_recordings else 0
    what = f'{len(dataset)} windows'
    if recordings:
        what += f' of {recordings} recording{"s" if recordings > 1 else ""}'
        what += f', {shown} of them drawn' if shown < recordings else ''
    head.suptitle(
        f'{dataset.path.resolve().name}: {what}; {part.name}: {channels} [{part.channel_units[columns[0]]}]',
        fontsize=13,
        color=_INK,
        x=0.01,
        ha='left',
    )
    handles = [
        Patch(color=colour, label=f'{_short(name)} ({count})')
        for name, count, colour in zip(dataset.classes, dataset.class_counts.tolist(), colours, strict=True)
    ]
    head.legend(
        handles=handles, loc='lower left', ncols=min(8, len(handles)), frameon=False, fontsize=10, handlelength=1.2
    )


def _draw_strips(
    above: Any,
    dataset: Dataset,
    part: PartConfig,
    columns: list[int],
    shown: list[int],
    number: int,
    rows: int,
    colours: list[Any],
) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba

    spans_s = [_span_s(dataset, recording) for recording in shown]
    # One time axis for all would leave short drives beside a long one unreadable: then each has its own.
    own_scale = max(spans_s) > _LONG_DRIVE * float(np.median(spans_s))
    longest_s = 1.0 if own_scale else max(spans_s)
    strips = []
    for recording, span_s in zip(shown, spans_s, strict=True):
        whole_s = span_s if own_scale else longest_s
        bin_s = max(whole_s / _COLUMN_BINS[number], 1.0 / part.sample_rate_hz)
        strip = recording_strip(dataset, recording, part, columns, bin_s)
        strips.append(dataclasses.replace(strip, seconds=strip.seconds / span_s) if own_scale else strip)
    bottom, top = _range(strips)
    colour_of = np.array([to_rgba(colour) for colour in colours])
    width_points = 0.72 * _WIDTH_INCHES / number * 72 / _COLUMN_BINS[number]
    for column, axes in enumerate(np.atleast_1d(above.subplots(1, number))):
        mine = strips[column * rows : (column + 1) * rows]
        lengths_s = spans_s[column * rows : (column + 1) * rows]
        for row, strip in enumerate(mine):
            # From 0.06 to 0.94 of the row; a steady current still has a height that can be seen.
            low = np.clip((strip.low - bottom) / (top - bottom), 0.0, 0.97)
            high = np.clip((strip.high - bottom) / (top - bottom), low + 0.03, 1.0)
            y_low, y_high = row + 0.94 - 0.88 * low, row + 0.94 - 0.88 * high
            segments = np.stack(
                [np.column_stack([strip.seconds, y_low]), np.column_stack([strip.seconds, y_high])], axis=1
            )
            # A drive of few samples has wider bins than the picture's.
            bin_width = width_points * max(1.0, _COLUMN_BINS[number] / (lengths_s[row] * part.sample_rate_hz))
            axes.add_collection(
                LineCollection(
                    list(segments),
                    colors=colour_of[strip.labels],
                    linewidths=max(bin_width if own_scale else width_points, 0.6),
                    capstyle='butt',
                )
            )
            if own_scale:
                axes.text(1.01, row + 0.5, f'{lengths_s[row]:.0f} s', fontsize=7.5, color=_INK, va='center')
        axes.set_xlim(0.0, longest_s)
        axes.set_ylim(rows, 0.0)
        names = [_short(strip.name) for strip in mine]
        axes.set_yticks([row + 0.5 for row in range(len(mine))], names, fontsize=9 if rows <= 24 else 7.5)
        axes.tick_params(axis='y', length=0)
        axes.hlines(np.arange(1, len(mine)), 0.0, longest_s, color=_FAINT, linewidth=0.4)
        time = 'from beginning to end' if own_scale else 'time [s]'
        axes.set_xlabel(f'{time}; each strip {bottom:.3g} to {top:.3g} {part.channel_units[columns[0]]}', fontsize=9)
        _plain(axes)
        if own_scale:
            axes.set_xticks([])


def _draw_spectra(axes: Axes, dataset: Dataset, part: PartConfig, columns: list[int], colours: list[Any]) -> None:
    unit = part.channel_units[columns[0]]
    for label, colour in enumerate(colours):
        windows = _windows_of_class(dataset, label, part, columns)
        if len(windows) and windows.shape[1] > 3:
            frequencies, density = class_spectrum(windows, part.sample_rate_hz)
            positive = density > 0
            axes.plot(frequencies[positive], density[positive], color=colour, linewidth=1.5)
    if axes.lines:
        axes.set_yscale('log')
    axes.set_xlim(0.0, part.sample_rate_hz / 2)
    axes.set_title('spectra: mean over the windows of a class', fontsize=10, color=_INK, loc='left')
    axes.set_xlabel('frequency [Hz]', fontsize=9)
    axes.set_ylabel(f'power density [{unit}²/Hz]', fontsize=9)
    axes.grid(color=_FAINT, linewidth=0.3)
    _plain(axes)


def _draw_levels(axes: Axes, dataset: Dataset, part: PartConfig, columns: list[int], colours: list[Any]) -> None:
    drawn = columns[:_MOST_CHANNELS]
    present = [label for label, count in enumerate(dataset.class_counts.tolist()) if count]
    height = 0.8 / len(drawn)
    for row, label in enumerate(present):
        windows = _windows_of_class(dataset, label, part, drawn)
        for place in range(len(drawn)):
            values = windows[:, :, place]
            values = values[np.isfinite(values)]
            if not values.size:
                continue
            low, first, middle, third, high = np.percentile(values, _PERCENTILES)
            y = row + (place - (len(drawn) - 1) / 2) * height
            axes.hlines(y, low, high, color=colours[label], linewidth=1.2)
            axes.barh(y, third - first, left=first, height=0.72 * height, color=colours[label])
            axes.vlines(middle, y - 0.36 * height, y + 0.36 * height, color='white', linewidth=1.6)
    axes.set_yticks(range(len(present)), [_short(dataset.classes[label]) for label in present], fontsize=9)
    axes.set_ylim(len(present) - 0.5, -0.5)
    names = ', '.join(part.channel_names[column] for column in drawn)
    each = f' of {names}, from top' if len(drawn) > 1 else ''
    axes.set_title(f'levels{each}: 5, 25, 50, 75 and 95 % of the samples', fontsize=10, color=_INK, loc='left')
    axes.set_xlabel(f'{part.channel_units[columns[0]]}', fontsize=9)
    axes.grid(axis='x', color=_FAINT, linewidth=0.3)
    axes.set_axisbelow(True)
    _plain(axes)


def _span_s(dataset: Dataset, recording: int) -> float:
    """When the last window of a recording ends, from its beginning [s]."""
    last_ns = int(np.max(dataset.end_ns[dataset.recording == recording]))
    return max((last_ns - span_origin_ns(dataset, recording)) / NANOSECONDS, 1e-3)


def _range(strips: list[Strip]) -> tuple[float, float]:
    """What the strips span, single spikes left out."""
    low = np.concatenate([strip.low for strip in strips])
    high = np.concatenate([strip.high for strip in strips])
    if not low.size:
        return 0.0, 1.0
    bottom, top = float(np.percentile(low, 0.5)), float(np.percentile(high, 99.5))
    return (bottom, top) if top > bottom else (bottom - 0.5, bottom + 0.5)


def _plain(axes: Axes) -> None:
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
    for side in ('left', 'bottom'):
        axes.spines[side].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=None)


def _short(name: str) -> str:
    """A name with its middle left out where it is long: drives differ at their ends."""
    if len(name) <= _NAME_LETTERS:
        return name
    half = (_NAME_LETTERS - 1) // 2
    return f'{name[:half]}…{name[-half:]}'
