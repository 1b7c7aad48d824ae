# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface import csv` and `surface import arrays`: bring in what was recorded with other tools."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from surface_classifier.cli.parsing import add_command, add_json_argument, positive_float, write_json

if TYPE_CHECKING:
    from surface_classifier.data.importers.csv_import import CsvImportResult

_CSV_DESCRIPTION = """\
Turn CSV files into recordings: one labelled bag for each file.

DIR holds one folder for each class, named after it, with one CSV file for each recording. Without --columns the columns
are guessed by their names (time; current_left, curL, ...). A columns file (YAML) says what they are, in which units,
and which second file belongs to a recording:

  files: {motor: 'pro_{id}.csv', imu: 'imu_{id}.csv'}
  motor: {time: {column: time, unit: s}, current: {left: curL, right: curR}, current_unit: A}
  imu: {time: time, angular_velocity: [wx, wy, wz], linear_acceleration: [ax, ay, az]}

A folder without labels is never a class: leave it out with --exclude.
"""

_ARRAYS_DESCRIPTION = """\
Turn NumPy arrays of windows into a data set.

X.npy has the shape (windows, steps, channels); Y.npy holds an id for each window, (windows,), or is one-hot,
(windows, classes). G.npy says which recording each window is from; without it no score by recording can be had.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'import',
        help='turn CSV files into recordings, or NumPy arrays into a data set',
        examples="""\
surface import csv measured -o recordings --exclude unsorted
surface import arrays X.npy Y.npy -o data/windows
surface import csv --help""",
    )
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True, title='kinds')

    csv = add_command(
        kinds,
        'csv',
        help='one folder for each class, one CSV file for each recording',
        description=_CSV_DESCRIPTION,
        examples="""\
surface import csv measured -o recordings --exclude unsorted
surface import csv borealtc -o recordings/borealtc --columns config/borealtc.yaml --exclude MIXED""",
    )
    csv.add_argument('source', metavar='DIR', help='folder that holds one folder for each class')
    csv.add_argument('-o', '--output', metavar='RECORDINGS', required=True, help='folder to make for the recordings')
    csv.add_argument(
        '--exclude',
        metavar='NAME',
        action='extend',
        nargs='+',
        default=[],
        help='folders without labels, which are left out',
    )
    csv.add_argument('--columns', metavar='FILE', help='columns file (YAML); guessed by their names when left out')
    csv.add_argument(
        '--label-column',
        metavar='NAME',
        help='column that holds the surface of each row (default: the name of the folder is the label)',
    )
    csv.add_argument(
        '--storage', choices=('auto', 'mcap', 'sqlite3'), default='auto', help='storage of the bags (%(default)s)'
    )
    for key in ('robot', 'place', 'operator', 'payload', 'note'):
        csv.add_argument(f'--{key}', metavar='TEXT', default='', help=f'{key}, noted in every recording')
    add_json_argument(csv)
    csv.set_defaults(run=_run_csv)

    arrays = add_command(
        kinds,
        'arrays',
        help='windows that are NumPy arrays already',
        description=_ARRAYS_DESCRIPTION,
        examples="""\
surface import arrays X.npy Y.npy --sample-rate 100 -o data/windows
surface import arrays X.npy Y.npy --groups G.npy --class-names ice snow asphalt -o data/windows""",
    )
    arrays.add_argument('windows', metavar='X.npy', help='windows, (windows, steps, channels)')
    arrays.add_argument('labels', metavar='Y.npy', help='labels, ids or one-hot')
    arrays.add_argument('-o', '--output', metavar='DATASET', required=True, help='data set to make')
    arrays.add_argument('--groups', metavar='G.npy', help='recording of each window, (windows,)')
    arrays.add_argument(
        '--sample-rate',
        metavar='HZ',
        type=positive_float,
        default=100.0,
        help='rate of the steps [Hz] (%(default)g)',
    )
    arrays.add_argument('--class-names', metavar='NAME', nargs='+', help='a name for each class, in ascending order')
    arrays.add_argument('--channel-names', metavar='NAME', nargs='+', help='a name for each channel (motor_0, ...)')
    arrays.add_argument('--unit', default='A', help='unit of the channels (%(default)s)')
    arrays.add_argument('--overwrite', action='store_true', help='replace a data set that is there already')
    add_json_argument(arrays)
    arrays.set_defaults(run=_run_arrays)


def _run_csv(args: argparse.Namespace) -> int:
    from surface_classifier.cli.progress import progress_bar
    from surface_classifier.data.importers.csv_import import import_csv

    result = import_csv(
        args.source,
        args.output,
        columns=args.columns,
        label_column=args.label_column,
        exclude=args.exclude,
        storage=args.storage,
        metadata={key: getattr(args, key) for key in ('robot', 'place', 'operator', 'payload', 'note')},
        progress=lambda recordings: progress_bar(recordings, 'importing', 'recordings'),
    )
    for warning in result.warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)
    summary = _csv_summary(result)
    if args.json:
        write_json(summary, args.json)
    if args.json != '-':
        width = max(len(name) for name in summary['classes'])
        for name, entry in summary['classes'].items():
            print(f'{name:<{width}}  {entry["recordings"]:4d} recordings  {entry["seconds"]:9.1f} s')
        print(f'{len(result.recordings)} recordings in {result.path}')
        if len(summary['classes']) == 1:
            print(f'only one class, {next(iter(summary["classes"]))}: a model needs at least two', file=sys.stderr)
        print(f'next: surface dataset build {result.path} -o DATASET')
    return 0


def _csv_summary(result: CsvImportResult) -> dict[str, Any]:
    classes: dict[str, dict[str, Any]] = {}
    for recording in result.recordings:
        entry = classes.setdefault(recording.surface, {'recordings': 0, 'seconds': 0.0})
        entry['recordings'] += 1
        entry['seconds'] += recording.seconds
    return {
        'path': str(result.path),
        'classes': classes,
        'excluded': list(result.excluded),
        'recordings': [
            {'name': item.name, 'surface': item.surface, 'seconds': item.seconds, 'messages': item.messages}
            for item in result.recordings
        ],
        'warnings': result.warnings,
    }


def _run_arrays(args: argparse.Namespace) -> int:
    from surface_classifier.cli.dataset.summary import dataset_summary, print_dataset
    from surface_classifier.cli.progress import progress_bar
    from surface_classifier.data.importers.arrays_import import import_arrays

    dataset = import_arrays(
        args.windows,
        args.labels,
        args.output,
        groups_file=args.groups,
        sample_rate_hz=args.sample_rate,
        class_names=args.class_names,
        channel_names=args.channel_names,
        unit=args.unit,
        overwrite=args.overwrite,
        progress=lambda rows: progress_bar(rows, 'importing', 'windows'),
    )
    if args.json:
        write_json(dataset_summary(dataset), args.json)
    if args.json != '-':
        print_dataset(dataset)
    return 0
