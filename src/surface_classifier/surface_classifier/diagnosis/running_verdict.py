# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a training looks like while it runs: the noise band of its loss, and one hedged sentence.

Only one run is seen here, so no cause is named: that takes experiments (`surface diagnose`), and every sentence ends
with the command that runs them.

**The noise band.** An epoch's loss is the mean over its S steps. If the losses of the steps were independent draws
with the standard deviation s that they show within an epoch, that mean would be uncertain by s / √(S - 1). The band is
the trend of the loss ± 2 such standard errors, with the root mean square of s over the epochs of the trend. A loss
inside it needs no other explanation than that its steps differ. With one step an epoch there is no spread, and no band.

**The fluctuation.** The standard deviation of log(loss) about the trend [1]; the median over the latest 30 epochs, so
that what is said does not flicker. It is compared with the same share of the loss that the standard errors explain.

**The trend.** A line through the logarithm of the loss over the latest 15 epochs, by the median of the slopes between
all pairs of epochs (Theil 1950, Sen 1968), which single jumps do not move; its value at the present epoch.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from surface_classifier.diagnosis.fluctuation import SMALLEST_LOSS

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.training.training_config import TrainingConfig

TREND_EPOCHS = 15
FLUCTUATION_EPOCHS = 30
BAND_STANDARD_ERRORS = 2.0
# Before so many epochs a trend is a guess.
FIRST_VERDICT_EPOCH = 8
# For so many epochs in a row a run must look alike before the sentence changes.
LASTING_EPOCHS = 5
# Below it the eye sees a smooth curve.
VISIBLE_FLUCTUATION = 0.05
# A standard deviation over 15 epochs is itself uncertain by a fifth: half as much again is more than chance.
UNEXPLAINED_FACTOR = 1.5
# Share of the way from chance to the lowest possible loss that is left when the training windows are all but learnt.
LEARNT_SHARE = 0.03
CHANCE_TOLERANCE = 0.03
# Rises above the lowest loss that are more than a jump: in parts of it, and of the loss at chance.
DIVERGED_FACTOR = 1.5
DIVERGED_CHANCE_SHARE = 0.3
ABOVE_CHANCE_FACTOR = 1.3
OVERFIT_FACTOR = 1.1
OVERFIT_EPOCHS = 5
VALIDATION_EPOCHS = 5
STANDSTILL = 0.02
STANDSTILL_EPOCHS = 15
# Share of all steps in which the rate of torch's OneCycleLR rises.
ONE_CYCLE_WARM_UP = 0.3


class Epoch(Protocol):
    """What one epoch shows; see `surface_classifier.training.loop.EpochResult`."""

    @property
    def loss(self) -> float:
        """Mean training loss [nat]."""

    @property
    def loss_noise(self) -> float:
        """Standard deviation of the loss over the steps of the epoch; NaN if there was one step [nat]."""

    @property
    def validation_loss(self) -> float:
        """Loss on held-out windows; NaN when there are none [nat]."""


@dataclass(frozen=True)
class RunningVerdict:
    """What the run looks like so far.

    Attributes:
        loss_low: Lower edge of the noise band; NaN if an epoch has one step [nat].
        loss_high: Upper edge of the noise band; NaN if an epoch has one step [nat].
        text: One hedged sentence that ends with the command that gives the proof.
    """

    loss_low: float
    loss_high: float
    text: str


