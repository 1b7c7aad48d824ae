# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bars of long verbs: on standard error, and only where it is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_Item = TypeVar('_Item')


class ProgressBar:
    """A bar on the terminal; `show_progress` makes it."""

    def __init__(self, progress: Progress, description: str, total: float | None) -> None:
        """Add the bar to a display that has the column `note`."""
        self._progress = progress
        self._task = progress.add_task(description, total=total, note='')

    def advance(self, amount: float = 1.0) -> None:
        """Count what was done since the last call."""
        self._progress.advance(self._task, amount)

    def move_to(self, done: float) -> None:
        """Set how much is done in all."""
        self._progress.update(self._task, completed=done)

    def describe(self, description: str) -> None:
        """Change what is being done."""
        self._progress.update(self._task, description=description)

    def note(self, text: str) -> None:
        """Show a text behind the bar, such as the loss."""
        self._progress.update(self._task, note=text)

    def print(self, text: str) -> None:
        """Print a line above the bar, on standard error."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def show_progress(description: str, total: float | None, unit: str = '') -> Iterator[ProgressBar]:
    """Show a bar while the context lasts.

    Args:
        description: What is being done.
        total: Amount that makes a full bar; None: not known, only the count is shown.
        unit: Unit of the amounts; empty: only the percentage is shown.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from surface_classifier.terminal.plain_console import terminal_console

    console = terminal_console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn('{task.description}', markup=False)]
    if total is not None:
        columns += [BarColumn(), TextColumn('{task.percentage:>3.0f} %')]
    if unit:
        amount = '{task.completed:.0f}' if total is None else '{task.completed:.0f}/{task.total:.0f}'
        columns.append(TextColumn(f'{amount} {unit}', markup=False))
    columns += [TimeElapsedColumn()] if total is None else [TimeElapsedColumn(), TimeRemainingColumn()]
    columns.append(TextColumn('{task.fields[note]}', markup=False))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress, description, total)


def progress_bar(items: Iterable[_Item], description: str, unit: str) -> Iterator[_Item]:
    """Iterate over items and show how many are done.

    Args:
        items: What to iterate over; with a length, the bar shows the fraction that is done.
        description: What is being done.
        unit: What one item is called.
    """
    with show_progress(description, len(items) if isinstance(items, Sized) else None, unit) as bar:
        for item in items:
            yield item
            bar.advance()


@contextmanager
def progress_counter(total: float | None, description: str, unit: str) -> Iterator[Callable[[float], object]]:
    """Show a bar; the context gives a function that takes the amount done since its last call.

    Args:
        total: Amount that makes a full bar; None: not known, only the count is shown.
        description: What is being done.
        unit: Unit of the amounts.
    """
    with show_progress(description, total, unit) as bar:
        yield bar.advance
