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
| above_1 … above_8 | share of samples above 8 levels, softly; the levels are quantiles of the training windows |

and for each pair of channels of a part their correlation. Autocorrelations stand for the spectrum: they are its Fourier
transform. The shares are what trees see of a current's distribution (`LevelFeatures`).

An unmeasured value (NaN) is left out; what a window without two measured values would give is NaN, for the network to
replace.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

LAGS = (1, 2, 5, 10)
LEVELS = 8
SHARE_WEIGHT = 0.1
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


def statistic_names(channels: int) -> tuple[str, ...]:
    """Return the names of the statistics of a part, in their order: `level[0]`, …, `correlation[0,1]`."""
    names = (*_OF_CHANNEL, *(f'correlation_{lag}' for lag in LAGS))
    of_channels = [f'{name}[{channel}]' for name in names for channel in range(channels)]
    shares = [f'above_{level + 1}[{channel}]' for channel in range(channels) for level in range(LEVELS)]
    pairs = [f'correlation[{first},{second}]' for first, second in combinations(range(channels), 2)]
    return (*of_channels, *shares, *pairs)


def statistic_weights(channels: int) -> tuple[float, ...]:
    """Return the standard deviation with which each statistic of a part enters the head.

    The shares are many and say little more than the level where windows are few: they count for less, so that they
    matter only where there are windows enough to tell how.
    """
    return tuple(SHARE_WEIGHT if name.startswith('above_') else 1.0 for name in statistic_names(channels))


def window_statistics(standard: Tensor, deviation: Tensor, measured: Tensor, above: Tensor) -> Tensor:
    """Return the statistics of windows of one part.

    Args:
        standard: The channels standardised over the training windows, 0 where unmeasured, (windows, samples, channels).
        deviation: Deviation from the window's mean, in typical deviations, 0 where unmeasured; the same shape.
        measured: 1 where measured, 0 elsewhere; the same shape.
        above: Soft share of each level, as `soft_shares` gives it, (windows, channels, levels).

    Returns:
        Shape (windows, statistics), columns as in `statistic_names`; NaN where fewer than two values are measured.
    """
    count = measured.sum(dim=1)
    known = torch.clamp(count, min=1.0)

    def mean(values: Tensor) -> Tensor:
        return values.sum(dim=1) / known

    variance = mean(deviation.square())
    varies = variance > _SMALLEST**2 / 4.0
    unit = deviation / torch.where(varies, variance, torch.ones_like(variance)).sqrt().unsqueeze(1)
    unit = unit * varies.unsqueeze(1)
    lagged = _lagged_squares(deviation, measured, variance)
    correlations = torch.where(
        varies.unsqueeze(1), 1.0 - lagged / (2.0 * torch.clamp(variance, min=_SMALLEST**2 / 4.0)).unsqueeze(1), 0.0
    )
    step, stepped = _differences(deviation, measured, (-1.0, 1.0))
    bend, bent = _differences(deviation, measured, (1.0, -2.0, 1.0))
    steps = torch.clamp(stepped.sum(dim=1), min=1.0)
    mean_step = step.abs().sum(dim=1) / steps
    step = step - step.sum(dim=1, keepdim=True) / steps.unsqueeze(1) * stepped
    step_variance = step.square().sum(dim=1) / steps
    step_varies = step_variance > _SMALLEST**2 / 4.0
    step_unit = step / torch.where(step_varies, step_variance, torch.ones_like(step_variance)).sqrt().unsqueeze(1)
    step_unit = step_unit * step_varies.unsqueeze(1)
    statistics = torch.cat(
        [
            mean(standard),
            _log(variance.sqrt()),
            _log(mean(deviation.abs())),
            _log(deviation.amax(dim=1) - deviation.amin(dim=1)),
            _log(mean_step),
            _log(bend.abs().sum(dim=1) / torch.clamp(bent.sum(dim=1), min=1.0)),
            mean(unit.square() * unit),
            torch.log(mean(unit.square().square()) + 1.0),
            (step_unit.square() * step_unit).sum(dim=1) / steps,
            torch.log(step_unit.square().square().sum(dim=1) / steps + 1.0),
            correlations.flatten(1),
            above.flatten(1),
        ],
        dim=1,
    )
    channels = standard.shape[2]
    enough = (count > 1.5).repeat(1, len(_OF_CHANNEL) + len(LAGS))
    enough = torch.cat([enough, (count > 1.5).repeat_interleave(LEVELS, dim=1)], dim=1)
    if channels > 1:
        first, second = (list(columns) for columns in zip(*combinations(range(channels), 2), strict=True))
        both = measured[..., first] * measured[..., second]
        together = (unit[..., first] * unit[..., second] * both).sum(dim=1) / torch.clamp(both.sum(dim=1), min=1.0)
        statistics = torch.cat([statistics, together], dim=1)
        enough = torch.cat([enough, both.sum(dim=1) > 1.5], dim=1)
    return torch.where(enough, statistics, torch.nan)


def soft_shares(standard: Tensor, measured: Tensor, levels: Tensor, widths: Tensor) -> Tensor:
    """Return the share of samples above each level, a sample near the level counting in part.

    Args:
        standard: (windows, samples, channels).
        measured: The same shape.
        levels: (channels, levels), in the units of `standard`.
        widths: Over which a sample comes to count as above, (channels, levels).

    Returns:
        Shape (windows, channels, levels) [1].
    """
    known = torch.clamp(measured.sum(dim=1), min=1.0)
    shares = [
        (torch.sigmoid((standard - levels[:, level]) / widths[:, level]) * measured).sum(dim=1) / known
        for level in range(LEVELS)
    ]
    return torch.stack(shares, dim=2)


def _log(values: Tensor) -> Tensor:
    return torch.log(values + _SMALLEST)


def _differences(deviation: Tensor, measured: Tensor, kernel: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return differences of samples and where all that they take were measured (1, else 0).

    Both are of shape (windows, samples + len(kernel) - 1, channels). A difference is 0 where a sample of it was not
    measured. A convolution holds for any number of samples; slices would fix it in the exported graph.
    """
    channels, reach = deviation.shape[2], len(kernel) - 1
    weights = deviation.new_tensor(kernel).repeat(channels, 1, 1)
    difference = functional.conv1d(deviation.transpose(1, 2), weights, padding=reach, groups=channels)
    taken = (weights != 0.0).to(deviation.dtype)
    count = functional.conv1d(measured.transpose(1, 2), taken, padding=reach, groups=channels)
    all_measured = (count > sum(factor != 0.0 for factor in kernel) - 0.5).to(deviation.dtype)
    return (difference * all_measured).transpose(1, 2), all_measured.transpose(1, 2)


def _lagged_squares(deviation: Tensor, measured: Tensor, variance: Tensor) -> Tensor:
    """Return the mean square difference of samples a lag apart, (windows, lags, channels).

    Where no two measured samples are a lag apart, it is that of independent samples.
    """
    found = []
    for lag in LAGS:
        difference, both = _differences(deviation, measured, (-1.0, *[0.0] * (lag - 1), 1.0))
        count = both.sum(dim=1)
        square = difference.square().sum(dim=1) / torch.clamp(count, min=1.0)
        found.append(torch.where(count > 0.5, square, 2.0 * variance))
    return torch.stack(found, dim=1)
