# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The progress bars of long verbs: on standard error, and only where a person sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar('_Item')

# tqdm shows no bar when `disable` is None and standard error is not a terminal.


def progress_bar(items: Iterable[_Item], description: str, unit: str) -> Iterable[_Item]:
    """Go through items with a bar that shows how far it is.

    Args:
        items: What to go through.
        description: What is being done.
        unit: What one item is called.
    """
    from tqdm import tqdm

    return tqdm(items, desc=description, unit=f' {unit}', disable=None, leave=False)


@contextmanager
def progress_counter(total: float, description: str, unit: str) -> Iterator[Callable[[float], object]]:
    """A bar that is told how far it is: call what the context gives with the amount done since the last call.

    Args:
        total: Amount that makes a full bar.
        description: What is being done.
        unit: Unit of the amounts.
    """
    from tqdm import tqdm

    form = '{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} ' + unit + ' [{elapsed}<{remaining}]'
    with tqdm(total=total, desc=description, bar_format=form, disable=None, leave=False) as bar:
        yield bar.update


@contextmanager
def progress_of_unknown_length(description: str, unit: str) -> Iterator[Callable[[float], object]]:
    """A count that is told how far it is, where nobody knows how far it has to go.

    Args:
        description: What is being done.
        unit: Unit of the amounts.
    """
    from tqdm import tqdm

    with tqdm(desc=description, unit=f' {unit}', disable=None, leave=False) as bar:
        yield bar.update
