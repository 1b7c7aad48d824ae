# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Motor currents in CAN frames: VESC status, ODrive CAN Simple, and whatever a DBC file describes."""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from current_driver.devices.device_link import load_library
from current_driver.devices.motor_entries import named_motors, whole_number
from current_driver.errors import SurfaceError

MOTORS_PARAMETER = 'can.motors'
STANDARD_MASK, EXTENDED_MASK = 0x7FF, 0x1FFFFFFF


class CanFilter(NamedTuple):
    """Frames that a decoder wants: those whose id agrees with `can_id` in the bits of `can_mask`."""

    can_id: int
    can_mask: int
    extended: bool


class CanDecoder(ABC):
    """Finds the current of a motor in a frame.

    Attributes:
        motor_names: Names of the motors.
    """

    motor_names: tuple[str, ...]

    @abstractmethod
    def filters(self) -> list[CanFilter]:
        """Return the frames it wants."""

    @abstractmethod
    def decode(self, can_id: int, extended: bool, data: bytes) -> Sequence[tuple[int, float]]:
        """Return number and current [A] of each motor in a data frame.

        Raises:
            ValueError: The frame is one of those that are wanted, and is damaged.
        """

    def requests(self) -> list[tuple[int, int]]:
        """Return id and length of the remote frames (11-bit ids) that ask for the currents once."""
        return []


class _NumberedDecoder(CanDecoder):
    """One frame a motor, whose id holds the number that the motor is bound to, with values of a fixed layout."""

    _EXAMPLE: ClassVar[str]
    _LARGEST_NUMBER: ClassVar[int]
    _EXTENDED: ClassVar[bool]
    _LAYOUT: ClassVar[struct.Struct]

    def __init__(self, motors: Sequence[str]) -> None:
        """Bind the motors.

        Args:
            motors: Entries `NAME=ID`.

        Raises:
            SurfaceError: An entry cannot be used.
        """
        bound = named_motors(motors, MOTORS_PARAMETER, self._EXAMPLE)
        self.motor_names = tuple(bound)
        self._motors = {
            self._can_id(whole_number(text, MOTORS_PARAMETER, self._LARGEST_NUMBER)): motor
            for motor, text in enumerate(bound.values())
        }

    @abstractmethod
    def _can_id(self, number: int) -> int:
        """Return the id of the frames of the controller that has this number."""

    @abstractmethod
    def _current_a(self, values: tuple[Any, ...]) -> float:
        """Return the current among the values of a frame [A]; ValueError where there is none."""

    def filters(self) -> list[CanFilter]:
        """Return the frames of the bound motors."""
        mask = EXTENDED_MASK if self._EXTENDED else STANDARD_MASK
        return [CanFilter(can_id, mask, self._EXTENDED) for can_id in self._motors]

    def decode(self, can_id: int, extended: bool, data: bytes) -> Sequence[tuple[int, float]]:
        """Return the current of the frame's motor."""
        motor = self._motors.get(can_id) if extended == self._EXTENDED else None
        if motor is None:
            return ()
        if len(data) != self._LAYOUT.size:
            raise ValueError('length')
        return ((motor, self._current_a(self._LAYOUT.unpack(data))),)


class VescDecoder(_NumberedDecoder):
    """CAN_PACKET_STATUS of the VESC firmware: motor current in steps of 0.1 A.

    The id has 29 bits: the command, 9, in bits 8 to 15 and the controller's id in bits 0 to 7. The data are big endian:
    electrical speed (int32) [rpm], motor current (int16) [0.1 A], duty cycle (int16) [0.001]. From the firmware's
    documentation, `documentation/comm_can.md`.
    """

    STATUS = 9
    _EXAMPLE, _LARGEST_NUMBER, _EXTENDED, _LAYOUT = 'left=1', 255, True, struct.Struct('>ihh')

    def _can_id(self, number: int) -> int:
        return self.STATUS << 8 | number

    def _current_a(self, values: tuple[Any, ...]) -> float:
        return float(values[1]) / 10.0


class OdriveDecoder(_NumberedDecoder):
    """Get_Iq of ODrive's CAN Simple: the measured current of the q axis.

    The id has 11 bits: the node's id in bits 5 to 10, the command, 0x14, in bits 0 to 4. The data are two float32,
    little endian: Iq_Setpoint and Iq_Measured [A]. Firmware 0.6 sends it by itself (`iq_msg_rate_ms`),
    firmware 0.5 when it is asked by a remote frame.
    """

    GET_IQ = 0x14
    _EXAMPLE, _LARGEST_NUMBER, _EXTENDED, _LAYOUT = 'left=0', 63, False, struct.Struct('<ff')

    def _can_id(self, number: int) -> int:
        return number << 5 | self.GET_IQ

    def _current_a(self, values: tuple[Any, ...]) -> float:
        if not math.isfinite(values[1]):
            raise ValueError('not finite')
        return float(values[1])

    def requests(self) -> list[tuple[int, int]]:
        """A remote frame for each node."""
        return [(can_id, self._LAYOUT.size) for can_id in self._motors]


