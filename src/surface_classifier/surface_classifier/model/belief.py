# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What is believed of the surface after several windows: a forward hidden Markov filter, and a label with hysteresis.

Between two windows the robot stays on its surface with the probability exp(-dt / dwell), else it is on any of the
others with equal probability; each window then multiplies the belief by how likely it is on each surface (Rabiner, "A
tutorial on hidden Markov models", 1989). Windows overlap, and neighbouring windows of one drive err together, so a
window counts as less than one independent piece of evidence: its likelihood is raised to `evidence_weight`, which
training chooses on recordings that the network has not seen.

The filter looks back only, needs nothing but numpy, and is the same object live and offline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
# No window rules a surface out for good, whatever the network says [1].
SMALLEST_LIKELIHOOD = 1e-6

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class BeliefSettings:
    """How evidence adds up over time; part of a model's contract.

    Attributes:
        dwell_s: Mean time on a surface before the next one [s].
        evidence_weight: Exponent on a window's likelihood, above 0 and at most 1 [1].
        switch_margin: The label changes when another surface is believed by so much more than the present one [1].
        longest_gap_s: After a longer gap between windows, or when the clock goes back, the filter starts again [s].
        class_prior: Prior probability of each class in the network's answers; the likelihoods are the answers divided
            by it. Sums to 1.
    """

    dwell_s: float
    evidence_weight: float
    switch_margin: float
    longest_gap_s: float
    class_prior: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse settings no filter can work with.

        Raises:
            ValueError: The value and its name are in the message.
        """
        for name, low, high in (
            ('dwell_s', 0.0, math.inf),
            ('evidence_weight', 0.0, 1.0),
            ('longest_gap_s', 0.0, math.inf),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low < value <= high):
                raise ValueError(f'{name} must be above {low:g} and at most {high:g}, not {value}')
        if not 0.0 <= self.switch_margin < 1.0:
            raise ValueError(f'switch_margin must be at least 0 and below 1, not {self.switch_margin}')
        prior = np.asarray(self.class_prior, dtype=np.float64)
        if len(prior) < 2 or not (prior > 0.0).all() or abs(prior.sum() - 1.0) > 1e-6:
            raise ValueError(f'class_prior must be two or more positive numbers of sum 1, not {self.class_prior}')

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BeliefSettings:
        """Return the settings that `to_dict` gave."""
        return cls(**{**values, 'class_prior': tuple(values['class_prior'])})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'class_prior': list(self.class_prior)}


class BeliefFilter:
    """Adds up the evidence of windows that come one after the other.

    Attributes:
        settings: How evidence adds up.
        probabilities: What is believed now, shape (classes,), sums to 1; uniform before the first window.
        label: Index of the class that is held to be true now; None before the first usable window.
    """

    def __init__(self, settings: BeliefSettings) -> None:
        """Begin without any evidence."""
        self.settings = settings
        self._log_prior = np.log(np.asarray(settings.class_prior))
        self.probabilities: Probabilities
        self.label: int | None
        self._stamp_ns: int | None
        self.reset()

    def reset(self) -> None:
        """Forget all evidence, as at the start of a recording."""
        classes = len(self.settings.class_prior)
        self.probabilities = np.full(classes, 1.0 / classes)
        self.label = None
        self._stamp_ns = None

    def update(self, probabilities: Probabilities | None, stamp_ns: int) -> Probabilities:
        """Take in one window.

        Args:
            probabilities: The network's calibrated answer to it, shape (classes,); None: it says nothing of the
                surface (unlike the training data, or not measured), and only time passes.
            stamp_ns: Stamp of its last sample [ns].

        Returns:
            What is believed now, shape (classes,), sums to 1.
        """
        if self._stamp_ns is not None:
            passed_s = (stamp_ns - self._stamp_ns) / NANOSECONDS
            if passed_s <= 0.0 or passed_s > self.settings.longest_gap_s:
                self.reset()
            else:
                self.probabilities = self._after(passed_s)
        self._stamp_ns = stamp_ns
        if probabilities is not None:
            likelihood = np.log(np.maximum(probabilities, SMALLEST_LIKELIHOOD)) - self._log_prior
            evidence = np.log(self.probabilities) + self.settings.evidence_weight * likelihood
            evidence = np.exp(evidence - evidence.max())
            self.probabilities = evidence / evidence.sum()
            self._choose_label()
        return self.probabilities

    def _after(self, passed_s: float) -> Probabilities:
        """What is believed after some time without evidence."""
        classes = len(self.probabilities)
        leaves = -math.expm1(-passed_s / self.settings.dwell_s)
        return self.probabilities * (1.0 - leaves) + (1.0 - self.probabilities) * leaves / (classes - 1)

    def _choose_label(self) -> None:
        likeliest = int(np.argmax(self.probabilities))
        if (
            self.label is None
            or self.probabilities[likeliest] - self.probabilities[self.label] > self.settings.switch_margin
        ):
            self.label = likeliest


def filter_sequence(
    settings: BeliefSettings, probabilities: Sequence[Probabilities] | Probabilities, stamps_ns: Sequence[int]
) -> tuple[Probabilities, NDArray[np.int64]]:
    """Filter the windows of one stream, as the live filter does.

    Args:
        settings: How evidence adds up.
        probabilities: Calibrated answers of the network, (windows, classes).
        stamps_ns: Stamp of the last sample of each window [ns].

    Returns:
        What is believed after each window, (windows, classes), and the label then, (windows,).
    """
    belief = BeliefFilter(settings)
    found, labels = [], []
    for row, stamp_ns in zip(probabilities, stamps_ns, strict=True):
        found.append(belief.update(row, int(stamp_ns)))
        labels.append(belief.label)
    return np.array(found), np.array(labels, dtype=np.int64)
