# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How much a training curve fluctuates: the share of epochs in which the loss rises, and the size of its wobble.

The two say different things. Tiny rises that no plot shows count in `rising_share` as much as large ones; a loss that
falls in steps of very different size has a `detrended_log_std` of zero as long as it never rises. A curve that a person
would call jumpy has both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MEDIAN_EPOCHS = 21  # width of the running median that is taken for the trend
# Below this a cross-entropy in float32 is rounding [nat]; without a floor, a loss of 0 would have no logarithm.
SMALLEST_LOSS = 1e-7


def rising_share(losses: ArrayLike) -> float:
    """Share of epochs whose loss is above that of the epoch before, 0 to 1.

    Args:
        losses: Loss of each epoch, shape (epochs,) [nat].

    Returns:
        0 for a loss that never rises, about 0.5 for one that wanders; NaN for fewer than two epochs [1].

    Raises:
        ValueError: The losses are not a row of finite numbers of at least 0.
    """
    values = _checked(losses)
    return float(np.mean(np.diff(values) > 0)) if len(values) > 1 else float('nan')


def detrended_log_std(losses: ArrayLike) -> float:
    """Standard deviation of log(loss) about its running median over 21 epochs.

    A value of 0.1 means that the loss deviates from its trend by about 10 % of itself. At the ends of the curve the
    median is taken over as many epochs before as after, so that a loss that only falls, however steeply, gives
    exactly 0.

    Args:
        losses: Loss of each epoch, shape (epochs,) [nat].

    Returns:
        The standard deviation, of the natural logarithm [1]; NaN for fewer than three epochs.

    Raises:
        ValueError: The losses are not a row of finite numbers of at least 0.
    """
    values = _checked(losses)
    if len(values) < 3:
        return float('nan')
    logarithm = np.log(np.maximum(values, SMALLEST_LOSS))
    return float(np.std(logarithm - running_median(logarithm, MEDIAN_EPOCHS)))


def running_median(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Median over `width` neighbours, centred; narrower at the ends, with as many before as after.

    Args:
        values: Shape (n,).
        width: Odd number of values.

    Returns:
        Shape (n,), in the unit of the values.

    Raises:
        ValueError: `width` is even or not positive.
    """
    if width < 1 or width % 2 == 0:
        raise ValueError(f'width must be a positive odd number, not {width}')
    count = len(values)
    half = min(width // 2, max(count - 1, 0) // 2)
    medians = np.array(values, dtype=np.float64)
    for reach in range(1, half):
        for place in (reach, count - 1 - reach):
            medians[place] = np.median(values[place - reach : place + reach + 1])
    if half:
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(values, dtype=np.float64), 2 * half + 1)
        medians[half : count - half] = np.median(windows, axis=1)
    return medians


def epochs_to(scores: ArrayLike, target: float = 1.0) -> int | None:
    """First epoch whose score is at least the target.

    Args:
        scores: Score of each epoch, such as the training accuracy, shape (epochs,) [1].
        target: Score to reach [1].

    Returns:
        The epoch, counted from 1; None when it was never reached.
    """
    reached = np.flatnonzero(np.asarray(scores, dtype=np.float64) >= target)
    return int(reached[0]) + 1 if reached.size else None


def _checked(losses: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f'losses have the shape {values.shape}; (epochs,) is needed')
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        epoch = int(np.flatnonzero(wrong)[0])
        raise ValueError(f'the loss of epoch {epoch + 1} is {values[epoch]}; finite numbers of at least 0 are needed')
    return values
