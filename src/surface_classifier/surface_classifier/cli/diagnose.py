# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface diagnose`: say by experiment why a training behaves as it does, and what to change."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from surface_classifier.cli.parsing import add_command, add_json_argument, non_negative_int, write_json

if TYPE_CHECKING:
    from surface_classifier.diagnosis.result import Diagnosis

_DESCRIPTION = """\
Say by experiment why a training behaves as it does, and what to change.

Short trainings are compared that differ in one thing each: the batch, the rate, dropout, the inputs, the size of the
network and so on. A cause is named only where the arm that removes it makes the training better; a loss that wobbles at
no cost is healthy. The data are looked at too: labels, sensors, balance, recordings on both sides of a split, and what
was folded into the signal when it was decimated.

Causes: batch_too_small, learning_rate_too_high, learning_rate_too_low, adaptive_step_noise, over_parameterised,
mislabelled_windows, unscaled_input, uninformative_input, class_imbalance, recording_leakage, aliasing,
vanishing_gradient, exploding_gradient, bad_sensor, regularisation_noise, unlearnable_labels; or else healthy.

Exit code 0 when the training is healthy, 1 when a cause was found.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'diagnose',
        help='say by experiment why a training behaves as it does',
        description=_DESCRIPTION,
        examples="""\
surface diagnose data/floors
surface diagnose data/floors --config my_recipe.yaml --report diagnosis.html
surface diagnose data/imported_arrays --config fluctuating-loss-large --json diagnosis.json""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    parser.add_argument(
        '--config', metavar='FILE', default='default', help='training preset or YAML file to judge (%(default)s)'
    )
    parser.add_argument('--seed', metavar='N', type=non_negative_int, default=0, help='seed of the runs (%(default)d)')
    parser.add_argument('--report', metavar='FILE.html', help='write a self-contained page with the arms as pictures')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the diagnosis and print it."""
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.training.training_config import load_training_config

    config = load_training_config(args.config)
    dataset = Dataset.load(args.dataset)

    from surface_classifier.diagnosis.diagnose import diagnose

    with show_progress('diagnosing', 1.0) as bar:

        def show(what: str, done: float) -> None:
            bar.note(what)
            bar.move_to(done)

        diagnosis = diagnose(dataset, config, args.seed, on_progress=show)
    result = {**diagnosis.to_dict(), 'command': shlex.join(['surface', *args.arguments])}
    if args.json:
        write_json(result, args.json)
    if args.report:
        _write_report(args.report, result, dataset)
    if args.json != '-':
        _print(diagnosis)
    return 0 if diagnosis.is_healthy else 1


def _write_report(path: str, result: dict[str, Any], dataset: Any) -> None:
    from surface_classifier.report.page import write_diagnosis_report

    print(f'report {write_diagnosis_report(path, result, dataset=dataset)}', file=sys.stderr)


def _print(diagnosis: Diagnosis) -> None:
    from surface_classifier.diagnosis.result import CAUSES

    data = diagnosis.dataset
    fluctuation = diagnosis.fluctuation
    print(
        f'{data["windows"]} windows, {len(data["classes"])} surfaces; arms trained: {len(diagnosis.arms)}, in '
        f'{diagnosis.seconds:.0f} s'
    )
    print(
        f'the loss rises in {100 * fluctuation["rising_share"]:.0f} % of epochs and deviates '
        f'{100 * fluctuation["detrended_log_std"]:.1f} % from its trend'
    )
    for verdict in diagnosis.verdicts:
        meaning = CAUSES.get(verdict.id)
        print(f'\n{verdict.id}{f": {meaning}" if meaning else ""} (strength {verdict.strength:.2f})')
        print(f'  {verdict.evidence.text}')
        print(f'  {verdict.remedy.text}')
        if verdict.remedy.config:
            print(f'  --config: {_yaml(verdict.remedy.config)}')
        if verdict.remedy.command:
            print(f'  {verdict.remedy.command}')
        if verdict.windows:
            print(f'  windows: {", ".join(map(str, verdict.windows))}')
    for entry in diagnosis.cannot_tell:
        print(f'\n{entry.id}: cannot tell, {entry.why}\n  supply {entry.supply}')


def _yaml(changes: Any) -> str:
    import yaml

    return str(yaml.safe_dump(dict(changes), default_flow_style=True, width=10_000)).strip()
