# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A device as a current source: it is sampled on a thread of its own, and connected again when it was unplugged."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

import numpy as np

from current_driver import messages
from current_driver.devices.device_health import DeviceState, device_health
from current_driver.devices.device_link import ClockNs, DeviceLink, LinkLostError
from current_driver.devices.readings import DEVICE_CLOCK
from current_driver.devices.sample_stream import SampleStream
from current_driver.errors import SurfaceError
from current_driver.messages import MOTOR_CURRENT, CurrentBlock, StampedMessage
from current_driver.node.health import Health
from current_driver.source import CurrentSource

MOTOR_TOPIC = 'motor_current'
WAIT_S = 0.1
# Blocks that wait for the publishing thread: 10 s at 1,000 samples a second in blocks of ten.
QUEUED_BLOCKS = 1000


class DeviceSource(CurrentSource):
    """Publishes what a device measures, as it comes.

    A device that is not there is tried again until it is. Every connection is a stream of its own, with its own
    `stream_id`, since it is unknown how many samples were lost while it was away.
    """

    def __init__(
        self,
        link: DeviceLink,
        clock_ns: ClockNs,
        *,
        block_samples: int = 10,
        frame_id: str = 'base_link',
        retry_s: float = 1.0,
        priority: int = 0,
    ) -> None:
        """Describe the source; the device is not touched yet.

        Args:
            link: The device.
            clock_ns: Host time, the same as the link's [ns].
            block_samples: Samples in one message.
            frame_id: The robot's base frame.
            retry_s: Time between two tries to connect [s].
            priority: Real-time priority of the thread that samples, as far as it is permitted; 0: none.
        """
        self._priority = priority
        self._priority_refused = ''
        self._link = link
        self._clock_ns = clock_ns
        self._block_samples = block_samples
        self._frame_id = frame_id
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._blocks: deque[CurrentBlock] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: SampleStream | None = None
        self._totals: Counter[str] = Counter()  # of the streams that have ended
        self._overruns = 0
        self._connections = 0
        self._trouble = 'not opened yet'
        self._heard_s = 0.0
        self._lost_s: float | None = None
        self._lost_seen = 0

    @property
    def topics(self) -> Mapping[str, str]:
        """Full type name of every topic, by topic."""
        return {MOTOR_TOPIC: MOTOR_CURRENT}

    @property
    def live(self) -> bool:
        """A device sets its own pace."""
        return True

    def open(self) -> None:
        """Begin to sample; a device that is not there is waited for.

        Raises:
            SurfaceError: The device's library is not installed.
        """
        self._link.load()
        # What serializing the first message loads takes a second, in which samples would pile up.
        names = ('motor',)
        messages.serialize(
            messages.current_block_message(CurrentBlock(np.zeros(1, np.int64), np.zeros((1, 1)), names, 0))
        )
        self._stop.clear()
        self._trouble = f'{self._link.description} is being opened'
        self._thread = threading.Thread(target=self._sample, name='device', daemon=True)
        self._thread.start()

    def read_block(self) -> Sequence[StampedMessage] | None:
        """Return the blocks that have come, or an empty sequence after a tenth of a second without any."""
        with self._changed:
            if not self._blocks:
                self._changed.wait(WAIT_S)
            blocks = list(self._blocks)
            self._blocks.clear()
        return [
            messages.stamped(
                MOTOR_TOPIC, messages.current_block_message(block, self._frame_id), int(block.stamps_ns[-1])
            )
            for block in blocks
        ]

    def close(self) -> None:
        """Stop sampling and let go of the device."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def health(self) -> Health:
        """Return how the device is."""
        now_s = time.monotonic()
        with self._changed:
            stream = self._stream
            counters = self._counted(stream)
        lost = counters.pop('lost', 0)
        if lost > self._lost_seen:
            self._lost_seen, self._lost_s = lost, now_s
        state = DeviceState(
            device=self._link.description,
            trouble=self._trouble,
            retry_s=self._retry_s,
            samples=counters.pop('samples', 0),
            lost=lost,
            lost_ago_s=None if self._lost_s is None else now_s - self._lost_s,
            silent_s=0.0 if self._trouble else now_s - self._heard_s,
            counters=counters,
            warning=self._priority_refused,
            hint=self._link.hint,
        )
        if stream is not None:
            timing = self._link.timing
            state = dataclasses.replace(
                state,
                timing=stream.timing.timing(),
                stamps=timing.stamps,
                loss=timing.loss,
                drift_ppm=stream.clock.drift * 1e6 if timing.stamps == DEVICE_CLOCK else None,
            )
        return device_health(state)

    def _counted(self, stream: SampleStream | None) -> Counter[str]:
        """Return everything that was counted since the source was opened."""
        counters = self._totals + self._link.counters
        counters['overruns'] += self._overruns
        counters['disconnections'] += max(0, self._connections - (0 if self._trouble else 1))
        counters.update(_counters(stream))
        return counters

    def _sample(self) -> None:
        """Connect, read, and connect again, until the source is closed."""
        if self._priority:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(self._priority))  # of this thread alone
            except (OSError, AttributeError) as error:
                self._priority_refused = (
                    f'device.priority {self._priority} is not permitted ({error}); give the user a real-time priority '
                    '(rtprio in /etc/security/limits.conf), or set it to 0'
                )
        while not self._stop.is_set():
            try:
                self._link.open()
                self._connections += 1
                self._heard_s = time.monotonic()
                self._trouble = ''
                self._read()
            except (LinkLostError, SurfaceError) as error:
                self._trouble = str(error)
            except Exception as error:  # of a library or the program: reported, and no reason to give a device up
                self._trouble = f'{self._link.description}: {type(error).__name__}: {error}'
            finally:
                self._end_stream()
                self._link.close()
            self._stop.wait(self._retry_s)

    def _read(self) -> None:
        opened_ns = self._clock_ns()
        while not self._stop.is_set():
            readings = self._link.read()
            if not readings:
                if self._stream is not None:
                    self._hand_out(self._stream.cut())
                continue
            self._heard_s = time.monotonic()
            if self._stream is None:
                self._stream = SampleStream(
                    self._link.motor_names,
                    self._link.timing,
                    self._block_samples,
                    opened_ns,
                    self._link.description,
                )
            self._hand_out(self._stream.add(readings))

    def _hand_out(self, blocks: list[CurrentBlock]) -> None:
        if not blocks:
            return
        with self._changed:
            self._blocks.extend(blocks)
            while len(self._blocks) > QUEUED_BLOCKS:
                self._overruns += len(self._blocks.popleft())
            self._changed.notify_all()

    def _end_stream(self) -> None:
        stream = self._stream
        if stream is None:
            return
        self._hand_out(stream.flush())
        with self._changed:
            self._totals += _counters(stream)
            self._stream = None


def _counters(stream: SampleStream | None) -> Counter[str]:
    if stream is None:
        return Counter()
    return Counter(
        {
            'samples': stream.samples,
            'lost': stream.lost,
            'duplicates left out': stream.duplicates,
            'stalls made up for': stream.stalls,
            'gaps that may be losses': stream.unclear,
            'device restarts': stream.restarts,
            'clock steps': stream.clock.steps,
        }
    )
