# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a model says of surfaces, speeds and motions that were left out of its training.

For each fold and each group of windows (a surface, a speed, a motion) a network is trained, with its novelty test, on
the training recordings without that group, and tested on all windows of the fold's test recordings: those of the group
should be flagged as unknown, the others should not. The threshold comes from training recordings alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import Folds, held_out_parts
from surface_classifier.evaluation.fold_cache import FoldCache
from surface_classifier.evaluation.motion_scores import MOTIONS, WindowMotion
from surface_classifier.training.confidence.novelty_fit import NOVELTY_PARTS, fit_novelty, window_novelty
from surface_classifier.training.cross_fit import network_classifier, predict
from surface_classifier.training.hold_out import recipe_that_fits
from surface_classifier.training.loop import TrainingResult
from surface_classifier.training.parallel_training import TrainingRun, train_in_parallel
from surface_classifier.training.training_config import TrainingConfig

# A motion with fewer windows shows nothing, and so does one that leaves fewer to train on.
FEWEST_WINDOWS = 50

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


def left_out_classes(dataset: Dataset) -> dict[str, Mask]:
    """Return for each class which windows are of it."""
    labels = np.asarray(dataset.labels)
    return {name: labels == k for k, name in enumerate(dataset.classes) if (labels == k).any()}


def left_out_motions(motion: WindowMotion) -> dict[str, Mask]:
    """Return for each speed bin and motion with enough windows, and enough others, which windows are of it."""
    speeds, kinds = np.asarray(motion.speed_bin), np.asarray(motion.motion)
    found = {str(name): speeds == name for name in np.unique(speeds) if name}
    found.update({name: kinds == name for name in MOTIONS})
    return {name: mask for name, mask in found.items() if FEWEST_WINDOWS <= mask.sum() <= len(mask) - FEWEST_WINDOWS}


