# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface reproduce borealtc-protocol`: score the LSTM by the protocol of the BorealTC paper."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from surface_classifier.cli.folds import (
    add_fold_run_arguments,
    add_recipe_arguments,
    add_repetition_argument,
    chosen_recipe,
    run_folds,
)
from surface_classifier.cli.parsing import add_command, add_json_argument

_DESCRIPTION = """\
Score the LSTM beside simple baselines by the protocol of the BorealTC paper, to compare with published scores.

The scores are optimistic: five folds of shuffled pieces of 5 s, so that each drive is trained on and tested. For scores
on new drives, use `surface evaluate`. DATASET holds the pieces; build it with config/borealtc_paper_window.yaml.
"""


def add_borealtc_protocol(setups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the set-up's parser."""
    parser = add_command(
        setups,
        'borealtc-protocol',
        help='score the LSTM by the protocol of the BorealTC paper (optimistic)',
        description=_DESCRIPTION,
        examples="""\
surface dataset build recordings -o data/borealtc_pieces --channels config/borealtc_paper_window.yaml
surface reproduce borealtc-protocol data/borealtc_pieces --config config/borealtc_paper_recipe.yaml""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of a data set of pieces of 5 s')
    add_repetition_argument(parser, 'seed of the shuffling (0), or several, whose scores are taken together')
    add_recipe_arguments(parser)
    add_fold_run_arguments(parser)
    parser.add_argument('--report', metavar='FILE.html', help='write a self-contained page with tables and figures')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Cut the windows of the protocol, evaluate and print the table."""
    from surface_classifier.cli.score_output import show_scores
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import join_folds
    from surface_classifier.reproduce.borealtc_protocol import cut_pieces, paper_folds

    config = chosen_recipe(args)
    pieces = Dataset.load(args.dataset)
    with tempfile.TemporaryDirectory(prefix='surface_') as folder:
        dataset = cut_pieces(pieces, Path(folder, 'windows'))
        folds = join_folds([paper_folds(dataset, repetition) for repetition in args.repetition])
        show_scores(args, run_folds(args, dataset, folds, config), dataset)
    return 0
