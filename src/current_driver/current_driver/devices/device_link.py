# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a device looks like to the driver: a link that is opened, read and closed, and gives readings."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from current_driver.errors import SurfaceError
from current_driver.optional_packages import environment_remedy, install_command

ClockNs = Callable[[], int]

try:
    from termios import error as _terminal_error
except ImportError:  # not on Windows
    _terminal_error = OSError  # type: ignore[assignment, misc]

# What pyserial raises when a port goes away, by where it was just then; SerialException is an OSError.
PORT_ERRORS = (OSError, TypeError, _terminal_error)

# How a sample's stamp comes about, as it is told on /diagnostics.
DEVICE_CLOCK = "the device's clock"
BUS_TIME = 'the time at which the bus driver received the frame'
POLL_TIME = 'the middle between request and answer'
RECEIVE_TIME = 'the time of receipt'

# How missing samples are noticed.
BY_SEQUENCE = "the device's sequence counter"
BY_TIME = 'gaps in time'
BY_POLLS = 'polls without an answer'
BY_ERRORS = 'damaged data alone: the device sends no counter and no time'


class LinkLostError(Exception):
    """The device went away: unplugged, switched off, or its port was closed. The link can be opened again."""


class Reading(NamedTuple):
    """One sample as a device gave it.

    Attributes:
        current_a: Current of each motor, NaN where unmeasured [A].
        receive_ns: When it was received, or measured where the link knows better [ns].
        sequence: The device's sample counter, None without one.
        device_ns: Time of the device's clock, modulo `LinkTiming.device_modulus_ns`; None without one [ns].
        lost_before: Samples that are known to be missing before this one, where no counter tells.
    """

    current_a: Sequence[float]
    receive_ns: int
    sequence: int | None = None
    device_ns: int | None = None
    lost_before: int = 0


@dataclass(frozen=True)
class LinkTiming:
    """How the readings of a link are to be numbered and stamped.

    Attributes:
        stamps: How a stamp comes about, in words.
        loss: How missing samples are noticed, in words.
        sequence_modulus: Value at which the device's counter starts over; None: it sends none.
        device_modulus_ns: Time at which the device's clock starts over; None: never [ns].
        watch_gaps: A gap in time is a loss: times are those of the device or the bus, not of this process.
    """

    stamps: str = RECEIVE_TIME
    loss: str = BY_ERRORS
    sequence_modulus: int | None = None
    device_modulus_ns: int | None = None
    watch_gaps: bool = False


class DeviceLink(ABC):
    """A connection to a device, used by one thread.

    Attributes:
        counters: What went wrong since the link was made, by name; every name is there from the beginning, since
            another thread reads it.
    """

    counters: Counter[str]

    @property
    @abstractmethod
    def description(self) -> str:
        """The device in a few words, such as its port and speed."""

    @property
    @abstractmethod
    def motor_names(self) -> tuple[str, ...]:
        """Names of the motors; known after the first readings."""

    @property
    @abstractmethod
    def timing(self) -> LinkTiming:
        """How readings are numbered and stamped; known after the first readings."""

    @abstractmethod
    def load(self) -> None:
        """Import the device's library.

        Raises:
            SurfaceError: It is not installed.
        """

    @abstractmethod
    def open(self) -> None:
        """Connect.

        Raises:
            SurfaceError: There is no such device now; trying again may help.
        """

    @property
    def hint(self) -> str:
        """What comes, where no sample can be read from it, with the remedy; empty where that is not known."""
        return ''

    @abstractmethod
    def read(self) -> list[Reading]:
        """Wait for readings for a twentieth of a second at most, and return those that have come.

        Raises:
            LinkLostError: The device went away.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect; nothing happens when it is not connected."""


def load_library(module: str, package: str, source: str) -> Any:
    """Return a device's library, which only those who have such a device need.

    Args:
        module: Name of the module.
        package: Name of the package that brings it.
        source: The source that needs it.

    Raises:
        SurfaceError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SurfaceError(
            f'source {source} needs the Python package {package}, which cannot be imported ({error}); '
            f'{environment_remedy(install_command([package]))}'
        ) from error


def named_motors(entries: Sequence[str], parameter: str, example: str) -> dict[str, str]:
    """Return what motors are bound to, by their names, from entries `NAME=WHAT`.

    Args:
        entries: The entries.
        parameter: Name of the parameter they come from.
        example: A right entry.

    Raises:
        SurfaceError: There is none, one has no name or nothing it is bound to, or two have the same name.
    """
    motors: dict[str, str] = {}
    for entry in entries:
        name, found, bound = (part.strip() for part in entry.partition('='))
        if not (name and found and bound):
            raise SurfaceError(f'parameter {parameter}: {entry!r} must be NAME=..., such as {example}')
        if name in motors or bound in motors.values():
            raise SurfaceError(f'parameter {parameter}: {entry!r} names something twice')
        motors[name] = bound
    if not motors:
        raise SurfaceError(f'parameter {parameter} is empty; name the motors, such as {example}')
    return motors


def whole_number(text: str, parameter: str, largest: int) -> int:
    """Return a number that an entry is bound to, decimal or as 0x...

    Raises:
        SurfaceError: It is none, or out of range.
    """
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= largest:
        raise SurfaceError(f'parameter {parameter}: {text!r} must be a whole number from 0 to {largest}')
    return number
