# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface recover`: make whole bags of what a crash left."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import add_command, add_json_argument, write_json

if TYPE_CHECKING:
    from current_driver.recordings.repair.bag_recovery import RecoveryResult

_DESCRIPTION = """\
Make a whole bag of what a crash left.

Everything that can still be read is copied into a new bag: from MCAP files without their end, from sqlite3 databases
with a journal or damaged pages, from compressed files that were cut off, with or without metadata.yaml, of any
recorder. The original is never changed: it is kept beside the new bag as .NAME.original, where no verb takes it for a
recording, or left in its place with --output. A bag that is whole stays as it is.

A chunk of an MCAP file that does not match its checksum is left out, because any value in it may be wrong; what is
missing is printed by topic and time. --keep-damaged copies such chunks as well.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'recover',
        help='repair a bag whose recorder was killed',
        description=_DESCRIPTION,
        examples="""\
surface recover recordings/drive_1
surface recover recordings/drive_1 recordings/drive_2 --json report.json
surface recover drive_0.db3 --output recordings/drive""",
    )
    parser.add_argument('bags', metavar='BAG', nargs='+', help='folder of a bag, or a storage file')
    parser.add_argument('-o', '--output', metavar='DIR', help='put the recovered bag here, and leave the original')
    parser.add_argument(
        '--keep-damaged',
        action='store_true',
        help='also copy messages of damaged chunks, whose values may be wrong',
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Recover each bag, and say what was done."""
    from current_driver.recordings.reading.open_recording import require_bag_packages
    from current_driver.recordings.reading.storage_files import check_storage

    require_bag_packages(args.bags[0])
    from current_driver.recordings.repair.bag_recovery import recover_bag
    from surface_classifier.cli.progress import progress_counter

    if args.output is not None and len(args.bags) > 1:
        raise SurfaceError(f'--output {args.output}: goes with one bag, but there are {len(args.bags)}; leave it out')
    results = []
    for bag in args.bags:
        check_storage(Path(bag))
        with progress_counter(None, 'recovering', 'messages') as progress:
            output = None if args.output is None else Path(args.output)
            results.append(recover_bag(Path(bag), output, keep_damaged=args.keep_damaged, on_progress=progress))
        if args.json != '-':
            _print(results[-1])
    if args.json:
        write_json({'bags': [result.to_dict() for result in results]}, args.json)
    return 0


def _print(result: RecoveryResult) -> None:
    count = sum(result.messages.values())
    if result.whole:
        print(f'{result.bag}: whole, with {count} messages; nothing to do')
        return
    print(f'{result.output}: recovered {count} messages over {result.seconds:.1f} s; the original is {result.original}')
    for topic, messages in result.messages.items():
        print(f'  {topic}: {messages} messages')
    for text in result.repaired:
        print(f'  repaired: {text}')
    for text in result.lost:
        print(f'  lost: {text}')
    if not result.lost:
        print('  lost: nothing that was in the files')
