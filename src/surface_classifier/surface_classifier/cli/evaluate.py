# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface evaluate`: score the LSTM beside simple baselines, on folds of whole recordings."""

from __future__ import annotations

import argparse

from surface_classifier.cli.folds import (
    add_division_arguments,
    add_fold_run_arguments,
    add_recipe_arguments,
    chosen_folds,
    chosen_recipe,
    run_folds,
)
from surface_classifier.cli.parsing import add_command, add_json_argument, add_renamed_option

_DESCRIPTION = """\
Score the LSTM beside simple baselines: extra trees on the distribution of levels, nearest mean, majority.

All are trained and tested on folds of whole recordings, so that no drive is on both sides. `surface test` scores a
finished model; `surface leave-out` tests whether unknown surfaces and motions are detected.
"""
# Options of version 0.1.0 that are verbs of their own now.
_MOVED = {
    '--model': 'surface test MODEL DATASET',
    '--baseline-data': 'surface test MODEL DATASET --baseline-data DATASET',
    '--engine': 'surface test MODEL DATASET --engine NAME',
    '--leave-class-out': 'surface leave-out DATASET --by surface',
    '--leave-speed-out': 'surface leave-out DATASET --by motion',
    '--protocol': 'surface reproduce borealtc-protocol DATASET',
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'evaluate',
        help='score the LSTM beside simple baselines, by recording',
        description=_DESCRIPTION,
        examples="""\
surface evaluate data/floors --folds 5 --report report.html
surface evaluate data/borealtc --folds-file folds.json --repetition 0 --json scores.json
surface evaluate data/floors --streams --cache folds --json scores.json
surface evaluate data/borealtc --folds-file folds.json --repetition 1 2 3 --config accurate""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    add_division_arguments(parser)
    add_recipe_arguments(parser)
    add_fold_run_arguments(parser)
    parser.add_argument(
        '--streams',
        action='store_true',
        help='also label streams of joined recordings with the belief filter: accuracy, delay, false changes',
    )
    parser.add_argument('--report', metavar='FILE.html', help='write a self-contained page with tables and figures')
    add_json_argument(parser)
    for option, now in _MOVED.items():
        add_renamed_option(parser, option, now)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table."""
    from surface_classifier.cli.score_output import show_scores
    from surface_classifier.data.dataset import Dataset

    config = chosen_recipe(args)
    dataset = Dataset.load(args.dataset)
    folds = chosen_folds(args, dataset)
    show_scores(args, run_folds(args, dataset, folds, config, streams=args.streams), dataset)
    return 0
