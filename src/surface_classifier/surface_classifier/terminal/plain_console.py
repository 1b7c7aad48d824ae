# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A rich console that draws text without the control characters that names may hold."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from current_driver.files.plain_text import plain_text, terminal


class PlainConsole(Console):
    """Draws with escape sequences of its own, and removes those that are in the text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; the text of each piece is cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain_text(segment.text), segment.style)


def terminal_console(*, stderr: bool = False) -> PlainConsole:
    """Return a console on standard output, or on standard error."""
    return PlainConsole(file=terminal(sys.stderr if stderr else sys.stdout))
