# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a device source in tests: waits for samples and for states, with deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from current_driver.devices.device_source import DeviceSource
from current_driver.messages import deserialize

DEADLINE_S = 30.0


class BlockReader:
    """Collects what a source publishes.

    Attributes:
        blocks: The messages, deserialized.
    """

    def __init__(self, source: DeviceSource) -> None:
        self.blocks: list[Any] = []
        self._source = source

    def until(
        self, condition: Callable[[], bool], what: str = 'samples', each: Callable[[], None] | None = None
    ) -> None:
        """Read until a condition holds.

        Args:
            condition: What is waited for.
            what: The same in words.
            each: Called before each reading, for a device that has to be fed.

        Raises:
            AssertionError: It did not hold in time.
        """
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end_s, f'waited in vain for {what}: {self._source.health()}'
            if each is not None:
                each()
            for message in self._source.read_block() or ():
                assert (message.topic, message.msgtype) == ('motor_current', 'surface_msgs/msg/MotorCurrent')
                self.blocks.append(deserialize(message.cdr, message.msgtype))

    def samples(self, count: int) -> np.ndarray:
        """Read until so many samples have come; return all, shape (samples, motors) [A]."""
        self.until(lambda: sum(len(block.offsets_ns) for block in self.blocks) >= count, f'{count} samples')
        return self.currents()

    def currents(self) -> np.ndarray:
        """Return the samples so far, shape (samples, motors) [A]."""
        return np.concatenate([block.current.reshape(-1, len(block.motor_names)) for block in self.blocks])

    def numbers(self) -> list[int]:
        """Return the number of every sample."""
        return [block.first_sample + index for block in self.blocks for index in range(len(block.offsets_ns))]

    def stamps_ns(self) -> np.ndarray:
        """Return the stamp of every sample [ns]."""
        return np.concatenate(
            [block.header.stamp.sec * 10**9 + block.header.stamp.nanosec + block.offsets_ns for block in self.blocks]
        )

    def value(self, name: str) -> str:
        """Return a value of the health report."""
        return str(self._source.health().values[name])
