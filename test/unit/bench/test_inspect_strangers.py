# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of unknown robots: their motor current is found among topics under random names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench'))
import inspect_strangers


@pytest.mark.timeout(300)
def test_the_current_of_ten_strangers_is_among_the_first_three_guesses(tmp_path: Path) -> None:
    """Twelve topics under random names; a data set is built with the printed file as it is."""
    outcomes = [inspect_strangers.inspect_stranger(tmp_path, seed) for seed in range(10)]
    assert sum(0 < outcome.place <= 3 for outcome in outcomes) >= 9, outcomes
    for outcome in outcomes:
        if outcome.place:
            assert outcome.windows >= 8, outcome
    assert len({outcome.kind for outcome in outcomes}) == 10
