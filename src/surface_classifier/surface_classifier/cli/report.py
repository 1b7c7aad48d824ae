# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface report`: put a diagnosis, scores, a sweep and a model on one self-contained HTML page."""

from __future__ import annotations

import argparse
import shlex

from surface_classifier.cli.parsing import add_command, add_json_argument, write_json

_DESCRIPTION = """\
Put what is known of one run on one self-contained HTML page, readable on a phone and in print.

RUN is any of: what `surface diagnose`, `surface evaluate` or `surface test`, `surface train` or `surface sweep` wrote
with --json, and the folder of a model; one of each kind, in any order. The page shows what there is: the curves of the
loss by epoch and by step, the verdicts with their arms and remedies, what could not be tested, suspected labels,
confusion matrix, scores by recording, importances, the data, the model, and the commands to repeat it. The same input
gives the same bytes.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'report',
        help='put a diagnosis, scores, a sweep and a model on one HTML page',
        description=_DESCRIPTION,
        examples="""\
surface report diagnosis.json --dataset data/floors -o report.html
surface report diagnosis.json scores.json models/floors --dataset data/floors -o report.html
surface report sweep.json -o sweep.html""",
    )
    parser.add_argument('runs', metavar='RUN', nargs='+', help='result written with --json, or folder of a model')
    parser.add_argument('-o', '--output', metavar='FILE.html', required=True, help='page to write')
    parser.add_argument('--dataset', metavar='DATASET', help='data set of the run: its table, and suspected windows')
    parser.add_argument('--title', metavar='TEXT', help='heading of the page')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, put together, and write the page."""
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.report.page import write_page
    from surface_classifier.report.page_inputs import read_run, run_page

    found = read_run(args.runs)
    dataset = None if args.dataset is None else Dataset.load(args.dataset)
    page = run_page(found, dataset=dataset, command=_command(args), title=args.title)
    path = write_page(args.output, page)
    if args.json:
        # The path of what was given of each kind; the curve belongs to its model.
        inputs = {kind: source for kind, source in found.sources.items() if kind != 'curve'}
        write_json({'report': str(path), 'title': page.title, 'inputs': inputs, 'command': _command(args)}, args.json)
    if args.json != '-':
        print(f'report {path}')
    return 0


def _command(args: argparse.Namespace) -> str:
    """The command that makes this page; the name of the file is not part of it, as the page must not depend on it."""
    words = ['surface', 'report', *args.runs]
    if args.dataset is not None:
        words += ['--dataset', args.dataset]
    if args.title is not None:
        words += ['--title', args.title]
    return shlex.join([*words, '-o', 'report.html'])
