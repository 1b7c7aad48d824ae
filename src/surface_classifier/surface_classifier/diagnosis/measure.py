# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The experiment of a diagnosis: runs every arm that applies and keeps what was measured, without judging it.

What is measured is kept apart from what is concluded (`judge.py`), so that thresholds can be chosen, and verdicts be
checked, without training again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.diagnosis import thresholds
from surface_classifier.diagnosis.arms import Arm, batch_size, forked_arms, fresh_arms
from surface_classifier.diagnosis.fluctuation import detrended_log_std, rising_share
from surface_classifier.diagnosis.noise import StepNoise, measure_step_noise
from surface_classifier.diagnosis.probe import Curves, GradientSize, Probe, ProbeData
from surface_classifier.training.torch_state import one_thread
from surface_classifier.training.training_config import TrainingConfig

Ids = NDArray[np.int64]
_Trained = TypeVar('_Trained')
Splits = Sequence[tuple[Ids, Ids]]
BASE = 'as_configured'


@dataclass(frozen=True)
class ArmOutcome:
    """How one arm went, over the folds of the probe.

    Attributes:
        arm: The arm.
        curves: Curves of each fold.
        predicted: Class given to each window while it was held out, -1 where it never was; fresh arms only.
        loss: Cross-entropy of the training windows in evaluation mode over the last fifth of the epochs, mean [nat].
        train_accuracy: Balanced accuracy on them, likewise [1].
        held_out: Balanced accuracy on the held-out windows, likewise [1].
        held_out_loss: Cross-entropy on them, likewise [nat].
        wobble: Standard deviation of the log of the epochs' loss about its trend, second half, mean over folds [1].
        rising: Share of epochs whose loss rises, second half, mean over folds [1].
        spread: Standard deviation of the log of the training windows' loss about its trend, last half: how much it
            matters at which epoch the training stops [1].
        largest_loss: Largest loss of a step, median over folds [nat].
    """

    arm: Arm
    curves: tuple[Curves, ...]
    predicted: Ids
    loss: float
    train_accuracy: float
    held_out: float
    held_out_loss: float
    wobble: float
    rising: float
    spread: float
    largest_loss: float

    def numbers(self) -> dict[str, float]:
        """The scalar results."""
        names = ('loss', 'train_accuracy', 'held_out', 'held_out_loss', 'wobble', 'rising', 'spread', 'largest_loss')
        return {name: round(float(getattr(self, name)), 6) for name in names}


