# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From what was measured to verdicts: which arms made the training better, and which cause explains it best.

A cause of the recipe is named only if the arm that removes it learns more, generalises better, or ends where it does
not matter when to stop, by more than the thresholds. Where several arms do, similar causes are ranked in the order of
`RecipeJudge.causes`: a cause is dropped when a cause before it, removed alone, does as much for the training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from surface_classifier.diagnosis import thresholds
from surface_classifier.diagnosis.arms import SAME, plain_changes
from surface_classifier.diagnosis.measure import BASE, ArmOutcome, Experiment
from surface_classifier.diagnosis.result import Evidence, Remedy, Verdict


@dataclass(frozen=True)
class Gain:
    """What an arm does for the training.

    Attributes:
        learns: By how much more of the training windows it gets right [1].
        generalises: By how much its held-out balanced accuracy is higher [1].
        error: Standard error of that [1].
        steadies: Spread of the training loss as configured over the arm's [1].
        fits: By how much its training loss is lower [nat]; 0 where it is not at most half of what it was.
    """

    learns: float
    generalises: float
    error: float
    steadies: float
    fits: float = 0.0

    @property
    def size(self) -> float:
        """The gain as one number: 1 is just enough for a verdict."""
        return max(
            self.learns / thresholds.LEARNS,
            self.generalises / max(thresholds.GENERALISES, thresholds.STANDARD_ERRORS * self.error),
        )

    @property
    def size_with_fit(self) -> float:
        """The same where a lower training loss counts: for causes that keep a training from getting to the bottom."""
        return max(self.size, self.fits / thresholds.FITS)


