# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset relabel | drop | merge | split | balance`: edit and divide data sets."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import add_command, add_json_argument, non_negative_int, positive_int, write_json

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.editing.dataset_edit import EditResult
    from surface_classifier.data.editing.window_selection import Selection

_RELABEL_DESCRIPTION = """\
Give windows another label, in a new data set; its history lists every change. The recordings are never changed.

Which windows are meant is said by number, recording, class, time or diagnosis; given together, only those windows are
meant that all of them name. With --diagnosis, and without --to, each window gets the label of the surface that it looks
like. A window over the edge of a --spans stretch would be of two surfaces: it is left out.
"""

_DROP_DESCRIPTION = """\
Leave windows, recordings, classes or channels out, in a new data set. The recordings are never changed.

Which windows are meant is said by number, recording, class, time or diagnosis; given together, only those windows are
left out that all of them name. --channels leaves channels out of every window, besides.
"""

_MERGE_DESCRIPTION = """\
Put data sets into one.

Their windows must be of one kind: the same parts, channels, units, rates and length. Different drives that have one
name get the name of their data set's folder in front; one drive that is in two data sets is refused.
"""

_SPLIT_DESCRIPTION = """\
Divide a data set into several, one folder below OUTPUT for each part.

Recordings stay whole and every class is in each part; the shares are met as well as that allows.
"""

_BALANCE_DESCRIPTION = """\
Make a data set of equally many windows of each class.

Within a class every recording gives as many windows as the others, a short one all it has, so that no drive is lost and
none speaks for the class alone. Which windows of a recording stay is drawn by lot.
"""


