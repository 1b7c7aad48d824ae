# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset plot`: one picture of a data set."""

from __future__ import annotations

import argparse

from surface_classifier.cli.parsing import add_command, add_json_argument, write_json

_DESCRIPTION = """\
Draw a data set on one page.

Every recording is a strip of current over time, coloured by label; below are the spectrum of each class and the
distribution of its levels. The suffix of FILE says what is written: .png, .svg or .pdf.
"""


def add_plot(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action's parser."""
    plot = add_command(
        actions,
        'plot',
        help='draw every recording as a strip of current, and spectra and levels of each class',
        description=_DESCRIPTION,
        examples="""\
surface dataset plot data/floors -o floors.png
surface dataset plot data/borealtc -o imu.svg --part imu""",
    )
    plot.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    plot.add_argument('-o', '--output', metavar='FILE', required=True, help='picture to write')
    plot.add_argument('--part', metavar='NAME', help='part that is drawn, such as motor or imu (the first one)')
    add_json_argument(plot)
    plot.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.survey.dataset_plot import plot_dataset

    dataset = Dataset.load(args.dataset)
    written = plot_dataset(dataset, args.output, args.part)
    if args.json:
        part = args.part or dataset.config.parts[0].name
        write_json({'picture': str(written), 'dataset': str(dataset.path), 'part': part}, args.json)
    if args.json != '-':
        print(f'{written}')
    return 0
