# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Output of the verbs that score classifiers: the table, the result for machines and the report."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from surface_classifier.cli.parsing import write_json

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.evaluation.evaluate import EvaluationResult
    from surface_classifier.model.contract import ModelContract

_TITLES = {
    'lstm': 'LSTM',
    'trees': 'extra trees on quantile bins',
    'nearest_mean': 'nearest mean',
    'majority': 'majority',
}
_TITLE_WIDTH = max(len(title) for title in _TITLES.values())


def show_scores(
    args: argparse.Namespace, result: EvaluationResult, dataset: Dataset, contract: ModelContract | None = None
) -> None:
    """Write what `--json` and `--report` ask for, and print notes and tables.

    Args:
        args: Arguments of the verb, with `json`, `report` and `arguments`.
        result: Scores and predictions.
        dataset: The data set that was scored, for the report.
        contract: Contract of the model that was tested, for the report; None: models were trained on folds.

    Raises:
        SurfaceError: A file cannot be written.
    """
    summary = {**result.to_dict(), 'command': shlex.join(['surface', *args.arguments])}
    if args.json:
        write_json(summary, args.json)
    if args.report:
        from surface_classifier.report.page import write_report

        path = write_report(args.report, summary, command=summary['command'], dataset=dataset, contract=contract)
        print(f'report {path}', file=sys.stderr)
    for note in result.notes:
        print(f'surface: note: {note}', file=sys.stderr)
    if args.json != '-':
        _print(summary)


def _print(summary: dict[str, Any]) -> None:
    print(summary['protocol'])
    recordings = f'{summary["recordings"]} recordings' if summary['recordings'] else 'recordings not known'
    print(f'{summary["windows"]} windows, {recordings}, {len(summary["classes"])} classes, {summary["seconds"]:.0f} s')
    print()
    print(f'{"":<{_TITLE_WIDTH}}  accuracy  balanced  macro-F1  accuracy of each fold')
    for key, title in _TITLES.items():
        scores = summary[key]
        if scores is None:
            print(f'{title:<{_TITLE_WIDTH}}  {"–":>8}  {"–":>8}  {"–":>8}  nothing to fit it on, see --baseline-data')
            continue
        folds = ' '.join(f'{fold["accuracy"]:.3f}' for fold in scores['per_fold'])
        print(
            f'{title:<{_TITLE_WIDTH}}  {scores["accuracy"]:>8.3f}  {scores["balanced_accuracy"]:>8.3f}  '
            f'{scores["macro_f1"]:>8.3f}  {folds}'
        )
    lstm = summary['lstm']
    width = max(len(name) for name in summary['classes'])
    print()
    print(f'LSTM, rows: truth, columns: label in the same order\n{"":<{width}}  {"recall":>6}  {"F1":>5}')
    for name, row in zip(summary['classes'], lstm['confusion'], strict=True):
        scores = lstm['per_class'][name]
        counts = ' '.join(f'{count:>6}' for count in row)
        print(f'{name:<{width}}  {scores["recall"]:>6.3f}  {scores["f1"]:>5.3f}  {counts}')
    _print_comparison(summary)
    best = max((key for key in _TITLES if summary[key]), key=lambda key: float(summary[key]['accuracy']))
    if best != 'lstm':
        lead = summary[best]['accuracy'] - lstm['accuracy']
        print(f'\nthe LSTM is behind {_TITLES[best]} by {lead:.3f} in accuracy')


def _print_comparison(summary: dict[str, Any]) -> None:
    """Print how sure the scores are, and where they are bad."""
    comparison = summary['comparison']
    print('\naccuracy over all windows, interval of 95 % from drawing recordings')
    for key, title in _TITLES.items():
        if key in comparison['accuracy']:
            found = comparison['accuracy'][key]
            wrong = comparison['zero_accuracy'].get(key)
            text = '' if wrong is None else f'  0 % accuracy: {", ".join(wrong) or "none"}'
            error = summary[key].get('reliability', {}).get('expected_calibration_error')
            sure = '' if error is None else f'  calibration error {error:.3f}'
            print(
                f'{title:<{_TITLE_WIDTH}}  {found["value"]:.3f} [{found["low"]:.3f}, {found["high"]:.3f}]{sure}{text}'
            )
    if comparison['sentence']:
        print(comparison['sentence'])
    for key, title in (('by_motion', 'motion'), ('by_speed', 'speed')):
        if key in comparison:
            print(f'\n{title:<20} windows   LSTM  trees')
            for name, found in comparison[key].items():
                print(f'{name:<20} {found["windows"]:>7}  {found["lstm"]:.3f}  {found["trees"]:.3f}')
    if summary['streams']:
        print(f'\n{"joined streams":<{_TITLE_WIDTH + 10}}accuracy  median delay  missed  false changes')
        for key, kinds in summary['streams'].items():
            for kind, found in kinds.items():
                print(
                    f'{_TITLES[key]:<{_TITLE_WIDTH}} {kind:<8} {found["accuracy"]:.3f}  '
                    f'{found["median_delay_s"]:>9.1f} s  {found["missed"]:>6.1%}  '
                    f'{found["false_changes_per_minute"]:.2f} a minute'
                )
        times = list(summary['streams']['lstm']['filtered']['by_time_on_surface'])
        print('\nfiltered, right after so long on a surface: ' + ', '.join(times))
        for key, kinds in summary['streams'].items():
            by_time = kinds['filtered']['by_time_on_surface']
            print(f'{_TITLES[key]:<{_TITLE_WIDTH}} ' + '  '.join(f'{by_time[name]["accuracy"]:.3f}' for name in times))
