# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset`: the parser that holds the actions on data sets."""

from __future__ import annotations

import argparse

from surface_classifier.cli.dataset.build import add_build
from surface_classifier.cli.dataset.check import add_check
from surface_classifier.cli.dataset.edit import add_edits
from surface_classifier.cli.dataset.info import add_info
from surface_classifier.cli.dataset.plot import add_plot
from surface_classifier.cli.parsing import add_command


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'dataset',
        help='cut recordings into a data set of windows, look at one, edit it',
        examples="""\
surface dataset build recordings -o data/floors
surface dataset info data/floors
surface dataset plot data/floors -o floors.png
surface dataset relabel data/floors -o data/floors_2 --spans drive_3:12.5-20 --to carpet
surface dataset split data/floors_2 -o data/parts --parts train=0.8,test=0.2
surface dataset build --help""",
    )
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True, title='actions')
    for add in (add_build, add_check, add_info, add_plot, add_edits):
        add(actions)
