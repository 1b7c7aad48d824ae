# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Dynamixel servos: the present current of all of them in one sync read, at a steady rate, through the maker's SDK.

Servos have no clock worth using (the X series counts whole milliseconds), so a sample's time is the middle between
request and answer. A poll that is not answered by every servo, and a poll whose time passed while another one was
waited for, is a lost sample.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from current_driver.devices.device_link import PORT_ERRORS, ClockNs, DeviceLink, LinkLostError, load_library
from current_driver.devices.motor_entries import named_motors, whole_number
from current_driver.devices.readings import BY_POLLS, POLL_TIME, LinkTiming, Reading
from current_driver.errors import SurfaceError

MOTORS_PARAMETER = 'dynamixel.motors'
PROTOCOL = 2.0
LENGTH = 2  # bytes of the present current
FAILED = 'polls without a whole answer'
LATE = 'polls left out because one before took too long'
LOST_AFTER_S = 1.0
READ_TIMEOUT_S = 0.001
WAIT_S = 0.05


class DynamixelLink(DeviceLink):
    """Currents of servos on one port.

    Attributes:
        counters: Polls that failed or were left out.
    """

    def __init__(
        self,
        port: str,
        baud_rate: int,
        motors: Sequence[str],
        rate_hz: float,
        clock_ns: ClockNs,
        *,
        address: int = 126,
        milliampere_per_step: float = 2.69,
    ) -> None:
        """Name the servos.

        Args:
            port: Device file.
            baud_rate: Speed [bit/s].
            motors: Entries `NAME=ID`.
            rate_hz: How often they are asked [Hz].
            clock_ns: Host time [ns].
            address: Where the present current is in the control table: 126 in the X series, 574 in the P series.
            milliampere_per_step: Unit of the present current: 2.69 in the XM430 and most others, 1 in the XL330 and the
                P series [mA].

        Raises:
            SurfaceError: No port is given, or an entry cannot be used.
        """
        if not port:
            raise SurfaceError('parameter dynamixel.port is empty; name the port of the servos, such as /dev/ttyUSB0')
        bound = named_motors(motors, MOTORS_PARAMETER, 'left=1')
        self.counters = Counter({FAILED: 0, LATE: 0})
        self._names = tuple(bound)
        self._ids = [whole_number(text, MOTORS_PARAMETER, 252) for text in bound.values()]
        self._port_name = port
        self._baud_rate = baud_rate
        self._period_s = 1.0 / rate_hz
        self._clock_ns = clock_ns
        self._address = address
        self._step_a = milliampere_per_step * 1e-3
        self._port: Any = None
        self._group: Any = None
        self._due_s = self._answered_s = 0.0
        self._lost = 0

    @property
    def description(self) -> str:
        """Port and speed."""
        return f'{self._port_name} (Dynamixel at {self._baud_rate} baud)'

    @property
    def motor_names(self) -> tuple[str, ...]:
        """Names of the motors, as configured."""
        return self._names

    @property
    def timing(self) -> LinkTiming:
        """By the polls."""
        return LinkTiming(POLL_TIME, BY_POLLS)

    def load(self) -> None:
        """Import the SDK."""
        load_library('dynamixel_sdk', 'dynamixel-sdk', 'dynamixel')

    def open(self) -> None:
        """Open the port.

        Raises:
            SurfaceError: There is no such port, it may not be opened, or it does not know the speed.
        """
        import dynamixel_sdk

        port = dynamixel_sdk.PortHandler(self._port_name)
        try:
            opened = port.setBaudRate(self._baud_rate)
        except (*PORT_ERRORS, ValueError) as error:
            raise SurfaceError(
                f'no servos can be reached at {self._port_name} ({error}); plug the adapter in, or correct '
                'dynamixel.port; on Linux the user must be in the group of the port, mostly dialout'
            ) from error
        if not opened:
            raise SurfaceError(f'parameter dynamixel.baud_rate is {self._baud_rate}, which the SDK does not know')
        # The SDK asks the port again and again without waiting; so it waits inside the port instead.
        port.ser.timeout = READ_TIMEOUT_S
        self._port = port
        self._group = dynamixel_sdk.GroupSyncRead(port, dynamixel_sdk.PacketHandler(PROTOCOL), self._address, LENGTH)
        for number in self._ids:
            self._group.addParam(number)
        self._due_s = self._answered_s = time.monotonic()
        self._lost = 0

    def read(self) -> list[Reading]:
        """Wait until the servos are to be asked, and ask them.

        Raises:
            LinkLostError: The port is gone, or no servo has answered for a second.
        """
        import dynamixel_sdk

        wait_s = self._due_s - time.monotonic()
        if wait_s > 0.0:
            time.sleep(min(wait_s, WAIT_S))
            if wait_s > WAIT_S:
                return []
        before_ns = self._clock_ns()
        try:
            result = self._group.txRxPacket()
        except PORT_ERRORS as error:
            raise LinkLostError(f'{self._port_name} was lost ({error})') from error
        after_ns = self._clock_ns()
        now_s = time.monotonic()
        lost, self._lost = self._lost, 0
        # A poll may be late by half a period; one that would be later is left out.
        late = max(0, int((now_s - self._due_s) / self._period_s - 0.5))
        self._due_s += (1 + late) * self._period_s
        self.counters[LATE] += late
        if result != dynamixel_sdk.COMM_SUCCESS:
            self.counters[FAILED] += 1
            self._lost = lost + 1 + late
            if now_s - self._answered_s > LOST_AFTER_S:
                raise LinkLostError(
                    f'{self.description}: the servos do not answer '
                    f'({self._group.ph.getTxRxResult(result).partition("] ")[2] or result}); check power, ids '
                    f'({", ".join(map(str, self._ids))}) and dynamixel.baud_rate'
                )
            return []
        self._answered_s = now_s
        self._lost = late
        currents = [_signed(self._group.getData(number, self._address, LENGTH)) * self._step_a for number in self._ids]
        return [Reading(currents, (before_ns + after_ns) // 2, lost_before=lost)]

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.closePort()
            self._port = None


def _signed(value: int) -> int:
    """Return two bytes as a signed number."""
    return value - 2**16 if value >= 2**15 else value
