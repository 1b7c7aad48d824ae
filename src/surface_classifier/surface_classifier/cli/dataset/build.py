# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset build | check`: cut recordings into windows, compare ways of cutting; the frame of the others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from surface_classifier.cli.dataset.edit import add_edits
from surface_classifier.cli.dataset.info import add_info
from surface_classifier.cli.dataset.plot import add_plot
from surface_classifier.cli.parsing import (
    add_command,
    add_executor_arguments,
    add_json_argument,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    write_json,
)

if TYPE_CHECKING:
    from surface_classifier.data.block_check import BlockCheck
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.survey.dataset_survey import ClassSurvey

_BUILD_DESCRIPTION = """\
Cut recordings into a data set of windows.

RECORDINGS are bags, CSV files, or folders that are searched for both, in any mix. A CSV file is labelled by the folder
it lies in, <CLASS>/<recording>.csv.

Without --channels the windows hold the currents of the motors in the recordings: 100 samples at 100 Hz (or at the
recordings' own rate, where that is lower), a new window each half window. --channels says which fields of which topics,
at which rates; any type of message will do: a window configuration (YAML), a parameter file of the preprocessor, or a
preset. `surface inspect RECORDING` writes such a file, `surface inspect --presets` lists the presets.

A window is taken when it lies wholly under one label; the label is a latched topic inside each bag. People say late, or
early, that the surface changes: --label-margin leaves out what lies close to a change they made.

Recordings are cut by --jobs processes at once; the data set is the same to the last bit, however many. Those who
outgrow one machine give --executor ray (pip install 'ray>=2.40'): the cluster that RAY_ADDRESS names, which must see
recordings and DATASET under the same paths; without RAY_ADDRESS a Ray of its own is started on this machine.
"""


_CHECK_DESCRIPTION = """\
Show that the sizes of the blocks in which a recording's samples come do not matter.

Cuts every recording as it was recorded, sample by sample, and in blocks of random sizes, and compares the windows to
the last bit. Windows are cut as `surface dataset build` would, or as --channels or --model says. Exits with 1 where
windows differ.
"""


