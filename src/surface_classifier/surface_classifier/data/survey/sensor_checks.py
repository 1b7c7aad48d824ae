# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether channels are fit to learn from: dead, saturated, duplicate or wrapping ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.signal.value_checks.wrapped_numbers import jumps_far, wrap_of

DEAD_SHARE = 0.2  # share of windows in which a channel never changes [1]
SATURATED_SHARE = 0.03  # share of a channel's samples at its rail [1]
DUPLICATE_CORRELATION = 0.999
WRAPPED_SHARE = 0.5  # of 1 for a channel whose values wrap [1]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SensorFault:
    """A channel that is not fit to learn from.

    Attributes:
        part: Index of the part.
        channel: Index of the channel in it.
        kind: `dead`, `saturated`, `duplicate` or `wrapped`.
        value: Share of the windows in which it is dead, share of its samples at the rail, or correlation with the other
            channel [1].
        threshold: What the value was compared with.
        other: For a duplicate, the channel it copies.
        text: For one that wraps, how, and the remedy.
    """

    part: int
    channel: int
    kind: str
    value: float
    threshold: float
    other: int = -1
    text: str = ''


def find_sensor_faults(
    parts: Sequence[Values], wraps: Mapping[tuple[int, int], str] | None = None
) -> list[SensorFault]:
    """Look at every channel.

    Args:
        parts: For each part an array (windows, samples, channels); NaN where unmeasured.
        wraps: How the values of channels were seen to wrap before they were resampled, by part and channel.
    """
    faults = []
    for index, part in enumerate(parts):
        values = np.asarray(part, dtype=np.float64)
        still = _still(values)
        for channel in range(values.shape[2]):
            dead = _dead_share(still, channel)
            saturated = _saturated_share(values[:, :, channel][~still[:, channel]])
            if text := (wraps or {}).get((index, channel)) or _wrap_text(values[:, :, channel].reshape(-1)):
                faults.append(SensorFault(index, channel, 'wrapped', 1.0, WRAPPED_SHARE, text=text))
            elif dead > DEAD_SHARE:
                faults.append(SensorFault(index, channel, 'dead', dead, DEAD_SHARE))
            elif saturated > SATURATED_SHARE:
                faults.append(SensorFault(index, channel, 'saturated', saturated, SATURATED_SHARE))
            for other in range(channel):
                correlation = _correlation(values[:, :, channel], values[:, :, other])
                if correlation > DUPLICATE_CORRELATION:
                    faults.append(SensorFault(index, channel, 'duplicate', correlation, DUPLICATE_CORRELATION, other))
    return faults


def noted_wraps(dataset: Dataset) -> dict[tuple[int, int], str]:
    """Return how the values of channels were seen to wrap when a data set was built, by input part and channel."""
    noted = dataset.counters.get('wraps')
    if not isinstance(noted, dict):
        return {}
    return {
        (index, column): str(noted[name])
        for index, part in enumerate(dataset.config.input_parts)
        for column, channel in enumerate(part.channels)
        if (name := f'{channel.topic}: channel {channel.name}') in noted
    }


def _wrap_text(values: Values) -> str:
    """How consecutive values wrap, and the remedy; empty when they do not."""
    wrap = wrap_of(values, 0.0) if jumps_far(values) else None
    return '' if wrap is None else wrap.text


def constant_channels(parts: Sequence[Values]) -> list[tuple[int, int]]:
    """Part and channel of every channel that has one value in all windows, or none.

    Args:
        parts: As in `find_sensor_faults`.
    """
    found = []
    for index, part in enumerate(parts):
        for channel in range(part.shape[2]):
            values = np.asarray(part[:, :, channel])
            measured = values[np.isfinite(values)]
            if not measured.size or measured.min() == measured.max():
                found.append((index, channel))
    return found


def _still(values: Values) -> NDArray[np.bool_]:
    """Which windows do not change at all in which channel, shape (windows, channels)."""
    spread: NDArray[np.bool_] = np.nanmax(values, axis=1) - np.nanmin(values, axis=1) <= 0.0
    return spread


def _dead_share(still: NDArray[np.bool_], channel: int) -> float:
    """Share of the windows in which a channel is still though another one moves, or though it is the only one."""
    others = np.delete(still, channel, axis=1)
    # When every channel of a robot is still, the robot may be standing.
    moving = ~others.all(axis=1) if others.shape[1] else np.ones(len(still), dtype=bool)
    return float(still[moving, channel].mean()) if moving.any() else 0.0


def _saturated_share(samples: Values) -> float:
    """Share of the samples at the channel's upper or lower rail; a current that rests at 0 is at no rail."""
    finite = samples[np.isfinite(samples)]
    if finite.size == 0:
        return 0.0
    high, low = finite.max(), finite.min()
    at_high = float((finite == high).mean())
    at_low = float((finite == low).mean()) if low != 0.0 else 0.0
    return max(at_high, at_low)


def _correlation(first: Values, second: Values) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if a.size < 2 or a.std() == 0.0 or b.std() == 0.0:
        return 0.0
    return abs(float(np.corrcoef(a, b)[0, 1]))
