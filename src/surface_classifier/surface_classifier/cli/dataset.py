# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset build` and `surface dataset info`: cut recordings into windows, and show what a data set holds."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from surface_classifier.cli.parsing import add_command, add_json_argument, non_negative_int, positive_float, write_json

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import Folds

_BUILD_DESCRIPTION = """\
Cut recordings into a data set of windows.

RECORDINGS are bags, or folders that are searched for them. Without --channels the windows hold the currents of the
motors in the recordings: 100 samples at 100 Hz (or at the recordings' own rate, where that is lower), a new window each
half window. --channels FILE is a window configuration (YAML): which fields of which topics, at which rates; any type of
message will do. A window is taken when it lies wholly under one label; the label is a latched topic inside each bag.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'dataset',
        help='cut recordings into a data set of windows, or show one',
        examples="""\
surface dataset build recordings -o data/floors
surface dataset info data/floors
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
surface dataset build recordings/borealtc -o data/borealtc --channels config/borealtc_window.yaml""",
    )
    build.add_argument('recordings', metavar='RECORDINGS', nargs='+', help='bags, or folders that hold bags')
    build.add_argument('-o', '--output', metavar='DATASET', required=True, help='data set to make')
    build.add_argument('--window-seconds', metavar='S', type=positive_float, help='length of a window [s]')
    build.add_argument(
        '--stride-seconds', metavar='S', type=positive_float, help='time between the starts of windows [s]'
    )
    build.add_argument('--sample-rate', metavar='HZ', type=positive_float, help='rate of the even time grid [Hz]')
    build.add_argument('--channels', metavar='FILE', help='window configuration (YAML); the flags above override it')
    build.add_argument(
        '--skip-missing', action='store_true', help='leave out recordings that lack a configured topic, with a warning'
    )
    build.add_argument(
        '--allow-one-class', action='store_true', help='accept a data set of one class, to test a model on it'
    )
    build.add_argument('--overwrite', action='store_true', help='replace a data set that is there already')
    add_json_argument(build)
    build.set_defaults(run=_run_build)

    info = add_command(
        actions,
        'info',
        help='show what a data set holds',
        description='Show what a data set holds: classes, recordings, how its windows were cut, where they come from.',
        examples="""\
