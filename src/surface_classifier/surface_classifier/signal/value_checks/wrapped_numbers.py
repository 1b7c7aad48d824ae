# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whole numbers of 12, 16 or 32 bits that wrap around: -9 is sent as 65527, or 32768 as -32768.

Such values lie in two groups at the ends of the range, with nothing between them, and the groups join when one of them
is moved by the whole range. A signal that is switched on and off has two groups as well, but these do not join; one at
its rails repeats the values of the rails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTHS = (12, 16, 32)
# Samples that are looked at together.
SPAN_SAMPLES = 256
# Values of a channel in A are compared with the largest current of a robot where only one group is there.
LARGEST_CURRENT_A = 1000.0
_LEAST_GAP = 0.6  # of the span of the values, between the two groups
_LEAST_SPAN = 0.9  # of the range of the whole numbers
_LEAST_OF_GROUP = 3
_JOINT = 0.1  # of the groups' spans together, between them once they are joined
_LEAST_STEP = 2e-7  # of the span: smaller differences are roundings of float32
_ROUNDING = 1e-6  # of a whole number that was scaled and is scaled back
_GRID_ROUNDING = 0.2  # of a step
_TYPE_NAME = re.compile(r'(?P<unsigned>u?)int(?P<bits>\d+)')

Values = NDArray[np.float64]


@dataclass(frozen=True)
class WholeNumbers:
    """A type of whole numbers.

    Attributes:
        bits: How many bits one has.
        is_signed: Whether the upper half stands for negative numbers.
    """

    bits: int
    is_signed: bool

    @classmethod
    def from_name(cls, name: str) -> WholeNumbers | None:
        """Return the type of a name such as `int16` or `uint12`; None for another name."""
        match = _TYPE_NAME.fullmatch(name)
        if match is None or not 2 <= int(match['bits']) <= 32:
            return None
        return cls(int(match['bits']), not match['unsigned'])

    @property
    def name(self) -> str:
        """Its name."""
        return f'{"" if self.is_signed else "u"}int{self.bits}'

    def read(self, values: Values) -> Values:
        """Return the numbers that have the same bits as others, whatever type those were read as."""
        modulus = float(2**self.bits)
        least = -modulus / 2 if self.is_signed else 0.0
        with np.errstate(invalid='ignore'):  # infinite values become NaN
            return np.asarray(np.mod(values - least, modulus) + least, dtype=np.float64)


@dataclass(frozen=True)
class Wrap:
    """How values wrap.

    Attributes:
        numbers: The type that they should be read as.
        step: One of the whole numbers, in the values' unit.
        low: Smallest value.
        high: Largest value.
    """

    numbers: WholeNumbers
    step: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """What is seen, and the remedy, without the name of the channel."""
        largest = 2 ** (self.numbers.bits - (0 if self.numbers.is_signed else 1))
        example = f'{largest - 9} for -9' if self.numbers.is_signed else f'{-largest} for {largest}'
        seen = (
            f'values jump between {self.low:g} and {self.high:g}, as whole numbers of {self.numbers.bits} bits that '
            f'wrap around do ({example})'
        )
        if self.step != 1.0:
            return f'{seen}; let the sender read them as {self.numbers.name} before it scales them by {self.step:.4g}'
        return f'{seen}; set integer_type: {self.numbers.name} for this channel'


