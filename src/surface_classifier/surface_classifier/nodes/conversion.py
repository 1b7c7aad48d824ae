# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Between the project's own objects and ROS messages, without a loop over samples.

Float arrays travel as one buffer in each direction, so that a window arrives as it was cut, to the last bit.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import Window
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth, WindowPart

if TYPE_CHECKING:
    from surface_classifier.model.label import Label

NANOSECONDS = 1_000_000_000


def to_time(stamp_ns: int) -> Time:
    """Return integer nanoseconds as a message."""
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def to_ns(time: Time) -> int:
    """Return a message's time as integer nanoseconds."""
    return int(time.sec) * NANOSECONDS + int(time.nanosec)


class WindowWriter:
    """Turns windows of one configuration into messages."""

    def __init__(self, config: WindowConfig) -> None:
        """Prepare what is the same in every window."""
        self._digest = config.digest
        self._parts = [
            (part.name, part.sample_rate_hz, list(part.channel_names), list(part.channel_units))
            for part in config.parts
        ]

    def message(self, window: Window, voided: int, frame_id: str) -> CurrentWindow:
        """Return a window as a message.

        Args:
            window: The window.
            voided: Windows left out so far.
            frame_id: Frame of the signals, as received.
        """
        return CurrentWindow(
            header=Header(stamp=to_time(window.end_ns), frame_id=frame_id),
            start=to_time(window.start_ns),
            index=window.index,
            voided=voided,
            coverage=window.coverage,
            config_digest=self._digest,
            parts=[
                WindowPart(
                    name=name,
                    sample_rate=sample_rate_hz,
                    start=to_time(window.part_starts_ns[name]),
                    channel_names=channel_names,
                    channel_units=channel_units,
                    samples=len(window.parts[name]),
                    data=array('d', np.ascontiguousarray(window.parts[name]).tobytes()),
                    coverage=window.part_coverage[name],
                )
                for name, sample_rate_hz, channel_names, channel_units in self._parts
            ],
        )


def window_from_message(message: CurrentWindow) -> Window:
    """Return a message's window.

    Raises:
        ValueError: A part's data does not have the stated number of samples and channels.
    """
    parts = {}
    for part in message.parts:
        shape = (part.samples, len(part.channel_names))
        values = np.frombuffer(part.data, dtype=np.float64)
        if values.size != shape[0] * shape[1]:
            raise ValueError(
                f'part {part.name!r} of window {message.index} holds {values.size} values; '
                f'{shape[0]} samples of {shape[1]} channels need {shape[0] * shape[1]}'
            )
        parts[part.name] = values.reshape(shape)
    return Window(
        index=message.index,
        start_ns=to_ns(message.start),
        end_ns=to_ns(message.header.stamp),
        parts=parts,
        coverage=message.coverage,
        part_starts_ns={part.name: to_ns(part.start) for part in message.parts},
        part_coverage={part.name: part.coverage for part in message.parts},
    )


def describe_window_message(message: CurrentWindow) -> str:
    """Say in one line what a window holds, in the words of `model.contract.describe_windows`."""
    parts = []
    for part in message.parts:
        channels = ', '.join(
            f'{name} [{unit}]' for name, unit in zip(part.channel_names, part.channel_units, strict=True)
        )
        parts.append(f'{part.name} ({channels}) at {part.sample_rate:g} Hz')
    samples = message.parts[0].samples if message.parts else 0
    return f'{samples} samples of {" with ".join(parts)}'


def label_message(label: Label, frame_id: str) -> SurfaceLabel:
    """Return a label as a message.

    Args:
        label: The label.
        frame_id: Frame of the window.
    """
    return SurfaceLabel(
        header=Header(stamp=to_time(label.stamp_ns), frame_id=frame_id),
        surface=label.surface,
        surface_id=label.surface_id,
        known=label.known,
        reason=int(label.reason),
        confidence=label.confidence,
        class_names=list(label.class_names),
        probabilities=array('d', label.probabilities.tobytes()),
        raw_probabilities=array('d', label.raw_probabilities.tobytes()),
        possible_ids=array('I', label.possible_ids),
        possible_level=label.possible_level,
        novelty=label.novelty,
        window_start=to_time(label.window_start_ns),
        window_index=label.window_index,
        coverage=label.coverage,
        inference_duration=label.inference_s,
        model_digest=label.model_digest,
    )


def truth_message(stamp_ns: int, surface: str, origin: str) -> SurfaceTruth:
    """Return the surface that holds from a moment on as a message.

    Args:
        stamp_ns: From when on [ns].
        surface: Name of the surface; empty: not labelled.
        origin: Who says so: operator, topic, simulator or import.
    """
    return SurfaceTruth(header=Header(stamp=to_time(stamp_ns)), surface=surface, origin=origin)
