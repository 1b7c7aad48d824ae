# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a device looks like to the driver: a link that is opened, read and closed, and gives readings."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any

from current_driver.devices.readings import LinkTiming, Reading
from current_driver.errors import SurfaceError
from current_driver.optional_packages import environment_remedy, install_command

ClockNs = Callable[[], int]

try:
    from termios import error as _terminal_error
except ImportError:  # not on Windows
    _terminal_error = OSError  # type: ignore[assignment, misc]

# What pyserial raises when a port goes away, by where it was just then; SerialException is an OSError.
PORT_ERRORS = (OSError, TypeError, _terminal_error)


class LinkLostError(Exception):
    """The device went away: unplugged, switched off, or its port was closed. The link can be opened again."""


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
