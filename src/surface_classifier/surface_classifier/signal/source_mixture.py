# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the samples of a topic look as if two nodes publish them: values that alternate sample by sample.

Messages do not name their publisher, and a bag does not keep it. Two publishers of the same joints show in the values:
one sends zeros, or another constant, between the values of the other; or both send values of different levels in turn.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

# Samples that are compared together.
SPAN_SAMPLES = 256
# Fraction of the spans that must show it.
LEAST_SPANS = 0.5
_LEAST_CHANGES = 0.25  # changes between the constant and other values, for one sample
_CONSTANT_FRACTIONS = (0.15, 0.85)
_LEAST_DISTANCE_STEPS = 5.0  # distance of other values from the constant, in steps of the measurement
_LEAST_RATIO = 5.0  # change to the next sample, for one to the sample after it

# Ends of spans that windows are compared with: a window may last long against a span.
FOUND_KEPT = 256

Values = NDArray[np.float64]
Stamps = NDArray[np.int64]


class SourceMixture:
    """Compares the samples of one topic, span by span, in constant memory.

    Where two spans in a row are mixed, windows hold samples of both publishers, until a span is not mixed any more.

    Attributes:
        mixed_spans: Spans of which the one before was mixed as well.
    """

    def __init__(self) -> None:
        """Make one that has seen nothing."""
        self.mixed_spans = 0
        self._spans = 0
        self._mixed = 0
        self._text = ''
        self.reset()

    def reset(self) -> None:
        """Forget the samples, as after a jump of the clock; the counts stay."""
        self._values: list[Values] = []
        self._held = 0
        self._last_was_mixed = False
        # Stamp of the last sample of a span, and whether it was mixed as the one before [ns].
        self._found: deque[tuple[int, bool]] = deque(maxlen=FOUND_KEPT)

    def add(self, values: Values, stamps_ns: Stamps) -> None:
        """Take samples in.

        Args:
            values: Shape (samples, channels).
            stamps_ns: Shape (samples,) [ns].
        """
        begin = 0
        # Spans do not depend on how the samples are split into messages.
        while len(values) - begin >= (missing := SPAN_SAMPLES - self._held):
            self._values.append(values[begin : begin + missing])
            begin += missing
            self._end_span(int(stamps_ns[begin - 1]))
        if begin < len(values):
            self._values.append(values[begin:])
            self._held += len(values) - begin

    def _end_span(self, last_ns: int) -> None:
        text = mixture_of(np.concatenate(self._values))
        self._values.clear()
        self._held = 0
        self._spans += 1
        if text:
            self._mixed += 1
            self._text = text
        is_mixed = bool(text) and self._last_was_mixed
        self._last_was_mixed = bool(text)
        self.mixed_spans += is_mixed
        if is_mixed or self._found:
            self._found.append((last_ns, is_mixed))

    def covers(self, start_ns: int, end_ns: int) -> bool:
        """Return whether a window holds samples of two publishers, by the spans that ended before its end.

        Args:
            start_ns: Stamp of its first sample [ns].
            end_ns: Stamp of its last sample [ns].
        """
        known = [(last_ns, is_mixed) for last_ns, is_mixed in self._found if last_ns < end_ns]
        if not known:
            return False
        return known[-1][1] or any(is_mixed and last_ns >= start_ns for last_ns, is_mixed in known)

    @property
    def text(self) -> str:
        """How the values alternate, in words; empty when they do not in most spans."""
        return self._text if self._mixed > LEAST_SPANS * self._spans else ''

    @property
    def newest_text(self) -> str:
        """How the values alternate now, in words; empty when they do not."""
        return self._text if self._found and self._found[-1][1] else ''


def mixture_of(values: Values) -> str:
    """Say how consecutive samples alternate as those of two publishers do; empty when they do not.

    Args:
        values: Shape (samples, channels), NaN where unmeasured.
    """
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < SPAN_SAMPLES // 4:
        return ''
    rows, place, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    common = int(counts.argmax())
    fraction = counts[common] / len(values)
    if _CONSTANT_FRACTIONS[0] <= fraction <= _CONSTANT_FRACTIONS[1]:
        is_common = place.reshape(-1) == common
        changes = float(np.mean(is_common[1:] != is_common[:-1]))
        distance = np.abs(values[~is_common] - rows[common]).max(axis=1)
        if changes > _LEAST_CHANGES and np.quantile(distance, 0.02) > _LEAST_DISTANCE_STEPS * _step(values):
            level = ', '.join(f'{value:g}' for value in rows[common])
            return f'values alternate between {level} and others sample by sample'
    following = np.median(np.abs(np.diff(values, axis=0)), axis=0)
    second = np.median(np.abs(values[2:] - values[:-2]), axis=0)
    varying = following > 0
    if varying.any() and (following[varying] > _LEAST_RATIO * second[varying]).all():
        return 'values alternate between two levels sample by sample'
    return ''


def _step(values: Values) -> float:
    """Smallest difference between two values of a channel: the step of the measurement."""
    steps = [np.diff(np.unique(column)) for column in values.T]
    return min((float(step.min()) for step in steps if len(step)), default=0.0)
