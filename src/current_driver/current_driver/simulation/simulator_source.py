# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator as a current source: `motor_current` in blocks, and the surface it drives on as `surface_truth`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import MOTOR_CURRENT, SURFACE_TRUTH, StampedMessage
from current_driver.simulation.simulator import Simulator, SimulatorConfig
from current_driver.source import CurrentSource

MOTOR_TOPIC = 'motor_current'
TRUTH_TOPIC = 'surface_truth'


class SimulatorSource(CurrentSource):
    """A simulated drive as messages.

    The label of a surface comes in the same block as the first current on it, and before it: its stamp is that of the
    first sample on the surface.

    Attributes:
        config: The drive.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        block_samples: int = 10,
        frame_id: str = 'base_link',
        draw_stream_id: Callable[[], int] = lambda: 0,
    ) -> None:
        """Describe the drive; nothing is computed yet.

        Args:
            config: The drive.
            block_samples: Samples in one message.
            frame_id: The robot's base frame.
            draw_stream_id: Gives the id of the stream at each start; a node draws it, so that its samples differ from
                those of any other source. 0 where a drive is computed and written to a file.

        Raises:
            SurfaceError: A block or a drive without samples is asked for.
        """
        if block_samples < 1:
            raise SurfaceError(f'block_samples {block_samples} must be at least 1')
        self.config = config
        self._block_samples = block_samples
        self._frame_id = frame_id
        self._simulator: Simulator | None = None
        self._draw_stream_id = draw_stream_id
        self._stream_id = 0
        self._done = 0
        self._total = round(config.duration_s * config.sample_rate_hz)
        if config.duration_s and not self._total:
            raise SurfaceError(
                f'simulator: duration_s {config.duration_s:g} is shorter than one sample at {config.sample_rate_hz:g} '
                'Hz; make it longer'
            )

    @property
    def topics(self) -> Mapping[str, str]:
        """Full type name of every topic, by topic."""
        return {MOTOR_TOPIC: MOTOR_CURRENT, TRUTH_TOPIC: SURFACE_TRUTH}

    @property
    def latched_topics(self) -> frozenset[str]:
        """The label is latched: a late subscriber learns which surface the robot stands on."""
        return frozenset({TRUTH_TOPIC})

    def open(self) -> None:
        """Begin the drive from its start."""
        self._simulator = Simulator(self.config)
        self._stream_id = self._draw_stream_id()
        self._done = 0

    def read_block(self) -> Sequence[StampedMessage] | None:
        """Return the next block of currents, with the label before it where the surface changes; None at the end."""
        if self._simulator is None:
            return None
        samples = self._block_samples
        if self._total:
            samples = min(samples, self._total - self._done)
            if not samples:
                return None
        found = [
            messages.stamped(TRUTH_TOPIC, messages.truth_message(stamp, surface, 'simulator'), stamp)
            for stamp, surface in self._simulator.surface_changes(self._done, samples)
        ]
        block = dataclasses.replace(self._simulator.step(samples), stream_id=self._stream_id)
        message = messages.current_block_message(block, self._frame_id)
        found.append(messages.stamped(MOTOR_TOPIC, message, int(block.stamps_ns[-1])))
        self._done += samples
        return found

    def close(self) -> None:
        """End the drive."""
        self._simulator = None
