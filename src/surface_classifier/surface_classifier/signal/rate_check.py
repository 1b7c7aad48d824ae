# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the rate at which samples come suits the configuration that they are cut with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surface_classifier.signal.window_config import LOW_PASS_RATIO, PartConfig

# Below this share of the grid's rate a noticeable part of the values is interpolated.
_LEAST_RATIO = 0.8


def rate_mismatch(part: str, observed_hz: float, sample_rate_hz: float, input_rate_hz: float | None) -> str:
    """Say what is wrong with the rate at which a part's samples come; empty when nothing is.

    Args:
        part: Name of the part.
        observed_hz: Rate observed so far; 0 or NaN when too little has come [Hz].
        sample_rate_hz: Rate of the part's grid [Hz].
        input_rate_hz: Rate that was stated for the incoming samples, None when none was [Hz].
    """
    if not observed_hz > 0:
        return ''
    rate = f'{float(f"{observed_hz:.3g}"):g}'
    stated_hz = input_rate_hz or 0.0
    is_filtered = stated_hz > LOW_PASS_RATIO * sample_rate_hz
    if not is_filtered and observed_hz > LOW_PASS_RATIO * sample_rate_hz:
        return (
            f'part {part}: samples come at {rate} Hz and are put on a {sample_rate_hz:g} Hz grid without a '
            f'low-pass, so that faster changes alias; set input_rate_hz to {rate}'
        )
    if is_filtered and observed_hz > LOW_PASS_RATIO * stated_hz:
        return (
            f'part {part}: samples come at {rate} Hz, the windows are made for {stated_hz:g} Hz; check that this '
            f'is the same quantity, and set input_rate_hz to {rate}'
        )
    if observed_hz < _LEAST_RATIO * sample_rate_hz:
        return (
            f'part {part}: samples come at {rate} Hz, slower than its grid of {sample_rate_hz:g} Hz; '
            'most values are interpolated or voided, so use a model and a grid of a lower rate'
        )
    return ''


def part_mismatch(part: PartConfig, observed_hz: float) -> str:
    """Say what is wrong with the rate at which a part's samples come; empty when nothing is.

    Args:
        part: The part.
        observed_hz: Rate observed so far; 0 or NaN when too little has come [Hz].
    """
    if part.role == 'motion':
        # Of a motion means are taken only: nothing is lost when it comes faster than its grid.
        observed_hz = min(observed_hz, part.sample_rate_hz)
    return rate_mismatch(part.name, observed_hz, part.sample_rate_hz, part.input_rate_hz)


def rate_mismatches(parts: Sequence[PartConfig], observed_rate_hz: Mapping[str, float]) -> tuple[str, ...]:
    """Say which parts' samples come at a rate that does not suit them, one sentence each.

    Args:
        parts: The parts.
        observed_rate_hz: Rate of each part's samples by its name, as in `StreamCounters` [Hz].
    """
    texts = (part_mismatch(part, observed_rate_hz.get(part.name, 0.0)) for part in parts)
    return tuple(text for text in texts if text)
