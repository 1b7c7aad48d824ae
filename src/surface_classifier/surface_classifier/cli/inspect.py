# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface inspect`: what a recording or a running robot publishes, and which of it looks like the motors' current."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier.cli.parsing import add_command, add_json_argument, positive_float, positive_int, write_json

if TYPE_CHECKING:
    from surface_classifier.data.inspection.current_guesses import CurrentGuess
    from surface_classifier.data.inspection.topic_log import TopicLog, TopicTiming

# A guess of fewer points is not written without --force.
LEAST_POINTS = 2.0

_DESCRIPTION = """\
Say what a recording, or a running robot, publishes: topics, types, rates, jitter and gaps; and which numbers look like
the currents of its motors, best first, with the points that speak for and against each.

SOURCE is a bag, an .mcap, .db3 or .csv file, or the absolute name of a topic of the running graph (/joint_states); with
--live all topics of the graph are looked at. -o writes the channels of the best guess, or of --guess N, as a file that
`surface dataset build --channels FILE` and the preprocessor's parameters (params_file:=FILE) take as it is. Let the
robot drive and stand while it is looked at: a current follows the motion.

--presets lists the robots that are known; --preset NAME prints one to copy and change.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'inspect',
        help="list the topics of a recording or a robot, and find the motors' current",
        description=_DESCRIPTION,
        examples="""\
surface inspect recordings/drive_1
surface inspect recordings/drive_1 -o my_robot.yaml
surface inspect /joint_states --seconds 20
surface inspect --live --guess 2 -o my_robot.yaml
surface inspect --preset create3 > my_robot.yaml""",
    )
    parser.add_argument('source', metavar='SOURCE', nargs='*', help='a recording, or topics of the running graph')
    parser.add_argument(
        '--live', action='store_true', help='look at the running graph, at all topics when none is given'
    )
    parser.add_argument(
        '--seconds',
        metavar='S',
        type=positive_float,
        help='how long to look (default: the first 120 s of a recording, 10 s of a running robot)',
    )
    parser.add_argument('--guess', metavar='N', type=positive_int, default=1, help='guess to write (default: the best)')
    parser.add_argument('-o', '--output', metavar='FILE', help='write the channels there')
    parser.add_argument(
        '--force', action='store_true', help=f'write the channels of a guess of fewer than {LEAST_POINTS:g} points, too'
    )
    parser.add_argument('--columns', metavar='FILE', help='what the columns of a CSV file are (YAML)')
    parser.add_argument('--presets', action='store_true', help='list the presets')
    parser.add_argument('--preset', metavar='NAME', help='print a preset')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at the source and print what was found."""
    if args.preset is not None:
        from surface_classifier.signal.presets import preset_text

        print(preset_text(args.preset), end='')
        return 0
    if args.presets:
        return _list_presets(args)
    is_live = args.live or bool(args.source and all(_is_topic(source) for source in args.source))
    logs = _look_live(args) if is_live else _look_at_recording(args)
    return _tell(args, logs)


def _is_topic(source: str) -> bool:
    return source.startswith('/') and not Path(source).exists()


def _look_at_recording(args: argparse.Namespace) -> list[TopicLog]:
    from current_driver.recordings.reading.open_recording import open_recording
    from surface_classifier.cli.progress import progress_counter
    from surface_classifier.data.inspection.topic_log import log_recording

    if len(args.source) != 1:
        raise SurfaceError(
            f'{len(args.source)} recordings are given; give one, topics by their absolute names, or --live'
        )
    (source,) = args.source
    if not Path(source).exists():
        raise SurfaceError(
            f'{source}: no such recording; a topic of the running graph is given by its absolute name, like /{source}'
        )
    seconds = args.seconds or 120.0
    with open_recording(source, args.columns) as reader:
        length_s = min(seconds, (reader.end_ns - reader.start_ns) * 1e-9)
        with progress_counter(length_s, 'looking', 's of recording') as progress:
            logs = log_recording(reader, seconds, progress)
        for warning in reader.warnings:
            print(f'surface: warning: {warning}', file=sys.stderr)
    return logs


def _look_live(args: argparse.Namespace) -> list[TopicLog]:
    from surface_classifier.cli.workspace import enter_workspace

    enter_workspace()
    from surface_classifier.nodes.clients.inspect_node import listen

    return listen(args.source, args.seconds or 10.0)


