# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Samples as lines of text: CSV rows or JSON objects, one a sample, and what their columns are.

Columns are named as in CSV recordings:

    seq                       number of the sample, up by one each time, 32 bits; optional
    time_us, time_ms, time_s  time of the device's clock; us and ms start over after 32 bits; optional
    current_NAME              current of the motor NAME [A]; current_NAME_mA [mA]

Other columns are ignored. A CSV line that holds such names says what the following lines hold; cells are divided by
commas, semicolons or tabs, with decimal commas beside the latter two. Lines end with LF, CR or both; those that begin
with # are comments.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from current_driver.devices.readings import (
    BY_ERRORS,
    BY_SEQUENCE,
    BY_TIME,
    DEVICE_CLOCK,
    RECEIVE_TIME,
    LinkTiming,
    Reading,
)
from current_driver.devices.serial_port.line_hints import line_hint
from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_json

MALFORMED = 'malformed lines'
LONGEST_LINE = 4096
WRAP = 2**32
SEQUENCE = 'seq'
DELIMITERS = ',;\t'
_LINE_END = re.compile(rb'[\r\n]')
TIME_UNITS_NS = {'time_us': 1_000, 'time_ms': 1_000_000, 'time_s': 1_000_000_000}
_CURRENT = re.compile(r'current_(?P<motor>\w+?)(?:_(?P<unit>A|mA))?')


@dataclass(frozen=True)
class Columns:
    """What the columns of a line are.

    Attributes:
        names: All names, in the order of a CSV line.
        motors: Name of each motor.
        currents: Column and factor to A of each motor.
        time: Column of the device's time, or None.
    """

    names: tuple[str, ...]
    motors: tuple[str, ...]
    currents: tuple[tuple[str, float], ...]
    time: str | None

    @classmethod
    def from_names(cls, names: Sequence[str]) -> Columns:
        """Return what columns are by their names.

        Raises:
            SurfaceError: None of them is a current, or two are of one motor.
        """
        names = tuple(name.strip() for name in names)
        motors: dict[str, tuple[str, float]] = {}
        for name in names:
            if match := _CURRENT.fullmatch(name):
                if match['motor'] in motors:
                    raise SurfaceError(f'columns {", ".join(names)}: two are the current of {match["motor"]}')
                motors[match['motor']] = (name, 1e-3 if match['unit'] == 'mA' else 1.0)
        if not motors:
            raise SurfaceError(
                f'columns {", ".join(names)}: none is a current; name them as in seq,time_us,current_left,'
                'current_right_mA'
            )
        time = next((name for name in names if name in TIME_UNITS_NS), None)
        return cls(names, tuple(motors), tuple(motors.values()), time)

    @property
    def timing(self) -> LinkTiming:
        """How samples of such lines are numbered and stamped."""
        numbered = SEQUENCE in self.names
        return LinkTiming(
            stamps=DEVICE_CLOCK if self.time else RECEIVE_TIME,
            loss=BY_SEQUENCE if numbered else BY_TIME if self.time else BY_ERRORS,
            sequence_modulus=WRAP if numbered else None,
            device_modulus_ns=WRAP * TIME_UNITS_NS[self.time] if self.time and self.time != 'time_s' else None,
            watch_gaps=bool(self.time) and not numbered,
        )

    def reading(self, cells: dict[str, Any], receive_ns: int, lost_before: int) -> Reading:
        """Return the sample of a line.

        Args:
            cells: Value, or its text, by column.
            receive_ns: When the line was received [ns].
            lost_before: Samples known to be missing before it.

        Raises:
            ValueError: A value is missing, is no number, or the time or the number of the sample is not finite.
            TypeError: A value is neither a number nor a text.
        """
        current_a = [_number(cells.get(name)) * factor for name, factor in self.currents]
        sequence = device_ns = None
        if SEQUENCE in self.names:
            sequence = int(cells.get(SEQUENCE, ''))
        if self.time:
            time = float(cells.get(self.time, ''))
            if not math.isfinite(time):
                raise ValueError(f'time {time}')
            device_ns = round(time * TIME_UNITS_NS[self.time])
        return Reading(current_a, receive_ns, sequence, device_ns, lost_before)


