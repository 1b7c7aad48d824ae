# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset build`: cut recordings into a data set of windows."""

from __future__ import annotations

import argparse
import sys

from surface_classifier.cli.dataset.summary import dataset_summary, print_dataset
from surface_classifier.cli.parsing import (
    add_command,
    add_executor_arguments,
    add_json_argument,
    add_keys_argument,
    non_negative_float,
    positive_float,
    write_json,
)

_BUILD_DESCRIPTION = """\
Cut recordings into a data set of windows.

RECORDINGS are bags, CSV files, or folders that are searched for both, in any mix. A CSV file is labelled by the folder
it lies in, <CLASS>/<recording>.csv.

Without --channels the windows hold the currents of the motors in the recordings: 100 samples at 100 Hz (or at the
recordings' own rate, where that is lower), a new window each half window. --channels says which fields of which topics,
at which rates; any type of message will do: a window configuration (YAML), a parameter file of the preprocessor, or a
preset. --help-keys lists the keys of a window configuration, `surface inspect RECORDING` writes such a file, and
`surface inspect --presets` lists the presets.

A window is taken when all of it lies under one label; the label is a latched topic inside each bag. People say late, or
early, that the surface changes: --label-margin leaves out what lies close to a change they made.

Recordings are cut by --jobs processes at once; the data set is the same to the last bit, however many. Those who
outgrow one machine give --executor ray (pip install 'ray>=2.40'): the cluster that RAY_ADDRESS names, which must see
recordings and DATASET under the same paths; without RAY_ADDRESS a Ray of its own is started on this machine.
"""


# Recording for which one more process is started [s].
_SECONDS_WORTH_A_JOB = 600.0


def add_build(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action's parser."""
    build = add_command(
        actions,
        'build',
        help='cut recordings into a data set of windows',
        description=_BUILD_DESCRIPTION,
        examples="""\
surface dataset build recordings -o data/floors
surface dataset build recordings -o data/floors --window-seconds 2 --stride-seconds 0.5 --sample-rate 50
surface dataset build recordings drives_csv more/drive_7 -o data/floors --jobs 4
surface dataset build recordings/borealtc -o data/borealtc --channels config/borealtc_window.yaml
surface dataset build recordings/turtlebot4 -o data/turtlebot4 --channels create3""",
    )
    build.add_argument('recordings', metavar='RECORDINGS', nargs='+', help='bags, CSV files, or folders that hold them')
    build.add_argument('-o', '--output', metavar='DATASET', required=True, help='data set to make')
    build.add_argument('--window-seconds', metavar='S', type=positive_float, help='length of a window [s]')
    build.add_argument(
        '--stride-seconds', metavar='S', type=positive_float, help='time between the starts of windows [s]'
    )
    build.add_argument('--sample-rate', metavar='HZ', type=positive_float, help='rate of the even time grid [Hz]')
    build.add_argument(
        '--channels',
        metavar='FILE',
        help='window configuration, parameter file or preset; the flags above override it',
    )
    add_keys_argument(build, '--channels', _window_reference)
    build.add_argument('--columns', metavar='FILE', help='columns file of the CSV files (their columns are guessed)')
    build.add_argument('--exclude', metavar='FOLDER', nargs='+', default=[], help='folders to leave out, by name')
    build.add_argument(
        '--skip-missing', action='store_true', help='leave out recordings that lack a configured topic, with a warning'
    )
    build.add_argument(
        '--allow-one-class', action='store_true', help='accept a data set of one class, to test a model on it'
    )
    build.add_argument(
        '--label-margin',
        metavar='S',
        type=non_negative_float,
        help='leave out so much before and after each change of label that a person made [s] (default: 1)',
    )
    build.add_argument('--overwrite', action='store_true', help='replace a data set that is there already')
    add_executor_arguments(build, 'recordings cut at once')
    add_json_argument(build)
    build.set_defaults(run=_run_build)


def _window_reference() -> str:
    from surface_classifier.signal.window_config import window_reference

    return window_reference()


def _run_build(args: argparse.Namespace) -> int:
    from pathlib import Path

    from surface_classifier.cli.progress import progress_counter
    from surface_classifier.data.dataset import check_dataset_target
    from surface_classifier.data.dataset_builder import (
        DEFAULT_LABEL_MARGIN_S,
        build_dataset,
        motor_window_config,
        override_window_config,
        recording_seconds,
    )
    from surface_classifier.data.dataset_sources import find_sources
    from surface_classifier.data.executor import make_executor
    from surface_classifier.nodes.window_parameters import windows_from_file

    check_dataset_target(Path(args.output), overwrite=args.overwrite)
    settings = {
        'sample_rate_hz': args.sample_rate,
        'window_s': args.window_seconds,
        'stride_s': args.stride_seconds,
    }
    configured = None
    if args.channels is not None:
        configured = override_window_config(windows_from_file(args.channels), **settings)
    sources = find_sources(args.recordings, columns=args.columns, exclude=args.exclude)
    recordings = sources.recordings
    config = configured if configured is not None else motor_window_config(recordings, **settings)
    seconds = recording_seconds(recordings)
    jobs = args.jobs if args.jobs or args.executor != 'local' else _usual_jobs(seconds)
    with (
        make_executor(args.executor, jobs) as executor,
        progress_counter(seconds, 'cutting', 's of recording') as progress,
    ):
        result = build_dataset(
            recordings,
            config,
            args.output,
            overwrite=args.overwrite,
            skip_missing=args.skip_missing,
            allow_one_class=args.allow_one_class,
            label_margin_s=DEFAULT_LABEL_MARGIN_S if args.label_margin is None else args.label_margin,
            executor=executor,
            on_progress=progress,
        )
    warnings = [*sources.warnings, *result.warnings]
    for warning in warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)
    if args.json:
        write_json({**dataset_summary(result.dataset), 'warnings': warnings}, args.json)
    if args.json != '-':
        print_dataset(result.dataset)
        print(f'next: surface train {result.dataset.path} -o MODEL')
    return 0


def _usual_jobs(seconds: float) -> int:
    """Jobs where none were asked for: a process is worth its start from some minutes of recording on."""
    import os

    return max(1, min(os.cpu_count() or 1, int(seconds // _SECONDS_WORTH_A_JOB)))
