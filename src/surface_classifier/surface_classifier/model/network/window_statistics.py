# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of a window for the network's head, in operations that ONNX has and that hold for any number of samples.

For each channel:

| statistic | meaning |
|---|---|
| level | mean, in units of the channel's standard deviation |
| log_std | logarithm of the standard deviation |
| log_deviation | logarithm of the mean absolute deviation |
| log_range | logarithm of the distance between the smallest and the largest value |
| log_step | logarithm of the mean absolute difference of neighbouring samples, the steps |
| log_bend | logarithm of the mean absolute difference of neighbouring steps |
| skewness, step_skewness | third standardised moment of samples and steps |
| log_peakedness, log_step_peakedness | logarithm of the fourth: joints and stones make a few large steps |
| correlation_1, _2, _5, _10 | correlation of samples so far apart, from their mean square difference |
| above_1 … above_8 | fraction of samples above 8 edges (`quantile_bins`), softly; quantiles of the training windows |
| idle_1, _2 | fraction of samples at the two commonest values of the training windows (`idle_fractions`) |

and for each pair of channels of a part their correlation. Autocorrelations stand for the spectrum: they are its Fourier
transform. The fractions are what extra trees see of a current's distribution (`LevelFeatures`).

An unmeasured value (NaN) is left out; what a window without two measured values would give is NaN, for the network to
replace.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

LAGS = (1, 2, 5, 10)
# Values nearer than this are the same one, whatever rounding did to them [standard deviations of the channel].
SAME_VALUE = 0.005
_OF_CHANNEL = (
    'level',
    'log_std',
    'log_deviation',
    'log_range',
    'log_step',
    'log_bend',
    'skewness',
    'log_peakedness',
    'step_skewness',
    'log_step_peakedness',
)
_SMALLEST = 0.01  # keeps the logarithm of a constant window finite [typical deviations within a window]
_SMALLEST_VARIANCE = _SMALLEST**2 / 4.0  # below it a channel counts as constant


def statistic_names(channels: int, bins: int, idle: int = 0) -> tuple[str, ...]:
    """Return the names of the statistics of a part, in their order: `level[0]`, …, `correlation[0,1]`."""
    names = (*_OF_CHANNEL, *(f'correlation_{lag}' for lag in LAGS))
    of_channels = [f'{name}[{channel}]' for name in names for channel in range(channels)]
    of_channel = [f'above_{k + 1}' for k in range(bins)] + [f'idle_{k + 1}' for k in range(idle)]
    fractions = [f'{name}[{channel}]' for channel in range(channels) for name in of_channel]
    pairs = [f'correlation[{first},{second}]' for first, second in combinations(range(channels), 2)]
    return (*of_channels, *fractions, *pairs)


def statistic_weights(channels: int, bins: int, bin_scale: float, idle: int = 0) -> tuple[float, ...]:
    """Return the standard deviation with which each statistic of a part enters the head.

    The fractions are many and add little to the level where windows are few: a small `bin_scale` lets them
    matter only where there are windows enough to learn how.
    """
    names = statistic_names(channels, bins, idle)
    return tuple(bin_scale if name.startswith('above_') else 1.0 for name in names)


def window_statistics(standard: Tensor, deviation: Tensor, measured: Tensor, fractions: Tensor) -> Tensor:
    """Return the statistics of windows of one part.

    Args:
        standard: The channels standardised over the training windows, 0 where unmeasured, (windows, samples, channels).
        deviation: Deviation from the window's mean, in typical deviations, 0 where unmeasured; the same shape.
        measured: 1 where measured, 0 elsewhere; the same shape.
        fractions: Of `soft_fractions`, and if wanted of `fractions_at` behind, (windows, channels, fractions).

    Returns:
        Shape (windows, statistics), columns as in `statistic_names`; NaN where fewer than two values are measured.
    """
    channels = standard.shape[2]
    # (windows, channels, samples) from here on.
    level, values, there = (tensor.transpose(1, 2) for tensor in (standard, deviation, measured))
    count = there.sum(dim=2)
    known = torch.clamp(count, min=1.0)
    unit, variance = _in_standard_deviations(values, known)

    differences, pairs = _differences(values, there)
    kinds = (channels, len(LAGS) + 1)
    taken = pairs.sum(dim=2).unflatten(1, kinds)
    differed = torch.clamp(taken, min=1.0)
    magnitudes = differences.abs().sum(dim=2).unflatten(1, kinds) / differed
    squares = differences.square().sum(dim=2).unflatten(1, kinds) / differed
    steps, stepped = differences[:, :: kinds[1]], pairs[:, :: kinds[1]]
    mean_step = steps.sum(dim=2) / differed[:, :, 0]
    step_unit, _ = _in_standard_deviations((steps - mean_step.unsqueeze(2)) * stepped, differed[:, :, 0])
    # Samples a lag apart of which no two were measured count as independent.
    lagged = torch.where(taken > 0.5, squares, 2.0 * variance.unsqueeze(2))[:, :, : len(LAGS)]
    correlations = 1.0 - lagged / (2.0 * torch.clamp(variance, min=_SMALLEST_VARIANCE)).unsqueeze(2)
    correlations = torch.where((variance > _SMALLEST_VARIANCE).unsqueeze(2), correlations, 0.0)
    statistics = torch.cat(
        [
            level.sum(dim=2) / known,
            _log(variance.sqrt()),
            _log(values.abs().sum(dim=2) / known),
            _log(values.amax(dim=2) - values.amin(dim=2)),
            _log(magnitudes[:, :, 0]),
            _log(magnitudes[:, :, -1]),
            _mean_power(unit, 3, known),
            torch.log(_mean_power(unit, 4, known) + 1.0),
            _mean_power(step_unit, 3, differed[:, :, 0]),
            torch.log(_mean_power(step_unit, 4, differed[:, :, 0]) + 1.0),
            correlations.transpose(1, 2).flatten(1),
            fractions.flatten(1),
        ],
        dim=1,
    )
    enough = (count > 1.5).repeat(1, len(_OF_CHANNEL) + len(LAGS))
    enough = torch.cat([enough, (count > 1.5).repeat_interleave(fractions.shape[2], dim=1)], dim=1)
    if channels > 1:
        first, second = (list(columns) for columns in zip(*combinations(range(channels), 2), strict=True))
        both = there[:, first] * there[:, second]
        together = (unit[:, first] * unit[:, second] * both).sum(dim=2) / torch.clamp(both.sum(dim=2), min=1.0)
        statistics = torch.cat([statistics, together], dim=1)
        enough = torch.cat([enough, both.sum(dim=2) > 1.5], dim=1)
    return torch.where(enough, statistics, torch.nan)


