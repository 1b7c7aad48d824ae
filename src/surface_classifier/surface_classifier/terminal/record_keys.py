# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Which key does what while a drive is recorded, and a terminal that gives its keys one by one."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Any

from current_driver.errors import SurfaceError

UNLABELLED_KEY = ' '
RECORD_KEY = 'r'
QUIT_KEY = 'q'
_SURFACE_KEYS = '123456789' + ''.join(
    letter for letter in 'abcdefghijklmnopqrstuvwxyz' if letter not in (RECORD_KEY, QUIT_KEY)
)
_ESCAPE = '\x1b'
_MOST_BYTES = 64


class Command(Enum):
    """What a key asks for, beside a label."""

    RECORD = auto()  # stop the recording, or start the next one
    QUIT = auto()


@dataclass(frozen=True)
class Press:
    """What a key asks for.

    Attributes:
        surface: Label from now on, empty: not labelled; None: the key is none for a label.
        command: What else it asks for.
        notice: What to show instead, for a key without a meaning.
    """

    surface: str | None = None
    command: Command | None = None
    notice: str = ''


class KeyMap:
    """One key for each surface.

    Attributes:
        keys: Key of each surface.
    """

    def __init__(self, surfaces: Sequence[str]) -> None:
        """Give each surface a key: the digits from 1, then letters.

        Args:
            surfaces: Their names.

        Raises:
            SurfaceError: There is none, one is there twice, or there are more than keys.
        """
        if not surfaces:
            raise SurfaceError('no surface is named; name them with --surfaces gravel,grass')
        if len(surfaces) > len(_SURFACE_KEYS):
            raise SurfaceError(f'there are {len(_SURFACE_KEYS)} keys for {len(surfaces)} surfaces; name fewer')
        for surface in surfaces:
            if surfaces.count(surface) > 1:
                raise SurfaceError(f'--surfaces: {surface!r} is there twice; leave one out')
        self.keys = dict(zip(surfaces, _SURFACE_KEYS, strict=False))
        self._surfaces = {key: surface for surface, key in self.keys.items()} | {UNLABELLED_KEY: ''}

    def presses(self, typed: str) -> list[Press]:
        """Return what typed characters ask for; a key without a meaning gets the list of those that have one."""
        if typed.startswith(_ESCAPE):
            return []  # an arrow, or another key of several characters
        found = []
        for key in typed.lower():
            if key in self._surfaces:
                found.append(Press(surface=self._surfaces[key]))
            elif key == RECORD_KEY:
                found.append(Press(command=Command.RECORD))
            elif key == QUIT_KEY:
                found.append(Press(command=Command.QUIT))
            elif key.isprintable():
                found.append(Press(notice=f'the key {key!r} has no meaning; keys: {self.help}'))
        return found

    @property
    def help(self) -> str:
        """The keys and what they do, in one line."""
        surfaces = ', '.join(f'{key} {surface}' for surface, key in self.keys.items())
        return f'{surfaces}, space not labelled, {RECORD_KEY} stop or next recording, {QUIT_KEY} quit'


class Terminal:
    """The terminal of this process, giving each key when it is pressed; a context manager."""

    def __init__(self) -> None:
        """Take standard input.

        Raises:
            SurfaceError: It is no terminal.
        """
        if not sys.stdin.isatty():
            raise SurfaceError(
                'keys can only be read from a terminal; without one set the label by the service ~/set_surface, by '
                'a topic or by a joystick (ROS_API.md, trainer)'
            )
        self._descriptor = sys.stdin.fileno()
        self._before: list[Any] = []

    def __enter__(self) -> Terminal:
        """Stop the terminal from waiting for whole lines, and from writing what is typed."""
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, if it is still there."""
        with suppress(termios.error):
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def read(self, timeout_s: float) -> str | None:
        """Return what was typed, waiting for at most so long; None when the terminal is gone."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return ''
        try:
            typed = os.read(self._descriptor, _MOST_BYTES)
        except OSError:  # the other end of a pseudo-terminal was closed
            return None
        return typed.decode(errors='ignore') if typed else None


@contextmanager
def quit_key(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Give a function that returns whether the key q has been pressed; never where there is no terminal to read.

    Args:
        wanted: Whether to read keys at all; a command in the background never does, which would stop it.
    """
    if not wanted or not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        yield lambda: False
        return
    with Terminal() as terminal:
        yield lambda: QUIT_KEY in (terminal.read(0.0) or '').lower()
