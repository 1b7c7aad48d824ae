# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever plain values a result holds, it becomes JSON, and what JSON can hold stays as it is."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from surface_classifier.data.json_values import finite

SOUND = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(nested(SOUND))
def test_what_json_knows_stays(value: Any) -> None:
    assert finite(value) == value


@given(nested(SOUND | st.floats()))
def test_every_value_becomes_json(value: Any) -> None:
    json.dumps(finite(value), allow_nan=False)


def test_what_json_does_not_know_becomes_null() -> None:
    assert finite({1: (math.nan, -math.inf, 0.5)}) == {'1': [None, None, 0.5]}
