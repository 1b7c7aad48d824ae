# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnosis of a training configuration on a data set, from the first look at the data to the verdicts."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import stratified_folds
from surface_classifier.data.survey.aliasing import find_aliasing, low_passed
from surface_classifier.data.survey.sensor_checks import find_sensor_faults, noted_wraps
from surface_classifier.diagnosis import thresholds
from surface_classifier.diagnosis.arms import Arm
from surface_classifier.diagnosis.balance_check import rarity_cost
from surface_classifier.diagnosis.data_judge import (
    LOW_PASSED,
    SHUFFLED,
    DataFindings,
    judge_data,
    suspected_labels,
    untold,
)
from surface_classifier.diagnosis.judge import RecipeJudge
from surface_classifier.diagnosis.label_checks import (
    check_labels,
    cross_validated_accuracy,
    shuffled_splits,
    window_features,
)
from surface_classifier.diagnosis.measure import (
    BASE,
    ArmOutcome,
    Experiment,
    Splits,
    curve_summary,
    probe_epochs,
)
from surface_classifier.diagnosis.result import HEALTHY, Diagnosis, Evidence, Remedy, Verdict, by_strength
from surface_classifier.training.hold_out import check_trainable
from surface_classifier.training.training_config import TrainingConfig

_DECISIVE = ('unlearnable_labels', 'bad_sensor')  # what is left to say when the labels mean nothing
_SIMPLE_CLASSIFIERS = ('linear', 'nearest')


