# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Motor drives on a CAN bus that report their currents in frames of their own, through python-can."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from current_driver.devices.can_bus.can_decoders import CanDecoder
from current_driver.devices.can_bus.row_assembler import MISSING, RowAssembler
from current_driver.devices.device_link import ClockNs, DeviceLink, LinkLostError, load_library
from current_driver.devices.readings import BUS_TIME, BY_TIME, DEVICE_CLOCK, RECEIVE_TIME, LinkTiming, Reading
from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_yaml
from current_driver.messages import NANOSECONDS

WAIT_S = 0.05
COLLECT_S = 0.002
FRAMES_AT_ONCE = 2000
MALFORMED = 'malformed frames'
ERROR_FRAMES = 'error frames'
DROPPED = 'frames dropped by the receive buffer'
# Half a second of a full bus at 1 Mbit/s; the kernel's default is used up in a twentieth of a second.
BUFFER_BYTES = 4_000_000
# Adapters that stamp frames by a clock of their own start at zero; those that use the host's are this close to it.
HOST_CLOCK_NS = 60 * NANOSECONDS
_SO_RCVBUFFORCE, _SO_MEMINFO, _MEMINFO_VALUES, _MEMINFO_DROPS = 33, 55, 9, 8  # linux/socket.h, linux/sock_diag.h


class CanLink(DeviceLink):
    """Currents from frames on a CAN bus.

    Attributes:
        counters: Malformed and error frames, frames that the kernel dropped, missing values.
    """

    def __init__(
        self,
        decoder: CanDecoder,
        bus: CanBusSettings,
        clock_ns: ClockNs,
        *,
        poll_rate_hz: float = 0.0,
    ) -> None:
        """Describe the link.

        Args:
            decoder: Finds currents in frames.
            bus: The bus.
            clock_ns: Host time [ns].
            poll_rate_hz: How often the drives are asked by remote frames; 0: they report by themselves [Hz].

        Raises:
            SurfaceError: Drives that cannot be asked are to be asked.
        """
        if poll_rate_hz and not decoder.requests():
            raise SurfaceError(
                f'parameter can.poll_rate_hz is {poll_rate_hz:g}: only protocol odrive is asked by remote '
                'frames; set it to 0'
            )
        self.counters = Counter({MALFORMED: 0, ERROR_FRAMES: 0, DROPPED: 0, MISSING: 0})
        self._decoder = decoder
        self._settings = bus
        self._clock_ns = clock_ns
        self._poll_rate_hz = poll_rate_hz
        self._rows = RowAssembler(len(decoder.motor_names), self.counters)
        self._bus: Any = None
        self._tasks: list[Any] = []
        self._timing = LinkTiming(BUS_TIME, BY_TIME, watch_gaps=True)
        self._known = False  # how this bus stamps frames
        self._dropped = 0

    @property
    def description(self) -> str:
        """Interface and channel."""
        return self._settings.description

    @property
    def motor_names(self) -> tuple[str, ...]:
        """Names of the motors, as configured."""
        return self._decoder.motor_names

    @property
    def timing(self) -> LinkTiming:
        """By the time of the bus, unless the adapter gives none."""
        return self._timing

    def load(self) -> None:
        """Import python-can."""
        load_library('can', 'python-can', 'can')

    def open(self) -> None:
        """Join the bus.

        Raises:
            SurfaceError: There is no such bus, or it is down.
        """
        import can

        filters = [
            {'can_id': f.can_id, 'can_mask': f.can_mask, 'extended': f.extended} for f in self._decoder.filters()
        ]
        self._bus = self._settings.open(can_filters=filters)
        self._rows = RowAssembler(len(self._decoder.motor_names), self.counters)
        self._known = False
        self._dropped = 0
        widen_receive_buffer(self._bus)
        if self._poll_rate_hz:
            for can_id, length in self._decoder.requests():
                request = can.Message(arbitration_id=can_id, is_extended_id=False, is_remote_frame=True, dlc=length)
                self._tasks.append(self._bus.send_periodic(request, 1.0 / self._poll_rate_hz))

    def read(self) -> list[Reading]:
        """Wait for frames, and return the samples that they complete.

        Raises:
            LinkLostError: The bus went down, or the adapter was unplugged.
        """
        import can

        readings: list[Reading] = []
        try:
            frame = self._bus.recv(WAIT_S)
            if frame is not None and self._timing.stamps != RECEIVE_TIME:
                time.sleep(COLLECT_S)
            for _ in range(FRAMES_AT_ONCE):
                if frame is None:
                    break
                self._take(frame, readings)
                frame = self._bus.recv(0)
            else:
                if frame is not None:
                    self._take(frame, readings)
        except (can.CanError, OSError) as error:
            raise LinkLostError(f'{self.description} was lost ({error})') from error
        dropped = frames_dropped(self._bus)
        self.counters[DROPPED] += max(0, dropped - self._dropped)
        self._dropped = dropped
        return readings

    def _take(self, frame: Any, readings: list[Reading]) -> None:
        if frame.is_error_frame:
            self.counters[ERROR_FRAMES] += 1
            return
        if frame.is_remote_frame:
            return
        try:
            found = self._decoder.decode(frame.arbitration_id, frame.is_extended_id, bytes(frame.data))
        except ValueError:
            self.counters[MALFORMED] += 1
            return
        if not found:
            return
        receive_ns, device_ns = self._times(frame.timestamp)
        for motor, current_a in found:
            reading = self._rows.add(motor, current_a, receive_ns, device_ns)
            if reading is not None:
                readings.append(reading)

    def _times(self, timestamp_s: float) -> tuple[int, int | None]:
        """Return time of receipt and, by an adapter with a clock of its own, its time [ns]."""
        stamped_ns = round(timestamp_s * NANOSECONDS)
        if self._known and self._timing.stamps == BUS_TIME:
            return stamped_ns, None
        now_ns = self._clock_ns()
        if not self._known:
            self._known = True
            if not stamped_ns:
                self._timing = LinkTiming(RECEIVE_TIME)
            elif abs(stamped_ns - now_ns) < HOST_CLOCK_NS:
                self._timing = LinkTiming(BUS_TIME, BY_TIME, watch_gaps=True)
            else:
                self._timing = LinkTiming(DEVICE_CLOCK, BY_TIME, watch_gaps=True)
        if self._timing.stamps == BUS_TIME:
            return stamped_ns, None
        return now_ns, stamped_ns if self._timing.stamps == DEVICE_CLOCK else None

    def close(self) -> None:
        """Leave the bus."""
        for task in self._tasks:
            task.stop()
        self._tasks = []
        if self._bus is not None:
            self._bus.shutdown()
            self._bus = None