class RunningJudge:
    """Watches one training, epoch by epoch."""

    def __init__(
        self, steps_per_epoch: int, chance_loss: float, lowest_loss: float, proof: str, warm_up_epochs: int = 0
    ) -> None:
        """Begin with what is known before the first epoch.

        Args:
            steps_per_epoch: Optimiser steps in an epoch.
            chance_loss: Loss of a network that knows only how common the classes are [nat]; see `chance_loss`.
            lowest_loss: Loss of a perfect network: 0 without label smoothing [nat]; see `lowest_loss`.
            proof: The command that finds the cause by experiment.
            warm_up_epochs: Epochs over which the learning rate rises.
        """
        self._steps = steps_per_epoch
        self._chance = chance_loss
        self._lowest = lowest_loss
        self._proof = proof
        self._warm_up = warm_up_epochs
        self._losses: list[float] = []
        self._noises: list[float] = []
        self._held_out: list[float] = []
        self._trends = _Curve()
        self._fluctuations: list[float] = []
        self._explained: list[float] = []
        self._smooth_held_out = _Curve()
        self._seen = ''
        self._seen_epochs = 0
        self._stated = ''
        self._stated_text = ''

    @classmethod
    def of_training(cls, dataset: Dataset, config: TrainingConfig, seed: int, source: str) -> RunningJudge:
        """Watch what `train` does with the same arguments.

        Args:
            dataset: The windows.
            config: The recipe.
            seed: Seed of the run.
            source: Preset or file that the recipe is from, for the command; empty: the default.

        Raises:
            SurfaceError: No windows can be held out as the recipe says.
        """
        from surface_classifier.training.hold_out import hold_out

        windows = np.arange(len(dataset))
        if config.validation_fraction > 0:
            windows, _ = hold_out(dataset, windows, config.validation_fraction, seed, config.validation_split)
        config = config.resolved(len(windows))
        batch_size = int(config.batch_size)
        return cls(
            math.ceil(len(windows) / batch_size),
            chance_loss(np.bincount(dataset.labels[windows]), balanced=config.class_balance != 'none'),
            lowest_loss(len(dataset.classes), float(config.label_smoothing)),
            shlex.join(['surface', 'diagnose', str(dataset.path), *(['--config', source] if source else [])]),
            math.ceil(ONE_CYCLE_WARM_UP * config.epochs) if config.schedule == 'one_cycle' else 0,
        )

    def add(self, epoch: Epoch) -> RunningVerdict:
        """Take in an epoch and say what the run looks like with it."""
        self._losses.append(max(epoch.loss, SMALLEST_LOSS))
        self._noises.append(epoch.loss_noise)
        self._held_out.append(epoch.validation_loss)
        trend, fluctuation = _trend(self._losses[-TREND_EPOCHS:])
        self._trends.add(trend)
        self._smooth_held_out.add(float(np.median(self._held_out[-VALIDATION_EPOCHS:])))
        error = self._standard_error()
        self._fluctuations.append(fluctuation)
        self._explained.append(error / trend)
        half = BAND_STANDARD_ERRORS * error
        low = max(trend - half, 0.0) if math.isfinite(half) else math.nan
        return RunningVerdict(
            loss_low=low, loss_high=trend + half, text=f'{self._lasting_text()}; proof: {self._proof}'
        )

    def _lasting_text(self) -> str:
        """The sentence for what the run has looked like for some epochs, which one odd epoch does not change."""
        epochs = len(self._losses)
        kind, text = self._appearance()
        self._seen_epochs = self._seen_epochs + 1 if kind == self._seen else 1
        self._seen = kind
        if epochs < FIRST_VERDICT_EPOCH:
            return f'too early to judge after {epochs} {"epoch" if epochs == 1 else "epochs"}'
        if self._seen_epochs >= LASTING_EPOCHS:
            self._stated = kind
        if kind == self._stated:
            self._stated_text = text
        return self._stated_text or f'no clear course after {epochs} epochs'

    def _standard_error(self) -> float:
        """Uncertainty of an epoch's loss that the spread of its steps explains; NaN with one step [nat]."""
        if self._steps < 2:
            return math.nan
        noises = np.array(self._noises[-TREND_EPOCHS:])
        return float(np.sqrt(np.mean(noises**2))) / math.sqrt(self._steps - 1)

    def _appearance(self) -> tuple[str, str]:
        """What the run looks like at this epoch: a name for it, and the sentence."""
        trend, best = self._trends.values[-1], self._trends.best
        if trend > ABOVE_CHANCE_FACTOR * self._chance and best > self._chance:
            return 'above chance', (
                f'the loss, {trend:.3g} nat, is above chance level, {self._chance:.3g} nat: it looks as if the steps '
                'are too large'
            )
        if trend > DIVERGED_FACTOR * best and trend - best > DIVERGED_CHANCE_SHARE * self._chance:
            return 'diverges', (
                f'the loss has risen from {best:.3g} (epoch {self._trends.best_index + 1}) to {trend:.3g} nat: '
                'it looks as if it diverges'
            )
        if overfit := self._overfit():
            return 'overfits', overfit
        if trend - self._lowest < LEARNT_SHARE * (self._chance - self._lowest):
            return 'learnt', (
                f'the training windows are all but learnt (loss {trend:.2g} nat): '
                'what the loss still does looks harmless'
            )
        if best > (1.0 - CHANCE_TOLERANCE) * self._chance:
            return self._at_chance()
        fluctuation = float(np.median(self._fluctuations[-FLUCTUATION_EPOCHS:]))
        if fluctuation > VISIBLE_FLUCTUATION:
            return _fluctuates(fluctuation, float(np.median(self._explained[-FLUCTUATION_EPOCHS:])))
        return self._smooth()

    def _at_chance(self) -> tuple[str, str]:
        """What a loss that has not left chance level looks like."""
        text = f'the loss has not left chance level, {self._chance:.3g} nat'
        if len(self._losses) <= self._warm_up:
            return 'at chance', f'{text}, but the learning rate is still rising'
        return 'at chance', f'{text}: it looks as if the learning rate is too low, or there is nothing to learn'

    def _smooth(self) -> tuple[str, str]:
        """What a loss that hardly fluctuates does, against half of the epochs ago."""
        epochs, trend = len(self._losses), self._trends.values[-1]
        ago = epochs - epochs // 2
        before = self._trends.values[epochs // 2]
        if trend > (1.0 + STANDSTILL) * before:
            return 'rises', f'the loss has risen from {before:.3g} to {trend:.3g} nat in the last {ago} epochs'
        if trend > (1.0 - STANDSTILL) * before:
            so_far = ' so far' if ago < STANDSTILL_EPOCHS else ''
            return 'rests', f'the loss looks as if it has come to rest at {trend:.3g} nat{so_far}'
        return 'falls', f'the loss falls smoothly, now {trend:.3g} nat'

    def _overfit(self) -> str:
        """Return a sentence when the held-out loss rises while the training loss falls; otherwise an empty one."""
        held_out = self._smooth_held_out
        now, best, since = held_out.values[-1], held_out.best, held_out.best_index
        risen = now > OVERFIT_FACTOR * best  # false for NaN
        if (
            not risen
            or len(held_out.values) - 1 - since < OVERFIT_EPOCHS
            or self._trends.values[-1] >= self._trends.values[since]
        ):
            return ''
        return (
            f'the held-out loss has risen from {best:.3g} (epoch {since + 1}) to {now:.3g} nat while the training loss '
            'fell: it looks as if the network overfits'
        )


class _Curve:
    """Values of the epochs, and the lowest so far."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.best = math.inf
        self.best_index = 0

    def add(self, value: float) -> None:
        self.values.append(value)
        if value < self.best:
            self.best, self.best_index = value, len(self.values) - 1


def chance_loss(class_counts: ArrayLike, *, balanced: bool) -> float:
    """Loss of a network that knows only how common the classes are [nat].

    Args:
        class_counts: Training windows of each class, shape (classes,).
        balanced: Whether the classes count equally in training, whatever their number of windows.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    counts = counts[counts > 0]
    shares = np.full(len(counts), 1.0 / len(counts)) if balanced else counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def lowest_loss(classes: int, label_smoothing: float) -> float:
    """Loss of a perfect network: the entropy of the smoothed labels [nat].

    Args:
        classes: Number of classes.
        label_smoothing: Share of each label that is spread evenly over all classes.
    """
    spread = label_smoothing / classes
    target = 1.0 - label_smoothing + spread
    return -target * math.log(target) - (classes - 1) * (spread * math.log(spread) if spread else 0.0)


def _fluctuates(fluctuation: float, explained: float) -> tuple[str, str]:
    text = f'the loss rises and falls about its trend by {_percent(fluctuation)}'
    if math.isnan(explained):
        return 'fluctuates', (
            f'{text}, with one step an epoch: it looks as if something else than the drawing of batches does it'
        )
    text += f', the spread of its steps explains {_percent(explained)}'
    if fluctuation > UNEXPLAINED_FACTOR * explained:
        return 'fluctuates', f'{text}: it looks as if more than the drawing of batches does it'
    return 'batch noise', f'{text}: it looks no worse than noise of batches'


def _percent(share: float) -> str:
    return f'{100.0 * share:.2g} %' if share < 1.0 else f'{100.0 * share:.0f} %'


def _trend(losses: list[float]) -> tuple[float, float]:
    """Value of the trend at the last epoch [nat], and standard deviation of log(loss) about the trend [1]."""
    logs = np.log(np.asarray(losses))
    count = len(logs)
    places = np.arange(count)
    first, second = np.triu_indices(count, 1)
    slope = float(np.median((logs[second] - logs[first]) / (second - first))) if count > 1 else 0.0
    level = float(np.median(logs - slope * places))
    rests = logs - level - slope * places
    # Two degrees of freedom went into the line.
    fluctuation = math.sqrt(float(np.sum(rests**2)) / (count - 2)) if count > 2 else 0.0
    return math.exp(level + slope * (count - 1)), fluctuation
