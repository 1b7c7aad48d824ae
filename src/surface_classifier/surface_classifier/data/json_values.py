# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Plain values that JSON can hold: it knows neither NaN nor infinite numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def finite(value: Any) -> Any:
    """Return plain values with null in place of NaN and infinite numbers, and texts as keys.

    Args:
        value: Dict, list, tuple, str, int, float, bool or None, nested as it may be.
    """
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
