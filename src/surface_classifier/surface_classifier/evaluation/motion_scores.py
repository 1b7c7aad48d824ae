# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How the robot moved in each window: its speed and whether it stood, drove straight, turned or changed its speed.

It is read from the part of a window that has the role motion (`config/borealtc_motion.yaml`), and serves to say where a
model fails; no network sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.unseen_motion import motion_features, motion_series, speed_channels
from surface_classifier.signal.window_config import SPEED_UNIT

STILL_MPS = 0.05
# Turning: wheels differ by so much on average, or the robot turns at the rate at which wheels half a metre apart do.
TURNING_MPS = 0.1
TURNING_RADPS = 0.2
# Varying: the speed's standard deviation within the window.
VARYING_MPS = 0.1
SPEED_EDGES_MPS = (0.05, 0.15, 0.30, 0.45)
MOTIONS = ('still', 'straight', 'turning', 'varying')

Values = NDArray[np.float64]


@dataclass(frozen=True)
class WindowMotion:
    """How the robot moved in the windows of a data set.

    Attributes:
        speed_mps: Mean magnitude of the robot's speed, (windows,); NaN where not known [m/s].
        motion: One of `MOTIONS`; empty where not known.
        speed_bin: Such as `0.15 to 0.30 m/s`; empty where not known.
    """

    speed_mps: Values
    motion: tuple[str, ...]
    speed_bin: tuple[str, ...]


def window_motion(dataset: Dataset) -> WindowMotion:
    """Find the motion in each window of a data set.

    Args:
        dataset: The data set; a part of it has the role motion.

    Raises:
        SurfaceError: No part has, or its first channel is no speed in m/s.
    """
    part = dataset.config.motion_part
    if part is None:
        raise SurfaceError(
            f'{dataset.path}: no part of its windows measures how the robot moved; build it with wheel speeds or a '
            'twist in a part with `role: motion`, see config/borealtc_motion.yaml'
        )
    is_speed = speed_channels(part.channel_units)
    unit = part.channel_units[int(np.argmax(is_speed))]
    if unit != SPEED_UNIT:
        raise SurfaceError(
            f'{dataset.path}: the speeds of part {part.name!r} are in {unit}, bins of speed are in '
            f'{SPEED_UNIT}; give its channels a scale to {SPEED_UNIT}, such as the radius of the wheels, and this unit'
        )
    series = motion_series(np.asarray(dataset.parts[part.name], dtype=np.float64), is_speed)
    features = motion_features(series)
    known = np.asarray(np.isfinite(features).all(axis=1))
    speed, spread, turn = features[:, 0], features[:, 1], features[:, 2:]
    wheels = int(is_speed.sum()) > 1
    limits = np.array([TURNING_MPS] * wheels + [TURNING_RADPS] * (turn.shape[1] - wheels))
    # Unmeasured samples are as good as still: the others decide.
    fastest = np.nan_to_num(np.abs(series.speed)).max(axis=1)
    sharpest = np.nan_to_num(np.abs(series.turns) / limits).max(axis=(1, 2), initial=0.0)
    kinds = np.where(
        (fastest < STILL_MPS) & (sharpest < STILL_MPS / TURNING_MPS),
        'still',
        np.where(spread > VARYING_MPS, 'varying', np.where((turn > limits).any(axis=1), 'turning', 'straight')),
    )
    return WindowMotion(
        speed_mps=np.where(known, speed, np.nan),
        motion=tuple(str(kind) if there else '' for kind, there in zip(kinds, known, strict=True)),
        speed_bin=tuple(speed_bin(value) if there else '' for value, there in zip(speed, known, strict=True)),
    )


def speed_bin(speed_mps: float) -> str:
    """Return the name of a speed's bin, such as `0.15 to 0.30 m/s`; empty for NaN."""
    if np.isnan(speed_mps):
        return ''
    edges = (0.0, *SPEED_EDGES_MPS)
    place = int(np.searchsorted(edges, speed_mps, side='right')) - 1
    upper = f'{edges[place + 1]:.2f}' if place + 1 < len(edges) else 'more'
    return f'{edges[place]:.2f} to {upper} m/s'
