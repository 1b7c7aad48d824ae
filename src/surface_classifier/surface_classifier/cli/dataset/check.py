# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset check`: compare the windows of a recording cut in blocks of different sizes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from current_driver.errors import SurfaceError
from surface_classifier.cli.dataset.summary import counted
from surface_classifier.cli.parsing import add_command, add_json_argument, non_negative_int, positive_int, write_json

if TYPE_CHECKING:
    from surface_classifier.data.block_check import BlockCheck

_DESCRIPTION = """\
Show that the sizes of the blocks in which a recording's samples come do not matter.

Cuts every recording as it was recorded, sample by sample, and in blocks of random sizes, and compares the windows to
the last bit. Windows are cut as `surface dataset build` would, or as --channels or --model says. Exits with 1 where
windows differ.
"""


def add_check(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action's parser."""
    check = add_command(
        actions,
        'check',
        help='show that any block sizes give the same windows of a recording',
        description=_DESCRIPTION,
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
    check.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
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
