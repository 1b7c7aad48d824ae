# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface reproduce`: the parser that holds the published set-ups."""

from __future__ import annotations

import argparse

from surface_classifier.cli.parsing import add_command
from surface_classifier.cli.reproduce.borealtc_protocol import add_borealtc_protocol
from surface_classifier.cli.reproduce.fluctuating_loss import add_fluctuating_loss


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'reproduce',
        help='run a published set-up again: the fluctuating loss, the protocol of BorealTC',
        examples="""\
surface reproduce fluctuating-loss -o forum --jobs 2
surface reproduce borealtc-protocol data/borealtc_pieces --config config/borealtc_paper_recipe.yaml
surface reproduce fluctuating-loss --help""",
    )
    setups = parser.add_subparsers(dest='setup', metavar='SETUP', required=True, title='set-ups')
    add_fluctuating_loss(setups)
    add_borealtc_protocol(setups)
