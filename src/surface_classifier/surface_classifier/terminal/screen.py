# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shows the state of a live view: a picture that is redrawn in a terminal, plain lines elsewhere, an SVG file."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

from current_driver.files.result_files import write_result
from surface_classifier.terminal.plain_console import terminal_console

FRAMES_PER_S = 8.0
LINE_PERIOD_S = 1.0


class Shown(Protocol):
    """What a screen shows."""

    def line(self) -> str:
        """Return the state in one plain line."""


ShownType = TypeVar('ShownType', bound=Shown)
Draw = Callable[[ShownType, int, str], RenderableType]


class Screen(Generic[ShownType]):
    """Shows a state; a context manager that takes the terminal and gives it back.

    Attributes:
        draws: Whether pictures are drawn: in a terminal that can, and where plain lines were not asked for.
    """

    def __init__(self, draw: Draw[ShownType], title: str, console: Console | None = None, plain: bool = False) -> None:
        """Decide once how to show.

        Args:
            draw: Draws a state for a width [characters] and a title.
            title: Heading of the picture.
            console: Where to; standard output when None.
            plain: Print lines even in a terminal.
        """
        self.console = console or terminal_console()
        self._draw = draw
        self._title = title
        self.draws = self.console.is_terminal and not self.console.is_dumb_terminal and not plain
        # The alternate screen: what stood on the terminal before is there again afterwards.
        self._live = Live(console=self.console, auto_refresh=False, screen=True) if self.draws else None
        self._period_s = 1.0 / FRAMES_PER_S if self._live else LINE_PERIOD_S
        self._next_s = 0.0
        self._last_line = ''
        self._last_picture: RenderableType | None = None

    def __enter__(self) -> Screen[ShownType]:
        """Take the terminal."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back, and leave the last picture on it."""
        if self._live:
            self._live.stop()
            if self._last_picture is not None:
                self.console.print(self._last_picture)

    def show(self, state: ShownType, now: bool = False) -> None:
        """Show the state if it is time for a frame or a line, or at once when `now`."""
        if not now and time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._period_s
        if self._live:
            self._last_picture = self._draw(state, self.console.width, self._title)
            self._live.update(self._last_picture, refresh=True)
        else:
            self.show_line(state.line())

    def save(self, state: ShownType, path: Path) -> None:
        """Write the view as an SVG picture."""
        save_view(state, path, self._title, self._draw)

    def show_line(self, line: str) -> None:
        """Print a line unless it was the last one; in place of the picture where one is drawn."""
        if self._live:
            self._live.update(line, refresh=True)
        elif line != self._last_line:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
            self.console.file.flush()
        self._last_line = line


def save_view(state: ShownType, path: Path, title: str, draw: Draw[ShownType], width: int = 100) -> None:
    """Write a view as an SVG picture that needs nothing from outside.

    Args:
        state: What to draw.
        path: The file.
        title: Heading of the picture.
        draw: Draws the state.
        width: Width of the picture [characters].

    Raises:
        SurfaceError: The file cannot be written.
    """
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system='truecolor')
    console.print(draw(state, width, title))
    svg = console.export_svg(title='')
    # rich asks a server for its font; any monospaced one will do.
    write_result(path, re.sub(r'@font-face\s*{[^}]*}', '', svg), 'picture')
