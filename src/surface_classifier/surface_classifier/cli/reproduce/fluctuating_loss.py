# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface reproduce fluctuating-loss`: run the forum question again and test every claim about its loss."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from surface_classifier.cli.parsing import add_command, add_json_argument, positive_int, write_json
from surface_classifier.cli.progress import progress_counter

if TYPE_CHECKING:
    from surface_classifier.reproduce.forum_runs import ForumResult

_DESCRIPTION = """\
Run the set-ups of the forum question about a fluctuating loss again, on simulated currents of the same shape (98
windows of 100 x 1, six surfaces), test every claim that was made about it on five seeds, and write a page that answers:
is it normal that the loss jumps, and why?

The page is OUTPUT/fluctuating_loss.html. Every finished run is kept in OUTPUT/runs: a command that was stopped goes on
where it was, and the quick set-ups come first. All of it takes some 50 minutes of one core; fewer epochs or seeds take
less, and a verdict needs four seeds or more.

--network says what runs through the whole grid of three optimisers and four batches: the simple LSTM(32), the large
ones of 200,000 parameters (many hours), or all of them. The large network is in any case run where a claim is about it,
with a fifth of the epochs (four fifths where the claim is when it is right about every window); the page says so.
"""


def add_fluctuating_loss(setups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the set-up's parser."""
    parser = add_command(
        setups,
        'fluctuating-loss',
        help='run the forum question again and test each claim about its fluctuating loss',
        description=_DESCRIPTION,
        examples="""\
surface reproduce fluctuating-loss -o forum --jobs 2
surface reproduce fluctuating-loss -o forum --no-runs
surface reproduce fluctuating-loss -o quick --epochs 200 --generator ripple --json quick.json""",
    )
    parser.add_argument('-o', '--output', metavar='OUTPUT', required=True, help='folder of the runs and the page')
    parser.add_argument(
        '--generator',
        choices=('texture', 'ripple', 'simulator'),
        default='texture',
        help='how the currents are simulated (%(default)s)',
    )
    parser.add_argument(
        '--network',
        choices=('simple', 'large', 'all'),
        default='simple',
        help='what runs through the whole grid (%(default)s)',
    )
    parser.add_argument('--epochs', metavar='N', type=positive_int, default=1500, help='of a run (%(default)d)')
    parser.add_argument('--seeds', metavar='N', type=positive_int, default=5, help='runs of each set-up (%(default)d)')
    parser.add_argument('--windows', metavar='N', type=_windows, default=98, help='training windows (%(default)d)')
    parser.add_argument('--jobs', metavar='N', type=positive_int, default=1, help='processes (%(default)d)')
    parser.add_argument('--no-runs', action='store_true', help='write the page of the runs that are there')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def _windows(text: str) -> int:
    """Argument type: enough windows for two of each of the six surfaces."""
    count = positive_int(text)
    if count < 12:
        raise argparse.ArgumentTypeError(f'{text!r} is not at least 12')
    return count


def run(args: argparse.Namespace) -> int:
    """Run, write the page, and print the verdicts."""
    from surface_classifier.reproduce.forum_page import PAGE_FILE, write_forum_page
    from surface_classifier.reproduce.forum_runs import ForumSettings, missing_seconds, reproduce_fluctuating_loss

    settings = ForumSettings(
        generator=args.generator,
        seeds=args.seeds,
        epochs=args.epochs,
        network=args.network,
        windows=args.windows,
    )
    if args.no_runs:
        result = reproduce_fluctuating_loss(args.output, settings, only_finished=True)
    else:
        seconds = missing_seconds(args.output, settings)
        if seconds:
            print(f'about {max(1, round(seconds / 60))} minutes of one core to run', file=sys.stderr)
        with progress_counter(seconds, 'running', 's of one core') as show:
            result = reproduce_fluctuating_loss(args.output, settings, jobs=args.jobs, on_progress=show)
    # The command that goes on: what was not run is run then.
    command = shlex.join(['surface', *(word for word in args.arguments if word != '--no-runs')])
    page = write_forum_page(Path(args.output) / PAGE_FILE, result, command=command)
    print(f'page {page}', file=sys.stderr)
    if args.json:
        write_json(result.to_dict(), args.json)
    if args.json != '-':
        _print(result)
    return 0


def _print(result: ForumResult) -> None:
    from surface_classifier.reproduce.forum_claims import answers

    print(f'{len(result.runs)} of {result.planned} runs')
    for number, claim in enumerate(result.claims, 1):
        print(f'{number:>2}. {claim.verdict:<13}  {claim.claim.text}')
    replies = answers(result.claims)
    for question, key in (('is it normal?', 'normal'), ('why?', 'why')):
        print(f'\n{question} {replies[key]["short"]}\n{replies[key]["text"]}')
