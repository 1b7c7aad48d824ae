# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How the robot moved in each window: its speed and whether it stood, drove straight, turned or changed its speed.

Speeds are read from a second data set, cut from the same recordings by the same windows with wheel speeds as channels
(`config/borealtc_motion.yaml`). They serve to say where a model fails; no model sees them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset

STILL_MPS = 0.05
# Turning: the wheels differ by so much on average. Varying: the speed's standard deviation within the window.
TURNING_MPS = 0.1
VARYING_MPS = 0.1
SPEED_EDGES_MPS = (0.05, 0.15, 0.30, 0.45)
MOTIONS = ('still', 'straight', 'turning', 'varying')

Values = NDArray[np.float64]


@dataclass(frozen=True)
class WindowMotion:
    """How the robot moved in the windows of a data set.

    Attributes:
        speed_mps: Mean magnitude of the robot's speed, (windows,); NaN where not known [m/s].
        turn_mps: Mean difference between the fastest and the slowest wheel, (windows,); NaN where not known [m/s].
        motion: One of `MOTIONS`; empty where not known.
        speed_bin: Such as `0.15 to 0.30 m/s`; empty where not known.
    """

    speed_mps: Values
    turn_mps: Values
    motion: tuple[str, ...]
    speed_bin: tuple[str, ...]


def window_motion(dataset: Dataset, wheels: Dataset) -> WindowMotion:
    """Find the motion in each window of a data set.

    Args:
        dataset: The data set.
        wheels: Windows of the same recordings whose channels are wheel speeds [m/s].

    Raises:
        SurfaceError: The channels are no speeds, or no window of both is the same.
    """
    channels = [channel for part in wheels.config.parts for channel in part.channels]
    if any(channel.unit != 'm/s' for channel in channels) or len(wheels.config.parts) != 1:
        units = ', '.join(f'{channel.name} [{channel.unit}]' for channel in channels)
        raise SurfaceError(
            f'{wheels.path}: its channels are {units}; the data set of motions needs one part of wheel speeds [m/s], '
            'see config/borealtc_motion.yaml'
        )
    values = np.asarray(wheels.parts[wheels.config.parts[0].name])
    names = wheels.recording_names
    places = {
        (names[recording], int(start)): row
        for row, (recording, start) in enumerate(zip(wheels.recording, wheels.start_ns, strict=True))
    }
    names = dataset.recording_names
    rows = np.array(
        [
            places.get((names[recording], int(start)), -1)
            for recording, start in zip(dataset.recording, dataset.start_ns, strict=True)
        ]
    )
    if not (rows >= 0).any():
        raise SurfaceError(
            f'{wheels.path}: no window starts when one of {dataset.path} does in a recording of the same name; build '
            'it from the same recordings with the same window and stride'
        )
    found = values[np.maximum(rows, 0)]
    speeds = found.mean(axis=2)
    speed = np.where(rows >= 0, np.abs(speeds).mean(axis=1), np.nan)
    turn = np.where(rows >= 0, (found.max(axis=2) - found.min(axis=2)).mean(axis=1), np.nan)
    deviation = speeds.std(axis=1)
    still = np.abs(found).max(axis=(1, 2)) < STILL_MPS
    kinds = np.where(
        still,
        'still',
        np.where(deviation > VARYING_MPS, 'varying', np.where(turn > TURNING_MPS, 'turning', 'straight')),
    )
    return WindowMotion(
        speed_mps=speed,
        turn_mps=turn,
        motion=tuple(str(kind) if row >= 0 else '' for kind, row in zip(kinds, rows, strict=True)),
        speed_bin=tuple(speed_bin(value) for value in speed),
    )


def speed_bin(speed_mps: float) -> str:
    """Return the name of a speed's bin, such as `0.15 to 0.30 m/s`; empty for NaN."""
    if np.isnan(speed_mps):
        return ''
    edges = (0.0, *SPEED_EDGES_MPS)
    place = int(np.searchsorted(edges, speed_mps, side='right')) - 1
    upper = f'{edges[place + 1]:.2f}' if place + 1 < len(edges) else 'more'
    return f'{edges[place]:.2f} to {upper} m/s'
