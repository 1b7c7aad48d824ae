# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of the windows of one part, standardised: what `network/window_statistics.py` describes, in numpy.

Arrays are (windows, channels, samples). Where everything was measured, there are no masks to multiply with.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.model.numpy_network.part_scaling import ColumnScaling, ScaledPart
from surface_classifier.model.numpy_network.weights_table import Floats, WeightsTable

# As in `network/window_statistics.py` and `network/statistics_encoder.py`, which need torch; a test compares them.
LAGS = (1, 2, 5, 10)
SAME_VALUE = np.float32(0.005)
FARTHEST_STATISTIC = np.float32(5.0)
IDLE_VALUES = 2
OF_CHANNEL = 10  # statistics of each channel before the correlations
_SMALLEST = np.float32(0.01)
_SMALLEST_VARIANCE = np.float32(0.01**2 / 4.0)
_ONE, _HALF = np.float32(1.0), np.float32(0.5)
_ENOUGH = 1.5  # measured values, or pairs of them, without which there is no statistic: two


class PartStatistics:
    """Turns the windows of one part into standardised statistics.

    Attributes:
        count: Number of statistics.
    """

    def __init__(self, table: WeightsTable, name: str, config: NetworkConfig, channels: int) -> None:
        """Take quantile edges, commonest values and scales.

        Args:
            table: Weights of the network.
            name: Name of the encoder in it, with a dot behind.
            config: Shape of the network.
            channels: Number of channels, joint ones included.
        """
        bins, idle = config.quantile_bins, IDLE_VALUES if config.idle_fractions else 0
        self._edges = table.take(f'{name}bins.edges', channels, bins)[:, :, np.newaxis]
        # Half of the inverse: a sigmoid is taken as a tanh of half of its argument.
        self._width = np.float32(2.0) * table.take(f'{name}bins.widths', channels, bins)[:, :, np.newaxis]
        self._idle = table.take(f'{name}idle', channels, idle)[:, :, np.newaxis] if idle else None
        pairs = list(combinations(range(channels), 2))
        self._first, self._second = (np.array([pair[side] for pair in pairs], dtype=np.intp) for side in (0, 1))
        self.count = channels * (OF_CHANNEL + len(LAGS) + bins + idle) + len(pairs)
        self._columns = ColumnScaling(table, f'{name}columns.', self.count)

    def __call__(self, part: ScaledPart) -> Floats:
        """Return statistics of windows, (windows, statistics); 0, the mean, where one cannot be had."""
        samples = part.standard.shape[2]
        if part.measured is None:
            count: Floats = np.full(part.standard.shape[:2], samples, np.float32)
        else:
            count = part.measured.sum(axis=2)
        known = np.maximum(count, _ONE)
        unit, variance = _in_standard_deviations(part.deviation, known)
        blocks = [
            *_of_levels(part, unit, variance, known),
            *_of_steps(part, variance),
            self._fractions(part, known).reshape(len(count), -1),
        ]
        found = np.concatenate(_in_order(blocks), axis=1)
        enough = count > _ENOUGH
        if not enough.all():
            fractions = blocks[-1].shape[1] // enough.shape[1]
            of_channels = np.tile(enough, (1, OF_CHANNEL + len(LAGS)))
            known_columns = np.concatenate([of_channels, np.repeat(enough, fractions, axis=1)], axis=1)
            found[~known_columns] = np.nan
        if len(self._first):
            found = np.concatenate([found, self._pair_correlations(unit, part.measured)], axis=1)
        scaled = (found - self._columns.mean) / self._columns.scale
        scaled[np.isnan(found)] = 0.0
        return np.minimum(np.maximum(scaled, -FARTHEST_STATISTIC), FARTHEST_STATISTIC)

    def _fractions(self, part: ScaledPart, known: Floats) -> Floats:
        """Return fractions of samples above the edges, softly, and at the commonest values, (windows, channels, …)."""
        over = part.standard[:, :, np.newaxis] - self._edges
        over /= self._width
        np.tanh(over, out=over)
        over += _ONE
        if part.measured is not None:
            over *= part.measured[:, :, np.newaxis]
        above = np.add.reduce(over, axis=3)
        above *= _HALF / known[:, :, np.newaxis]
        if self._idle is None:
            return above
        there = np.abs(part.standard[:, :, np.newaxis] - self._idle) < SAME_VALUE
        if part.measured is not None:
            there &= part.measured[:, :, np.newaxis] > 0.0
        resting = np.add.reduce(there, axis=3, dtype=np.float32) / known[:, :, np.newaxis]
        return np.concatenate([above, resting], axis=2)

    def _pair_correlations(self, unit: Floats, measured: Floats | None) -> Floats:
        """Return the correlation of each pair of channels, (windows, pairs); NaN where too little was measured."""
        together = (unit @ unit.swapaxes(1, 2))[:, self._first, self._second]
        if measured is None:
            count = np.float32(unit.shape[2])
            return together / count if count > _ENOUGH else np.full_like(together, np.nan)
        both = (measured @ measured.swapaxes(1, 2))[:, self._first, self._second]
        together /= np.maximum(both, _ONE)
        together[~(both > _ENOUGH)] = np.nan
        return together