# Recording for which one more process is started [s].
_SECONDS_WORTH_A_JOB = 600.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'dataset',
        help='cut recordings into a data set of windows, look at one, mend it',
        examples="""\
surface dataset build recordings -o data/floors
surface dataset info data/floors
surface dataset plot data/floors -o floors.png
surface dataset relabel data/floors -o data/floors_2 --spans drive_3:12.5-20 --to carpet
surface dataset split data/floors_2 -o data/parts --parts train=0.8,test=0.2
surface dataset build --help""",
    )
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True, title='actions')

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

    check = add_command(
        actions,
        'check',
        help='show that any block sizes give the same windows of a recording',
        description=_CHECK_DESCRIPTION,
        examples="""\
surface dataset check recordings/drive_1
surface dataset check recordings --model models/floors --random-cuts 10 --json -""",
    )
    check.add_argument('recordings', metavar='RECORDING', nargs='+', help='bags, or folders that hold bags')
    windows = check.add_mutually_exclusive_group()
    windows.add_argument('--channels', metavar='FILE', help='window configuration, parameter file or preset')
    windows.add_argument('--model', metavar='MODEL', help='cut the windows that this model takes')
    check.add_argument(
        '--random-cuts', metavar='N', type=positive_int, default=3, help='cuts in random sizes (%(default)d)'
    )
    check.add_argument('--seed', metavar='N', type=non_negative_int, default=0, help='seed of the sizes (%(default)d)')
    add_json_argument(check)
    check.set_defaults(run=_run_check)
    add_info(actions)
    add_plot(actions)
    add_edits(actions)


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
    """Jobs where nobody said how many: a process is worth its start from some minutes of recording on."""
    import os

    return max(1, min(os.cpu_count() or 1, int(seconds // _SECONDS_WORTH_A_JOB)))


def _run_check(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from current_driver.recordings.recording import find_recordings
    from surface_classifier.cli.progress import progress_counter
    from surface_classifier.data.block_check import check_blocks
    from surface_classifier.data.dataset_builder import motor_window_config, recording_seconds, with_input_rates
    from surface_classifier.model.contract import load_contract
    from surface_classifier.nodes.window_parameters import windows_from_file

    recordings = find_recordings(args.recordings)
    if args.model is not None:
        config = load_contract(args.model).config
    elif args.channels is not None:
        config = with_input_rates(windows_from_file(args.channels), recordings[0])
    else:
        config = motor_window_config(recordings)
    with progress_counter(recording_seconds(recordings), 'comparing', 's of recording') as progress:
        results = [
            check_blocks(recording, config, random_cuts=args.random_cuts, seed=args.seed, on_progress=progress)
            for recording in recordings
        ]
    windows = sum(result.windows for result in results)
    differing = sum(result.differing for result in results)
    if not windows and not differing:
        raise SurfaceError(
            f'{", ".join(args.recordings)}: gives no window of {config.window_s:g} s, so nothing could be compared'
        )
    if args.json:
        found = [{**asdict(result), 'equal': result.is_equal} for result in results]
        write_json({'equal': not differing, 'windows': windows, 'seed': args.seed, 'recordings': found}, args.json)
    if args.json != '-':
        for result in results:
            _print_check(result)
        verdict = f'{differing} differ' if differing else 'all are equal to the last bit'
        print(f'{counted(windows, "window")} of {counted(len(results), "recording")} compared: {verdict}')
    return 1 if differing else 0


def _print_check(result: BlockCheck) -> None:
    print(f'{result.recording}: {counted(result.windows, "window")}')
    for cut in result.cuts:
        sizes = f'{cut.smallest}' if cut.smallest == cut.largest else f'{cut.smallest} to {cut.largest}'
        print(f'  {cut.name:<16}  {cut.blocks:7d} blocks of {sizes} sample{"" if cut.largest == 1 else "s"}')
    for text in result.differences:
        print(f'  {text}')


def dataset_summary(dataset: Dataset) -> dict[str, Any]:
    """What a data set holds, for machines."""
    classes = {
        name: {
            'windows': int(windows),
            'recordings': len(set(dataset.recording[dataset.labels == label].tolist())),
        }
        for label, (name, windows) in enumerate(zip(dataset.classes, dataset.class_counts, strict=True))
    }
    return {
        'path': str(dataset.path),
        'windows': len(dataset),
        'classes': classes,
        'has_recordings': dataset.has_recordings,
        'recordings': [
            {'name': info.name, 'seconds': info.seconds, 'windows': info.windows} for info in dataset.recordings
        ],
        'config': dataset.config.to_dict(),
        'config_digest': dataset.config.digest,
        'counters': dict(dataset.counters),
        'history': [dict(entry) for entry in dataset.history],
        'digest': dataset.digest,
    }


def print_dataset(dataset: Dataset, covered: Mapping[str, ClassSurvey] | None = None) -> None:
    """Print what a data set holds, for a person; with what each class covers, where it was looked at."""
    summary = dataset_summary(dataset)
    config = dataset.config
    print(f'{len(dataset)} windows of {config.window_s:g} s, every {config.stride_s:g} s')
    for index, part in enumerate(config.parts):
        names = ', '.join(f'{channel.name} [{channel.unit}]' for channel in part.channels)
        motion = ', which tell the motion' if part.role == 'motion' else ''
        print(
            f'  {part.name}: {config.samples_of_part(index)} samples at {part.sample_rate_hz:g} Hz of {names}{motion}'
        )
    width = max(len(name) for name in dataset.classes)
    for name, entry in summary['classes'].items():
        of = f'  {entry["recordings"]:4d} recordings' if dataset.has_recordings else ''
        line = f'{name:<{width}}  {entry["windows"]:7d} windows{of}'
        if covered is not None:
            line += f'  {covered[name].seconds:9.1f} s  {", ".join(covered[name].robots)}'
        print(line.rstrip())
    if not dataset.has_recordings:
        print('no recordings are known: a score would be of shuffled windows, which is too good')
    voided = dataset.counters.get('voided', 0)
    if voided:
        print(f'{voided} windows left out for gaps in the measurement')
    near = dataset.counters.get('label_margin', 0)
    if near:
        print(f'{near} windows left out close to a change of label that a person made')
    print(f'digest {dataset.digest[:16]}  {dataset.path}')


def counted(count: int, what: str) -> str:
    """A number with its noun, in the plural where there is not one of it."""
    return f'{count} {what}' if count == 1 else f'{count} {what}s'
