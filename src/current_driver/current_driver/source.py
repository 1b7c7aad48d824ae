# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of everything that delivers a robot's motor current: a simulator, a recording or a device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TypeVar

from current_driver.messages import StampedMessage
from current_driver.node.health import Health

_Source = TypeVar('_Source', bound='CurrentSource')


class CurrentSource(ABC):
    """A source of serialized messages: open it, read blocks until it ends, close it.

    A source knows no clock. It hands out messages in the order of their stamps, and the publisher decides when
    (see `current_driver.node.pacing`). Use it as a context manager:

        with SimulatorSource(config) as source:
            while (block := source.read_block()) is not None:
                for message in block: ...
    """

    @property
    @abstractmethod
    def topics(self) -> Mapping[str, str]:
        """Full type name of every topic the source can deliver, by topic; known after `open`."""

    @property
    def latched_topics(self) -> frozenset[str]:
        """Topics whose last message a late subscriber must get (transient local); known after `open`."""
        return frozenset()

    @property
    def playback(self) -> int:
        """Number of the recording that the last block came from, counted over all rounds of a loop.

        The time between two of them is no pause that the robot made, and no reader has to wait for it.
        """
        return 0

    @property
    def live(self) -> bool:
        """Whether messages come when something is measured, so that they must not be held back to set the pace."""
        return False

    def health(self) -> Health | None:
        """Return how a device is; None where there is none. Called from another thread than `read_block`."""
        return None

    @abstractmethod
    def open(self) -> None:
        """Open the source.

        Raises:
            SurfaceError: It cannot be opened; the message names the file or device and the remedy.
        """

    @abstractmethod
    def read_block(self) -> Sequence[StampedMessage] | None:
        """Return the next messages in the order of their stamps, or None when the source has ended.

        An empty sequence means that there is nothing yet. A source that starts over (a replay in a loop) may step back
        in time between two blocks, never within one.

        Raises:
            SurfaceError: What was read cannot be used.
        """

    @abstractmethod
    def close(self) -> None:
        """Release files and devices. Closing a source that is not open does nothing."""

    def __enter__(self: _Source) -> _Source:
        """Open the source."""
        self.open()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the source."""
        self.close()
