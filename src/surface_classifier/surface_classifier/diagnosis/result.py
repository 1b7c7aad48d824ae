# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a diagnosis says: verdicts with their evidence, remedy and arms, and what stays unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# Every cause a diagnosis can name, and how it is called in a sentence.
CAUSES: Mapping[str, str] = {
    'batch_too_small': 'the batch is too small',
    'learning_rate_too_high': 'the learning rate is too high',
    'learning_rate_too_low': 'the learning rate is too low',
    'adaptive_step_noise': 'the steps of the adaptive optimiser wander, with no noise in the batch',
    'over_parameterised': 'the network is too large for so few windows',
    'mislabelled_windows': 'some windows carry a wrong label',
    'unscaled_input': 'the input is not scaled',
    'uninformative_input': 'the raw channel hides what simple features show',
    'class_imbalance': 'rare surfaces are drowned by common ones',
    'recording_leakage': 'windows of one recording are on both sides of the split',
    'aliasing': 'fast changes were folded into the signal when it was decimated',
    'vanishing_gradient': 'the gradient vanishes on its way to the first layer',
    'exploding_gradient': 'the gradient explodes',
    'bad_sensor': 'a channel is dead, saturated or a copy of another',
    'regularisation_noise': 'dropout or batch normalisation shakes the training',
    'unlearnable_labels': 'the labels have nothing to do with the windows',
}
HEALTHY = 'healthy'


@dataclass(frozen=True)
class Evidence:
    """The number a verdict rests on.

    Attributes:
        text: One sentence with the number.
        name: What the number is.
        value: The number.
        threshold: What it was compared with.
        unit: Its unit.
    """

    text: str
    name: str
    value: float
    threshold: float
    unit: str = '1'


@dataclass(frozen=True)
class Remedy:
    """What to change.

    Attributes:
        text: One sentence.
        config: Keys of the training configuration with their new values; None: nothing is to be changed there.
        command: A command that repairs the data; None: the data stay as they are.
    """

    text: str
    config: Mapping[str, Any] | None = None
    command: str | None = None


@dataclass(frozen=True)
class Verdict:
    """One cause.

    Attributes:
        id: One of `CAUSES`, or `healthy`.
        strength: How far the evidence lies beyond its threshold, 0 (at it) to 1.
        evidence: The number behind it.
        remedy: What to change.
        arms: Names of the arms it rests on.
        windows: Indices of the windows meant; for `mislabelled_windows` alone.
    """

    id: str
    strength: float
    evidence: Evidence
    remedy: Remedy
    arms: tuple[str, ...] = ()
    windows: tuple[int, ...] = ()


@dataclass(frozen=True)
class CannotTell:
    """A cause that could not be tested.

    Attributes:
        id: One of `CAUSES`.
        why: What is missing.
        supply: What to supply, so that it can be.
    """

    id: str
    why: str
    supply: str


@dataclass(frozen=True)
class SuspectedLabel:
    """A window whose label is likely wrong.

    Attributes:
        window: Index in the data set.
        label: The label it carries.
        probable: The surface it looks like.
        probability: Probability of that surface, out of sample [1].
    """

    window: int
    label: str
    probable: str
    probability: float


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns.

    Attributes:
        verdicts: Strongest first; `healthy` alone when no cause was found.
        cannot_tell: Causes that could not be tested, and what to supply.
        arms: By name: `description`, the curve of the loss over the epochs (`loss`, and over the runs of the arm its
            lowest and highest, `loss_low` and `loss_high`) [nat], `accuracy` (held out, balanced).
        run: The training as configured: `epochs`, `step_losses` [nat] and `steps_per_epoch`.
        fluctuation: Of the training as configured: `rising_share`, `detrended_log_std` [1].
        suspected: Windows that are likely mislabelled, also when they are too few for a verdict.
        dataset: `path`, `digest`, `windows`, `classes`.
        config: The training configuration, as resolved for the data.
        seed: Seed of the diagnosis.
        seconds: How long it took [s].
        measured: Every number that the verdicts hang on.
    """

    verdicts: tuple[Verdict, ...]
    cannot_tell: tuple[CannotTell, ...]
    arms: Mapping[str, Mapping[str, Any]]
    run: Mapping[str, Any]
    fluctuation: Mapping[str, float]
    suspected: tuple[SuspectedLabel, ...]
    dataset: Mapping[str, Any]
    config: Mapping[str, Any]
    seed: int
    seconds: float
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_healthy(self) -> bool:
        """Whether no cause was found."""
        return self.ids == (HEALTHY,)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the verdicts, strongest first."""
        return tuple(verdict.id for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            'verdicts': [_plain(verdict) for verdict in self.verdicts],
            'cannot_tell': [asdict(entry) for entry in self.cannot_tell],
            'arms': {name: dict(arm) for name, arm in self.arms.items()},
            'run': dict(self.run),
            'fluctuation': dict(self.fluctuation),
            'suspected': [asdict(entry) for entry in self.suspected],
            'dataset': dict(self.dataset),
            'config': dict(self.config),
            'seed': self.seed,
            'seconds': self.seconds,
            'measured': dict(self.measured),
        }


def _plain(verdict: Verdict) -> dict[str, Any]:
    values = asdict(verdict)
    values['arms'] = list(verdict.arms)
    values['windows'] = list(verdict.windows)
    return values


def by_strength(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Order verdicts, strongest first."""
    return tuple(sorted(verdicts, key=lambda verdict: -verdict.strength))
