# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Rates of incoming samples that do not suit a configuration are reported, with what to set."""

from __future__ import annotations

import math

import pytest

from surface_classifier.signal.rate_check import rate_mismatch, rate_mismatches
from surface_classifier.signal.window_config import default_window_config


@pytest.mark.parametrize(
    ('observed_hz', 'input_rate_hz', 'word'),
    [
        (math.nan, None, ''),
        (0.0, None, ''),
        (100.0, None, ''),
        (149.0, None, ''),
        (1000.0, None, 'set input_rate_hz to 1000'),
        (1000.0, 1000.0, ''),
        (50.0, None, 'lower rate'),
        # The rate of the recordings that a model was trained on says nothing about the robot that it runs on.
        (1000.0, 100.0, 'without a low-pass'),
        (160.0, 140.0, 'without a low-pass'),
        (1200.0, 1000.0, ''),
        (2000.0, 1000.0, 'made for 1000 Hz'),
    ],
)
def test_rates_that_do_not_suit_the_grid(observed_hz: float, input_rate_hz: float | None, word: str) -> None:
    text = rate_mismatch('motor', observed_hz, 100.0, input_rate_hz)
    assert word in text
    assert bool(text) == bool(word)


def test_every_part_is_looked_at() -> None:
    parts = default_window_config().parts
    assert rate_mismatches(parts, {}) == ()
    (text,) = rate_mismatches(parts, {'motor': 500.0})
    assert text.startswith('part motor: samples come at 500 Hz')