class _DbcSignal(NamedTuple):
    """One signal of a message: its motor, its factor to A, and raw values that are no currents, such as 32767 'SNA'."""

    motor: int
    name: str
    factor: float
    choices: frozenset[int]


class DbcDecoder(CanDecoder):
    """Signals of a DBC file, decoded by cantools, factor, offset and multiplexing included; in A or mA."""

    def __init__(self, motors: Sequence[str], dbc_file: str) -> None:
        """Find the signals.

        Args:
            motors: Entries `NAME=MESSAGE.SIGNAL`.
            dbc_file: The file; any format that cantools reads (DBC, KCD, SYM, ARXML).

        Raises:
            SurfaceError: cantools is not installed, the file cannot be read, or it has no such signal.
        """
        bound = named_motors(motors, MOTORS_PARAMETER, 'left=DriveStatus.MotorCurrent')
        self.motor_names = tuple(bound)
        path = Path(dbc_file).expanduser()
        if not dbc_file or not path.is_file():
            raise SurfaceError(
                f'parameter can.dbc_file: there is no file {dbc_file!r}; name the DBC file of the device'
            )
        cantools = load_library('cantools', 'cantools', 'can with protocol dbc')
        try:
            database = cantools.database.load_file(str(path))
        except Exception as error:  # each of its parsers has errors of its own
            raise SurfaceError(f'{path} cannot be read ({error}); it must be a DBC file') from error
        self._messages: dict[tuple[int, bool], Any] = {}
        self._signals: dict[tuple[int, bool], list[_DbcSignal]] = {}
        for number, text in enumerate(bound.values()):
            message, signal = _find_signal(database, text, path)
            key = (message.frame_id, message.is_extended_frame)
            self._messages[key] = message
            self._signals.setdefault(key, []).append(
                _DbcSignal(number, signal.name, _factor(signal, text, path), frozenset(signal.choices or ()))
            )

    def filters(self) -> list[CanFilter]:
        """The messages that hold the signals."""
        return [
            CanFilter(can_id, EXTENDED_MASK if extended else STANDARD_MASK, extended)
            for can_id, extended in self._messages
        ]

    def decode(self, can_id: int, extended: bool, data: bytes) -> Sequence[tuple[int, float]]:
        """Return the signals; those that the frame does not carry (multiplexed) are left out.

        A raw value that the file gives a name (not available, fault) is NaN.
        """
        message = self._messages.get((can_id, extended))
        if message is None:
            return ()
        signals = self._signals[can_id, extended]
        try:
            values = message.decode(data, decode_choices=False)
            has_choices = any(signal.choices for signal in signals)
            raw = message.decode(data, decode_choices=False, scaling=False) if has_choices else {}
        except Exception as error:  # too short, or a multiplexer that the file does not know
            raise ValueError(str(error)) from error
        return [
            (
                signal.motor,
                math.nan
                if signal.choices and raw[signal.name] in signal.choices
                else values[signal.name] * signal.factor,
            )
            for signal in signals
            if signal.name in values
        ]


def _find_signal(database: Any, text: str, path: Path) -> tuple[Any, Any]:
    message_name, dot, signal_name = text.partition('.')
    found: Mapping[str, Any] = {message.name: message for message in database.messages}
    if not dot or message_name not in found:
        raise SurfaceError(
            f'parameter {MOTORS_PARAMETER}: {path.name} has no message {message_name!r}; write MESSAGE.SIGNAL with '
            f'one of {_some(found)}'
        )
    message = found[message_name]
    signals = {signal.name: signal for signal in message.signals}
    if signal_name not in signals:
        raise SurfaceError(
            f'parameter {MOTORS_PARAMETER}: message {message_name} has no signal {signal_name!r}; it has '
            f'{_some(signals)}'
        )
    return message, signals[signal_name]


def _factor(signal: Any, text: str, path: Path) -> float:
    """Return what makes a signal A."""
    factors = {'A': 1.0, 'mA': 1e-3, None: 1.0, '': 1.0}
    if signal.unit not in factors:
        raise SurfaceError(
            f'parameter {MOTORS_PARAMETER}: {path.name} gives {text} in {signal.unit!r}; a current is in A or mA: '
            'choose another signal, or correct the unit in the file'
        )
    return factors[signal.unit]


def _some(names: Mapping[str, Any]) -> str:
    """Return the first names of many."""
    listed = sorted(names)
    return ', '.join(listed[:8]) + (', ...' if len(listed) > 8 else '')