def gain_of(base: ArmOutcome, arm: ArmOutcome, labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Gain:
    """Compare an arm with the training as configured.

    Args:
        base: The training as configured.
        arm: A fresh arm.
        labels: Class of every window.
    """
    held_out = (base.predicted >= 0) & (arm.predicted >= 0)
    right_before = base.predicted[held_out] == labels[held_out]
    right_after = arm.predicted[held_out] == labels[held_out]
    # Of paired differences that are -1, 0 or 1.
    error = math.sqrt(float(np.mean(right_before != right_after)) / max(1, int(held_out.sum())))
    return Gain(
        learns=arm.train_accuracy - base.train_accuracy,
        generalises=arm.held_out - base.held_out,
        error=error,
        steadies=(base.spread + 0.01) / (arm.spread + 0.01),
        fits=base.loss - arm.loss if arm.loss <= thresholds.HALVED * base.loss else 0.0,
    )


class RecipeJudge:
    """Judges what the arms of one experiment say of the recipe."""

    def __init__(self, experiment: Experiment) -> None:
        """Compare every fresh arm with the training as configured.

        Args:
            experiment: With the outcomes that there are.
        """
        self._experiment = experiment
        self._outcomes = experiment.outcomes
        self._base = experiment.outcomes[BASE]
        self._config = experiment.config
        labels = np.asarray(experiment.dataset.labels)
        self.gains: dict[str, Gain] = {
            name: gain_of(self._base, outcome, labels)
            for name, outcome in self._outcomes.items()
            if not outcome.arm.forked and name != BASE
        }

    def verdicts(self) -> list[Verdict]:
        """Return the causes in the recipe, similar ones distinguished, strongest first."""
        found: dict[str, tuple[Verdict, str]] = {}
        for cause, judge in self.causes().items():
            if (judged := judge()) is not None:
                found[cause] = judged
        kept: list[str] = []
        for cause, (_, arm) in found.items():
            if not any(self._explains(found[other][1], arm) for other in kept):
                kept.append(cause)
        return sorted((found[cause][0] for cause in kept), key=lambda verdict: -verdict.strength)

    def causes(self) -> dict[str, Callable[[], tuple[Verdict, str] | None]]:
        """Return how each cause is judged, by its id; a cause that has priority over a later one comes first."""
        return {
            'unscaled_input': self._unscaled_input,
            'exploding_gradient': self._exploding_gradient,
            'vanishing_gradient': self._vanishing_gradient,
            'over_parameterised': self._over_parameterised,
            'learning_rate_too_high': self._learning_rate_too_high,
            'batch_too_small': self._batch_too_small,
            'regularisation_noise': self._regularisation_noise,
            'learning_rate_too_low': self._learning_rate_too_low,
            'adaptive_step_noise': self._adaptive_step_noise,
            'uninformative_input': self._uninformative_input,
        }

    def _explains(self, first: str, second: str) -> bool:
        """Whether the first arm alone does about as much for the training as the second."""
        one, other = self._outcomes[first], self._outcomes[second]
        tolerance = thresholds.SAME_GAIN
        learns = one.train_accuracy >= other.train_accuracy - tolerance * thresholds.LEARNS
        generalises = one.held_out >= other.held_out - tolerance * thresholds.GENERALISES
        fits = one.loss <= other.loss + tolerance * thresholds.FITS
        return learns and generalises and fits

    # ---- The causes ----

    def _unscaled_input(self) -> tuple[Verdict, str] | None:
        gain = self._fits('standardised')
        if gain is None:
            return None
        return self._verdict('unscaled_input', 'standardised', gain, 'Standardise the inputs.')

    def _exploding_gradient(self) -> tuple[Verdict, str] | None:
        # Weights that let it explode in one fold let it explode.
        start = max(entry.norm for entry in self._experiment.gradients)
        if self._config.gradient_clip > 0 or start < thresholds.LARGE_GRADIENT:
            return None
        arms = [name for name in ('clipped', 'usual_start') if self._fits(name) is not None]
        if not arms:
            return None
        best = max(arms, key=lambda name: self.gains[name].size_with_fit)
        text = (
            f'The gradient has a norm of {start:.3g} at the first weights; {self._outcomes[best].arm.description}, '
            f'the training gets {self._compared(best)}.'
        )
        return self._verdict(
            'exploding_gradient',
            best,
            self.gains[best],
            'Clip the gradient, and start from usual weights.',
            evidence=Evidence(text, 'norm of the gradient at the first weights', start, thresholds.LARGE_GRADIENT),
        )

    def _vanishing_gradient(self) -> tuple[Verdict, str] | None:
        gain = self._fits('shorter_path')
        if gain is None:
            return None
        share = float(np.nanmedian([entry.first_layer_share for entry in self._experiment.gradients]))
        if share > thresholds.VANISHED_SHARE:
            return None
        text = (
            f'The gradient of the first layer is {share:.2g} of that of the head; with one layer whose mean and '
            f'maximum go to the head the training gets {self._compared("shorter_path")}.'
        )
        return self._verdict(
            'vanishing_gradient',
            'shorter_path',
            gain,
            'Use fewer layers, and pool over time.',
            evidence=Evidence(text, "first layer's share of the gradient", share, thresholds.VANISHED_SHARE),
        )

    def _learning_rate_too_high(self) -> tuple[Verdict, str] | None:
        gain = self.gains.get('slower')
        if self._fits('slower') is not None and gain is not None:
            return self._verdict('learning_rate_too_high', 'slower', gain, 'Lower the learning rate.')
        # A training that got somewhere at a high rate: from its checkpoint a tenth of the rate learns what is left.
        if SAME not in self._outcomes or self._base.train_accuracy >= thresholds.LEARNT:
            return None
        if 'rate_tenth' not in self._outcomes:
            return None
        same, slow = self._outcomes[SAME], self._outcomes['rate_tenth']
        learns, fits = slow.train_accuracy - same.train_accuracy, same.loss - slow.loss
        noisy_batch = self._calms('full_batch') <= thresholds.CALM  # False where it was not run
        better = learns >= thresholds.LEARNS or fits >= thresholds.FITS
        # A rate of which a tenth learns far less from the start is none that is ten times too high.
        better = better and gain is not None and gain.learns >= -thresholds.SAME_GAIN * thresholds.LEARNS
        if not better or self._calms('rate_tenth') > thresholds.CALM or noisy_batch:
            return None
        text = (
            f'From a checkpoint half way a tenth of the rate gets {100 * slow.train_accuracy:.0f} % of the training '
            f'windows right, going on as configured {100 * same.train_accuracy:.0f} %, with a training loss of '
            f'{slow.loss:.3g} instead of {same.loss:.3g} nat; with all windows in one step the loss wobbles on.'
        )
        own = Gain(learns, 0.0, 0.0, 1.0, fits)
        evidence = (
            Evidence(text, 'more training windows right from one checkpoint', learns, thresholds.LEARNS)
            if learns / thresholds.LEARNS >= fits / thresholds.FITS
            else Evidence(text, 'training loss lower from one checkpoint [nat]', fits, thresholds.FITS)
        )
        arm = 'rate_tenth'
        return self._verdict(
            'learning_rate_too_high', arm, own, 'Lower the learning rate.', evidence=evidence, more=(SAME, 'full_batch')
        )

    def _learning_rate_too_low(self) -> tuple[Verdict, str] | None:
        arms = [
            name
            for name in ('faster', 'much_faster', 'usual_rate')
            if name in self.gains and self.gains[name].learns >= thresholds.SPEEDS_UP
        ]
        if not arms or self._would_learn_later():
            return None
        best = max(arms, key=lambda name: self.gains[name].size)
        return self._verdict('learning_rate_too_low', best, self.gains[best], 'Raise the learning rate.')

    def _batch_too_small(self) -> tuple[Verdict, str] | None:
        if 'larger_batch' not in self.gains or 'full_batch' not in self._outcomes or SAME not in self._outcomes:
            return None
        same, full = self._outcomes[SAME], self._outcomes['full_batch']
        calm = self._calms('full_batch')
        batch, mask = self._noise_of_a_step()
        ratio = (same.loss + thresholds.SMALL_LOSS) / (full.loss + thresholds.SMALL_LOSS)
        costs = ratio >= thresholds.BATCH_COST or self._helps('larger_batch') is not None
        if self._base.wobble < thresholds.WOBBLE or calm > thresholds.CALM or mask > batch or not costs:
            return None
        text = (
            f'With batches of {self._config.batch_size} the loss deviates {100 * self._base.wobble:.0f} % from its '
            f'trend; going on from one checkpoint with all windows in a step, {100 * calm:.0f} % of that is left, and '
            f'the training loss is {full.loss:.3g} instead of {same.loss:.3g} nat. '
            f"{100 * batch / (batch + mask):.0f} % of a step's noise at frozen weights is the draw of the batch."
        )
        own = replace(self.gains['larger_batch'], learns=thresholds.LEARNS * (1.0 + thresholds.CALM / max(calm, 0.05)))
        return self._verdict(
            'batch_too_small',
            'larger_batch',
            own,
            'Use larger batches.',
            evidence=Evidence(text, 'wobble left with all windows in one step', calm, thresholds.CALM),
            more=(SAME, 'full_batch'),
        )

    def _regularisation_noise(self) -> tuple[Verdict, str] | None:
        batch, mask = self._noise_of_a_step()
        network = self._config.network
        strong = float(network.dropout) >= thresholds.STRONG_DROPOUT or network.batch_norm
        # Any dropout raises the training loss, and is meant to: with a usual share of it that is no fault.
        gain = self._fits('no_regularisation') if strong else self._helps('no_regularisation')
        if gain is None or not (strong or mask > batch):
            return None
        text = (
            f'At frozen weights {100 * mask / (mask + batch):.0f} % of the noise of a step comes from dropout or batch '
            f'normalisation; without them the training gets {self._compared("no_regularisation")}.'
        )
        return self._verdict(
            'regularisation_noise',
            'no_regularisation',
            gain,
            'Use less dropout, and no batch normalisation.',
            evidence=Evidence(text, "masks' share of a step's noise", mask / (mask + batch), 0.5),
            more=(SAME, 'no_masks'),
        )

    def _adaptive_step_noise(self) -> tuple[Verdict, str] | None:
        if self._config.optimizer == 'sgd' or 'decayed' not in self.gains or SAME not in self._outcomes:
            return None
        if self._outcomes[SAME].wobble < thresholds.RESTLESS or self.gains['decayed'].steadies < thresholds.STEADIES:
            return None
        quiet = min(
            (name for name in ('full_batch_no_masks', 'full_batch', 'no_masks', SAME) if name in self._outcomes),
            key=self._calms,
        )
        left, slow = self._calms(quiet), self._calms('rate_tenth')
        if left < thresholds.CALM or slow > thresholds.CALM:
            return None
        text = (
            f'Without any noise of batch or masks {100 * left:.0f} % of the wobble is left, with a tenth of the rate '
            f'{100 * slow:.0f} %: the steps of {self._config.optimizer} keep their length when the gradient is small. '
            f'With a rate that falls to zero the training gets {self._compared("decayed")}.'
        )
        # As strong as the wobble: that nothing but the rate calms it was seen above.
        own = replace(
            self.gains['decayed'], learns=thresholds.LEARNS * self._outcomes[SAME].wobble / thresholds.RESTLESS
        )
        return self._verdict(
            'adaptive_step_noise',
            'decayed',
            own,
            'Let the rate fall to zero.',
            evidence=Evidence(text, 'wobble left without noise in the steps', left, thresholds.CALM),
            more=tuple(dict.fromkeys((SAME, quiet, 'rate_tenth'))),
        )

    def _uninformative_input(self) -> tuple[Verdict, str] | None:
        gain = self._helps('rich_inputs')
        if gain is None or gain.generalises < thresholds.GENERALISES:
            return None
        return self._verdict(
            'uninformative_input',
            'rich_inputs',
            gain,
            'Give the network the level, shape and step of the signal, and statistics of the window.',
        )

    def _over_parameterised(self) -> tuple[Verdict, str] | None:
        gain = self.gains.get('narrower')
        # The small network has one layer: where the path through many is what stops the gradient, it proves nothing.
        if gain is None or self._vanishing_gradient() is not None:
            return None
        if gain.size_with_fit >= 1.0:
            return self._verdict('over_parameterised', 'narrower', gain, 'Use a smaller network.')
        if self._base.spread < thresholds.RESTLESS or gain.steadies < thresholds.SMALL_STEADIES:
            return None
        spread = self._outcomes['narrower'].spread
        text = (
            f'The loss over all training windows deviates {100 * self._base.spread:.0f} % from its trend, with '
            f'{self._outcomes["narrower"].arm.description} {100 * spread:.0f} %; the training gets '
            f'{self._compared("narrower")}.'
        )
        own = replace(gain, learns=thresholds.LEARNS * gain.steadies / thresholds.SMALL_STEADIES)
        evidence = Evidence(text, 'how many times calmer', gain.steadies, thresholds.SMALL_STEADIES)
        return self._verdict('over_parameterised', 'narrower', own, 'Use a smaller network.', evidence=evidence)

    # ---- What they share ----

    def _helps(self, name: str) -> Gain | None:
        """The gain of an arm, if it is enough for a verdict."""
        gain = self.gains.get(name)
        return gain if gain is not None and gain.size >= 1.0 else None

    def _fits(self, name: str) -> Gain | None:
        """The gain of an arm, if it is enough for a verdict where a lower training loss counts."""
        gain = self.gains.get(name)
        return gain if gain is not None and gain.size_with_fit >= 1.0 else None

    def _calms(self, name: str) -> float:
        """Wobble of a forked arm over that of going on as configured; NaN where it was not run."""
        if name not in self._outcomes or SAME not in self._outcomes:
            return math.nan
        return (self._outcomes[name].wobble + 1e-4) / (self._outcomes[SAME].wobble + 1e-4)

    def _noise_of_a_step(self) -> tuple[float, float]:
        """Variance of a step's loss at frozen weights by the draw of the batch, and by masks [nat^2]."""
        noise = self._experiment.noise
        batch = float(np.mean([entry.batch_variance for entry in noise]))
        return batch, float(np.mean([entry.mask_variance for entry in noise]))

    def _would_learn_later(self) -> bool:
        """Whether the loss falls fast enough to get where the faster arms are in the epochs that are still to come."""
        epochs = self._experiment.epochs
        later = self._config.epochs - epochs
        if later <= 0 or self._config.schedule != 'constant':
            return False
        best = min(
            self._outcomes[name].loss for name in ('faster', 'much_faster', 'usual_rate') if name in self._outcomes
        )
        losses = np.mean([curve.clean_loss for curve in self._base.curves], axis=0)
        half = losses[len(losses) // 2 :]
        slope = float(np.polyfit(np.arange(len(half)), half, 1)[0])
        return self._base.loss + slope * later < best + 0.5 * (self._base.loss - best)

    def _compared(self, name: str) -> str:
        base, arm = self._base, self._outcomes[name]
        return (
            f'{100 * arm.train_accuracy:.0f} % of its windows right instead of {100 * base.train_accuracy:.0f} %, and '
            f'{100 * arm.held_out:.0f} % of those held out instead of {100 * base.held_out:.0f} %'
        )

    def _verdict(
        self,
        cause: str,
        arm: str,
        gain: Gain,
        remedy: str,
        *,
        evidence: Evidence | None = None,
        more: Sequence[str] = (),
    ) -> tuple[Verdict, str]:
        if evidence is None:
            description = self._outcomes[arm].arm.description
            text = f'With {description} the training gets {self._compared(arm)}.'
            by_learning = gain.learns / thresholds.LEARNS >= gain.generalises / thresholds.GENERALISES
            if gain.size < 1.0:
                text += f' Its training loss is {self._outcomes[arm].loss:.3g} instead of {self._base.loss:.3g} nat.'
                evidence = Evidence(text, 'training loss lower [nat]', gain.fits, thresholds.FITS)
            elif by_learning:
                evidence = Evidence(text, 'more training windows right', gain.learns, thresholds.LEARNS)
            else:
                evidence = Evidence(text, 'more held-out windows right', gain.generalises, thresholds.GENERALISES)
        changes: Mapping[str, object] = plain_changes(self._outcomes[arm].arm.changes)
        arms = (BASE, arm, *(name for name in more if name in self._outcomes))
        size = gain.size if gain.size >= 1.0 else gain.size_with_fit
        return Verdict(cause, strength_of(size), evidence, Remedy(remedy, dict(changes)), arms), arm


def strength_of(excess: float) -> float:
    """Strength of evidence that is `excess` times its threshold: 0 at once the threshold, 0.5 at twice, towards 1."""
    return round(max(0.0, 1.0 - 1.0 / max(excess, 1.0)) if excess > 1.0 else 0.05, 3)