def wrap_of(values: Values, scale: float = 1.0) -> Wrap | None:
    """Find out whether values wrap.

    Args:
        values: Values of one number as the messages hold them, in any order; NaN where unmeasured.
        scale: Factor from them to A; 0 for other units.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    is_whole = bool(np.all(finite == np.rint(finite)))
    if is_whole and (one_group := _negative_alone(low, high, scale)) is not None:
        return one_group
    distinct = np.unique(finite)
    if len(distinct) < 4:
        return None
    span = high - low
    gaps = np.diff(distinct)
    place = int(gaps.argmax())
    if gaps[place] < _LEAST_GAP * span:
        return None
    inner = np.delete(gaps, place)
    inner = inner[inner > (0.0 if is_whole else _LEAST_STEP * span)]
    if not len(inner):
        return None
    step = 1.0 if is_whole else float(inner[inner < 1.5 * inner.min()].mean())
    if not is_whole and not all(_lies_on_grid(part, step) for part in (distinct[: place + 1], distinct[place + 1 :])):
        return None
    spans = float(distinct[place] - low + high - distinct[place + 1])
    groups = finite[finite <= distinct[place]], finite[finite > distinct[place]]
    for bits in WIDTHS:
        modulus = 2**bits * step
        if not _LEAST_SPAN * modulus < span < modulus * (1.0 if is_whole else 1.02):
            continue
        joint = abs(modulus - span)
        if joint > max(2 * step, _JOINT * spans, 0.0 if is_whole else 0.02 * modulus):
            continue
        if min(map(len, groups)) < _LEAST_OF_GROUP or _is_at_rails(groups, bits):
            continue
        return Wrap(WholeNumbers(bits, is_signed=low > -modulus / 4), step, low, high)
    return None


def _negative_alone(low: float, high: float, scale: float) -> Wrap | None:
    """Return how values wrap that are all negative, where no robot has such a current."""
    for bits in (16, 32):
        if _LEAST_SPAN * 2**bits < low <= high < 2**bits and abs(scale) * low > LARGEST_CURRENT_A:
            return Wrap(WholeNumbers(bits, is_signed=True), 1.0, low, high)
    return None


def _lies_on_grid(distinct: Values, step: float) -> bool:
    """Whether all values are whole multiples of a step apart: those that are measured finely are not."""
    places = (distinct - distinct[0]) / step
    return bool(np.all(np.abs(places - np.rint(places)) < _GRID_ROUNDING))


def _is_at_rails(groups: tuple[Values, Values], bits: int) -> bool:
    """Whether a signal is at its rails, which it repeats; a converter of 12 bits has its rails where numbers wrap."""
    lower, upper = groups
    at_rails = np.mean(lower == lower.min()) > 0.8 and np.mean(upper == upper.max()) > 0.8
    few = min(len(np.unique(group)) for group in groups) < _LEAST_OF_GROUP
    return bool(at_rails or (bits == 12 and few))


class WrapWatch:
    """Compares the values of one topic's channels, span by span, in constant memory."""

    def __init__(
        self, names: Sequence[str], units: Sequence[str], scales: Sequence[float], offsets: Sequence[float]
    ) -> None:
        """Make one that has seen nothing.

        Args:
            names: Names of the channels.
            units: Their units.
            scales: Factor of each from what the messages hold to its unit.
            offsets: What is added afterwards.
        """
        self._names, self._units = tuple(names), tuple(units)
        self._scales, self._offsets = tuple(scales), tuple(offsets)
        self._waiting: list[Values] = []
        self._held = 0
        self._spans = 0
        self._found: dict[int, Wrap] = {}

    def add(self, values: Values) -> None:
        """Take samples in, shape (samples, channels), in the channels' units."""
        self._waiting.append(values)
        self._held += len(values)
        if self._held >= SPAN_SAMPLES:
            self._look()

    def texts(self) -> dict[str, str]:
        """How the values of each channel wrap, and the remedy; channels that do not are left out."""
        if not self._spans and self._held:
            self._look()
        return {self._names[column]: wrap.text for column, wrap in self._found.items()}

    def _look(self) -> None:
        held = np.concatenate(self._waiting)
        self._waiting.clear()
        self._held = 0
        self._spans += 1
        for column in range(held.shape[1]):
            values = held[:, column]
            if column in self._found or not jumps_far(values):
                continue
            scale = self._scales[column]
            raw = (values - self._offsets[column]) / scale
            raw = np.where(np.abs(raw - np.rint(raw)) < _ROUNDING, np.rint(raw), raw)
            if (wrap := wrap_of(raw, scale if self._units[column] == 'A' else 0.0)) is not None:
                self._found[column] = wrap


def jumps_far(values: Values) -> bool:
    """Return whether one change covers most of the span of the values, or all are large: others need no closer look.

    Args:
        values: Consecutive values, NaN where unmeasured.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return False
    low, high = float(finite.min()), float(finite.max())
    largest = float(np.abs(np.diff(finite)).max())
    return largest > _LEAST_GAP * (high - low) > 0.0 or low > LARGEST_CURRENT_A
