# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a simulated robot does and where: speed, turning and slope by manoeuvres, and a schedule of surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from current_driver.simulation.low_pass import low_pass

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """Motion of the robot's body, one value for each sample.

    Attributes:
        speed_mps: Forward speed [m/s].
        acceleration_mps2: Its derivative [m/s^2].
        yaw_rate_radps: Positive to the left [rad/s].
        yaw_acceleration_radps2: Its derivative [rad/s^2].
        slope_rad: Inclination of the ground in the direction of travel, positive uphill [rad].
    """

    speed_mps: Values
    acceleration_mps2: Values
    yaw_rate_radps: Values
    yaw_acceleration_radps2: Values
    slope_rad: Values


@dataclass(frozen=True)
class PlanParameters:
    """How the robot is driven.

    Attributes:
        speed_range_mps: Target speeds [m/s].
        yaw_rate_max_radps: Fastest turn in an arc [rad/s].
        spin_yaw_rate_radps: Yaw rate of a turn on the spot [rad/s].
        slope_max_rad: Steepest slope [rad].
        manoeuvre_range_s: How long one manoeuvre lasts [s].
        stop_range_s: How long a stop lasts [s].
        arc_probability: Share of manoeuvres that are arcs [1].
        spin_probability: Share of manoeuvres that are turns on the spot [1].
        stop_probability: Share of manoeuvres that are stops; the rest is straight [1].
        smoothing_s: Time constant, twice, with which targets are approached [s].
        slope_smoothing_s: The same for the slope [s].
        floor_variation: Standard deviation of the logarithm of how rough one floor is among its kind [1].
    """

    speed_range_mps: tuple[float, float] = (0.45, 1.0)
    yaw_rate_max_radps: float = 0.5
    spin_yaw_rate_radps: float = 0.9
    slope_max_rad: float = 0.008
    manoeuvre_range_s: tuple[float, float] = (2.0, 8.0)
    stop_range_s: tuple[float, float] = (0.8, 1.6)
    arc_probability: float = 0.40
    spin_probability: float = 0.03
    stop_probability: float = 0.03
    smoothing_s: float = 0.8
    slope_smoothing_s: float = 0.8
    floor_variation: float = 0.32


class DrivePlan:
    """Draws manoeuvres one after the other and smooths their targets into a motion."""

    def __init__(self, parameters: PlanParameters, sample_rate_hz: float, rng: np.random.Generator) -> None:
        """Begin at rest with the first manoeuvre.

        Args:
            parameters: How the robot is driven.
            sample_rate_hz: Rate of the motion's samples [Hz].
            rng: Source of the manoeuvres.
        """
        self._parameters = parameters
        self._rate_hz = sample_rate_hz
        self._rng = rng
        self._target = (0.0, 0.0, 0.0)
        self._samples_left = 0
        self._smoothers = [
            _Smoother(time_constant, sample_rate_hz)
            for time_constant in (parameters.smoothing_s, parameters.smoothing_s, parameters.slope_smoothing_s)
        ]

    def advance(self, samples: int) -> Motion:
        """Return the motion of the next samples."""
        targets = np.empty((3, samples))
        filled = 0
        while filled < samples:
            if not self._samples_left:
                self._next_manoeuvre()
            count = min(self._samples_left, samples - filled)
            targets[:, filled : filled + count] = np.array(self._target)[:, None]
            filled += count
            self._samples_left -= count
        (speed, acceleration), (yaw_rate, yaw_acceleration), (slope, _) = (
            smoother.smooth(target) for smoother, target in zip(self._smoothers, targets, strict=True)
        )
        return Motion(speed, acceleration, yaw_rate, yaw_acceleration, slope)

    def _next_manoeuvre(self) -> None:
        plan, rng = self._parameters, self._rng
        kind = rng.random()
        seconds = rng.uniform(*plan.manoeuvre_range_s)
        speed = rng.uniform(*plan.speed_range_mps)
        side = rng.choice((-1.0, 1.0))
        arc = rng.uniform(0.2, 1.0) * plan.yaw_rate_max_radps
        slope = rng.uniform(-1.0, 1.0) * plan.slope_max_rad
        stop_seconds = rng.uniform(*plan.stop_range_s)
        yaw_rate = 0.0
        if kind < plan.stop_probability:
            seconds, speed = stop_seconds, 0.0
        elif kind < plan.stop_probability + plan.spin_probability:
            speed, yaw_rate = 0.0, side * plan.spin_yaw_rate_radps
        elif kind < plan.stop_probability + plan.spin_probability + plan.arc_probability:
            yaw_rate = side * arc
        self._target = (speed, yaw_rate, slope)
        self._samples_left = max(1, round(seconds * self._rate_hz))


class _Smoother:
    """Two first-order lags in a row, discretised exactly; gives the output and its derivative."""

    def __init__(self, time_constant_s: float, sample_rate_hz: float) -> None:
        self._time_constant_s = time_constant_s
        self._pole = float(np.exp(-1.0 / (time_constant_s * sample_rate_hz)))
        self._states = [np.zeros(1), np.zeros(1)]

    def smooth(self, values: Values) -> tuple[Values, Values]:
        stages = [values]
        for index in range(2):
            output, self._states[index] = low_pass(stages[-1], self._pole, self._states[index])
            stages.append(output)
        return stages[2], (stages[1] - stages[2]) / self._time_constant_s


class SurfaceSchedule:
    """Which surface lies under the robot: each for the same time, in rounds, every surface once a round."""

    def __init__(self, surfaces: int, samples_per_surface: int, shuffle: bool, rng: np.random.Generator) -> None:
        """Plan the rounds.

        Args:
            surfaces: Number of surfaces.
            samples_per_surface: How long each lasts [samples].
            shuffle: A new order in every round; otherwise as given.
            rng: Source of the order.
        """
        self._surfaces = surfaces
        self._samples = samples_per_surface
        self._shuffle = shuffle
        self._rng = rng
        self._order: list[int] = []

    def _surface(self, stretch: int) -> int:
        while len(self._order) <= stretch:
            following = self._rng.permutation(self._surfaces) if self._shuffle else np.arange(self._surfaces)
            if self._order and self._surfaces > 1 and following[0] == self._order[-1]:
                following = np.roll(following, 1)  # a change of surface always changes the surface
            self._order.extend(int(surface) for surface in following)
        return self._order[stretch]

    def indices(self, first_sample: int, samples: int) -> NDArray[np.int64]:
        """Return the surface under the robot for each of some samples, as indices."""
        stretches = (first_sample + np.arange(samples)) // self._samples
        self._surface(int(stretches[-1]))
        return np.array(self._order, dtype=np.int64)[stretches]

    def changes(self, first_sample: int, samples: int) -> list[tuple[int, int]]:
        """Return where the surface changes among some samples, as (sample, surface); sample 0 counts as a change."""
        first = -(-first_sample // self._samples)
        last = (first_sample + samples - 1) // self._samples
        return [
            (stretch * self._samples, self._surface(stretch))
            for stretch in range(first, last + 1)
            if not stretch or self._surface(stretch) != self._surface(stretch - 1)
        ]