def add_edits(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parsers of the actions."""
    relabel = add_command(
        actions,
        'relabel',
        help='give windows another label',
        description=_RELABEL_DESCRIPTION,
        examples="""\
surface dataset relabel data/floors -o data/floors_2 --recordings drive_3 --to carpet --new-class
surface dataset relabel data/floors -o data/floors_2 --spans drive_3:12.5-20 --to carpet
surface dataset relabel data/floors -o data/floors_2 --diagnosis diagnosis.json
surface dataset relabel data/floors --in-place --classes wet_tile --to tile""",
    )
    relabel.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    relabel.add_argument('--to', metavar='SURFACE', help='the new label')
    relabel.add_argument('--new-class', action='store_true', help='let --to name a class that the data set lacks')
    _add_selection(relabel)
    _add_output(relabel)
    relabel.set_defaults(run=_run_relabel)

    drop = add_command(
        actions,
        'drop',
        help='leave windows, recordings, classes or channels out',
        description=_DROP_DESCRIPTION,
        examples="""\
surface dataset drop data/floors -o data/floors_2 --classes gravel
surface dataset drop data/floors -o data/floors_2 --recordings 'hall/*' --spans hall/1:0-5
surface dataset drop data/floors -o data/floors_2 --channels right
surface dataset drop data/floors -o data/floors_2 --diagnosis diagnosis.json""",
    )
    drop.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    _add_selection(drop)
    drop.add_argument('--channels', metavar='NAME', nargs='+', help='channels to leave out, NAME or PART.NAME')
    _add_output(drop)
    drop.set_defaults(run=_run_drop)

    merge = add_command(
        actions,
        'merge',
        help='put data sets into one',
        description=_MERGE_DESCRIPTION,
        examples='surface dataset merge data/monday data/tuesday -o data/both',
    )
    merge.add_argument('datasets', metavar='DATASET', nargs='+', help='folders of the data sets')
    _add_output(merge, in_place=False)
    merge.set_defaults(run=_run_merge)

    split = add_command(
        actions,
        'split',
        help='divide a data set by recordings, every class in each part',
        description=_SPLIT_DESCRIPTION,
        examples="""\
surface dataset split data/floors -o data/floors_parts --parts train=0.8,test=0.2
surface dataset split data/floors -o data/parts --parts train=0.6,tune=0.2,test=0.2 --seed 3""",
    )
    split.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    split.add_argument('--parts', metavar='PARTS', required=True, help='names and shares, such as train=0.8,test=0.2')
    split.add_argument('--seed', metavar='N', type=non_negative_int, default=0, help='seed of the choice (%(default)d)')
    _add_output(split, in_place=False, what='folder that gets the parts')
    split.set_defaults(run=_run_split)

    balance = add_command(
        actions,
        'balance',
        help='keep equally many windows of each class',
        description=_BALANCE_DESCRIPTION,
        examples="""\
surface dataset balance data/floors -o data/floors_even
surface dataset balance data/floors -o data/floors_200 --windows 200 --seed 1""",
    )
    balance.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    balance.add_argument(
        '--windows', metavar='N', type=positive_int, help='windows of each class (as many as the rarest class has)'
    )
    balance.add_argument(
        '--seed', metavar='N', type=non_negative_int, default=0, help='seed of the choice (%(default)d)'
    )
    _add_output(balance)
    balance.set_defaults(run=_run_balance)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    which = parser.add_argument_group('which windows are meant')
    which.add_argument('--windows', metavar='N', help='by number, from 0, such as 3,7,10-20')
    which.add_argument('--recordings', metavar='NAME', nargs='+', help='by recording; * and ? stand for anything')
    which.add_argument('--classes', metavar='NAME', nargs='+', help='by the class that they have')
    which.add_argument(
        '--spans',
        metavar='NAME:S-S',
        nargs='+',
        help='by time from the beginning of a recording, as in drive_1:12.5-20',
    )
    which.add_argument(
        '--diagnosis', metavar='FILE', help='those that the JSON of `surface diagnose` holds for mislabelled'
    )


def _add_output(parser: argparse.ArgumentParser, *, in_place: bool = True, what: str = 'data set to make') -> None:
    if in_place:
        place = parser.add_mutually_exclusive_group(required=True)
        place.add_argument('-o', '--output', metavar='DATASET', help=what)
        place.add_argument('--in-place', action='store_true', help='change the data set itself')
    else:
        parser.add_argument('-o', '--output', metavar='OUTPUT', required=True, help=what)
    parser.add_argument('--overwrite', action='store_true', help='replace a data set that is there already')
    add_json_argument(parser)


def _selection(args: argparse.Namespace, dataset: Dataset) -> Selection:
    from surface_classifier.data.editing.window_selection import TimeSpan, parse_numbers, select_windows

    return select_windows(
        dataset,
        windows=None if args.windows is None else parse_numbers(args.windows),
        recordings=args.recordings,
        classes=args.classes,
        spans=None if args.spans is None else [TimeSpan.parse(text) for text in args.spans],
        diagnosis=args.diagnosis,
    )


def _target(args: argparse.Namespace, dataset: Dataset) -> Path:
    from surface_classifier.data.dataset import check_dataset_target
    from surface_classifier.data.editing.dataset_rewrite import check_not_source

    if args.in_place:
        return dataset.path
    target = Path(args.output)
    check_not_source(target, [dataset])
    check_dataset_target(target, overwrite=args.overwrite)
    return target


def _run_relabel(args: argparse.Namespace) -> int:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.editing.dataset_edit import relabel

    dataset = Dataset.load(args.dataset)
    target = _target(args, dataset)
    if args.to is not None and args.to not in dataset.classes and not args.new_class:
        near = difflib.get_close_matches(args.to, dataset.classes, 1)
        meant = f'did you mean {near[0]!r}?' if near else f'it has {", ".join(dataset.classes)};'
        raise SurfaceError(
            f'{dataset.path}: --to {args.to!r} is no class of the data set: {meant} give --new-class to make it one'
        )
    result = relabel(
        dataset, target, _selection(args, dataset), args.to, overwrite=args.overwrite, in_place=args.in_place
    )
    text = f'{_windows(result.relabelled)} relabelled'
    if result.left_out:
        text += f', {_windows(result.left_out)} over an edge left out'
    return _show(args, result, text)


def _run_drop(args: argparse.Namespace) -> int:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.editing.dataset_edit import drop

    dataset = Dataset.load(args.dataset)
    target = _target(args, dataset)
    named = (args.windows, args.recordings, args.classes, args.spans, args.diagnosis)
    if args.channels is None and not any(named):
        raise SurfaceError(
            f'{dataset.path}: say what to leave out, with --windows, --recordings, --classes, --spans, --diagnosis or '
            '--channels'
        )
    result = drop(
        dataset,
        target,
        _selection(args, dataset) if any(named) else None,
        args.channels or (),
        overwrite=args.overwrite,
        in_place=args.in_place,
    )
    text = f'{_windows(result.left_out)} left out'
    if args.channels:
        text += f', and of all others {", ".join(args.channels)}'
    return _show(args, result, text)


def _run_merge(args: argparse.Namespace) -> int:
    from surface_classifier.cli.dataset.summary import dataset_summary, print_dataset
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.editing.dataset_merge import merge

    result = merge([Dataset.load(path) for path in args.datasets], args.output, overwrite=args.overwrite)
    _warn(result.warnings)
    if args.json:
        write_json({**dataset_summary(result.dataset), 'warnings': list(result.warnings)}, args.json)
    if args.json != '-':
        print_dataset(result.dataset)
    return 0


def _run_split(args: argparse.Namespace) -> int:
    from surface_classifier.cli.dataset.summary import dataset_summary
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.editing.dataset_split import parse_parts, split

    dataset = Dataset.load(args.dataset)
    parts = parse_parts(args.parts)
    written = split(dataset, args.output, parts, args.seed, overwrite=args.overwrite)
    if args.json:
        summaries = {name: dataset_summary(part) for name, part in written.items()}
        write_json({'of': dataset.digest, 'seed': args.seed, 'parts': summaries}, args.json)
    if args.json != '-':
        for name, part in written.items():
            counts = ', '.join(
                f'{class_name} {count}' for class_name, count in zip(part.classes, part.class_counts, strict=True)
            )
            print(
                f'{name}: {_windows(len(part))} ({100 * len(part) / len(dataset):.1f} %, wanted {100 * parts[name]:g} '
                f'%) of {len(part.recordings)} recordings ({counts})  {part.path}'
            )
    return 0


def _run_balance(args: argparse.Namespace) -> int:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.editing.dataset_balance import balance

    dataset = Dataset.load(args.dataset)
    target = _target(args, dataset)
    result = balance(dataset, target, args.windows, args.seed, overwrite=args.overwrite, in_place=args.in_place)
    return _show(args, result, f'{_windows(result.left_out)} left out')


def _show(args: argparse.Namespace, result: EditResult, text: str) -> int:
    from surface_classifier.cli.dataset.summary import dataset_summary, print_dataset

    if args.json:
        changes: dict[str, Any] = {'relabelled': result.relabelled, 'left_out': result.left_out}
        write_json({**dataset_summary(result.dataset), **changes}, args.json)
    if args.json != '-':
        print(text)
        print_dataset(result.dataset)
    return 0


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)


def _windows(count: int) -> str:
    return f'{count} window' if count == 1 else f'{count} windows'
