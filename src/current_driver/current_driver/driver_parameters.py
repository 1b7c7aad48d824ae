# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the driver node, and the source they stand for."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from current_driver.devices.device_parameters import DEVICE_PARAMETERS, DEVICES, make_device
from current_driver.messages import NANOSECONDS
from current_driver.node.node_parameters import NodeParameter
from current_driver.source import CurrentSource

if TYPE_CHECKING:
    from current_driver.simulation.simulator import SimulatorConfig

SIMULATOR = 'simulator'
REPLAY = 'replay'
TOPIC = 'topic'

DRIVER_PARAMETERS = (
    NodeParameter(
        'source',
        SIMULATOR,
        "What is published: a simulated robot, recordings, a device's currents, or nothing, because another node's "
        'topic is the input.',
        choices=(SIMULATOR, REPLAY, *DEVICES, TOPIC),
    ),
    NodeParameter(
        'rate',
        1.0,
        'Speed as a factor on real time; 0, from the start alone: as fast as the readers follow.',
        '1',
        0,
        1e6,
        changeable=True,
    ),
    NodeParameter(
        'lossless',
        False,
        'Begin when the readers are there and never run ahead of them, at any rate; at rate 0 it is always so.',
    ),
    NodeParameter('readers', 1, 'Lossless: nodes that must report their progress before the start.', 'nodes', 0, 100),
    NodeParameter(
        'in_flight', 64, 'Lossless: messages of a topic that are sent and not yet processed.', 'messages', 16, 200
    ),
    NodeParameter(
        'publish_clock', False, 'Publish the stamps of what is published on /clock, for nodes with use_sim_time.'
    ),
    NodeParameter('exit_when_done', False, 'End the process when the source has ended and everything has arrived.'),
    NodeParameter('frame_id', 'base_link', 'Frame of the currents of the simulator or a device.'),
    NodeParameter('block_samples', 10, 'Simulator and devices: samples in a message.', 'samples', 1, 10000),
    NodeParameter('simulator.seed', 1, 'Seed of everything that differs from drive to drive.', '', 0, 2**53),
    NodeParameter('simulator.surfaces', (), 'Surfaces the robot drives over; none: all six.'),
    NodeParameter('simulator.sample_rate_hz', 100.0, 'Rate of the samples.', 'Hz', 1, 20000),
    NodeParameter('simulator.motors', 2, 'Motors: 1, 2 or 4.', 'motors', 1, 4),
    NodeParameter('simulator.duration_s', 0.0, 'How long the drive lasts; 0: without end.', 's', 0, 1e9),
    NodeParameter('simulator.seconds_per_surface', 30.0, 'How long the robot stays on a surface.', 's', 1, 1e9),
    NodeParameter(
        'simulator.shuffle_surfaces', True, 'A new order of the surfaces in every round; otherwise as they are given.'
    ),
    NodeParameter('simulator.payload_kg', -1.0, 'Payload; negative: drawn from the seed.', 'kg', -1, 200),
    NodeParameter('simulator.sensor_gain', 0.0, 'Gain of the current sensors; 0: drawn from the seed.', '1', 0, 10),
    NodeParameter('simulator.charge', 0.0, 'State of charge at the start; 0: drawn from the seed.', '1', 0, 1),
    NodeParameter(
        'simulator.start_s',
        0,
        'Stamp of the first sample; 0: the present time, or 1000000000 when the simulation has its own time (rate 0 or '
        'publish_clock).',
        's',
        0,
        2**31 - 1,
    ),
    NodeParameter(
        'replay.paths',
        (),
        'Recordings to play, one after the other: rosbag2 folders, .mcap, .db3 or .csv files. Pauses inside a '
        'recording are kept, the time between two recordings is not.',
    ),
    NodeParameter('replay.topics', (), 'Topics to play; none: all.'),
    NodeParameter('replay.loop', False, 'Begin again after the last recording.'),
    NodeParameter('replay.start_offset_s', 0.0, 'Left out at the beginning of the first recording.', 's', 0, 1e9),
    NodeParameter(
        'replay.columns_file', '', 'YAML file that says what the columns of CSV files are; empty: by their names.'
    ),
    *DEVICE_PARAMETERS,
)


def draw_stream_id() -> int:
    """Return an id that no other source and no other start has, but by a chance of one in four thousand million."""
    return secrets.randbits(32)


def make_source(
    values: Mapping[str, Any], now_ns: int, clock_ns: Callable[[], int] = time.time_ns
) -> CurrentSource | None:
    """Return the source that parameters stand for, not yet open; None for `source: topic`.

    Args:
        values: Checked parameters by name.
        now_ns: Present time of the node's clock, at which a simulation in real time begins [ns].
        clock_ns: The clock by which a device's samples are stamped [ns].

    Raises:
        SurfaceError: They do not describe a usable source.
    """
    # Each source loads its own libraries: a robot that runs a replay needs no simulator.
    if values['source'] == REPLAY:
        from current_driver.replay_source import ReplaySource

        return ReplaySource(
            values['replay.paths'],
            start_offset_s=values['replay.start_offset_s'],
            loop=values['replay.loop'],
            topics=values['replay.topics'],
            columns=values['replay.columns_file'] or None,
        )
    if values['source'] == SIMULATOR:
        from current_driver.simulation.simulator_source import SimulatorSource

        return SimulatorSource(
            _simulator_config(values, now_ns), values['block_samples'], values['frame_id'], draw_stream_id
        )
    if values['source'] in DEVICES:
        return make_device(values, clock_ns)
    return None


def describe_source(values: Mapping[str, Any]) -> str:
    """Say in a few words what the parameters make the driver publish."""
    if values['source'] == REPLAY:
        speed = 'as fast as its readers follow' if values['rate'] == 0 else f'at {values["rate"]:g} x'
        return f'replay of {", ".join(values["replay.paths"])} {speed}'
    if values['source'] == SIMULATOR:
        return f'simulated robot, seed {values["simulator.seed"]}'
    if values['source'] in DEVICES:
        return f'device, {values["source"]}'
    return 'topics of another node'


def _simulator_config(values: Mapping[str, Any], now_ns: int) -> SimulatorConfig:
    from current_driver.simulation.simulator import SimulatorConfig

    given = {
        name: values[f'simulator.{name}']
        for name in ('seed', 'sample_rate_hz', 'motors', 'duration_s', 'seconds_per_surface', 'shuffle_surfaces')
    }
    if values['simulator.surfaces']:
        given['surfaces'] = values['simulator.surfaces']
    if values['simulator.payload_kg'] >= 0:
        given['payload_kg'] = values['simulator.payload_kg']
    for name in ('sensor_gain', 'charge'):
        given[name] = values[f'simulator.{name}'] or None
    if values['simulator.start_s']:
        given['start_ns'] = values['simulator.start_s'] * NANOSECONDS
    elif values['rate'] != 0 and not values['publish_clock']:
        given['start_ns'] = _last_block_ns(now_ns, values['block_samples'], given['sample_rate_hz'])
    return SimulatorConfig(**given)


def _last_block_ns(now_ns: int, block_samples: int, sample_rate_hz: float) -> int:
    """Return the stamp at which the last whole block before now begins.

    Blocks that begin on absolute multiples of their length end where windows end whose stride is a multiple of it, so
    that no label waits for the rest of a block.
    """
    block_ns = Fraction(block_samples * NANOSECONDS) / Fraction(sample_rate_hz).limit_denominator(1_000_000)
    return math.floor((now_ns // block_ns - 1) * block_ns)
