# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how good resampled signals are, with swept sines through the window stream: pass band, stop band, delay.

Samples of a sine whose frequency rises go through `WindowStream` block by block, as they do live and offline, onto a
grid of 100 Hz; the points of its windows are compared with what they should be:

- in the band, 0.5 to 40 Hz: the largest difference from the sine at the time of the point, as a share of its amplitude;
- above the new Nyquist frequency, 50 Hz to that of the input: the highest level of a point, where nothing should be
  left; 0 dB is the sine's own;
- delay: from the stamp of a point to that of the sample with which it comes, when samples come one by one.

A sine whose frequency rises by r Hz/s holds frequencies of some sqrt(r) Hz around its own, so that next to an edge a
sweep shows nothing of the filter. There steady tones take its place: in the last 4 Hz of the band and the first 8 Hz
above the Nyquist frequency.

Beside it what comes of taking the samples that lie nearest to the grid, as a baseline.
`jitter` moves every stamp, and the time its sample is taken at, by up to that share of the period. A sum over uneven
samples cannot cancel a tone near the input's own Nyquist frequency as well: what is left is reported without an aim.

Example:
    tools/run_in_environment python bench/resampling_quality.py --json resampling.json --picture resampling.png
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from surface_classifier import __version__
from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.resampler import PASS_BAND, STOP_BAND
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import WindowStream

RATE_HZ = 100.0
BASE_NS = 1_700_000_000_000_000_000
SECONDS, TONE_SECONDS = 30.0, 1.5
BLOCK_SAMPLES = 10
STRETCHES = 100

# What the resampler is held to.
LEAST_ATTENUATION_DB, LARGEST_ERROR, LONGEST_DELAY_S = 60.0, 1e-3, 0.5
# Rate [Hz] and jitter [periods].
INPUTS = ((1000.0, 0.0), (997.0, 0.0), (500.0, 0.0), (313.0, 0.0), (200.0, 0.0), (1000.0, 0.1))

Stamps = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """A sine whose frequency rises with its logarithm; a steady tone where both frequencies are the same.

    Attributes:
        low_hz: Its first frequency [Hz].
        high_hz: Its last one [Hz].
        seconds: How long it lasts [s].
    """

    low_hz: float
    high_hz: float
    seconds: float = SECONDS

    def frequency_hz(self, stamps_ns: Stamps) -> Values:
        """Frequency at some stamps [Hz]."""
        return self.low_hz * np.exp(self._growth * _time_s(stamps_ns))

    def __call__(self, stamps_ns: Stamps) -> Values:
        """Its value at some stamps, between -1 and 1."""
        time_s = _time_s(stamps_ns)
        growth = self._growth
        cycles = self.low_hz * (np.expm1(growth * time_s) / growth if growth else time_s)
        # A sine at the new Nyquist frequency would be 0 at every point of the grid; a cosine is at its peak.
        return np.cos(2 * np.pi * cycles)

    @property
    def _growth(self) -> float:
        return math.log(self.high_hz / self.low_hz) / self.seconds


@dataclass(frozen=True)
class Quality:
    """What was measured with one kind of input.

    Attributes:
        input_rate_hz: Rate of the samples [Hz].
        jitter: Largest shift of a sample, as a share of the period [1].
        error: Largest difference in the band, as a share of the amplitude [1].
        attenuation_db: How far the highest level above the new Nyquist frequency lies below the sine [dB].
        nearest_attenuation_db: The same where the samples nearest to the grid are taken as they are [dB].
        delay_s: Longest time from a point to the sample it comes with [s].
    """

    input_rate_hz: float
    jitter: float
    error: float
    attenuation_db: float
    nearest_attenuation_db: float
    delay_s: float

    @property
    def meets_aims(self) -> bool | None:
        """Whether all three aims hold; None where samples are uneven, for which there is no aim."""
        if self.jitter:
            return None
        return (
            self.error < LARGEST_ERROR
            and self.attenuation_db >= LEAST_ATTENUATION_DB
            and self.delay_s <= LONGEST_DELAY_S
        )


def sample_stamps(input_rate_hz: float, jitter: float, seconds: float = SECONDS) -> Stamps:
    """Stamps of the samples of a sweep, rising."""
    count = round(seconds * input_rate_hz)
    shift = np.random.default_rng(0).uniform(-jitter, jitter, count)
    return BASE_NS + np.rint((np.arange(count) + shift) * 1e9 / input_rate_hz).astype(np.int64)


def resample(stamps: Stamps, values: Values, input_rate_hz: float) -> tuple[Stamps, Values]:
    """Stamps and values of the points that come out of the window stream, one window for each."""
    stream = _stream(input_rate_hz)
    windows = [
        window
        for first in range(0, len(stamps), BLOCK_SAMPLES)
        for window in stream.push(_block(stamps, values, first, first + BLOCK_SAMPLES))
    ]
    points = np.array([window.start_ns for window in windows], dtype=np.int64)
    return points, np.array([window.parts['motor'][0, 0] for window in windows])


