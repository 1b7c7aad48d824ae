# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface simulate`: drive the simulated robot over several surfaces, and write the drive as one labelled bag."""

from __future__ import annotations

import argparse

from surface_classifier.cli.parsing import (
    add_command,
    add_json_argument,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    write_json,
)

_DESCRIPTION = """\
Drive a simulated robot over several surfaces and record it: motor currents and the true surface, in one labelled bag.

What differs between robots and drives (payload, battery, sensor gain, bearings, manoeuvres, the order of the surfaces)
is drawn from the seed: record several seeds to train, and other ones to test. The same seed gives the same bag.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    from current_driver.simulation.surfaces import SURFACES

    parser = add_command(
        subparsers,
        'simulate',
        help='drive a simulated robot over several surfaces and record it',
        description=_DESCRIPTION,
        examples="""\
surface simulate -o recordings/drive_1 --seed 1
surface simulate -o recordings/floors --seed 7 --surfaces carpet tiles --duration 120 --seconds-per-surface 20""",
    )
    parser.add_argument('-o', '--output', metavar='RECORDING', required=True, help='folder to make for the bag')
    parser.add_argument(
        '--seed', metavar='N', type=non_negative_int, default=1, help='seed of robot and drive (%(default)d)'
    )
    parser.add_argument(
        '--surfaces',
        metavar='NAME',
        nargs='+',
        default=list(SURFACES),
        help=f'surfaces to drive over, some of: {", ".join(SURFACES)} (all)',
    )
    parser.add_argument(
        '--duration', metavar='S', type=positive_float, help='length of the drive [s] (once over every surface)'
    )
    parser.add_argument(
        '--seconds-per-surface',
        metavar='S',
        type=positive_float,
        default=30.0,
        help='time on a surface before the next one [s] (%(default)g)',
    )
    parser.add_argument(
        '--fixed-order', action='store_true', help='drive over the surfaces in the order given, not a drawn one'
    )
    parser.add_argument(
        '--sample-rate', metavar='HZ', type=positive_float, default=100.0, help='samples a second [Hz] (%(default)g)'
    )
    parser.add_argument('--motors', type=int, choices=(1, 2, 4), default=2, help='number of motors (%(default)d)')
    parser.add_argument('--payload', metavar='KG', type=non_negative_float, help='payload [kg] (drawn)')
    parser.add_argument('--charge', metavar='SHARE', type=non_negative_float, help='state of charge, 0 to 1 (drawn)')
    parser.add_argument(
        '--block-samples', metavar='N', type=positive_int, default=10, help='samples in one message (%(default)d)'
    )
    parser.add_argument('--storage', choices=('auto', 'mcap', 'sqlite3'), default='auto', help='storage (%(default)s)')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate the drive and write it."""
    from current_driver.recordings.recording import Recording
    from current_driver.recordings.writing.recording_writer import RecordingWriter
    from current_driver.simulation.simulator import SimulatorConfig
    from current_driver.simulation.simulator_source import SimulatorSource
    from surface_classifier.cli.progress import progress_counter

    duration_s = args.duration if args.duration is not None else args.seconds_per_surface * len(args.surfaces)
    config = SimulatorConfig(
        seed=args.seed,
        surfaces=tuple(args.surfaces),
        sample_rate_hz=args.sample_rate,
        motors=args.motors,
        duration_s=duration_s,
        seconds_per_surface=args.seconds_per_surface,
        shuffle_surfaces=not args.fixed_order,
        payload_kg=args.payload,
        charge=args.charge,
    )
    noted = {
        'robot': 'simulated',
        'payload': '' if args.payload is None else f'{args.payload:g} kg',
        'battery': '' if args.charge is None else f'{args.charge:.0%} charged',
        'note': f'seed {args.seed}',
    }
    with (
        SimulatorSource(config, block_samples=args.block_samples) as source,
        RecordingWriter(args.output, args.storage, metadata=noted, flush_interval_s=None) as writer,
        progress_counter(duration_s, 'driving', 's') as progress,
    ):
        try:
            for topic, msgtype in source.topics.items():
                writer.add_topic(topic, msgtype, latched=topic in source.latched_topics)
            while (block := source.read_block()) is not None:
                for message in block:
                    writer.write(message.topic, message.stamp_ns, message.cdr)
                progress(args.block_samples / args.sample_rate)
        except BaseException:
            writer.discard()  # an interrupted drive must not be taken for a whole one
            raise

    seconds: dict[str, float] = {}
    for segment in Recording(args.output).segments():
        seconds[segment.surface] = seconds.get(segment.surface, 0.0) + segment.seconds
    if args.json:
        result = {'path': args.output, 'seed': args.seed, 'seconds': duration_s, 'surfaces': seconds}
        write_json({**result, 'messages': writer.message_count}, args.json)
    if args.json != '-':
        for name, length in seconds.items():
            print(f'{name:<12} {length:8.1f} s')
        print(f'{args.output}: {duration_s:g} s, {writer.message_count} messages, seed {args.seed}')
        missing = [name for name in args.surfaces if name not in seconds]
        if missing:
            print(
                f'too short to reach {", ".join(missing)}: give a longer --duration or a shorter --seconds-per-surface'
            )
    return 0