def soft_fractions(standard: Tensor, measured: Tensor, edges: Tensor, widths: Tensor) -> Tensor:
    """Return the fraction of samples above each edge; a sample near an edge counts in part.

    Args:
        standard: (windows, samples, channels).
        measured: The same shape.
        edges: (channels, bins), in the units of `standard`.
        widths: Over which a sample comes to count as above, (channels, bins).

    Returns:
        Shape (windows, channels, bins) [1].
    """
    known = torch.clamp(measured.sum(dim=1), min=1.0).unsqueeze(2)
    over = (standard.transpose(1, 2).unsqueeze(2) - edges.unsqueeze(2)) / widths.unsqueeze(2)
    return (torch.sigmoid(over) * measured.transpose(1, 2).unsqueeze(2)).sum(dim=3) / known


def fractions_at(standard: Tensor, measured: Tensor, values: Tensor) -> Tensor:
    """Return the fraction of samples at each of some values of a channel.

    Args:
        standard: (windows, samples, channels).
        measured: The same shape.
        values: (channels, values), in the units of `standard`.

    Returns:
        Shape (windows, channels, values) [1].
    """
    known = torch.clamp(measured.sum(dim=1), min=1.0).unsqueeze(2)
    there = (standard.transpose(1, 2).unsqueeze(2) - values.unsqueeze(2)).abs() < SAME_VALUE
    return (there.to(standard.dtype) * measured.transpose(1, 2).unsqueeze(2)).sum(dim=3) / known


def _log(values: Tensor) -> Tensor:
    return torch.log(values + _SMALLEST)


def _mean_power(values: Tensor, power: int, count: Tensor) -> Tensor:
    square = values.square()
    return (square * (values if power == 3 else square)).sum(dim=2) / count


def _in_standard_deviations(values: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Return values of mean 0 in units of their standard deviation, 0 if they do not vary, and their variance."""
    variance = values.square().sum(dim=2) / count
    varies = variance > _SMALLEST_VARIANCE
    unit = values / torch.where(varies, variance, 1.0).sqrt().unsqueeze(2)
    return unit * varies.unsqueeze(2), variance


def _differences(values: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Return differences of samples, and where all that they take were measured (1, else 0).

    Both are of shape (windows, channels x (lags + 1), samples + 10): for each channel the differences of samples a lag
    apart, of which the first are the steps, and the differences of neighbouring steps. A difference is 0 where a sample
    of it was not measured. A convolution holds for any number of samples; slices would fix it in the exported graph.
    """
    channels, reach = values.shape[1], LAGS[-1]
    kernels = [[-1.0, *[0.0] * (lag - 1), 1.0, *[0.0] * (reach - lag)] for lag in LAGS]
    kernels.append([1.0, -2.0, 1.0, *[0.0] * (reach - 2)])
    weights = values.new_tensor(kernels).unsqueeze(1).repeat(channels, 1, 1)
    taken = (weights != 0.0).to(values.dtype)
    difference = functional.conv1d(values, weights, padding=reach, groups=channels)
    count = functional.conv1d(measured, taken, padding=reach, groups=channels)
    pairs = (count > taken.sum(dim=2) - 0.5).to(values.dtype)
    return difference * pairs, pairs
