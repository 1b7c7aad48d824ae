# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface leave-out`: train without each surface or motion in turn, and test whether it is detected as unknown."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from surface_classifier.cli.folds import (
    add_cache_argument,
    add_division_arguments,
    add_recipe_arguments,
    chosen_folds,
    chosen_recipe,
)
from surface_classifier.cli.parsing import add_command, add_json_argument, positive_int, write_json

_DESCRIPTION = """\
Train without each surface, or without each speed and motion, in turn, and test whether windows of it are detected as
unknown.

--by surface leaves out one class after the other. --by motion leaves out one range of speeds, and one of standing,
driving straight, turning and mixed motion, after the other; the data set then needs a part with `role: motion`, as in
config/borealtc_motion.yaml. Recordings stay whole: each is tested in a fold that was not trained on it.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'leave-out',
        help='train without each surface or motion: is it detected as unknown?',
        description=_DESCRIPTION,
        examples="""\
surface leave-out data/floors --by surface
surface leave-out data/borealtc_motion --by motion --cache folds --json left_out.json""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    parser.add_argument(
        '--by', choices=('surface', 'motion'), required=True, help='what is left out: surfaces, or speeds and motions'
    )
    add_division_arguments(parser)
    add_recipe_arguments(parser)
    add_cache_argument(parser)
    parser.add_argument(
        '--jobs', metavar='N', type=positive_int, help='networks trained at once (as many as there are cores)'
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, test and print the table."""
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.evaluation.fold_cache import FoldCache
    from surface_classifier.evaluation.leave_out import evaluate_left_out, left_out_classes, left_out_motions
    from surface_classifier.evaluation.motion_scores import window_motion

    config = chosen_recipe(args)
    dataset = Dataset.load(args.dataset)
    folds = chosen_folds(args, dataset)
    groups = left_out_classes(dataset) if args.by == 'surface' else left_out_motions(window_motion(dataset))
    with show_progress('leaving out', len(groups) * len(folds), 'runs') as bar:
        found = evaluate_left_out(
            dataset, folds, config, groups, jobs=args.jobs, cache=FoldCache(args.cache), on_progress=bar.advance
        )
    if args.json:
        write_json({**found, 'command': shlex.join(['surface', *args.arguments])}, args.json)
    for note in found['notes']:
        print(f'surface: note: {note}', file=sys.stderr)
    if args.json != '-':
        _print(found)
    return 0


def _print(found: dict[str, Any]) -> None:
    print(found['protocol'])
    print(f'{"left out":<24} windows  AUROC  detected  accuracy  of wrong, detected  of known, correct  false alarms')
    for name, row in found['groups'].items():
        print(
            f'{name:<24} {row["windows"]:>7}  {row["auroc"]:.3f}  {row["flagged"]:>8.0%}  {row["accuracy"]:>8.1%}  '
            f'{row["incorrect_flagged"]:>18.0%}  {row["accuracy_known"]:>17.1%}  {row["false_alarms"]:>12.1%}'
        )
    overall = found['overall']
    print(
        'detected: labelled unknown; accuracy: of the labels before any becomes unknown; false alarms: other windows '
        f'labelled unknown; groups of fewer than {found["fewest_windows"]} windows are not left out\n'
    )
    stay_known = f'{overall["accuracy_trained_known"]:.1%} of those that stay known'
    print(
        f'mean AUROC {overall["auroc"]:.3f}, worst {overall["worst"]} {overall["worst_auroc"]:.3f}; trained windows: '
        f'{overall["false_alarms"]:.1%} labelled unknown ({overall["false_alarms_by_motion"]:.1%} by their motion), '
        f'accuracy {overall["accuracy_trained"]:.1%}, {stay_known}; '
        f'{overall["incorrect_flagged"]:.0%} of the incorrect labels on what was left out are detected'
    )
