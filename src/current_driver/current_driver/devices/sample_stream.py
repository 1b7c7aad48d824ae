# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Readings of a device in, blocks of samples out: numbered so that a loss shows, stamped in host time.

Time is in the readings; nothing here reads a clock. A stream ends when the device starts again; what follows is another
stream, with another id, and counts from 0.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from current_driver.devices.device_clock import CounterUnwrapper, DeviceClock
from current_driver.devices.readings import LinkTiming, Reading
from current_driver.devices.sample_loss import GapWatch, SequenceCounter
from current_driver.devices.sample_timing import TimingMeter
from current_driver.messages import NANOSECONDS, CurrentBlock

# A block that is not full is handed out when its first sample has waited for so long.
BLOCK_AGE_NS = NANOSECONDS // 5
# A device whose clock runs ahead of the host by more than this between two samples has started again.
RESTART_NS = 5 * NANOSECONDS


class SampleStream:
    """Numbers and stamps the samples of one device and cuts them into blocks.

    Attributes:
        samples: Samples that were taken in.
        lost: Samples that were lost, as far as can be known.
        duplicates: Samples that came twice or too late and were left out.
        restarts: How often the device started again.
        timing: Rate and jitter.
        clock: The device's clock against the host's.
    """

    def __init__(
        self, motor_names: tuple[str, ...], timing: LinkTiming, block_samples: int, opened_ns: int, name: str = ''
    ) -> None:
        """Start a stream.

        Args:
            motor_names: One name for each column.
            timing: How the link's readings are to be numbered and stamped.
            block_samples: Samples in a block.
            opened_ns: When the device was opened; the stream's id is made from it [ns].
            name: What distinguishes the device from another.
        """
        self.samples = self.lost = self.duplicates = self.restarts = 0
        self.timing = TimingMeter()
        self.motor_names = motor_names
        self._link = timing
        self._block_samples = block_samples
        self._seed = f'{name} {opened_ns}'
        self._ended_stalls = self._ended_unclear = 0
        self._gaps: GapWatch[tuple[Reading, int]] = GapWatch()
        self._begin()

    @property
    def unclear(self) -> int:
        """Gaps in time of a device too uneven to show whether samples were lost in them."""
        return self._ended_unclear + self._gaps.unclear

    @property
    def stalls(self) -> int:
        """Gaps that were made up for: the sender was held up, nothing was lost."""
        return self._ended_stalls + self._gaps.stalls

    def _begin(self) -> None:
        self._ended_stalls += self._gaps.stalls
        self._ended_unclear += self._gaps.unclear
        self._gaps = GapWatch()
        self.clock = DeviceClock()
        self._stream_id = zlib.crc32(f'{self._seed} {self.restarts}'.encode())
        self._sequence = SequenceCounter(self._link.sequence_modulus) if self._link.sequence_modulus else None
        self._unwrap = CounterUnwrapper(self._link.device_modulus_ns)
        self._next = 0
        self._last: tuple[int, int] | None = None  # the last reading's own time and time of receipt
        self._last_stamp_ns: int | None = None
        self._rows: list[tuple[int, int, Reading]] = []

    def add(self, readings: Iterable[Reading]) -> list[CurrentBlock]:
        """Take in readings in the order they came; return the blocks that are complete."""
        blocks: list[CurrentBlock] = []
        for reading in readings:
            own_ns = reading.receive_ns if reading.device_ns is None else self._unwrap.unwrap(reading.device_ns)
            if self._has_started_again(own_ns, reading):
                blocks += self.flush()
                self.restarts += 1
                self._begin()
                own_ns = reading.receive_ns if reading.device_ns is None else self._unwrap.unwrap(reading.device_ns)
            self._number(reading, own_ns, blocks)
            self._last = (own_ns, reading.receive_ns)
        if self._rows and self._rows[-1][2].receive_ns - self._rows[0][2].receive_ns >= BLOCK_AGE_NS:
            blocks += self.cut()
        return blocks

    def flush(self) -> list[CurrentBlock]:
        """Return everything that has not been handed out: the stream ends."""
        blocks: list[CurrentBlock] = []
        self._take_decided(self._gaps.flush(), blocks)
        return blocks + self.cut()

    def cut(self) -> list[CurrentBlock]:
        """Return the block that is begun, as it is: nothing more has come for a while."""
        rows, self._rows = self._rows, []
        if not rows:
            return []
        return [
            CurrentBlock(
                stamps_ns=np.array([stamp_ns for _, stamp_ns, _ in rows], dtype=np.int64),
                current_a=np.array([reading.current_a for _, _, reading in rows], dtype=np.float64),
                motor_names=self.motor_names,
                first_sample=rows[0][0],
                stream_id=self._stream_id,
            )
        ]

    def _has_started_again(self, own_ns: int, reading: Reading) -> bool:
        """Whether the device's clock stepped back, or further ahead than time has passed."""
        if self._last is None or reading.device_ns is None:
            return False
        ahead_ns = (own_ns - self._last[0]) - (reading.receive_ns - self._last[1])
        return own_ns < self._last[0] - NANOSECONDS or ahead_ns > RESTART_NS

    def _number(self, reading: Reading, own_ns: int, blocks: list[CurrentBlock]) -> None:
        if self._sequence is not None and reading.sequence is not None:
            step = self._sequence.step(reading.sequence)
            if step is None:
                blocks += self.flush()
                self.restarts += 1
                self._begin()
                assert self._sequence is not None
                step = self._sequence.step(reading.sequence)
                assert step is not None
            if not step:
                self.duplicates += 1
                return
            self._take(reading, own_ns, step, blocks)
            return
        if self._link.watch_gaps:
            self._take_decided(self._gaps.add(own_ns, (reading, own_ns)), blocks)
        else:
            self._take(reading, own_ns, 1 + reading.lost_before, blocks)

    def _take_decided(self, decided: list[tuple[tuple[Reading, int], int]], blocks: list[CurrentBlock]) -> None:
        for (reading, own_ns), lost in decided:
            self._take(reading, own_ns, 1 + max(lost, reading.lost_before), blocks)

    def _take(self, reading: Reading, own_ns: int, step: int, blocks: list[CurrentBlock]) -> None:
        """Put a sample into the block, after cutting the block where samples are missing."""
        first = self._last_stamp_ns is None
        if first:
            step = 1
        if step > 1:
            self.lost += step - 1
            blocks += self.cut()
        stamp_ns = own_ns if reading.device_ns is None else self.clock.stamp(own_ns, reading.receive_ns)
        if self._last_stamp_ns is not None:
            stamp_ns = max(stamp_ns, self._last_stamp_ns + 1)
        self._last_stamp_ns = stamp_ns
        number = 0 if first else self._next + step - 1
        self._next = number + 1
        self.samples += 1
        self.timing.add(step, stamp_ns, reading.receive_ns)
        self._rows.append((number, stamp_ns, reading))
        if len(self._rows) >= self._block_samples:
            blocks += self.cut()
