# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface adapt`: fit a trained model to another robot, payload or battery from minutes of its drives."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from surface_classifier.cli.parsing import add_command, add_json_argument, write_json

_DESCRIPTION = """\
Fit a trained model to another robot, payload, battery or tyre, from a few minutes of its drives.

The normalisation is taken from the new drives, labelled or not; they should cover all surfaces. From labelled drives
the last layer is trained further, drawn towards what it was. Nothing of the old data is needed, and the old model is
left as it is: keep it for the old robot, whose currents the new normalisation does not fit.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'adapt',
        help='fit a trained model to another robot from minutes of its drives',
        description=_DESCRIPTION,
        examples="""\
surface adapt models/floors recordings/new_robot -o models/floors_new_robot
surface adapt models/floors recordings/unlabelled -o models/floors_new_robot --normalisation-only""",
    )
    parser.add_argument('model', metavar='MODEL', help='folder of the model')
    parser.add_argument('recordings', metavar='RECORDING', nargs='+', help='bags, or folders that hold bags')
    parser.add_argument('-o', '--output', metavar='MODEL', required=True, help='folder to make for the adapted model')
    parser.add_argument('--normalisation-only', action='store_true', help='do not use labels, if there are any')
    parser.add_argument('--overwrite', action='store_true', help='replace a model that is there already')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Adapt and write the model."""
    from current_driver.files.output_folders import claim_folder
    from current_driver.recordings.recording import find_recordings
    from surface_classifier.cli.progress import progress_counter
    from surface_classifier.training.adapt import ADAPTATION_STEPS, adapt_model

    found = find_recordings(args.recordings)
    with claim_folder(args.output), progress_counter(len(found) + ADAPTATION_STEPS, 'adapting', 'steps') as advance:
        result = adapt_model(
            args.model,
            found,
            args.output,
            use_labels=not args.normalisation_only,
            overwrite=args.overwrite,
            on_progress=advance,
        )
    contract = result.contract
    if args.json:
        values = {key: value for key, value in asdict(result).items() if key != 'contract'}
        write_json({'model': args.output, 'model_digest': contract.weights_sha256, **values}, args.json)
    if args.json != '-':
        used = 'normalisation alone' if args.normalisation_only or not result.labelled else 'normalisation and head'
        print(f'{used} adapted on {result.windows} windows ({result.labelled} labelled); recordings: {len(found)}')
        if result.labelled:
            print(
                'accuracy of single windows, without filter over time and with the likeliest surface where it is '
                f'unknown: {result.agreement_before:.1%} before, '
                f'{result.agreement_after:.1%} after; '
                + ('' if args.normalisation_only else 'it has learnt from them, so ')
                + 'classify another drive to score it'
            )
        print(f'model {args.output}, digest {contract.weights_sha256[:12]}')
    return 0
