# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Ten numbers that describe a window: a baseline for a network, and the measure of how hard the simulated task is.

Each is computed for every channel and averaged over the channels, so there are ten whatever the number of motors:

| feature | meaning |
|---|---|
| mean | level of the current |
| log_std | logarithm of the standard deviation |
| log_step | logarithm of the mean absolute difference of neighbouring samples |
| log_range | logarithm of the distance between the smallest and the largest value |
| log_quartiles | logarithm of the interquartile range |
| skewness | third standardised moment |
| kurtosis | fourth standardised moment, less 3 |
| autocorrelation | correlation of neighbouring samples |
| autocorrelation_5 | correlation of samples five apart |
| centroid | centre of gravity of the power spectrum, as a share of the Nyquist frequency |

The set is the usual one of current- and vibration-based terrain classification: DuPont, Moore, Collins, Coyle,
Frequency response method for terrain classification in autonomous ground vehicles, Autonomous Robots 24, 2008; Weiss,
Fröhlich, Zell, Vibration-based terrain classification using support vector machines, IROS 2006.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEATURE_NAMES = (
    'mean',
    'log_std',
    'log_step',
    'log_range',
    'log_quartiles',
    'skewness',
    'kurtosis',
    'autocorrelation',
    'autocorrelation_5',
    'centroid',
)

_LAG = 5
_SMALLEST = 1e-6  # keeps the logarithm of a constant window finite; far below the step of any current sensor [A]


def hand_features(windows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the ten features of every window.

    Args:
        windows: Shape (n, samples, channels), more than five samples, all measured [SI units].

    Returns:
        Shape (n, 10), float64, columns as in `FEATURE_NAMES`. Features that divide by the standard deviation are 0 for
        a constant channel.

    Raises:
        ValueError: The array has another shape, or too few samples.
    """
    values = np.asarray(windows, dtype=np.float64)
    if values.ndim != 3 or values.shape[1] <= _LAG or not values.shape[2]:
        raise ValueError(f'windows have shape {values.shape}; (n, more than {_LAG} samples, channels) is needed')
    samples = values.shape[1]
    mean = values.mean(axis=1)
    centred = values - mean[:, None]
    std = centred.std(axis=1)
    varies = std > _SMALLEST
    standard = centred / np.where(varies, std, 1.0)[:, None]
    standard = np.where(varies[:, None], standard, 0.0)
    lower, upper = np.quantile(values, (0.25, 0.75), axis=1)

    power = np.abs(np.fft.rfft(standard, axis=1)) ** 2
    place = np.arange(power.shape[1])[:, None] / (samples / 2)
    total = power.sum(axis=1)
    centroid = (power * place).sum(axis=1) / np.where(total > 0.0, total, 1.0)

    features = (
        mean,
        _log(std),
        _log(np.abs(np.diff(values, axis=1)).mean(axis=1)),
        _log(np.ptp(values, axis=1)),
        _log(upper - lower),
        (standard**3).mean(axis=1),
        np.where(varies, (standard**4).mean(axis=1) - 3.0, 0.0),
        (standard[:, 1:] * standard[:, :-1]).mean(axis=1),
        (standard[:, _LAG:] * standard[:, :-_LAG]).mean(axis=1),
        centroid,
    )
    return np.stack([feature.mean(axis=1) for feature in features], axis=1)


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(values, _SMALLEST))
