# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface evaluate`: score the LSTM beside simple baselines by recording, or a finished model on unseen data."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import (
    add_command,
    add_executor_arguments,
    add_json_argument,
    non_negative_int,
    positive_int,
    write_json,
)

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import Folds
    from surface_classifier.evaluation.evaluate import EvaluationResult
    from surface_classifier.evaluation.motion_scores import WindowMotion
    from surface_classifier.model.contract import ModelContract
    from surface_classifier.training.training_config import TrainingConfig

_DESCRIPTION = """\
Score the LSTM beside simple baselines: trees on the distribution of levels, nearest mean, majority.

Without --model, LSTM and baselines are trained and tested on folds of whole recordings, so that no drive is on both
sides. With --model, a finished model is tested on the data set, which should hold recordings it has not seen; the
baselines are then fitted on --baseline-data, such as the data set the model was trained on.
"""
_TITLES = {
    'lstm': 'LSTM',
    'trees': 'trees on levels',
    'nearest_mean': 'nearest mean',
    'majority': 'majority',
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'evaluate',
        help='score the LSTM beside simple baselines, by recording',
        description=_DESCRIPTION,
        examples="""\
surface evaluate data/floors --folds 5 --report report.html
surface evaluate data/borealtc --folds-file folds.json --repetition 0 --json scores.json
surface evaluate data/new_drives --model models/floors --baseline-data data/floors
surface evaluate data/floors --streams --cache folds --json scores.json
surface evaluate data/borealtc_motion --leave-speed-out
surface evaluate data/borealtc --folds-file folds.json --repetition 1 2 3 --config accurate
surface evaluate data/borealtc_pieces --protocol borealtc-paper --config config/borealtc_paper_recipe.yaml""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    division = parser.add_mutually_exclusive_group()
    division.add_argument('--folds', metavar='K', type=positive_int, help='K folds of whole recordings (5)')
    division.add_argument('--folds-file', metavar='F', help='the folds of a JSON file')
    division.add_argument(
        '--protocol',
        choices=('borealtc-paper',),
        help='a published protocol, to compare with published scores: optimistic, as drives are on both sides',
    )
    division.add_argument('--model', metavar='MODEL', help='test this finished model')
    parser.add_argument(
        '--repetition',
        metavar='R',
        type=non_negative_int,
        nargs='+',
        help='repetition in the folds file (0), or several, whose scores are taken together',
    )
    parser.add_argument('--folds-seed', metavar='N', type=non_negative_int, help='seed of the K folds (0)')
    parser.add_argument('--seeds', metavar='N', type=positive_int, help='runs of each fold, with seeds 0 to N - 1 (1)')
    parser.add_argument('--config', metavar='FILE', help='training preset or YAML file (default)')
    parser.add_argument('--epochs', metavar='N', type=positive_int, help='largest number of epochs, over the recipe')
    add_executor_arguments(parser, 'folds trained and tested at once')
    parser.add_argument('--cache', metavar='DIR', help='keep the result of each fold there, and go on from it')
    parser.add_argument(
        '--streams',
        action='store_true',
        help='also label streams of joined recordings with the belief filter: accuracy, delay, false changes',
    )
    parser.add_argument(
        '--leave-class-out',
        action='store_true',
        help='instead: train without each surface in turn, and test whether it is told as unknown',
    )
    parser.add_argument(
        '--leave-speed-out',
        action='store_true',
        help='instead: train without each speed and motion in turn (of a part with `role: motion`): is that told?',
    )
    parser.add_argument('--baseline-data', metavar='DATASET', help='with --model: data set to fit the baselines on')
    parser.add_argument('--engine', choices=('auto', 'onnx', 'torch'), help='with --model: what runs it (auto: onnx)')
    parser.add_argument('--report', metavar='FILE.html', help='write a self-contained page with tables and figures')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table."""
    from surface_classifier.data.dataset import Dataset

    _check_arguments(args)
    dataset = Dataset.load(args.dataset)
    if args.protocol is not None:
        from surface_classifier.reproduce.borealtc_protocol import cut_pieces

        with tempfile.TemporaryDirectory(prefix='surface_') as folder:
            return _run(args, cut_pieces(dataset, Path(folder, 'windows')))
    return _run(args, dataset)


def _run(args: argparse.Namespace, dataset: Dataset) -> int:
    if args.leave_class_out or args.leave_speed_out:
        return _leave_out(args, dataset)
    contract = None
    if args.model is None:
        result = _evaluate_folds(args, dataset)
    else:
        from surface_classifier.model.contract import load_contract

        contract = load_contract(args.model)
        result = _evaluate_model(args, dataset)
    summary = {**result.to_dict(), 'command': shlex.join(['surface', *args.arguments])}
    if args.json:
        write_json(summary, args.json)
    if args.report:
        _write_report(args, summary, dataset, contract)
    for note in result.notes:
        print(f'surface: note: {note}', file=sys.stderr)
    if args.json != '-':
        _print(summary)
    return 0


def _check_arguments(args: argparse.Namespace) -> None:
    """Refuse flags that would be ignored.

    Raises:
        SurfaceError: A flag does not go with the others.
    """
    if args.model is not None:
        flags = ('streams', 'leave_class_out', 'leave_speed_out')
        for name in ('seeds', 'config', 'epochs', 'repetition', 'folds_seed', 'jobs', 'cache', *flags):
            if getattr(args, name) not in (None, False):
                raise SurfaceError(f'--{name.replace("_", "-")} does not go with --model: the model is trained already')
    else:
        for name in ('baseline_data', 'engine'):
            if getattr(args, name) is not None:
                raise SurfaceError(f'--{name.replace("_", "-")} goes with --model only')
    if args.protocol is not None:
        for name in ('streams', 'leave_class_out', 'leave_speed_out'):
            if getattr(args, name) not in (None, False):
                raise SurfaceError(f'--{name.replace("_", "-")} does not go with --protocol {args.protocol}')
    if args.executor != 'local' and (args.model is not None or args.leave_class_out or args.leave_speed_out):
        raise SurfaceError(f'--executor {args.executor} goes with folds only, not with --model and --leave-…-out')
    if args.leave_class_out and args.leave_speed_out:
        raise SurfaceError('--leave-class-out and --leave-speed-out are two evaluations; run one after the other')
    if args.leave_class_out or args.leave_speed_out:
        for name in ('streams', 'report', 'seeds'):
            if getattr(args, name) not in (None, False):
                raise SurfaceError(f'--{name} does not go with --leave-class-out and --leave-speed-out')
    if args.repetition is not None and args.folds_file is None:
        raise SurfaceError('--repetition goes with --folds-file only')
    if args.folds_seed is not None and args.folds_file is not None:
        raise SurfaceError('--folds-seed does not go with --folds-file: the file says which recording is in which fold')


def _recipe_and_folds(args: argparse.Namespace, dataset: Dataset) -> tuple[TrainingConfig, Folds]:
    from dataclasses import replace

    from surface_classifier.data.splits import folds_from_file, join_folds, stratified_folds
    from surface_classifier.training.training_config import load_training_config

    config = load_training_config(args.config or 'default')
    if args.epochs is not None:
        config = replace(config, epochs=args.epochs)
    if args.protocol is not None:
        from surface_classifier.reproduce.borealtc_protocol import paper_folds

        return config, paper_folds(dataset, args.folds_seed or 0)
    if args.folds_file is not None:
        repetitions = args.repetition or [0]
        return config, join_folds([folds_from_file(dataset, args.folds_file, number) for number in repetitions])
    return config, stratified_folds(dataset, args.folds or 5, args.folds_seed or 0)


def _motion(dataset: Dataset) -> WindowMotion | None:
    if dataset.config.motion_part is None:
        return None
    from surface_classifier.evaluation.motion_scores import window_motion

    try:
        return window_motion(dataset)
    except SurfaceError as error:
        print(f'surface: note: no scores by speed: {error}', file=sys.stderr)
        return None


def _leave_out(args: argparse.Namespace, dataset: Dataset) -> int:
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.evaluation.fold_cache import FoldCache
    from surface_classifier.evaluation.leave_out import evaluate_left_out, left_out_classes, left_out_motions
    from surface_classifier.evaluation.motion_scores import window_motion

    config, folds = _recipe_and_folds(args, dataset)
    groups = left_out_classes(dataset) if args.leave_class_out else left_out_motions(window_motion(dataset))
    with show_progress('leaving out', len(groups) * len(folds), 'runs') as bar:
        found = evaluate_left_out(
            dataset, folds, config, groups, jobs=args.jobs, cache=FoldCache(args.cache), on_progress=bar.advance
        )
    if args.json:
        write_json({**found, 'command': shlex.join(['surface', *args.arguments])}, args.json)
    for note in found['notes']:
        print(f'surface: note: {note}', file=sys.stderr)
    if args.json != '-':
        _print_left_out(found)
    return 0


def _evaluate_folds(args: argparse.Namespace, dataset: Dataset) -> EvaluationResult:
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.data.executor import make_executor
    from surface_classifier.evaluation.evaluate import EvaluationProgress, evaluate_folds
    from surface_classifier.evaluation.fold_cache import FoldCache

    config, folds = _recipe_and_folds(args, dataset)
    motion = _motion(dataset)
    seeds = range(args.seeds or 1)
    runs = len(folds) * len(seeds)
    done: dict[tuple[int, int], int] = {}
    with show_progress('evaluating', runs * (config.epochs + 1), 'epochs') as bar:

        def show(progress: EvaluationProgress) -> None:
            key = (progress.fold, progress.seed)
            if progress.epoch is not None:
                done[key] = progress.epoch.epoch
                bar.note(f'fold {progress.fold}, loss {progress.epoch.loss:.3f}')
                bar.advance()
            elif progress.classifiers == ('lstm',):
                bar.advance(config.epochs - done.get(key, 0))  # what early stopping or the cache saved
            else:
                bar.advance()

        with contextlib.ExitStack() as stack:
            elsewhere = args.executor != 'local'
            return evaluate_folds(
                dataset,
                folds,
                config,
                seeds,
                jobs=args.jobs,
                on_progress=show,
                streams=args.streams,
                motion=motion,
                cache=FoldCache(args.cache),
                executor=stack.enter_context(make_executor(args.executor, args.jobs)) if elsewhere else None,
            )


def _evaluate_model(args: argparse.Namespace, dataset: Dataset) -> EvaluationResult:
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.evaluation.evaluate import evaluate_model

    baseline_data = Dataset.load(args.baseline_data) if args.baseline_data is not None else None
    with show_progress('classifying', len(dataset), 'windows') as bar:
        return evaluate_model(dataset, args.model, baseline_data, engine=args.engine or 'auto', on_progress=bar.advance)


def _write_report(
    args: argparse.Namespace, summary: dict[str, Any], dataset: Dataset, contract: ModelContract | None
) -> None:
    from surface_classifier.report.page import write_report

    path = write_report(args.report, summary, command=summary['command'], dataset=dataset, contract=contract)
    print(f'report {path}', file=sys.stderr)


def _print(summary: dict[str, Any]) -> None:
    print(summary['protocol'])
    recordings = f'{summary["recordings"]} recordings' if summary['recordings'] else 'recordings not known'
    print(f'{summary["windows"]} windows, {recordings}, {len(summary["classes"])} classes, {summary["seconds"]:.0f} s')
    print()
    print(f'{"":<16}  accuracy  balanced  macro-F1  accuracy of each fold')
    for key, title in _TITLES.items():
        scores = summary[key]
        if scores is None:
            print(f'{title:<16}  {"–":>8}  {"–":>8}  {"–":>8}  nothing to fit it on, see --baseline-data')
            continue
        folds = ' '.join(f'{fold["accuracy"]:.3f}' for fold in scores['per_fold'])
        print(
            f'{title:<16}  {scores["accuracy"]:>8.3f}  {scores["balanced_accuracy"]:>8.3f}  '
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
            wrong = comparison['wholly_wrong'].get(key)
            text = '' if wrong is None else f'  wholly wrong: {", ".join(wrong) or "none"}'
            error = summary[key].get('reliability', {}).get('expected_calibration_error')
            sure = '' if error is None else f'  calibration error {error:.3f}'
            print(f'{title:<16}  {found["value"]:.3f} [{found["low"]:.3f}, {found["high"]:.3f}]{sure}{text}')
    if comparison['sentence']:
        print(comparison['sentence'])
    for key, title in (('by_motion', 'motion'), ('by_speed', 'speed')):
        if key in comparison:
            print(f'\n{title:<20} windows   LSTM  trees')
            for name, found in comparison[key].items():
                print(f'{name:<20} {found["windows"]:>7}  {found["lstm"]:.3f}  {found["trees"]:.3f}')
    if summary['streams']:
        print('\njoined streams           accuracy  median delay  missed  false changes')
        for key, kinds in summary['streams'].items():
            for kind, found in kinds.items():
                print(
                    f'{_TITLES[key]:<16} {kind:<8} {found["accuracy"]:.3f}  {found["median_delay_s"]:>9.1f} s  '
                    f'{found["missed"]:>6.1%}  {found["false_changes_per_minute"]:.2f} a minute'
                )
        times = list(summary['streams']['lstm']['filtered']['by_time_on_surface'])
        print('\nfiltered, right after so long on a surface: ' + ', '.join(times))
        for key, kinds in summary['streams'].items():
            by_time = kinds['filtered']['by_time_on_surface']
            print(f'{_TITLES[key]:<16} ' + '  '.join(f'{by_time[name]["accuracy"]:.3f}' for name in times))


def _print_left_out(found: dict[str, Any]) -> None:
    print(found['protocol'])
    print(f'{"left out":<24} windows  AUROC  told  right   of wrong, told  right of known  false alarms')
    for name, row in found['groups'].items():
        print(
            f'{name:<24} {row["windows"]:>7}  {row["auroc"]:.3f}  {row["told"]:>4.0%}  {row["accuracy"]:>5.1%}  '
            f'{row["wrong_told"]:>15.0%}  {row["accuracy_known"]:>14.1%}  {row["false_alarms"]:>12.1%}'
        )
    overall = found['overall']
    print(
        'told: called unknown; right: labels before any is called unknown; false alarms: other windows called unknown; '
        f'groups of fewer than {found["fewest_windows"]} windows are not left out\n'
    )
    print(
        f'mean AUROC {overall["auroc"]:.3f}, worst {overall["worst"]} {overall["worst_auroc"]:.3f}; trained windows: '
        f'{overall["false_alarms"]:.1%} told as unknown ({overall["false_alarms_by_motion"]:.1%} by their motion), '
        f'{overall["accuracy_trained"]:.1%} right, '
        f'{overall["accuracy_trained_known"]:.1%} of those that stay known; '
        f'{overall["wrong_told"]:.0%} of the wrong labels on what was left out are told'
    )
