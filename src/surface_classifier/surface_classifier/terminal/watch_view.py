# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows of a running graph: the surface, the confidence, a strip of the current and of the labels.

`WatchState` is plain data that is fed with numbers and names, by a node or by a test; `render` draws it with rich. Time
is that of the messages' stamps, so the strips are right whether the graph runs live, replayed or faster than real time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

DEFAULT_COLUMN_NS = 500_000_000
STRIP_ROWS = 3
MAX_COLUMNS = 400
UNKNOWN_COLOUR = 'grey50'
CLASS_COLOURS = ('#5b9bd5', '#e08a3c', '#5fb878', '#b07cd8', '#e0605a', '#c9b23a', '#4fbcc8', '#d98ab5')
_BARS = ' ▁▂▃▄▅▆▇█'


@dataclass
class _Column:
    """What fell into one column of the strips."""

    current_sum_a: float = 0.0
    samples: int = 0
    surface: str | None = None


@dataclass
class WatchState:
    """Everything the view shows, built up from messages.

    Attributes:
        column_ns: Time that one column of the strips stands for [ns].
        class_names: Names of the classes, in the order of `probabilities`.
        surface: Latest label; empty before the first.
        known: Whether the latest label may be trusted.
        confidence: Confidence of the latest label, 0 to 1.
        reason: Why the latest label is not known; empty when it is, or no reason came.
        probabilities: Latest probabilities, one per class.
        truth: Surface the robot really stands on, where it is published; empty otherwise.
        labels: Number of labels so far.
        right: Number of labels that agree with the truth, among `compared` ones.
        compared: Number of labels that could be compared with a truth.
        newest_ns: Newest stamp of any message [ns].
        first_ns: Stamp of the first message [ns].
        notice: A line that asks for attention, such as "no label for 3 s"; empty when all is well.
    """

    column_ns: int = DEFAULT_COLUMN_NS
    class_names: tuple[str, ...] = ()
    surface: str = ''
    known: bool = False
    confidence: float = float('nan')
    reason: str = ''
    probabilities: tuple[float, ...] = ()
    truth: str = ''
    labels: int = 0
    right: int = 0
    compared: int = 0
    newest_ns: int | None = None
    first_ns: int | None = None
    notice: str = ''
    _columns: dict[int, _Column] = field(default_factory=dict)
    _truths: list[tuple[int, str]] = field(default_factory=list)

    def add_current(self, stamps_ns: npt.NDArray[np.int64], current_a: npt.NDArray[np.float64]) -> None:
        """Adds a block of motor current.

        Args:
            stamps_ns: (samples,) stamps [ns].
            current_a: (samples, motors) current [A]; NaN where unmeasured.
        """
        if not current_a.size:
            return
        self._advance(int(stamps_ns[0]), int(stamps_ns[-1]))
        magnitude = np.abs(current_a)
        measured = np.isfinite(magnitude)
        motors = measured.sum(axis=1)
        keep = motors > 0
        means = np.where(measured, magnitude, 0.0).sum(axis=1)[keep] / motors[keep]
        indices, places = np.unique(stamps_ns[keep] // self.column_ns, return_inverse=True)
        sums = np.bincount(places, weights=means, minlength=len(indices))
        counts = np.bincount(places, minlength=len(indices))
        for index, total, count in zip(indices.tolist(), sums.tolist(), counts.tolist(), strict=True):
            column = self._column(index)
            column.current_sum_a += total
            column.samples += count

    def add_label(
        self,
        stamp_ns: int,
        surface: str,
        known: bool,
        confidence: float,
        class_names: Sequence[str],
        probabilities: Sequence[float],
        reason: str = '',
    ) -> None:
        """Adds one label; `stamp_ns` is the end of its window [ns], `probabilities` go with `class_names`.

        `reason` says why it is not known.
        """
        self._advance(stamp_ns, stamp_ns)
        self.class_names = tuple(class_names)
        self.surface, self.known, self.confidence, self.reason = surface, known, confidence, reason
        self.probabilities = tuple(probabilities)
        self.labels += 1
        column = self._column(stamp_ns // self.column_ns)
        column.surface = surface if known else ''
        truth = self.truth_at(stamp_ns)
        if truth:
            self.compared += 1
            self.right += int(known and surface == truth)

    def add_truth(self, stamp_ns: int, surface: str) -> None:
        """Adds the surface that is really there from `stamp_ns` [ns] on; an empty name ends it."""
        self._truths = [entry for entry in self._truths if entry[0] < stamp_ns]
        self._truths.append((stamp_ns, surface))
        del self._truths[:-MAX_COLUMNS]
        self.truth = surface

    def truth_at(self, stamp_ns: int) -> str:
        """The surface that was really there at `stamp_ns` [ns]; empty when it is unknown."""
        return next((surface for start, surface in reversed(self._truths) if start <= stamp_ns), '')

    def colour_of(self, surface: str) -> str:
        """Colour of a surface: that of its class, or grey."""
        if surface not in self.class_names:
            return UNKNOWN_COLOUR
        return CLASS_COLOURS[self.class_names.index(surface) % len(CLASS_COLOURS)]

    def strip(self, columns: int) -> list[tuple[float, str | None, str]]:
        """The newest columns of the strips, oldest first.

        Args:
            columns: How many.

        Returns:
            For each column the mean current [A] (NaN without samples), the labelled surface (None without a label,
            empty for an unknown one) and the true surface (empty without one).
        """
        if self.newest_ns is None:
            return []
        last = self.newest_ns // self.column_ns
        cells: list[tuple[float, str | None, str]] = []
        for index in range(last - columns + 1, last + 1):
            column = self._columns.get(index)
            truth = self.truth_at((index + 1) * self.column_ns - 1)
            if self.first_ns is None or (index + 1) * self.column_ns <= self.first_ns:
                truth = ''
            if column is None:
                cells.append((float('nan'), None, truth))
            else:
                mean_a = column.current_sum_a / column.samples if column.samples else float('nan')
                cells.append((mean_a, column.surface, truth))
        return cells

    def line(self) -> str:
        """The state in one plain line, for a terminal that cannot draw."""
        if not self.labels or self.newest_ns is None or self.first_ns is None:
            return self.notice or 'no label yet'
        seconds = (self.newest_ns - self.first_ns) / 1e9
        text = f'{seconds:8.1f} s  {self.surface:<14} {self.confidence:4.2f}'
        if not self.known and self.reason:
            text = f'{seconds:8.1f} s  {self.surface:<14} {self.reason}'
        if self.truth:
            text += f'  truth {self.truth:<14}'
        if self.compared:
            text += f'  right {self.right}/{self.compared}'
        return f'{text}  {self.notice}'.rstrip()

    def _column(self, index: int) -> _Column:
        column = self._columns.get(index)
        if column is None:
            column = self._columns[index] = _Column()
            if len(self._columns) > 2 * MAX_COLUMNS:
                for old in sorted(self._columns)[:MAX_COLUMNS]:
                    del self._columns[old]
        return column

    def _advance(self, oldest_ns: int, newest_ns: int) -> None:
        """Moves the newest stamp on; a step further than the strips reach, either way, means that time began again."""
        if self.newest_ns is not None and abs(newest_ns - self.newest_ns) > MAX_COLUMNS * self.column_ns:
            # True surfaces stay: the one of the new time may have come before its first sample.
            self._columns.clear()
            self.newest_ns = self.first_ns = None
        self.newest_ns = newest_ns if self.newest_ns is None else max(self.newest_ns, newest_ns)
        self.first_ns = oldest_ns if self.first_ns is None else min(self.first_ns, oldest_ns)


def render(state: WatchState, width: int, title: str = 'surface watch') -> RenderableType:
    """Draws the state.

    Args:
        state: What to draw.
        width: Width of the terminal [characters].
        title: Heading of the frame.
    """
    inner = max(30, width - 4)
    strip = state.strip(min(inner - 9, MAX_COLUMNS))
    parts: list[RenderableType] = [_headline(state), Text(), _probabilities(state, inner), Text()]
    parts += _strips(state, strip)
    if state.notice:
        parts.append(Text(state.notice, style='bold yellow'))
    return Panel(
        Group(*parts),
        title=title,
        title_align='left',
        subtitle=_footer(state),
        subtitle_align='right',
        box=ROUNDED,
        width=width,
    )


def _headline(state: WatchState) -> Text:
    if not state.labels:
        return Text('waiting for the first label', style='dim')
    name = state.surface if state.known else 'unknown'
    text = Text(no_wrap=True, overflow='ellipsis')
    text.append(f' {name.upper()} ', style=f'bold #101010 on {state.colour_of(name)}')
    certainty = f'{100 * state.confidence:3.0f} % sure' if state.known or not state.reason else state.reason
    text.append(f'  {certainty}', style='bold')
    if state.truth:
        agrees = state.known and name == state.truth
        text.append('   really: ', style='dim')
        text.append(state.truth, style=state.colour_of(state.truth))
        text.append('  ✓' if agrees else '  ✗', style='bold green' if agrees else 'bold red')
    if state.compared:
        text.append(f'   right so far: {100 * state.right / state.compared:.0f} %', style='dim')
    return text


def _probabilities(state: WatchState, width: int) -> RenderableType:
    """One bar per class, in two columns."""
    table = Table.grid(padding=(0, 1))
    columns = 2 if width >= 70 else 1
    longest = max((len(name) for name in state.class_names), default=8)
    bar_width = max(6, (width - columns * (longest + 8)) // columns)
    for _ in range(columns):
        table.add_column(justify='right', no_wrap=True, width=longest)
        table.add_column(no_wrap=True, width=bar_width)
        table.add_column(justify='right', no_wrap=True, width=4)
    rows = -(-len(state.class_names) // columns)
    for row in range(rows):
        cells: list[Text] = []
        for index in range(row, len(state.class_names), rows):
            name, probability = state.class_names[index], state.probabilities[index]
            filled = round(bar_width * probability)
            bar = Text('━' * filled, style=state.colour_of(name))
            # Another character, as a terminal without colours shows both alike.
            bar.append('╌' * (bar_width - filled), style='bright_black')
            likeliest = probability == max(state.probabilities)
            cells += [
                Text(name, style='bold' if likeliest else ''),
                bar,
                Text(f'{100 * probability:3.0f}%', style='dim'),
            ]
        table.add_row(*cells)
    return table


def _strips(state: WatchState, strip: list[tuple[float, str | None, str]]) -> list[Text]:
    """Current as a bar chart of a few rows, then one row of true and one of labelled surfaces."""
    currents = np.array([cell[0] for cell in strip], dtype=np.float64)
    top_a = float(np.nanmax(currents)) if np.isfinite(currents).any() else 0.0
    rows: list[Text] = []
    eighths = np.zeros(len(strip), dtype=np.int64)
    if top_a > 0.0:
        eighths = np.rint(np.nan_to_num(currents) / top_a * 8 * STRIP_ROWS).astype(np.int64)
    for row in reversed(range(STRIP_ROWS)):
        label = f'{top_a:5.1f} A' if row == STRIP_ROWS - 1 and top_a > 0.0 else ('current' if row == 0 else '')
        text = Text(f'{label:>7}  ', style='dim')
        text.append(''.join(_BARS[int(np.clip(level - 8 * row, 0, 8))] for level in eighths), style='not dim #9fb4c7')
        rows.append(text)
    if any(cell[2] for cell in strip):
        rows.append(_surface_row(state, '  truth', [cell[2] or None for cell in strip]))
    rows.append(_surface_row(state, '  label', [cell[1] for cell in strip]))
    return rows


def _surface_row(state: WatchState, label: str, surfaces: list[str | None]) -> Text:
    """Runs of one surface, each with its name written into it as far as it fits: the row reads without colours too."""
    text = Text(f'{label}  ', style='dim')
    runs: list[tuple[str | None, int]] = []
    for surface in surfaces:
        # Between two labels the last one stands; before the first there is nothing to show.
        held = runs[-1][0] if surface is None and runs else surface
        if runs and runs[-1][0] == held:
            runs[-1] = (held, runs[-1][1] + 1)
        else:
            runs.append((held, 1))
    for name, length in runs:
        if name is None:
            text.append(' ' * length)
        else:
            shown = (name or 'unknown')[:length].ljust(length)
            text.append(shown, style=f'not dim #101010 on {state.colour_of(name)}')
    return text


def _footer(state: WatchState) -> Text:
    if state.newest_ns is None or state.first_ns is None:
        return Text('no message yet', style='dim')
    seconds = (state.newest_ns - state.first_ns) / 1e9
    return Text(f'{seconds:.0f} s seen · {state.labels} labels · a column is {state.column_ns / 1e9:g} s', style='dim')
