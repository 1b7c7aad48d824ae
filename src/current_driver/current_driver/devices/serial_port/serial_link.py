# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A board with current sensors on a serial port: an Arduino, an ESP32, or whatever sends lines or frames of samples."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from current_driver.devices.device_link import PORT_ERRORS, ClockNs, DeviceLink, LinkLostError, load_library
from current_driver.devices.readings import RECEIVE_TIME, LinkTiming, Reading
from current_driver.devices.serial_port.sample_frames import (
    CRC_ERRORS,
    FRAME_TIMING,
    MAX_MOTORS,
    SKIPPED_BYTES,
    FrameParser,
)
from current_driver.devices.serial_port.sample_lines import MALFORMED, Columns, LineParser
from current_driver.errors import SurfaceError

CSV, JSON, BINARY = 'csv', 'json', 'binary'
WAIT_S = 0.05
# Bytes are collected for so long: fewer wake-ups, and stamps by the device's clock do not mind.
COLLECT_S = 0.002
# Without the device's time, samples of one reading are spread over the time since the one before, at most this.
SPREAD_NS = 100_000_000
UNREADABLE = 'bytes before the first sample'
PORT_SCHEMES = ('socket', 'rfc2217')


class SerialLink(DeviceLink):
    """Samples from a serial port, in one of three formats.

    Attributes:
        counters: Malformed lines, CRC errors and skipped bytes.
    """

    def __init__(self, port: str, baud_rate: int, data_format: str, columns: Sequence[str], clock_ns: ClockNs) -> None:
        """Describe the link.

        Args:
            port: Device file, or socket://HOST:PORT or rfc2217://HOST:PORT.
            baud_rate: Speed [bit/s].
            data_format: csv, json or binary.
            columns: csv and json: names of the columns, empty: as the device says; binary: names of the motors, empty:
                motor_1, motor_2 and so on.
            clock_ns: Host time [ns].

        Raises:
            SurfaceError: No port is given, or the columns cannot be used.
        """
        if not port:
            raise SurfaceError('parameter serial.port is empty; name the port of the device, such as /dev/ttyUSB0')
        _check_port(port)
        self.counters = Counter({MALFORMED: 0, CRC_ERRORS: 0, SKIPPED_BYTES: 0, UNREADABLE: 0})
        self._port = port
        self._baud_rate = baud_rate
        self._format = data_format
        self._names = tuple(columns)
        self._columns = Columns.from_names(columns) if columns and data_format != BINARY else None
        if len(self._names) > MAX_MOTORS and data_format == BINARY:
            raise SurfaceError(
                f'parameter serial.columns names {len(columns)} motors; a frame has {MAX_MOTORS} at most'
            )
        self._clock_ns = clock_ns
        self._serial: Any = None
        self._lines = self._new_lines()
        self._frames = FrameParser(self.counters)
        self._last_read_ns: int | None = None

    def _new_lines(self) -> LineParser:
        return LineParser(self._columns, self._format == JSON, self.counters)

    @property
    def description(self) -> str:
        """Port, speed and format."""
        return f'{self._port} ({self._format} at {self._baud_rate} baud)'

    @property
    def motor_names(self) -> tuple[str, ...]:
        """Names of the motors, by the columns."""
        if self._format == BINARY:
            return self._names or tuple(f'motor_{number + 1}' for number in range(self._frames.motors or 0))
        return self._lines.columns.motors if self._lines.columns else ()

    @property
    def hint(self) -> str:
        """What the lines are that no sample can be read from, with the remedy."""
        return '' if self._format == BINARY else self._lines.hint

    @property
    def timing(self) -> LinkTiming:
        """By counter and clock where the device sends them."""
        if self._format == BINARY:
            return FRAME_TIMING
        return self._lines.columns.timing if self._lines.columns else LinkTiming()

    def load(self) -> None:
        """Import pyserial."""
        load_library('serial', 'pyserial', 'serial')

    def open(self) -> None:
        """Open the port, and leave out what it has already received.

        Raises:
            SurfaceError: There is no such port, or it may not be opened.
        """
        import serial

        try:
            self._serial = serial.serial_for_url(self._port, baudrate=self._baud_rate, timeout=WAIT_S)
            self._serial.reset_input_buffer()
        except (*PORT_ERRORS, ValueError) as error:
            raise SurfaceError(
                f'no device can be opened at {self._port} ({error}); plug it in, or correct serial.port; on Linux the '
                'user must be in the group of the port, mostly dialout'
            ) from error
        self._lines = self._new_lines()
        self._frames = FrameParser(self.counters)
        self._last_read_ns = None

    def read(self) -> list[Reading]:
        """Wait for bytes, and return the samples that they complete.

        Raises:
            LinkLostError: The port was unplugged or closed, or the device sends something else than it did.
        """
        try:
            data = self._serial.read(1)
            if not data:
                return []
            time.sleep(COLLECT_S)
            data += self._serial.read(self._serial.in_waiting)
        except PORT_ERRORS as error:
            raise LinkLostError(f'{self._port} was lost ({error})') from error
        receive_ns = self._clock_ns()
        parser = self._frames if self._format == BINARY else self._lines
        readings = parser.feed(data, receive_ns)
        if parser.changed:
            raise LinkLostError(f'{self._port}: the device sends other columns than before')
        names, motors = self._names, self._frames.motors
        if self._format == BINARY and names and motors is not None and len(names) != motors:
            raise LinkLostError(
                f'{self._port}: the device sends {motors} motors, serial.columns names {len(names)}: {", ".join(names)}'
            )
        if not self.motor_names:
            self.counters[UNREADABLE] += len(data)
        if self.timing.stamps == RECEIVE_TIME:
            readings = self._spread(readings, receive_ns)
        return readings

    def _spread(self, readings: list[Reading], receive_ns: int) -> list[Reading]:
        """Give samples that came in one reading a time each: evenly since the reading before."""
        if not readings:
            return readings
        last_ns, self._last_read_ns = self._last_read_ns, receive_ns
        span_ns = SPREAD_NS if last_ns is None else receive_ns - last_ns
        each_ns = min(span_ns, SPREAD_NS) // len(readings)
        return [
            reading._replace(receive_ns=receive_ns - (len(readings) - 1 - number) * each_ns)
            for number, reading in enumerate(readings)
        ]

    def close(self) -> None:
        """Close the port."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None


def _check_port(port: str) -> None:
    """Refuse what is no port: other URLs of pyserial read or write files, such as `spy://PORT?file=FILE`.

    Raises:
        SurfaceError: It is one of them.
    """
    scheme, found, _ = port.partition('://')
    if (found and scheme.lower() not in PORT_SCHEMES) or '\0' in port:
        raise SurfaceError(
            f'parameter serial.port is {port!r}; give a device such as /dev/ttyUSB0, or the address of a converter, '
            'socket://HOST:PORT or rfc2217://HOST:PORT'
        )