class CanBusSettings:
    """How a bus is opened, in python-can's terms."""

    def __init__(self, interface: str, channel: str, bitrate: int, options: Sequence[str] = ()) -> None:
        """Describe the bus.

        Args:
            interface: Name of one of python-can's interfaces.
            channel: The interface's name of the bus.
            bitrate: Speed; 0: as the interface is configured [bit/s].
            options: Further arguments of the interface, `NAME=VALUE`.

        Raises:
            SurfaceError: An option is not of this form.
        """
        self.description = f'CAN bus {channel} ({interface})'
        self._arguments: dict[str, Any] = {'interface': interface, 'channel': channel}
        if bitrate:
            self._arguments['bitrate'] = bitrate
        for option in options:
            name, found, value = option.partition('=')
            if not (name.strip() and found):
                raise SurfaceError(f'parameter can.options: {option!r} must be NAME=VALUE, such as hop_limit=0')
            self._arguments[name.strip()] = parse_yaml(
                value, f'parameter can.options: {name.strip()}', 'write NAME=VALUE, such as hop_limit=0'
            )

    def open(self, **more: Any) -> Any:
        """Return the open bus.

        Args:
            more: Further arguments of `can.Bus`.

        Raises:
            SurfaceError: There is no such interface or bus, or it is down.
        """
        import can

        try:
            return can.Bus(**self._arguments, **more)
        except (can.CanError, OSError, ValueError, TypeError, NotImplementedError, ImportError) as error:
            channel = self._arguments['channel']
            raise SurfaceError(
                f'{self.description} cannot be opened ({error}); plug the adapter in and correct can.interface, '
                f'can.channel and can.options; a socketcan bus is brought up with: ip link set {channel} up type can '
                f'bitrate {self._arguments.get("bitrate", 500000)}'
            ) from error


def widen_receive_buffer(bus: Any) -> None:
    """Let the kernel keep more frames while this process is held up, where the bus is a socket."""
    with suppress(OSError, NotImplementedError, AttributeError, ValueError), _socket_of(bus) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)  # beyond the limit, for root
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)


def frames_dropped(bus: Any) -> int:
    """Return how many frames the kernel has dropped because the bus's socket was full; 0 where it does not count."""
    with suppress(OSError, NotImplementedError, AttributeError, ValueError, struct.error), _socket_of(bus) as sock:
        memory = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_VALUES)
        return int(struct.unpack(f'={_MEMINFO_VALUES}I', memory)[_MEMINFO_DROPS])
    return 0


def _socket_of(bus: Any) -> socket.socket:
    """Return a second handle of a bus's socket.

    Raises:
        OSError: It is no socket.
    """
    number = bus.fileno()
    if number < 0:
        raise OSError('no file')
    copy = os.dup(number)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
