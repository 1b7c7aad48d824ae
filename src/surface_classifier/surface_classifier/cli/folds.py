# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the verbs that train on folds share: arguments, recipe, division, and the run with a progress bar."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import add_executor_arguments, add_renamed_option, non_negative_int, positive_int

if TYPE_CHECKING:
    from surface_classifier.cli.progress import ProgressBar
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import Folds
    from surface_classifier.evaluation.evaluate import EvaluationProgress, EvaluationResult
    from surface_classifier.evaluation.motion_scores import WindowMotion
    from surface_classifier.training.training_config import TrainingConfig

DEFAULT_FOLDS = 5


def add_division_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--folds K`, `--folds-file F` and `--repetition R`, for `chosen_folds`."""
    division = parser.add_mutually_exclusive_group()
    division.add_argument('--folds', metavar='K', type=positive_int, help=f'K folds of recordings ({DEFAULT_FOLDS})')
    division.add_argument('--folds-file', metavar='F', help='the folds of a JSON file')
    add_repetition_argument(
        parser,
        'division in the folds file, or else random division with this seed (0); several: their scores are taken '
        'together',
    )


def add_repetition_argument(parser: argparse.ArgumentParser, help: str) -> None:  # noqa: A002 - as in argparse
    """Add `--repetition R [R ...]`."""
    parser.add_argument('--repetition', metavar='R', type=non_negative_int, nargs='+', default=[0], help=help)
    add_renamed_option(parser, '--folds-seed', '--repetition N')


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE` and `--epochs N`, for `chosen_recipe`."""
    parser.add_argument(
        '--config', metavar='FILE', default='default', help='training preset or YAML file (%(default)s)'
    )
    parser.add_argument('--epochs', metavar='N', type=positive_int, help='largest number of epochs, over the recipe')


def add_fold_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--seeds N`, `--cache DIR`, `--jobs N` and `--executor NAME`, for `run_folds`."""
    parser.add_argument(
        '--seeds',
        metavar='N',
        type=positive_int,
        default=1,
        help='runs of a fold, with seeds 0 to N - 1 (%(default)d)',
    )
    add_cache_argument(parser)
    add_executor_arguments(parser, 'folds trained and tested at once')


def add_cache_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--cache DIR`, for `evaluation.fold_cache.FoldCache`."""
    parser.add_argument('--cache', metavar='DIR', help='keep the result of each fold there, and read it in later runs')


def chosen_folds(args: argparse.Namespace, dataset: Dataset) -> Folds:
    """Return the folds that the arguments of `add_division_arguments` ask for.

    Raises:
        SurfaceError: The data set cannot be divided so.
    """
    from surface_classifier.data.splits import folds_from_file, join_folds, stratified_folds

    if args.folds_file is not None:
        return join_folds([folds_from_file(dataset, args.folds_file, number) for number in args.repetition])
    count = args.folds or DEFAULT_FOLDS
    return join_folds([stratified_folds(dataset, count, seed) for seed in args.repetition])


def chosen_recipe(args: argparse.Namespace) -> TrainingConfig:
    """Return the recipe that the arguments of `add_recipe_arguments` ask for.

    Raises:
        SurfaceError: There is no such preset or file, or a key or value in it cannot be used.
    """
    from dataclasses import replace

    from surface_classifier.training.training_config import load_training_config

    config = load_training_config(args.config)
    return config if args.epochs is None else replace(config, epochs=args.epochs)


def run_folds(
    args: argparse.Namespace, dataset: Dataset, folds: Folds, config: TrainingConfig, *, streams: bool = False
) -> EvaluationResult:
    """Train and test LSTM and baselines on every fold, with a progress bar.

    Args:
        args: Arguments of `add_fold_run_arguments`.
        dataset: Windows and labels.
        folds: The division into training and test.
        config: The LSTM's recipe.
        streams: Also label streams of joined recordings.

    Raises:
        SurfaceError: Training failed, as on infinite values.
    """
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.data.executor import make_executor
    from surface_classifier.data.ray_executor import task_memory
    from surface_classifier.evaluation.evaluate import evaluate_folds
    from surface_classifier.evaluation.fold_cache import FoldCache

    seeds = range(args.seeds)
    with contextlib.ExitStack() as stack:
        epochs = len(folds) * len(seeds) * (config.epochs + 1)
        bar = stack.enter_context(show_progress('evaluating', epochs, 'epochs'))
        elsewhere = args.executor != 'local'
        return evaluate_folds(
            dataset,
            folds,
            config,
            seeds,
            jobs=args.jobs,
            on_progress=_FoldProgress(bar, config.epochs).show,
            streams=streams,
            motion=_known_motion(dataset),
            cache=FoldCache(args.cache),
            executor=stack.enter_context(make_executor(args.executor, args.jobs, task_memory(dataset)))
            if elsewhere
            else None,
        )


class _FoldProgress:
    """Counts epochs of all folds and seeds on one bar."""

    def __init__(self, bar: ProgressBar, epochs: int) -> None:
        self._bar = bar
        self._epochs = epochs
        self._done: dict[tuple[int, int], int] = {}

    def show(self, progress: EvaluationProgress) -> None:
        """Show an epoch or a finished task."""
        key = (progress.fold, progress.seed)
        if progress.epoch is not None:
            self._done[key] = progress.epoch.epoch
            self._bar.note(f'fold {progress.fold}, loss {progress.epoch.loss:.3f}')
            self._bar.advance()
        elif progress.classifiers == ('lstm',):
            self._bar.advance(self._epochs - self._done.get(key, 0))  # what early stopping or the cache saved
        else:
            self._bar.advance()


def _known_motion(dataset: Dataset) -> WindowMotion | None:
    """Return how the robot moved in each window; None where no part shows it, or its units are not those of speeds."""
    if dataset.config.motion_part is None:
        return None
    from surface_classifier.evaluation.motion_scores import window_motion

    try:
        return window_motion(dataset)
    except SurfaceError as error:
        print(f'surface: note: no scores by speed: {error}', file=sys.stderr)
        return None