@dataclass
class Experiment:
    """Trains arms on the folds of one data set.

    Attributes:
        dataset: Windows and labels.
        config: The recipe, resolved.
        seed: Seed of the probes.
        splits: Folds, pairs of training and held-out indices.
        epochs: Epochs of each probe.
        outcomes: What was measured so far, by the arm's name.
        noise: Noise of a step half way, one for each fold.
        gradients: Size of the gradient at the first weights, one for each fold.
        checkpoints: The training as configured, half way, one for each fold.
        jobs: How many folds are trained at once.
        cancelled: Asked before every epoch.
    """

    dataset: Dataset
    config: TrainingConfig
    seed: int
    splits: Splits
    epochs: int
    outcomes: dict[str, ArmOutcome] = field(default_factory=dict)
    noise: tuple[StepNoise, ...] = ()
    gradients: tuple[GradientSize, ...] = ()
    checkpoints: tuple[Probe, ...] = ()
    jobs: int = 1
    cancelled: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        self._parts = [torch.from_numpy(np.array(part, dtype=np.float32)) for part in self.dataset.inputs()]
        self._labels = torch.from_numpy(np.array(self.dataset.labels, dtype=np.int64))

    def run_base(self) -> ArmOutcome:
        """Train as configured, keep a checkpoint half way, and measure the noise of a step there."""
        half = self.epochs // 2

        def train(fold: int) -> tuple[Probe, Probe, StepNoise, GradientSize]:
            probe = self._probe(self.config, fold)
            gradient = probe.gradient_size()
            checkpoint = probe.run(half, self.cancelled).fork(self.config)
            return probe.run(self.epochs - half, self.cancelled), checkpoint, measure_step_noise(checkpoint), gradient

        probes, self.checkpoints, self.noise, self.gradients = zip(*self._in_folds(train), strict=True)
        return self._keep(Arm(BASE, 'the training as configured', {}), probes)

    def run(self, arm: Arm) -> ArmOutcome:
        """Run an arm, forked or fresh."""
        return self.run_forked(arm) if arm.forked else self.run_fresh(arm)

    def next_arm(self, imbalance: float) -> Arm | None:
        """Return an arm that has not been run and is worth it, by what the others showed; None when there is none.

        Args:
            imbalance: Windows of the commonest class for one of the rarest.
        """
        for arm in (*self.forked_arms(), *self.fresh_arms(imbalance)):
            if arm.name not in self.outcomes and self._worthwhile(arm):
                return arm
        return None

    def _worthwhile(self, arm: Arm) -> bool:
        base = self.outcomes[BASE]
        learnt = base.train_accuracy >= thresholds.LEARNT
        restless = base.wobble > thresholds.WOBBLE or base.spread > thresholds.WOBBLE
        if arm.forked:
            return restless
        if arm.name == 'slower':
            return restless or not learnt
        if arm.name in ('faster', 'much_faster', 'usual_rate'):
            return not learnt
        if arm.name == 'decayed':
            return restless or not learnt
        return True

    def run_fresh(self, arm: Arm) -> ArmOutcome:
        """Train one arm from the start, on every fold."""
        config = arm.apply(self.config)
        probes = self._in_folds(lambda fold: self._probe(config, fold).run(self.epochs, self.cancelled))
        return self._keep(arm, probes)

    def run_forked(self, arm: Arm) -> ArmOutcome:
        """Go on from the checkpoint of every fold with one thing changed."""
        config = arm.apply(self.config)
        probes = self._in_folds(lambda fold: self.checkpoints[fold].fork(config).run(self.fork_epochs, self.cancelled))
        return self._keep(arm, probes)

    def _in_folds(self, train: Callable[[int], _Trained]) -> list[_Trained]:
        """Do something for every fold, each on a thread of its own: the compiled kernel lets go of Python."""

        def alone(fold: int) -> _Trained:
            with one_thread():  # torch keeps their number for each thread
                return train(fold)

        with ThreadPoolExecutor(min(self.jobs, len(self.splits)), thread_name_prefix='probe') as pool:
            return list(pool.map(alone, range(len(self.splits))))

    @property
    def fork_epochs(self) -> int:
        """Epochs of a forked arm."""
        steps = steps_of_epoch(self.config, self._training_windows)
        wanted = max(thresholds.FORK_EPOCHS, thresholds.FORK_STEPS // steps)
        return min(wanted, self.epochs - self.epochs // 2)

    def forked_arms(self) -> list[Arm]:
        """The forked arms that apply."""
        return forked_arms(self.config, self._training_windows)

    def fresh_arms(self, imbalance: float) -> list[Arm]:
        """The fresh arms that apply."""
        return fresh_arms(self.config, self._training_windows, imbalance)

    @property
    def _training_windows(self) -> int:
        return min(len(train) for train, _ in self.splits)

    def _probe(self, config: TrainingConfig, fold: int) -> Probe:
        train, held_out = self.splits[fold]
        data = ProbeData(self._parts, self._labels, len(self.dataset.classes), train, held_out)
        return Probe(data, config, self.seed + fold, self.epochs)

    def _keep(self, arm: Arm, probes: Sequence[Probe]) -> ArmOutcome:
        predicted = np.full(len(self._labels), -1, dtype=np.int64)
        for probe in probes:
            predicted[probe.data.held_out] = probe.predicted()
        outcome = _outcome(arm, [probe.curves for probe in probes], predicted)
        self.outcomes[arm.name] = outcome
        return outcome


def probe_epochs(dataset: Dataset, config: TrainingConfig) -> int:
    """How many epochs a probe may take, so that the whole diagnosis stays within its budget.

    The cost is estimated from the number of operations, not timed, so that a diagnosis is the same on every machine.

    Args:
        dataset: The windows.
        config: The recipe, resolved.
    """
    windows = len(dataset)
    seconds = 0.0
    for index, part in enumerate(dataset.config.input_parts):
        samples = dataset.config.samples_of_part(index)
        before = len(part.channels) * (3 if config.network.inputs == 'derived' else 1)
        steps = math.ceil(windows / min(batch_size(config), windows)) + 1
        for units in config.network.hidden_sizes:
            operations = 8.0 * windows * samples * 4 * units * (before + units)
            seconds += operations * thresholds.SECONDS_PER_OPERATION
            seconds += steps * samples * thresholds.SECONDS_PER_TIME_STEP
            before = units
    # Each fold trains on all windows but its own.
    seconds *= (thresholds.FOLDS - 1) * thresholds.USUAL_ARMS
    affordable = thresholds.PROBE_BUDGET_S / seconds
    training_windows = max(1, windows * (thresholds.FOLDS - 1) // thresholds.FOLDS)
    most = max(thresholds.MOST_EPOCHS, thresholds.MOST_STEPS // steps_of_epoch(config, training_windows))
    return int(max(thresholds.LEAST_EPOCHS, min(most, config.epochs, affordable)))


def steps_of_epoch(config: TrainingConfig, windows: int) -> int:
    """Steps in an epoch of a resolved recipe.

    Args:
        config: The recipe.
        windows: How many windows it trains on.
    """
    return math.ceil(windows / min(batch_size(config), windows))


def _outcome(arm: Arm, curves: Sequence[Curves], predicted: Ids) -> ArmOutcome:
    def late(name: str) -> float:
        values = [getattr(curve, name) for curve in curves]
        return float(np.mean([np.mean(value[-max(1, len(value) // 5) :]) for value in values]))

    def second_half(measure: Callable[[Sequence[float]], float], name: str) -> float:
        values = [getattr(curve, name) for curve in curves]
        if not arm.forked:
            values = [value[len(value) // 2 :] for value in values]
        return float(np.mean([measure(value) for value in values]))

    return ArmOutcome(
        arm=arm,
        curves=tuple(curves),
        predicted=predicted,
        loss=late('clean_loss'),
        train_accuracy=late('clean_accuracy'),
        held_out=late('held_out_accuracy'),
        held_out_loss=late('held_out_loss'),
        wobble=second_half(detrended_log_std, 'loss'),
        rising=second_half(rising_share, 'loss'),
        spread=second_half(detrended_log_std, 'clean_loss'),
        largest_loss=float(np.median([max(curve.step_losses) for curve in curves])),
    )


def curve_summary(outcome: ArmOutcome, checkpoint_epoch: int) -> dict[str, Any]:
    """An arm as the report draws it: the loss of the epochs, mean over the folds, with its lowest and highest.

    Args:
        outcome: The arm's.
        checkpoint_epoch: Epochs before the checkpoint from which forked arms go on.
    """
    losses = np.array([curve.loss for curve in outcome.curves])
    return {
        'description': outcome.arm.description,
        **({'first_epoch': checkpoint_epoch + 1} if outcome.arm.forked else {}),
        'loss': _rounded(losses.mean(axis=0)),
        'loss_low': _rounded(losses.min(axis=0)),
        'loss_high': _rounded(losses.max(axis=0)),
        'accuracy': round(outcome.held_out, 4),
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 5) for value in values]