def _in_order(blocks: list[Floats]) -> list[Floats]:
    """Return the statistics in the order of their columns: those of levels and steps take turns."""
    level, log_std, log_deviation, log_range, skewness, peakedness, *rest = blocks
    log_step, log_bend, step_skewness, step_peakedness, correlations, fractions = rest
    return [
        *(level, log_std, log_deviation, log_range, log_step, log_bend, skewness, peakedness),
        *(step_skewness, step_peakedness, correlations, fractions),
    ]


def _of_levels(part: ScaledPart, unit: Floats, variance: Floats, known: Floats) -> list[Floats]:
    """Return level, logarithms of deviations and range, skewness and peakedness, each (windows, channels)."""
    values = part.deviation
    level = part.standard if part.measured is None else part.standard * part.measured
    square = unit * unit
    return [
        np.add.reduce(level, axis=2) / known,
        _log(np.sqrt(variance)),
        _log(np.add.reduce(np.abs(values), axis=2) / known),
        _log(np.maximum.reduce(values, axis=2) - np.minimum.reduce(values, axis=2)),
        np.add.reduce(square * unit, axis=2) / known,
        np.log(np.add.reduce(square * square, axis=2) / known + _ONE),
    ]


def _of_steps(part: ScaledPart, variance: Floats) -> list[Floats]:
    """Return logarithms of step and bend, skewness and peakedness of the steps, and the correlations lag by lag."""
    steps, pairs = _difference(part, 1)
    taken = _pair_count(steps, pairs)
    differed = np.maximum(taken, _ONE)
    centred = steps - (np.add.reduce(steps, axis=2) / differed)[:, :, np.newaxis]
    if pairs is not None:
        centred *= pairs
    unit, _ = _in_standard_deviations(centred, differed)
    square = unit * unit
    bends, triples = _difference(part, 0)
    return [
        _log(np.add.reduce(np.abs(steps), axis=2) / differed),
        _log(np.add.reduce(np.abs(bends), axis=2) / np.maximum(_pair_count(bends, triples), _ONE)),
        np.add.reduce(square * unit, axis=2) / differed,
        np.log(np.add.reduce(square * square, axis=2) / differed + _ONE),
        np.concatenate([_correlation(part, variance, lag) for lag in LAGS], axis=1),
    ]


def _correlation(part: ScaledPart, variance: Floats, lag: int) -> Floats:
    """Return the correlation of samples a lag apart, from their mean square difference, (windows, channels)."""
    differences, pairs = _difference(part, lag)
    taken = _pair_count(differences, pairs)
    squares = np.add.reduce(differences * differences, axis=2) / np.maximum(taken, _ONE)
    # Samples a lag apart of which no two were measured count as independent.
    lagged = np.where(taken > _HALF, squares, np.float32(2.0) * variance)
    varies = variance > _SMALLEST_VARIANCE
    return np.where(varies, _ONE - lagged / (np.float32(2.0) * np.where(varies, variance, _ONE)), np.float32(0.0))


def _difference(part: ScaledPart, lag: int) -> tuple[Floats, Floats | None]:
    """Return differences of samples a lag apart, 0 where one was not measured, and where all were (None: everywhere).

    Lag 0 stands for the differences of neighbouring steps.
    """
    values, there = part.deviation, part.measured
    if lag:
        found = values[:, :, lag:] - values[:, :, :-lag]
        pairs = None if there is None else there[:, :, lag:] * there[:, :, :-lag]
    else:
        found = values[:, :, 2:] - np.float32(2.0) * values[:, :, 1:-1] + values[:, :, :-2]
        pairs = None if there is None else there[:, :, 2:] * there[:, :, 1:-1] * there[:, :, :-2]
    if pairs is not None:
        found *= pairs
    return found, pairs


def _pair_count(differences: Floats, pairs: Floats | None) -> Floats:
    """Return how many differences could be taken, (windows, channels), or one number for all."""
    if pairs is None:
        return np.array(differences.shape[2], np.float32)
    count: Floats = pairs.sum(axis=2)
    return count


def _in_standard_deviations(values: Floats, count: Floats) -> tuple[Floats, Floats]:
    """Return values of mean 0 in units of their standard deviation, 0 if they do not vary, and their variance."""
    variance = np.add.reduce(values * values, axis=2) / count
    varies = variance > _SMALLEST_VARIANCE
    factor = varies / np.sqrt(np.where(varies, variance, _ONE))
    return values * factor[:, :, np.newaxis], variance


def _log(values: Floats) -> Floats:
    logarithm: Floats = np.log(values + _SMALLEST)
    return logarithm