def diagnose(
    dataset: Dataset,
    config: TrainingConfig,
    seed: int = 0,
    *,
    jobs: int | None = None,
    on_progress: Callable[[str, float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Diagnosis:
    """Say why a training behaves as it does.

    Args:
        dataset: Windows and labels.
        config: The recipe to judge.
        seed: Seed of the probes.
        jobs: How many probes train at once; None: as many as there are cores. The result is the same.
        on_progress: Called with what comes next and the share of the work that is done, 0 to 1.
        cancelled: Asked before every epoch of every probe.

    Raises:
        SurfaceError: The data set cannot be trained on.
        TrainingCancelledError: `cancelled` said so.
    """
    begin = time.perf_counter()
    check_trainable(dataset, np.arange(len(dataset)))
    report = on_progress or (lambda _what, _done: None)
    report('looking at the data', 0.0)
    splits, no_recordings = _splits(dataset, seed)
    findings = look_at_data(dataset, splits, seed, no_recordings)
    experiment = run_experiment(dataset, config, seed, splits, findings, report, cancelled, jobs or os.cpu_count() or 1)
    verdicts = judge(experiment, findings)
    outcomes = experiment.outcomes
    return Diagnosis(
        verdicts=verdicts,
        cannot_tell=tuple(untold(findings)),
        arms={name: curve_summary(outcome, experiment.epochs // 2) for name, outcome in outcomes.items()},
        run=_run_summary(experiment),
        fluctuation={'rising_share': outcomes[BASE].rising, 'detrended_log_std': outcomes[BASE].wobble},
        suspected=suspected_labels(dataset, findings.labels),
        dataset={
            'path': str(dataset.path),
            'digest': dataset.digest,
            'windows': len(dataset),
            'classes': list(dataset.classes),
        },
        config=experiment.config.to_dict(),
        seed=seed,
        seconds=time.perf_counter() - begin,
        measured=_measured(experiment, findings),
    )


def look_at_data(dataset: Dataset, splits: Splits, seed: int, no_recordings: str = '') -> DataFindings:
    """Look at what needs no training of a network.

    Args:
        dataset: Windows and labels.
        splits: Folds of whole recordings, or of windows.
        seed: Seed of what is drawn.
        no_recordings: Why the folds are of windows; empty: they are of recordings.
    """
    parts = dataset.inputs()
    labels = np.asarray(dataset.labels)
    features = window_features(parts)
    grouped = shuffled = math.nan
    if not no_recordings:
        by_window = shuffled_splits(labels, len(splits), seed)
        grouped, shuffled = (
            float(
                np.mean([cross_validated_accuracy(features, labels, which, kind, seed) for kind in _SIMPLE_CLASSIFIERS])
            )
            for which in (splits, by_window)
        )
    return DataFindings(
        labels=check_labels(features, labels, np.asarray(dataset.recording) if dataset.has_recordings else None, seed),
        sensors=find_sensor_faults(parts, noted_wraps(dataset)),
        rarity=rarity_cost(features, labels, splits, seed),
        grouped=grouped,
        shuffled=shuffled,
        aliasing=find_aliasing(dataset),
        no_recordings=no_recordings,
    )


def run_experiment(
    dataset: Dataset,
    config: TrainingConfig,
    seed: int,
    splits: Splits,
    findings: DataFindings,
    report: Callable[[str, float], None],
    cancelled: Callable[[], bool] | None,
    jobs: int,
) -> Experiment:
    """Train as configured, and every arm that is worth it.

    Args:
        dataset: Windows and labels.
        config: The recipe.
        seed: Seed of the probes.
        splits: Folds.
        findings: What was found in the data.
        report: Called with what comes next.
        cancelled: Asked before every epoch.
        jobs: How many probes train at once.
    """
    report('the training as configured', 0.1)
    config = config.resolved(min(len(train) for train, _ in splits))
    experiment = Experiment(
        dataset, config, seed, splits, probe_epochs(dataset, config), jobs=jobs, cancelled=cancelled
    )
    experiment.run_base()
    number = 0
    while (arm := experiment.next_arm(findings.rarity.imbalance)) is not None:
        number += 1
        report(arm.description, 0.2 + 0.75 * (1.0 - 0.8**number))
        experiment.run(arm)
    if config.validation_split == 'window' and config.validation_fraction > 0 and not findings.no_recordings:
        report('windows of one recording on both sides', 0.95)
        other = replace_splits(experiment, shuffled_splits(np.asarray(dataset.labels), len(splits), seed))
        experiment.outcomes[SHUFFLED] = other.run_fresh(Arm(SHUFFLED, 'held out window by window', {}))
    if _folded_share(findings) >= thresholds.ALIASED_SHARE:
        report('the data set with a low-pass', 0.97)
        experiment.outcomes[LOW_PASSED] = _low_passed_outcome(experiment)
    return experiment


def judge(experiment: Experiment, findings: DataFindings) -> tuple[Verdict, ...]:
    """Return the verdicts, strongest first; `healthy` when there is no cause.

    Args:
        experiment: With every arm's outcome.
        findings: What was found in the data.
    """
    verdicts = judge_data(experiment.dataset, experiment.config, findings, experiment.outcomes)
    found = {verdict.id for verdict in verdicts}
    if 'unlearnable_labels' in found:
        verdicts = [verdict for verdict in verdicts if verdict.id in _DECISIVE]
    elif 'aliasing' in found and _folded_share(findings) >= thresholds.MOSTLY_ALIASED:
        # What was folded into the windows makes labels look wrong and rates look high: first things first.
        verdicts = [verdict for verdict in verdicts if verdict.id != 'mislabelled_windows']
    else:
        verdicts += RecipeJudge(experiment).verdicts()
    return by_strength(verdicts) if verdicts else (_healthy(experiment),)


def _folded_share(findings: DataFindings) -> float:
    return 0.0 if findings.aliasing.folded is None else findings.aliasing.folded.share


def replace_splits(experiment: Experiment, splits: Splits) -> Experiment:
    """The same experiment on other folds, with nothing run yet."""
    return replace(experiment, splits=splits, outcomes={}, noise=(), checkpoints=())


def _splits(dataset: Dataset, seed: int) -> tuple[Splits, str]:
    """Folds of whole recordings; of windows, with the reason, where recordings cannot be held out."""
    by_window = shuffled_splits(np.asarray(dataset.labels), thresholds.FOLDS, seed)
    if not dataset.has_recordings:
        return by_window, 'it is not known which windows come from one recording'
    try:
        return [(fold.train, fold.test) for fold in stratified_folds(dataset, thresholds.FOLDS, seed)], ''
    except SurfaceError as error:
        return by_window, str(error)


def _low_passed_outcome(experiment: Experiment) -> ArmOutcome:
    with tempfile.TemporaryDirectory(prefix='surface_low_passed_') as folder:
        rebuilt = low_passed(experiment.dataset, Path(folder, 'dataset'))
        splits, _ = _splits(rebuilt, experiment.seed)
        other = replace(experiment, dataset=rebuilt, splits=splits, outcomes={}, noise=(), checkpoints=())
        return other.run_fresh(Arm(LOW_PASSED, 'the data set built again with a low-pass', {}))


def _healthy(experiment: Experiment) -> Verdict:
    base = experiment.outcomes[BASE]
    arms = [name for name, outcome in experiment.outcomes.items() if not outcome.arm.forked and name != BASE]
    judge_of_recipe = RecipeJudge(experiment)
    best = max((gain.size for gain in judge_of_recipe.gains.values()), default=0.0)
    text = (
        f'The loss rises in {100 * base.rising:.0f} % of the epochs and deviates {100 * base.wobble:.1f} % from its '
        'trend, and '
        + (
            f'no change of those tried ({len(arms)}) makes the training better by enough to name a cause.'
            if arms
            else 'it learns its windows, so that no change of the recipe was worth trying.'
        )
    )
    return Verdict(
        HEALTHY,
        round(max(0.0, min(1.0, 1.0 - best)), 3),
        Evidence(text, 'gain of the best change, 1 is enough for a verdict', best, 1.0),
        Remedy('Leave the recipe as it is; for more accuracy, record more drives of the surfaces that are confused.'),
        (BASE, *arms),
    )


def _run_summary(experiment: Experiment) -> dict[str, Any]:
    curve = experiment.outcomes[BASE].curves[0]
    epochs = [
        {
            'epoch': number + 1,
            'loss': round(curve.loss[number], 5),
            'training_loss': round(curve.clean_loss[number], 5),
            'training_accuracy': round(curve.clean_accuracy[number], 4),
            'validation_loss': round(curve.held_out_loss[number], 5),
            'validation_accuracy': round(curve.held_out_accuracy[number], 4),
        }
        for number in range(len(curve.loss))
    ]
    return {
        'epochs': epochs,
        'step_losses': [round(loss, 5) for loss in curve.step_losses],
        'steps_per_epoch': len(curve.step_losses) // max(1, len(curve.loss)),
    }


def _measured(experiment: Experiment, findings: DataFindings) -> dict[str, Any]:
    """Every number that verdicts hang on, so that thresholds can be looked at without training again."""
    labels = findings.labels
    return {
        'epochs': experiment.epochs,
        'outcomes': {name: outcome.numbers() for name, outcome in experiment.outcomes.items()},
        'gains': {name: asdict(gain) for name, gain in RecipeJudge(experiment).gains.items()},
        'noise': [asdict(entry) for entry in experiment.noise],
        'gradients': [asdict(entry) for entry in experiment.gradients],
        'suspects': len(labels.suspects),
        'drop_gain': labels.drop_gain,
        'drop_gain_error': labels.drop_gain_error,
        'noise_rate': labels.noise_rate,
        'noise_support': labels.noise_support,
        'out_of_line': labels.out_of_line,
        'accuracy': labels.accuracy,
        'chance': labels.chance,
        'grouped': findings.grouped,
        'shuffled': findings.shuffled,
        'imbalance': findings.rarity.imbalance,
        'rarity_loss': findings.rarity.loss,
        'sensors': [asdict(fault) for fault in findings.sensors],
        'folded_share': _folded_share(findings),
    }
