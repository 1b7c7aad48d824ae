# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the end of a node's process means for a launch.

| exit status | without respawn | with respawn |
|---|---|---|
| 0 | the launch ends with status 0 | the same: a finished replay is not repeated |
| 2 | the launch ends with status 1 | the same: bad parameters stay bad |
| another, or a signal | the launch ends with status 1 | started again after 2 s, at most five times |
"""

from __future__ import annotations

import enum

EXIT_BAD_PARAMETERS = 2
RESPAWN_DELAY_S = 2.0
RESPAWN_LIMIT = 5
KEPT_CHARACTERS = 4000


class Consequence(enum.Enum):
    """What follows from the end of a process."""

    END = 'the launch ends'
    FAIL = 'the launch ends with an error'
    RESTART = 'the process is started again'


class ProcessEnds:
    """Counts the ends of one process and keeps the end of its standard error."""

    def __init__(self, name: str, *, respawn: bool) -> None:
        """Start with no end.

        Args:
            name: What messages call the process.
            respawn: Start the process again after an error other than bad parameters.
        """
        self._name = name
        self._respawn = respawn
        self._restarts = 0
        self._errors = ''

    def keep(self, text: bytes) -> None:
        """Take in what the process wrote to its standard error."""
        self._errors = (self._errors + text.decode('utf-8', errors='replace'))[-KEPT_CHARACTERS:]

    def judge(self, status: int) -> tuple[Consequence, str]:
        """Return what follows from an end, and a sentence about it.

        Args:
            status: Exit status of the process; negative: the signal that ended it.
        """
        errors, self._errors = self._errors, ''
        if status == 0:
            return Consequence.END, f'{self._name} has ended'
        how = f'was ended by signal {-status}' if status < 0 else f'ended with exit status {status}'
        end = f'{self._name} {how}'
        if status == EXIT_BAD_PARAMETERS:
            # Executables print PROGRAM: error: SENTENCE before they leave.
            reason = errors.rpartition(': error: ')[2].strip() or 'its parameters are refused'
            return Consequence.FAIL, f'{end}: {reason}'
        if not self._respawn:
            return Consequence.FAIL, end
        if self._restarts == RESPAWN_LIMIT:
            return Consequence.FAIL, f'{end}; it was started again {RESPAWN_LIMIT} times'
        self._restarts += 1
        again = f'starting it again in {RESPAWN_DELAY_S:g} s ({self._restarts} of {RESPAWN_LIMIT})'
        return Consequence.RESTART, f'{end}; {again}'