def evaluate_left_out(
    dataset: Dataset,
    folds: Folds,
    config: TrainingConfig,
    groups: Mapping[str, Mask],
    seed: int = 0,
    *,
    jobs: int | None = None,
    cache: FoldCache | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """Train without each group and test which of its windows are flagged as unknown.

    Args:
        dataset: Windows and labels.
        folds: The division of recordings into training and test.
        config: The network's recipe.
        groups: For each group which windows are of it, (windows,).
        seed: Seed of the trainings.
        jobs: Threads; None: as many as there are cores.
        cache: Where results are kept and found again.
        on_progress: Called with 1 after each training.

    Returns:
        `groups`: for each its `windows`, `auroc` of the novelty against the other windows (mean over folds), share
        `flagged` as unknown (`flagged_by_motion`: for a motion that was never driven), `accuracy` (before any window
        is flagged), share of the incorrect labels that are flagged (`incorrect_flagged`), accuracy of what stays known
        (`accuracy_known`),
        `false_alarms` (`false_alarms_by_motion`) and accuracy of the other windows (`accuracy_trained`, and of those
        that stay known `accuracy_trained_known`); `overall`: means and sums over the groups;
        `fewest_windows` of a speed or motion that is left out; `protocol`; `notes`: trainings without early stopping,
        and why.

    Raises:
        SurfaceError: There is no group.
    """
    if not groups:
        raise SurfaceError(
            f'{dataset.path}: no group of windows can be left out; a speed or motion needs {FEWEST_WINDOWS} windows, '
            f'and {FEWEST_WINDOWS} others to train on: record more of several speeds and motions'
        )
    kept = cache or FoldCache(None)
    advance = on_progress or (lambda _: None)
    jobs_left, found, notes = [], {}, []
    for fold in folds:
        for name, mask in groups.items():
            train = fold.train[~mask[fold.train]]
            recipe, why = recipe_that_fits(dataset, train, config, seed)
            if why:
                notes.append(f'fold {fold.index} without {name}: {why}')
            key = {
                'what': 'leave out, surface and motion',
                'dataset': dataset.digest,
                'windows': hashlib.sha256(train.tobytes() + b'/' + fold.test.tobytes()).hexdigest(),
                'training': recipe.to_dict(),
                'seed': seed,
            }
            read = kept.load(key)
            if read is None:
                jobs_left.append((fold, name, train, recipe, key))
            else:
                found[fold.index, name] = read
                advance(1)

    def keep(number: int, result: TrainingResult) -> None:
        fold, name, train, _, key = jobs_left[number]
        found[fold.index, name] = _answer(dataset, train, fold.test, result, seed)
        kept.save(key, found[fold.index, name])
        advance(1)

    runs = [TrainingRun(dataset, recipe, seed, train) for _, _, train, recipe, _ in jobs_left]
    train_in_parallel(runs, jobs=jobs, on_result=keep)
    rows = {
        name: _score(dataset, [(fold.test, mask[fold.test], found[fold.index, name]) for fold in folds])
        for name, mask in groups.items()
    }
    return {
        'protocol': f'{folds.protocol}; each of {", ".join(groups)} left out of training in turn, seed {seed}',
        'groups': rows,
        'fewest_windows': FEWEST_WINDOWS,
        'overall': _overall(rows),
        'notes': notes,
    }


def _answer(dataset: Dataset, train: Ids, test: Ids, result: TrainingResult, seed: int) -> dict[str, Any]:
    """Return label and novelty of each tested window."""
    test_of = fit_novelty(dataset, train, held_out_parts(dataset, train, NOVELTY_PARTS, seed), seed)
    surface, motion = window_novelty(test_of, dataset, test)
    predictions = predict(dataset, test, network_classifier(result.network), fitted=train)
    return {
        'predicted': predictions.predicted.tolist(),
        'novelty': np.maximum(surface, motion).tolist(),
        'motion': motion.tolist(),
    }


def _score(dataset: Dataset, folds: list[tuple[Ids, Mask, Mapping[str, Any]]]) -> dict[str, Any]:
    labels = np.asarray(dataset.labels)
    left = np.concatenate([mask for _, mask, _ in folds])
    right = np.concatenate([labels[test] == answer['predicted'] for test, _, answer in folds])
    flagged = np.concatenate([np.asarray(answer['novelty']) > 1.0 for _, _, answer in folds])
    by_motion = np.concatenate([np.asarray(answer['motion']) > 1.0 for _, _, answer in folds])
    curves = [roc_auc_score(mask, answer['novelty']) for _, mask, answer in folds if mask.any() and not mask.all()]
    return {
        'windows': int(left.sum()),
        'auroc': float(np.mean(curves)),
        'flagged': _share(flagged[left]),
        'flagged_by_motion': _share(by_motion[left]),
        'accuracy': _share(right[left]),
        'wrong': int((~right[left]).sum()),
        'incorrect_flagged': _share(flagged[left & ~right]),
        'accuracy_known': _share(right[left & ~flagged]),
        'false_alarms': _share(flagged[~left]),
        'false_alarms_by_motion': _share(by_motion[~left]),
        'accuracy_trained': _share(right[~left]),
        'accuracy_trained_known': _share(right[~left & ~flagged]),
    }


def _overall(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    worst = min(rows, key=lambda name: float(rows[name]['auroc']))
    wrong = np.array([row['wrong'] for row in rows.values()], dtype=np.float64)
    flagged = np.nan_to_num([row['incorrect_flagged'] for row in rows.values()])
    mean = {
        name: float(np.mean([row[name] for row in rows.values()]))
        for name in (
            'auroc',
            'flagged',
            'flagged_by_motion',
            'false_alarms',
            'false_alarms_by_motion',
            'accuracy_trained',
            'accuracy_trained_known',
        )
    }
    return {
        **mean,
        'worst': worst,
        'worst_auroc': rows[worst]['auroc'],
        'incorrect_flagged': float(np.average(flagged, weights=wrong)) if wrong.any() else float('nan'),
    }


def _share(values: Mask) -> float:
    return float(values.mean()) if len(values) else float('nan')
