# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From single motors' readings to samples of all motors: drives on a bus report one by one."""

from __future__ import annotations

from collections import Counter

from current_driver.devices.readings import Reading

MISSING = 'values missing in a sample'


class RowAssembler:
    """Puts the reports of several motors together.

    A sample is complete when every motor has reported once. A motor that reports again before that ends the sample as
    well; those that have not reported are then NaN in it, and counted. The sample's time is the mean of its reports'
    times, so that drives that report one after another over the whole period are off by half of it at most.
    """

    def __init__(self, motors: int, counters: Counter[str]) -> None:
        """Start with an empty sample.

        Args:
            motors: Number of motors.
            counters: Where missing values are counted.
        """
        self._motors = motors
        self._counters = counters
        self._values: dict[int, float] = {}
        self._times_ns: list[tuple[int, int | None]] = []
        self._complete_once = False

    def add(self, motor: int, current_a: float, receive_ns: int, device_ns: int | None = None) -> Reading | None:
        """Take in a report; return the sample that it completes or ends.

        Args:
            motor: Number of the motor.
            current_a: Its current [A].
            receive_ns: When the report was received [ns].
            device_ns: Time of the adapter's clock, None without one [ns].
        """
        ended = None
        if motor in self._values:
            ended = self._end()
        self._values[motor] = current_a
        self._times_ns.append((receive_ns, device_ns))
        if len(self._values) == self._motors:
            # Both cannot happen at once with more than one motor, and with one motor a sample never stays open.
            ended = self._end()
        return ended

    def _end(self) -> Reading | None:
        values, times = self._values, self._times_ns
        self._values, self._times_ns = {}, []
        missing = self._motors - len(values)
        if missing and not self._complete_once and self._motors > 1:
            # The bus was joined in the middle of a round, or motors have not begun to report.
            self._complete_once = True
            return None
        self._complete_once = True
        self._counters[MISSING] += missing
        device_ns = None
        if times[0][1] is not None:
            device_ns = times[0][1] + sum((own or 0) - times[0][1] for _, own in times) // len(times)
        return Reading(
            [values.get(motor, float('nan')) for motor in range(self._motors)],
            times[0][0] + sum(receive_ns - times[0][0] for receive_ns, _ in times) // len(times),
            None,
            device_ns,
        )
