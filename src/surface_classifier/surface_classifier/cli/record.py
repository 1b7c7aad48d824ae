# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface record`: record a drive and label it by keys, with what is still missing in view."""

from __future__ import annotations

import argparse
from pathlib import Path

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import add_command, non_negative_float

_DESCRIPTION = """\
Records a drive with the trainer node, and labels it by keys: one for each surface.

Shows seconds for each surface and speed range so far, and warns when a surface, a speed range or turning falls behind.
The speed comes from odometry, the speeds of wheels (motor_current, or joint_states with --wheel-radius), or commands,
whatever is published. The trainer is the one that runs, or with --topics one of this command's own.

Keys: 1, 2, ... the surfaces; space: not labelled; r: stop the recording, or start the next one; q: quit.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = add_command(
        subparsers,
        'record',
        help='record a drive and label it by keys, with what is still missing in view',
        description=_DESCRIPTION,
        examples="""\
surface record --surfaces gravel,grass,asphalt --topics joint_states,imu,odom -o recordings --robot husky --operator Ann
surface record --surfaces gravel,grass                  # with the trainer_node that runs
surface record --surfaces gravel,grass --speeds 0.2,0.5,1 --name yard/01 --note "wet, after rain\"""",
    )
    parser.add_argument(
        '--surfaces', metavar='A,B,...', default='', help="surfaces with a key each (default: the trainer's parameter)"
    )
    parser.add_argument('--namespace', default='', metavar='NS', help='namespace of the nodes (default: none)')
    parser.add_argument('--trainer', default='trainer', metavar='NAME', help='trainer node to use (%(default)s)')
    own = parser.add_argument_group('without a running trainer node')
    own.add_argument('--topics', metavar='T,U,...', default='', help='record these topics, of any installed type')
    own.add_argument('-o', '--output', metavar='DIR', default='recordings', help='folder of recordings (%(default)s)')
    own.add_argument(
        '--storage', choices=('auto', 'mcap', 'sqlite3'), default='auto', help='storage of the bag (%(default)s)'
    )
    notes = parser.add_argument_group('noted with the recording')
    notes.add_argument('--name', default='', help='name of the recording (default: made from the time)')
    for name, what in (
        ('operator', 'who drives'),
        ('robot', 'which robot'),
        ('place', 'where'),
        ('payload', 'what it carries'),
        ('battery', 'which battery, or its state'),
        ('note', 'anything else'),
    ):
        notes.add_argument(f'--{name}', default='', metavar='TEXT', help=what)
    speed = parser.add_argument_group('speed')
    speed.add_argument(
        '--speeds', metavar='V,W,...', default='0.3,0.6', help='borders of the ranges [m/s] (%(default)s)'
    )
    speed.add_argument('--speed-topic', metavar='T', default='', help='topic with the speed (default: the best)')
    speed.add_argument(
        '--wheel-radius', metavar='R', type=non_negative_float, default=0.0, help='take joint_states as well [m]'
    )
    parser.add_argument('--plain', action='store_true', help='print plain lines even in a terminal')
    parser.add_argument('--picture', type=Path, metavar='FILE.svg', help='write the last view as a picture')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Records until a key asks to quit, or Ctrl-C."""
    from surface_classifier.cli.workspace import enter_workspace

    edges = _rising_speeds(args.speeds)
    surfaces = _names(args.surfaces)
    topics = _names(args.topics)
    enter_workspace()
    from surface_classifier.nodes.clients.record_node import RecordOptions, record

    notes = {name: getattr(args, name) for name in ('name', 'robot', 'place', 'payload', 'battery', 'note')}
    own_trainer = None
    if topics:
        own_trainer = {'topics': topics, 'output_dir': args.output, 'storage': args.storage, 'surfaces': surfaces}
        if not surfaces:
            del own_trainer['surfaces']
    record(
        RecordOptions(
            surfaces=tuple(surfaces),
            trainer=args.trainer,
            namespace=args.namespace,
            own_trainer=own_trainer,
            fields={**notes, 'operator_name': args.operator},
            speed_topic=args.speed_topic,
            wheel_radius_m=args.wheel_radius,
            speed_edges_mps=edges,
        ),
        plain=args.plain,
        picture=args.picture,
    )
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(',') if name.strip()]


def _rising_speeds(text: str) -> tuple[float, ...]:
    """Speeds from a text with commas between them.

    Raises:
        SurfaceError: They are no numbers above 0, or do not rise.
    """
    try:
        speeds = tuple(float(part) for part in _names(text))
    except ValueError:
        speeds = ()
    if not speeds or speeds[0] <= 0.05 or list(speeds) != sorted(set(speeds)):
        raise SurfaceError(f'--speeds {text!r}: must be rising speeds above 0.05 m/s, such as 0.3,0.6')
    return speeds