@dataclass(frozen=True)
class Points:
    """What came of sines: the points, and what they were made of.

    Attributes:
        frequency_hz: Frequency of the sine at each point [Hz].
        values: The points.
        exact: The sine at their time.
        nearest: The sample that lies nearest to each point.
    """

    frequency_hz: Values
    values: Values
    exact: Values
    nearest: Values


def points_of(sweeps: Sequence[Sweep], input_rate_hz: float, jitter: float) -> Points:
    """Resample some sines, one after the other."""
    columns = []
    for sweep in sweeps:
        stamps = sample_stamps(input_rate_hz, jitter, sweep.seconds)
        samples = sweep(stamps)
        points, values = resample(stamps, samples, input_rate_hz)
        columns.append((sweep.frequency_hz(points), values, sweep(points), nearest(stamps, samples, points)))
    return Points(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def band_sweeps() -> list[Sweep]:
    """Sines from 0.5 Hz to the end of the band."""
    end_hz = PASS_BAND * RATE_HZ
    return [Sweep(0.5, end_hz - 4), *_tones(end_hz - 4, end_hz)]


def stop_sweeps(input_rate_hz: float) -> list[Sweep]:
    """Sines from the new Nyquist frequency to that of the input."""
    start_hz = STOP_BAND * RATE_HZ
    return [*_tones(start_hz, start_hz + 8), Sweep(start_hz + 8, input_rate_hz / 2)]


def nearest(stamps: Stamps, values: Values, points: Stamps) -> Values:
    """The sample that lies nearest to each point."""
    right = np.clip(np.searchsorted(stamps, points), 1, len(stamps) - 1)
    return values[np.where(points - stamps[right - 1] < stamps[right] - points, right - 1, right)]


def longest_delay_s(input_rate_hz: float) -> float:
    """Longest time from a point to the sample that brings it, when samples come one by one [s]."""
    stream = _stream(input_rate_hz)
    stamps = sample_stamps(input_rate_hz, 0.0, 2.0)
    values = np.ones(len(stamps))
    delays = [
        int(stamp) - window.end_ns
        for place, stamp in enumerate(stamps)
        for window in stream.push(_block(stamps, values, place, place + 1))
    ]
    return max(delays) * 1e-9


def measure(input_rate_hz: float, jitter: float) -> tuple[Quality, Points, Points]:
    """Measure one kind of input.

    Returns:
        The figures, and the points behind them: in the band, and above the new Nyquist frequency.
    """
    band = points_of(band_sweeps(), input_rate_hz, jitter)
    stop = points_of(stop_sweeps(input_rate_hz), input_rate_hz, jitter)
    quality = Quality(
        input_rate_hz,
        jitter,
        float(np.abs(band.values - band.exact).max()),
        -level_db(stop.values),
        -level_db(stop.nearest),
        longest_delay_s(input_rate_hz),
    )
    return quality, band, stop


def level_db(values: Values) -> float:
    """Level of the highest of some points beside the peak of a sine [dB]."""
    return float(20 * np.log10(max(np.abs(values).max(), 1e-12)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write JSON and picture.

    Returns:
        0 when every aim is met, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    parser.add_argument('--picture', type=Path, metavar='FILE.png', help='draw the curves there')
    parser.add_argument('--quick', action='store_true', help='the first input alone')
    args = parser.parse_args(arguments)
    measured = [measure(*given) for given in (INPUTS[:1] if args.quick else INPUTS)]
    qualities = [quality for quality, _, _ in measured]
    _print(qualities)
    met = all(quality.meets_aims is not False for quality in qualities)
    if args.json is not None:
        result = {
            'version': __version__,
            'grid_hz': RATE_HZ,
            'aims': {
                'least_attenuation_db': LEAST_ATTENUATION_DB,
                'largest_error': LARGEST_ERROR,
                'longest_delay_s': LONGEST_DELAY_S,
            },
            'aims_met': met,
            'rows': [asdict(quality) for quality in qualities],
        }
        args.json.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    if args.picture is not None:
        _draw(measured, args.picture)
    return 0 if met else 1


def _time_s(stamps_ns: Stamps) -> Values:
    return np.asarray((stamps_ns - BASE_NS) * 1e-9)


def _tones(low_hz: float, high_hz: float) -> list[Sweep]:
    """Steady tones, one for each half hertz, both ends included."""
    count = round(2 * (high_hz - low_hz)) + 1
    return [Sweep(hz, hz, TONE_SECONDS) for hz in np.linspace(low_hz, high_hz, count).tolist()]


def _block(stamps: Stamps, values: Values, first: int, last: int) -> TopicSamples:
    return TopicSamples('motor', stamps[first:last], values[first:last, np.newaxis].copy(), first)


def _stream(input_rate_hz: float) -> WindowStream:
    """A stream whose windows are single points."""
    channels = (ChannelConfig('motor', 'motor', MOTOR_CURRENT_TYPE, 'current[0]'),)
    part = PartConfig('motor', RATE_HZ, channels, input_rate_hz)
    return WindowStream(WindowConfig((part,), window_samples=1, stride_samples=1))


def _print(qualities: Sequence[Quality]) -> None:
    table = Table(box=SIMPLE_HEAD, title=f'swept sines of {SECONDS:g} s onto {RATE_HZ:g} Hz')
    for column in ('input [Hz]', 'jitter [periods]', 'error in the band [%]', 'above Nyquist [dB]', 'nearest [dB]'):
        table.add_column(column, justify='right')
    table.add_column('delay [s]', justify='right')
    table.add_column('aims')
    for quality in qualities:
        table.add_row(
            f'{quality.input_rate_hz:g}',
            f'{quality.jitter:g}',
            f'{100 * quality.error:.4f}',
            f'{-quality.attenuation_db:.1f}',
            f'{-quality.nearest_attenuation_db:.1f}',
            f'{quality.delay_s:.3f}',
            {True: 'met', False: 'missed', None: 'none'}[quality.meets_aims],
        )
    # Piped output has no width of its own.
    Console(width=max(120, Console().width)).print(table)


def _draw(measured: Sequence[tuple[Quality, Points, Points]], path: Path) -> None:
    from matplotlib.figure import Figure

    from surface_classifier.report.figures import INK, PALETTE, style_axes

    figure = Figure(figsize=(11, 4.2), layout='constrained')
    band_axes, stop_axes = figure.subplots(1, 2)
    for place, (quality, band, stop) in enumerate(measured):
        colour = PALETTE[place % len(PALETTE)]
        label = f'{quality.input_rate_hz:g} Hz' + (f', jitter {quality.jitter:g}' if quality.jitter else '')
        middles, peaks = _peaks(band.frequency_hz, np.abs(band.values - band.exact))
        band_axes.semilogy(middles, 100 * peaks, color=colour, linewidth=1.1, label=label)
        middles, peaks = _peaks(stop.frequency_hz, np.abs(stop.values))
        stop_axes.plot(middles, 20 * np.log10(peaks), color=colour, linewidth=1.1, label=label)
    _, _, first = measured[0]
    middles, peaks = _peaks(first.frequency_hz, np.abs(first.nearest))
    stop_axes.plot(middles, 20 * np.log10(peaks), color='#8a97a3', linewidth=1.1, label='1000 Hz, nearest sample')
    _limit(band_axes, 100 * LARGEST_ERROR, '0.1 %')
    _limit(stop_axes, -LEAST_ATTENUATION_DB, '−60 dB')
    band_axes.set_title('In the band: difference from the sine', loc='left', fontsize=10, color=INK)
    band_axes.set_xlabel('frequency of the sine [Hz]')
    band_axes.set_ylabel('largest difference [% of the amplitude]')
    stop_axes.set_title('Above the new Nyquist frequency (50 Hz): what is left', loc='left', fontsize=10, color=INK)
    stop_axes.set_xlabel('frequency of the sine [Hz]')
    stop_axes.set_ylabel('level [dB]')
    stop_axes.set_ylim(-165, 8)
    band_axes.set_ylim(3e-4, 0.3)
    for axes in (band_axes, stop_axes):
        style_axes(axes)
    stop_axes.legend(fontsize=8, frameon=False, title='samples come at', title_fontsize=8, loc='lower right', ncols=2)
    figure.savefig(path, dpi=110)


def _peaks(frequencies_hz: Values, heights: Values) -> tuple[Values, Values]:
    """The largest height in each of a hundred stretches of frequency, and their middles [Hz]."""
    edges = np.linspace(frequencies_hz.min(), frequencies_hz.max(), STRETCHES + 1)
    stretch = np.clip(np.searchsorted(edges, frequencies_hz, side='right') - 1, 0, STRETCHES - 1)
    peaks = np.zeros(STRETCHES)
    np.maximum.at(peaks, stretch, heights)
    filled = peaks > 0
    return ((edges[1:] + edges[:-1]) / 2)[filled], peaks[filled]


def _limit(axes: Any, height: float, text: str) -> None:
    axes.axhline(height, color='#b3261e', linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        text,
        (1.0, height),
        xycoords=('axes fraction', 'data'),
        xytext=(-3, 3),
        textcoords='offset points',
        ha='right',
        fontsize=8,
        color='#b3261e',
    )


if __name__ == '__main__':
    sys.exit(main())
