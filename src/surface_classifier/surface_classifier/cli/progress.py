# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The progress bar of long verbs: on standard error, and only where a person sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

_Item = TypeVar('_Item')


def progress_bar(items: Iterable[_Item], description: str, unit: str) -> Iterable[_Item]:
    """Go through items with a bar that shows how far it is.

    Args:
        items: What to go through.
        description: What is being done.
        unit: What one item is called.
    """
    from tqdm import tqdm

    # None: no bar when standard error is not a terminal.
    return tqdm(items, desc=description, unit=f' {unit}', disable=None, leave=False)