def _tell(args: argparse.Namespace, logs: list[TopicLog]) -> int:
    from surface_classifier.data.inspection.channels_file import channels_file
    from surface_classifier.data.inspection.current_guesses import guess_currents, guess_motion, silent_currents

    guesses, motion = guess_currents(logs), guess_motion(logs)
    timings = {log.topic: log.timing for log in logs}
    block = ''
    if guesses:
        if args.guess > len(guesses):
            raise SurfaceError(f'--guess {args.guess}: there are {len(guesses)} guesses')
        chosen = guesses[args.guess - 1]
        if chosen.points >= LEAST_POINTS or args.force:
            block = channels_file(chosen, timings[chosen.topic], motion)
    if args.output and block:
        write_result(args.output, block, 'channels file')
    if args.json:
        write_json(_summary(logs, timings, guesses, block), args.json)
    if args.json != '-':
        _print_topics(logs, timings)
        _print_guesses(guesses)
        for text in silent_currents(logs):
            print(text)
        if args.output and block:
            if motion is not None:
                print(
                    f'{args.output} also offers motion_channels of {motion.topic}, commented out: with them a model '
                    'detects speeds and turns that were never driven'
                )
            print(f'next: surface dataset build RECORDINGS -o DATASET --channels {args.output}')
        elif block:
            print(f'channels of guess {args.guess} (-o FILE writes them):\n')
            print(block, end='')
    if args.output and guesses and not block:
        raise SurfaceError(
            f'{args.output}: not written, the guess {args.guess} has {chosen.points:.1f} points, fewer than '
            f'{LEAST_POINTS:g}: it is probably no current ({"; ".join(chosen.reasons)}); record the currents, or give '
            '--force to write it all the same'
        )
    return 0 if block else 1


def _summary(
    logs: list[TopicLog], timings: dict[str, TopicTiming], guesses: list[CurrentGuess], block: str
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        'topics': [
            {'topic': log.topic, 'type': log.msgtype, 'messages': log.count, **asdict(timings[log.topic])}
            for log in logs
        ],
        'guesses': [
            {
                'topic': guess.topic,
                'type': guess.msgtype,
                'field': guess.field,
                'points': guess.points,
                'reasons': list(guess.reasons),
                'preset': guess.preset,
                'quantity': guess.quantity,
                'unit_known': guess.unit_known,
                'channels': [found.channel.to_dict() for found in guess.channels],
            }
            for guess in guesses
        ],
        'channels_file': block,
    }


def _print_topics(logs: list[TopicLog], timings: dict[str, TopicTiming]) -> None:
    width = max((len(log.topic) for log in logs), default=5)
    wide = max((len(log.msgtype) for log in logs), default=4)
    print(f'{"topic":<{width}}  {"type":<{wide}}  messages  rate [Hz]  jitter [ms]  gaps  longest [s]  stamps')
    for log in logs:
        timing = timings[log.topic]
        print(
            f'{log.topic:<{width}}  {log.msgtype:<{wide}}  {log.count:8d}  {_number(timing.rate_hz, 9, 4)}  '
            f'{_number(1000 * timing.jitter_s, 11, 3)}  {timing.gaps:4d}  {_number(timing.longest_s, 11, 3)}  '
            f'{timing.stamped}'
        )


def _number(value: float, width: int, digits: int) -> str:
    return f'{"-":>{width}}' if math.isnan(value) else f'{value:{width}.{digits}g}'


def _print_guesses(guesses: list[CurrentGuess], shown: int = 5) -> None:
    if not guesses:
        print('\nno number changes often enough to be a current; let the robot drive while it is looked at')
        return
    print("\nthe motors' current may be")
    for number, guess in enumerate(guesses[:shown], 1):
        known = f', {guess.quantity}' if guess.quantity else ''
        print(f'{number:3d}. {guess.topic} {guess.field}: {guess.points:.1f} points{known}')
        print(f'       {"; ".join(guess.reasons) or "nothing speaks for or against it"}')
    if len(guesses) > shown:
        print(f'     and {len(guesses) - shown} others (--json FILE lists them)')
    print()


def _list_presets(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from surface_classifier.signal.presets import preset_config, preset_names, preset_notes

    if args.json:
        found = [
            {'name': name, **asdict(preset_notes(name)), 'windows': preset_config(name).to_dict()}
            for name in preset_names()
        ]
        write_json({'presets': found}, args.json)
    if args.json != '-':
        width = max(len(name) for name in preset_names())
        for name in preset_names():
            notes = preset_notes(name)
            channels = preset_config(name).parts[0].channels
            print(f'{name:<{width}}  {notes.robot}: {notes.quantity} [{channels[0].unit}] of {channels[0].type}')
    return 0