surface dataset info data/floors
surface dataset info data/floors --folds 5
surface dataset info data/floors --verify --json -""",
    )
    info.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    info.add_argument('--recordings', action='store_true', help='list every recording')
    info.add_argument('--verify', action='store_true', help='read all of it and compare the digest')
    folds = info.add_argument_group('folds', 'show which recordings would be tested together')
    folds.add_argument('--folds', metavar='K', type=non_negative_int, help='K folds of whole recordings')
    folds.add_argument('--seed', metavar='N', type=non_negative_int, default=0, help='seed of the folds (%(default)d)')
    folds.add_argument('--folds-file', metavar='F', help='the folds of a JSON file')
    folds.add_argument(
        '--repetition', metavar='R', type=non_negative_int, default=0, help='repetition in that file (%(default)d)'
    )
    add_json_argument(info)
    info.set_defaults(run=_run_info)


def _run_build(args: argparse.Namespace) -> int:
    from pathlib import Path

    from surface_classifier.cli.progress import progress_counter
    from surface_classifier.data.dataset import check_dataset_target
    from surface_classifier.data.dataset_builder import (
        build_dataset,
        motor_window_config,
        override_window_config,
        recording_seconds,
    )
    from surface_classifier.data.recording import find_recordings
    from surface_classifier.signal.config import WindowConfig

    check_dataset_target(Path(args.output), overwrite=args.overwrite)
    settings = {
        'sample_rate_hz': args.sample_rate,
        'window_s': args.window_seconds,
        'stride_s': args.stride_seconds,
    }
    configured = None
    if args.channels is not None:
        configured = override_window_config(WindowConfig.from_yaml(args.channels), **settings)
    recordings = find_recordings(args.recordings)
    config = configured if configured is not None else motor_window_config(recordings, **settings)
    with progress_counter(recording_seconds(recordings), 'cutting', 's of recording') as progress:
        result = build_dataset(
            recordings,
            config,
            args.output,
            overwrite=args.overwrite,
            skip_missing=args.skip_missing,
            allow_one_class=args.allow_one_class,
            on_progress=progress,
        )
    for warning in result.warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)
    if args.json:
        write_json({**dataset_summary(result.dataset), 'warnings': result.warnings}, args.json)
    if args.json != '-':
        print_dataset(result.dataset)
        print(f'next: surface train {result.dataset.path} -o MODEL')
    return 0


def _run_info(args: argparse.Namespace) -> int:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import folds_from_file, stratified_folds

    dataset = Dataset.load(args.dataset, verify=args.verify)
    folds = None
    if args.folds_file is not None:
        folds = folds_from_file(dataset, args.folds_file, args.repetition)
    elif args.folds is not None:
        folds = stratified_folds(dataset, args.folds, args.seed)
    if args.json:
        summary = dataset_summary(dataset)
        if folds is not None:
            summary['folds'] = folds_summary(folds)
        write_json(summary, args.json)
    if args.json != '-':
        print_dataset(dataset)
        if args.recordings:
            _print_recordings(dataset)
        if folds is not None:
            _print_folds(dataset, folds)
        if args.verify:
            print('the digest matches the content')
    return 0


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


def folds_summary(folds: Folds) -> dict[str, Any]:
    """Folds for machines; `repetitions` has the layout of a folds file."""
    return {
        'protocol': folds.protocol,
        'warnings': list(folds.warnings),
        'repetitions': [{name: fold.index for fold in folds for name in fold.test_recordings}],
    }


def print_dataset(dataset: Dataset) -> None:
    """Print what a data set holds, for a person."""
    summary = dataset_summary(dataset)
    config = dataset.config
    print(f'{len(dataset)} windows of {config.window_s:g} s, every {config.stride_s:g} s')
    for index, part in enumerate(config.parts):
        names = ', '.join(f'{channel.name} [{channel.unit}]' for channel in part.channels)
        print(f'  {part.name}: {config.samples_of_part(index)} samples at {part.sample_rate_hz:g} Hz of {names}')
    width = max(len(name) for name in dataset.classes)
    for name, entry in summary['classes'].items():
        of = f'  {entry["recordings"]:4d} recordings' if dataset.has_recordings else ''
        print(f'{name:<{width}}  {entry["windows"]:7d} windows{of}')
    if not dataset.has_recordings:
        print('no recordings are known: a score would be of shuffled windows, which is too good')
    voided = dataset.counters.get('voided', 0)
    if voided:
        print(f'{voided} windows left out for gaps in the measurement')
    print(f'digest {dataset.digest[:16]}  {dataset.path}')


def _print_recordings(dataset: Dataset) -> None:
    width = max(len(info.name) for info in dataset.recordings)
    for info in dataset.recordings:
        noted = ', '.join(text for text in (info.robot, info.place, info.operator, info.payload, info.note) if text)
        print(f'{info.name:<{width}}  {info.seconds:9.1f} s  {info.windows:6d} windows  {noted}'.rstrip())


def _print_folds(dataset: Dataset, folds: Folds) -> None:
    import numpy as np

    print(folds.protocol)
    for fold in folds:
        counts = np.bincount(dataset.labels[fold.test], minlength=len(dataset.classes))
        shares = ', '.join(f'{name} {count}' for name, count in zip(dataset.classes, counts, strict=True))
        what = f'{_counted(len(fold.test_recordings), "recording")}, ' if dataset.has_recordings else ''
        print(f'  fold {fold.index}: tests {what}{_counted(len(fold.test), "window")} ({shares})')
    for warning in folds.warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)


def _counted(count: int, what: str) -> str:
    return f'{count} {what}' if count == 1 else f'{count} {what}s'
