# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface test`: score a finished model on a data set that it was not trained on."""

from __future__ import annotations

import argparse

from surface_classifier.cli.parsing import add_command, add_json_argument

_DESCRIPTION = """\
Score a finished model on a data set, which should hold recordings that the model was not trained on.

With --baseline-data, simple baselines are fitted on that data set, such as the one the model was trained on, and scored
beside it: extra trees on the distribution of levels, nearest mean, majority.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'test',
        help='score a finished model on a data set it was not trained on',
        description=_DESCRIPTION,
        examples="""\
surface test models/floors data/new_drives --baseline-data data/floors
surface test models/floors data/new_drives --json scores.json --report report.html""",
    )
    parser.add_argument('model', metavar='MODEL', help='folder of the model')
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    parser.add_argument('--baseline-data', metavar='DATASET', help='data set to fit the baselines on (no baselines)')
    parser.add_argument(
        '--engine',
        choices=('auto', 'onnx', 'torch', 'numpy'),
        default='auto',
        help='what runs the model (%(default)s: onnx where ONNX Runtime is installed, else numpy)',
    )
    parser.add_argument('--report', metavar='FILE.html', help='write a self-contained page with tables and figures')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Test the model and print the table."""
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.cli.score_output import show_scores
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.evaluation.evaluate import evaluate_model
    from surface_classifier.model.contract import load_contract

    contract = load_contract(args.model)
    dataset = Dataset.load(args.dataset)
    baseline_data = Dataset.load(args.baseline_data) if args.baseline_data is not None else None
    with show_progress('classifying', len(dataset), 'windows') as bar:
        result = evaluate_model(dataset, args.model, baseline_data, engine=args.engine, on_progress=bar.advance)
    show_scores(args, result, dataset, contract)
    return 0
