# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Small bags of joint states on two surfaces, of the odd kinds that robots in the field record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from current_driver import messages

NS = messages.NANOSECONDS
BASE_NS = 1_700_000_000 * NS
JOINTS = 'sensor_msgs/msg/JointState'
WHEELS = ('left_wheel', 'right_wheel')
# Current of the left wheel on each surface; the right one has three times as much, backwards.
LEVELS = {'carpet': 1.0, 'tiles': 2.0}
CHANNELS = """\
/**/preprocessor:
  ros__parameters:
    {settings}
    channels:
      - "{{name: left, topic: joint_states, type: {type}, field: 'effort[left_wheel]', unit: A{options}}}"
      - "{{name: right, topic: joint_states, type: {type}, field: 'effort[right_wheel]', unit: A{options}}}"
"""

# Topic, message, log time [ns], and the bytes in its place.
Entry = tuple[str, Any, int] | tuple[str, Any, int, bytes]
# Number of the sample, its time [ns], currents of left and right [A].
MakeEntries = Callable[[int, int, float, float], Sequence[Entry]]


def joint_state(stamp_ns: int, names: Sequence[str], effort: Sequence[float], frame_id: str = '') -> Any:
    """Return a JointState with efforts alone."""
    none = np.empty(0)
    return messages.message_class(JOINTS)(
        header=messages.header(stamp_ns, frame_id),
        name=list(names),
        position=none,
        velocity=none,
        effort=np.array(effort, dtype=np.float64),
    )


def drive(make: MakeEntries, seconds: int = 6, rate_hz: int = 50, label_shift_ns: int = 0) -> Iterator[Entry]:
    """Yield the messages of a drive over both surfaces, with labels."""
    rng = np.random.default_rng(0)
    for number, (surface, level) in enumerate(LEVELS.items()):
        start_ns = BASE_NS + number * seconds * NS
        yield 'surface_truth', messages.truth_message(start_ns + label_shift_ns, surface, 'import'), start_ns
        for sample in range(seconds * rate_hz):
            stamp_ns = start_ns + sample * NS // rate_hz + 1000
            left, right = level + 0.05 * rng.standard_normal(), -3 * level + 0.05 * rng.standard_normal()
            yield from make(number * seconds * rate_hz + sample, stamp_ns, left, right)


def write_bag(path: Path, entries: Iterator[Entry], plugin: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Write messages in the order given."""
    connections: dict[tuple[str, str], Any] = {}
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        for topic, message, log_ns, *raw in entries:
            key = (topic, message.__msgtype__)
            if key not in connections:
                connections[key] = writer.add_connection(topic, message.__msgtype__, typestore=messages.typestore())
            writer.write(connections[key], log_ns, raw[0] if raw else messages.serialize(message))
    return path


def write_channels(path: Path, *settings: str, options: str = '') -> Path:
    """Write a parameter file of the preprocessor; `options` are further keys of each channel."""
    lines = ('sample_rate_hz: 50.0', 'window_samples: 50', 'stride_samples: 25', *settings)
    path.write_text(
        CHANNELS.format(type=JOINTS, settings='\n    '.join(lines), options=options and f', {options}'),
        encoding='utf-8',
    )
    return path
