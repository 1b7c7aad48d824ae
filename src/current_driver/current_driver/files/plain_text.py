# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Text that is safe on a terminal and in a log.

Class names, notes and topic names come from files and from other machines. An escape code in one of them could clear
the screen, change its title or hide a line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

# What a terminal takes for a command: escape sequences (ECMA-48: CSI, OSC, DCS, ... up to their end), then every other
# control character but tab and line feed, then the characters that turn the direction of writing.
_SEQUENCES = re.compile(
    r'(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?'
    r'|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?'
    r'|\x1b[ -/]*[0-~]?'
)
_CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]')


def plain_text(text: str) -> str:
    """Return text without escape sequences and control characters; tabs and line feeds stay."""
    return _CONTROL.sub('', _SEQUENCES.sub('', text))


class _PlainStream:
    """A text stream that passes on everything but escape sequences and control characters."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(plain_text(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Remove escape sequences and control characters from what the process prints.

    What draws on the terminal itself takes the stream below with `terminal`.
    """
    output, errors = sys.stdout, sys.stderr
    plain: tuple[Any, Any] = _PlainStream(output), _PlainStream(errors)
    sys.stdout, sys.stderr = plain
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, errors


def terminal(stream: Any) -> Any:
    """Return the stream below `plain_output`, for what draws with escape sequences; it must clean the text itself."""
    return stream.stream if isinstance(stream, _PlainStream) else stream
