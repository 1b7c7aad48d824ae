# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface watch`: the labels of the running graph in the terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

from surface_classifier.cli.parsing import add_command, positive_float, positive_int


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb."""
    parser = add_command(
        subparsers,
        'watch',
        help='show the labels of the running graph in the terminal',
        description=(
            'Shows what the running nodes say: the surface, the confidence, a strip of the current and of the labels.\n'
            'Draws in a terminal; prints one plain line per second where the output goes to a file or a pipe.'
        ),
        examples='surface watch\nsurface watch --namespace /robot_1\nsurface watch --plain --count 100 > labels.txt',
    )
    parser.add_argument('--namespace', default='', metavar='NS', help='namespace of the nodes (default: none)')
    parser.add_argument('--plain', action='store_true', help='print plain lines even in a terminal')
    parser.add_argument('--count', type=positive_int, metavar='N', help='stop after N labels (default: until Ctrl-C)')
    parser.add_argument(
        '--column-seconds',
        type=positive_float,
        default=0.5,
        metavar='S',
        help='time that one column of the strips stands for (default: %(default)s)',
    )
    parser.add_argument('--picture', type=Path, metavar='FILE.svg', help='write the last view as a picture')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Shows labels until Ctrl-C, or until `--count` of them have come."""
    from surface_classifier.cli.workspace import enter_workspace

    enter_workspace()
    from surface_classifier.nodes.clients.watch_node import watch

    watch(
        namespace=args.namespace,
        column_ns=round(args.column_seconds * 1e9),
        plain=args.plain,
        label_count=args.count,
        picture=args.picture,
    )
    return 0
