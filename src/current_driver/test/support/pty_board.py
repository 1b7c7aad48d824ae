# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A board on a serial port for tests: one end of a pseudo-terminal, under a name that outlives its plug."""

from __future__ import annotations

import os
import tty
from pathlib import Path


class PtyBoard:
    """A serial device; `port` is the name under which the host finds it."""

    def __init__(self, folder: Path) -> None:
        """Plug it in."""
        self.port = folder / 'ttyBOARD'
        self._board = self._host = -1
        self.plug_in()

    def plug_in(self) -> None:
        """Plug it in; the system gives it another terminal, and the same name."""
        self._board, self._host = os.openpty()
        tty.setraw(self._host)
        # The host's end stays open here as well: a terminal that is open nowhere cannot be waited for.
        self.port.symlink_to(os.ttyname(self._host))

    def unplug(self) -> None:
        """Pull the plug."""
        self.port.unlink(missing_ok=True)
        if self._board >= 0:
            os.close(self._board)
            os.close(self._host)
            self._board = self._host = -1

    def send(self, data: bytes) -> None:
        """Send bytes to the host."""
        while data:
            data = data[os.write(self._board, data) :]

    def receive(self, size: int = 1024) -> bytes:
        """Wait for bytes from the host."""
        return os.read(self._board, size)

    @property
    def fileno(self) -> int:
        """The board's end, for select."""
        return self._board

    def __enter__(self) -> PtyBoard:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Pull the plug."""
        self.unplug()