def _number(value: Any) -> float:
    """Return a current; a missing one (null, empty) is NaN, infinity is refused."""
    number = float('nan') if value is None or value == '' else float(value)
    if math.isinf(number):
        raise ValueError('infinite')
    return number


class LineParser:
    """Turns bytes into samples, line by line.

    Attributes:
        columns: What the columns are; None before they are known.
        changed: The device has sent another line of names since the first one.
        hint: What comes, where no sample can be read from it, with the remedy; empty where that is not known.
    """

    def __init__(self, columns: Columns | None, json_lines: bool, counters: Counter[str]) -> None:
        """Start at an unknown place in the stream of bytes.

        Args:
            columns: What the columns are; None: as the device says.
            json_lines: Lines are JSON objects; otherwise CSV rows.
            counters: Where malformed lines are counted.
        """
        self.columns = columns
        self.changed = False
        self.hint = ''
        self._mark = ''
        self._given = columns is not None
        self._json = json_lines
        self._counters = counters
        self._buffer = b''
        self._begun = False
        self._lost = 0

    def feed(self, data: bytes, receive_ns: int) -> list[Reading]:
        """Take in bytes; return the samples of the lines they complete.

        Args:
            data: The bytes.
            receive_ns: When they were received [ns].
        """
        # Some boards end lines with CR alone; the empty line between CR and LF is no line.
        *lines, rest = _LINE_END.split(self._buffer + data)
        if len(rest) > LONGEST_LINE:
            self._spoil()
            rest = b''
        self._buffer = rest
        readings = []
        for line in lines:
            text = line.decode('ascii', errors='replace').strip()
            if text and not text.startswith('#'):
                reading = self._sample(text, receive_ns)
                if self.columns is None:
                    self.hint = line_hint(text) or self.hint
                if reading is not None:
                    readings.append(reading)
            self._begun = True
        return readings

    def _sample(self, text: str, receive_ns: int) -> Reading | None:
        try:
            cells = self._cells(text)
            if cells is None:
                return None
            assert self.columns is not None
            reading = self.columns.reading(cells, receive_ns, self._lost)
        except (ValueError, TypeError, SurfaceError):
            if self._begun:
                self._spoil()
            return None
        self._lost = 0
        return reading

    def _cells(self, text: str) -> dict[str, Any] | None:
        """Return a line's values by column; None for a line that holds no sample."""
        if self._json:
            cells = parse_json(text, 'a line', not_finite=True)
            if not isinstance(cells, dict):
                raise ValueError('no object')
            if self.columns is None:
                self.columns = Columns.from_names(list(cells))
            return cells
        for mark in DELIMITERS:
            parts = [part.strip() for part in text.split(mark)]
            if any(_CURRENT.fullmatch(part) for part in parts):
                self._mark = mark
                self._take_names(Columns.from_names(parts))
                return None
        if self.columns is None or not self._begun:
            return None  # the names have not come yet, or the line is cut where the port was opened
        parts = self._parts(text)
        if len(parts) != len(self.columns.names):
            raise ValueError(f'{len(parts)} cells')
        if self._mark != ',':
            parts = [part.replace(',', '.') for part in parts]
        return dict(zip(self.columns.names, parts, strict=True))

    def _parts(self, text: str) -> list[str]:
        """The cells of a line of numbers, divided as the line of names was; of given columns, by what divides them."""
        if not self._mark and self.columns is not None:
            count = len(self.columns.names)
            self._mark = next((mark for mark in reversed(DELIMITERS) if len(text.split(mark)) == count), '')
        return [part.strip() for part in text.split(self._mark or ',')]

    def _take_names(self, columns: Columns) -> None:
        if self.columns is None:
            self.columns = columns
        elif not self._given and columns != self.columns:
            self.changed = True

    def _spoil(self) -> None:
        self._counters[MALFORMED] += 1
        self._lost += 1
