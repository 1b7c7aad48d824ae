# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads recordings stored as CSV files: motor columns become `motor_current`, IMU columns become `imu`.

What the columns are is said by a columns file (YAML), or guessed from their names when there is none:

    files: {motor: 'pro_{id}.csv', imu: 'imu_{id}.csv'}   # optional: the parts of one recording, each at its own rate
    motor:
      time: {column: time, unit: s}                       # s, ms, us or ns; absolute: true keeps stamps as they are
      current: {left: curL, right: curR}                  # motor: column
      current_unit: A                                     # A or mA
      wheel_speed: {left: velL, right: velR}              # optional, [m/s]
      voltage: {left: voltL, right: voltR}                # optional, [V]
    imu:
      time: {column: time, unit: s}
      angular_velocity: [wx, wy, wz]                      # [rad/s]
      linear_acceleration: [ax, ay, az]                   # [m/s^2]
    delimiter: ','                                        # found in the header line when left out
    decimal: ','                                          # decimal mark; a comma where cells are divided by ;
    allow_missing: false                                  # true: empty motor cells and NaN are kept as unmeasured
    label: surface                                        # optional: column that holds the surface of each row

A row that the recorder did not finish (the last one, with cells missing) is left out with a warning. Any other cell
that is not a finite number is an error that names the line and the column, as is time that runs backwards.
"""

from __future__ import annotations

import csv
import dataclasses
import heapq
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.files.documents import read_yaml
from current_driver.messages import IMU, MOTOR_CURRENT, CurrentBlock, StampedMessage
from current_driver.recordings.reading.recording_reader import RecordingReader

MOTOR_TOPIC = 'motor_current'
IMU_TOPIC = 'imu'
BLOCK_SECONDS = 0.1

_TIME_UNITS_NS = {'s': 1_000_000_000, 'ms': 1_000_000, 'us': 1_000, 'ns': 1}
_CURRENT_UNITS_A = {'A': 1.0, 'mA': 1e-3}
_DELIMITERS = ',;\t|'
_DECIMAL_COMMA = re.compile(r'[-+]?\d*,\d+(?:[eE][-+]?\d+)?')
# Rows of motor currents are closer than 1 s, and further apart than this; the unit of time is another one otherwise.
_SHORTEST_STEP_NS = 5_000
_LEAST_STEPS = 3
_BRIDGED_STEPS = 2.5
_LABEL_NAME = re.compile(r'^(?:label|surface|class|terrain|ground|floor)(?:_?name)?$', re.IGNORECASE)
_MAX_STAMP_NS = 2**31 * messages.NANOSECONDS - 1

_TIME_NAME = re.compile(r'^(?:time|t|timestamp|stamp)(?:_(?P<unit>s|ms|us|ns))?$', re.IGNORECASE)
_MOTOR_NAMES = {
    'current': re.compile(r'^(?:motor_)?(?:current|cur)_?(?P<motor>\w*)$', re.IGNORECASE),
    'wheel_speed': re.compile(r'^(?:wheel_speed|speed|velocity|vel)_?(?P<motor>\w*)$', re.IGNORECASE),
    'voltage': re.compile(r'^(?:voltage|volt)_?(?P<motor>\w*)$', re.IGNORECASE),
}
_SIDES = {'l': 'left', 'r': 'right', '': 'motor'}
_COLUMNS_REMEDY = (
    'name them as in time,current_left,current_right, or say which is what in a columns file '
    '(`surface import csv --help` shows one)'
)


@dataclass(frozen=True)
class TimeColumn:
    """The column that says when a row was measured.

    Attributes:
        column: Name in the header line.
        unit: s, ms, us or ns.
        absolute: Keep stamps as they are (Unix time) instead of adding the recording's base.
        is_guessed: The unit is assumed: neither the name of the column nor a columns file gives it.
    """

    column: str = 'time'
    unit: str = 's'
    absolute: bool = False
    is_guessed: bool = False


@dataclass(frozen=True)
class MotorColumns:
    """The columns of the motors; each mapping goes from motor name to column."""

    time: TimeColumn
    current: Mapping[str, str]
    current_unit: str = 'A'
    wheel_speed: Mapping[str, str] = field(default_factory=dict)
    voltage: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImuColumns:
    """The columns of an inertial measurement unit, x, y, z each."""

    time: TimeColumn
    angular_velocity: tuple[str, str, str]
    linear_acceleration: tuple[str, str, str]


@dataclass(frozen=True)
class ColumnsConfig:
    """What the columns of a CSV recording are. See the module's docstring for the YAML form.

    Attributes:
        motor: Columns of the motors, or None.
        imu: Columns of the IMU, or None.
        files: File name patterns with `{id}` by part (motor, imu) where each part has a file of its own.
        delimiter: What stands between two cells; empty: the first of , ; tab and | that divides the header line.
        allow_missing: Keep empty motor cells and NaN as unmeasured instead of refusing them.
        decimal: Decimal mark; empty: a comma where the delimiter is a semicolon and the numbers have commas.
        label: Column that holds the surface of each row; empty: none.
    """

    motor: MotorColumns | None
    imu: ImuColumns | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ''
    allow_missing: bool = False
    decimal: str = ''
    label: str = ''

    @classmethod
    def from_yaml(cls, path: str | Path) -> ColumnsConfig:
        """Read a columns file.

        Raises:
            SurfaceError: The file is missing or not YAML, or a key or value in it is unknown.
        """
        data = read_yaml(path, 'correct the columns file')
        return cls.from_dict(data, str(path))

    @classmethod
    def from_dict(cls, data: Any, origin: str = 'columns') -> ColumnsConfig:
        """Return the configuration that nested mappings describe.

        Args:
            data: As in the YAML file.
            origin: Where it came from, for error messages.

        Raises:
            SurfaceError: A key or value is unknown or missing.
        """
        top = _section(data, origin, ('motor', 'imu', 'files', 'delimiter', 'allow_missing', 'decimal', 'label'))
        motor = imu = None
        if top.get('motor') is not None:
            where = f'{origin}: motor'
            part = _section(top['motor'], where, ('time', 'current', 'current_unit', 'wheel_speed', 'voltage'))
            current = _names(part, 'current', where)
            if not current:
                raise SurfaceError(f"{where}: 'current' is missing; write current: {{left: COLUMN, right: COLUMN}}")
            motor = MotorColumns(
                time=_time(part, where),
                current=current,
                current_unit=_choice(part.get('current_unit', 'A'), _CURRENT_UNITS_A, f'{where}: current_unit'),
                wheel_speed=_names(part, 'wheel_speed', where, like=current),
                voltage=_names(part, 'voltage', where, like=current),
            )
        if top.get('imu') is not None:
            where = f'{origin}: imu'
            part = _section(top['imu'], where, ('time', 'angular_velocity', 'linear_acceleration'))
            imu = ImuColumns(
                time=_time(part, where),
                angular_velocity=_axes(part, 'angular_velocity', where),
                linear_acceleration=_axes(part, 'linear_acceleration', where),
            )
        if motor is None and imu is None and (top.get('files') or not top):
            raise SurfaceError(
                f"{origin}: neither 'motor' nor 'imu' is given; say at least which columns are motor currents"
            )
        files = _names(top, 'files', origin, example="{motor: 'motor_{id}.csv', imu: 'imu_{id}.csv'}")
        given = {'motor': motor, 'imu': imu}
        for key, pattern in files.items():
            if given.get(key) is None:
                raise SurfaceError(f'{origin}: files names the part {key!r}, but its columns are not described')
            if pattern.count('{id}') != 1:
                raise SurfaceError(
                    f"{origin}: files: {key}: {pattern!r} must hold {{id}} once, as in 'motor_{{id}}.csv'"
                )
        delimiter = str(top.get('delimiter', ''))
        if len(delimiter) != 1 and 'delimiter' in top:
            raise SurfaceError(f'{origin}: delimiter {delimiter!r} must be one character')
        decimal = str(top.get('decimal', ''))
        if decimal not in ('', '.', ','):
            raise SurfaceError(f"{origin}: decimal {decimal!r} must be '.' or ','")
        if decimal and decimal == delimiter:
            raise SurfaceError(f'{origin}: {decimal!r} cannot both divide cells and be the decimal mark')
        missing, label = bool(top.get('allow_missing', False)), str(top.get('label') or '')
        return cls(motor, imu, files, delimiter, missing, decimal, label)

    def for_header(self, header: list[str], origin: str) -> ColumnsConfig:
        """Return the configuration with columns guessed by their names where none are given.

        Args:
            header: Names of the columns.
            origin: File they come from, for error messages.

        Raises:
            SurfaceError: See `guess`.
        """
        if self.motor is not None or self.imu is not None:
            return self
        guessed = self.guess(header, origin)
        return dataclasses.replace(self, motor=guessed.motor, imu=guessed.imu)

    @classmethod
    def guess(cls, header: list[str], origin: str) -> ColumnsConfig:
        """Return the configuration that the names of the columns suggest.

        Time is `time`, `t`, `timestamp` or `stamp` (in seconds, or with _ms, _us, _ns); motor columns are
        `current_<motor>` (in A, or with _mA), `wheel_speed_<motor>` and `voltage_<motor>` or their short forms such as
        `curL` and `velL`; IMU columns are `wx wy wz ax ay az`.

        Args:
            header: Names of the columns.
            origin: File they come from, for error messages.

        Raises:
            SurfaceError: There is no time column, nothing that could be a motor current or an IMU, two columns for one
                quantity, or currents in two units.
        """
        remedy = f'the columns are {", ".join(header)}; {_delimiter_remedy(header) or _COLUMNS_REMEDY}'
        times = [(name, match) for name in header if (match := _TIME_NAME.match(name))]
        if len(times) != 1:
            raise SurfaceError(f'{origin}: {"no" if not times else "more than one"} column looks like time; {remedy}')
        name, match = times[0]
        time = TimeColumn(name, (match['unit'] or 's').lower(), is_guessed=match['unit'] is None)
        found: dict[str, dict[str, str]] = {kind: {} for kind in _MOTOR_NAMES}
        units = set()
        for kind, pattern in _MOTOR_NAMES.items():
            for name in header:
                is_milli = kind == 'current' and name.lower().endswith('_ma')
                if match := pattern.match(name[: -len('_mA')] if is_milli else name):
                    motor = _SIDES.get(match['motor'].lower(), match['motor'].lower())
                    other = found[kind].get(motor, name)
                    if other != name:
                        raise SurfaceError(
                            f'{origin}: {other!r} and {name!r} both look like the {kind} of motor {motor!r}; {remedy}'
                        )
                    found[kind][motor] = name
                    if kind == 'current':
                        units.add('mA' if is_milli else 'A')
        if len(units) > 1:
            raise SurfaceError(f'{origin}: some motor currents look like A and some like mA; {remedy}')
        current = found['current']
        motors = (
            MotorColumns(
                time,
                current,
                units.pop(),
                wheel_speed=_in_order_of(current, found['wheel_speed']),
                voltage=_in_order_of(current, found['voltage']),
            )
            if current
            else None
        )
        imu = ImuColumns(time, ('wx', 'wy', 'wz'), ('ax', 'ay', 'az'))
        has_imu = {*imu.angular_velocity, *imu.linear_acceleration} <= set(header)
        if motors is None and not has_imu:
            raise SurfaceError(f'{origin}: no column looks like a motor current; {remedy}')
        return cls(motors, imu if has_imu else None)

    def part_files(self, path: Path) -> dict[str, Path]:
        """Return the file of each part of the recording that a file belongs to.

        Args:
            path: One file of the recording.

        Returns:
            Part name (motor, imu) to file. Parts whose file does not exist are left out.

        Raises:
            SurfaceError: The file's name matches none of the patterns.
        """
        if not self.files:
            return {name: path for name in ('motor', 'imu') if getattr(self, name) is not None}
        for pattern in self.files.values():
            before, after = pattern.split('{id}')
            if match := re.fullmatch(f'{re.escape(before)}(?P<id>.+){re.escape(after)}', path.name):
                found = {name: path.with_name(other.replace('{id}', match['id'])) for name, other in self.files.items()}
                return {name: file for name, file in found.items() if file.exists()}
        raise SurfaceError(
            f'{path}: the name matches none of the patterns in the columns file: {", ".join(self.files.values())}'
        )


def _section(data: Any, where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise SurfaceError(f'{where}: expected a mapping with the keys {", ".join(keys)}, got {data!r}')
    for key in data:
        if key not in keys:
            raise SurfaceError(f'{where}: unknown key {key!r}; known are {", ".join(keys)}')
    return dict(data)


def _choice(value: Any, choices: Mapping[str, Any], where: str) -> str:
    if value not in choices:
        raise SurfaceError(f'{where}: unknown unit {value!r}; known are {", ".join(choices)}')
    return str(value)


def _time(part: Mapping[str, Any], where: str) -> TimeColumn:
    value = part.get('time', 'time')
    if isinstance(value, str):
        return TimeColumn(value, is_guessed=True)
    data = _section(value, f'{where}: time', ('column', 'unit', 'absolute'))
    unit = _choice(data.get('unit', 's'), _TIME_UNITS_NS, f'{where}: time: unit')
    return TimeColumn(
        str(data.get('column', 'time')), unit, bool(data.get('absolute', False)), is_guessed='unit' not in data
    )


def _names(
    part: Mapping[str, Any],
    key: str,
    where: str,
    like: Mapping[str, str] | None = None,
    example: str = '{left: curL, right: curR}',
) -> dict[str, str]:
    value = part.get(key) or {}
    if not isinstance(value, Mapping):
        raise SurfaceError(f'{where}: {key} must be a mapping, as in {key}: {example}, got {value!r}')
    names = {str(name): str(text) for name, text in value.items()}
    if like is None:
        return names
    if names and names.keys() != like.keys():
        raise SurfaceError(f'{where}: {key} names the motors {", ".join(names)}, but current names {", ".join(like)}')
    return _in_order_of(like, names)


def _in_order_of(motors: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns in the order of the motors; none unless there is one for each motor."""
    return {motor: columns[motor] for motor in motors} if columns.keys() == motors.keys() else {}


def _axes(part: Mapping[str, Any], key: str, where: str) -> tuple[str, str, str]:
    value = part.get(key)
    if not isinstance(value, list) or len(value) != 3:
        raise SurfaceError(f'{where}: {key} must list three columns (x, y, z), got {value!r}')
    return (str(value[0]), str(value[1]), str(value[2]))


class _Table:
    """The wanted columns of one CSV file: stamps and finite numbers."""

    def __init__(
        self, path: Path, time: TimeColumn, columns: list[str], config: ColumnsConfig, base_ns: int, missing: bool
    ) -> None:
        self._path = path
        self._time = time
        self._first = 0.0
        self.warnings: list[str] = []
        stamps: list[int] = []
        rows: list[list[float]] = []
        repeated = 0
        labels: list[str] = []
        delimiter = config.delimiter or _delimiter_of(path)
        decimal = config.decimal or _decimal_of(path, delimiter)
        for line, cells, is_last in _rows(path, delimiter):
            if line == 0:
                places = [_place(path, cells, name) for name in (time.column, *columns)]
                label_place = _place(path, cells, config.label) if config.label in cells else None
                width = len(cells)
                continue
            wanted = [cells[place].strip() if place < len(cells) else '' for place in places]
            if decimal == ',':
                wanted = [_with_point(text) for text in wanted]
            if (
                is_last
                and (len(cells) < width or not all(wanted))
                and not (missing and len(cells) == width and wanted[0])
            ):
                self.warnings.append(f'{path}: line {line}: the last row is not complete; 1 row left out')
                break
            if any(cell.strip() for cell in cells[width:]):
                raise SurfaceError(
                    f'{path}, line {line}: has {len(cells)} cells, but the header line names {width} columns; correct '
                    'the row (a decimal comma needs another delimiter, see the columns file)'
                )
            stamp = self._stamp(wanted[0], line, base_ns, stamps)
            if stamps and stamp < stamps[-1]:
                back_s = (stamps[-1] - stamp) / messages.NANOSECONDS
                raise SurfaceError(
                    f'{path}, line {line}, column {time.column!r}: time runs backwards, {wanted[0]!r} [{time.unit}] is '
                    f'{back_s:g} s before the row above; sort the rows or split the file'
                )
            repeated += bool(stamps) and stamp == stamps[-1]
            stamps.append(stamp)
            if label_place is not None:
                labels.append(cells[label_place].strip() if label_place < len(cells) else '')
            rows.append(
                [self._number(text, line, name, missing) for text, name in zip(wanted[1:], columns, strict=True)]
            )
        if not stamps:
            raise SurfaceError(f'{path}: there is no row of data below the header line')
        if repeated:
            self.warnings.append(f'{path}: {repeated} rows repeat the time of the row above, of {len(stamps)}')
        self.stamps_ns: NDArray[np.int64] = np.array(stamps, dtype=np.int64)
        self.values: NDArray[np.float64] = np.array(rows, dtype=np.float64).reshape(len(rows), len(columns))
        self.label_changes = [
            (stamp, label)
            for index, (stamp, label) in enumerate(zip(stamps, labels, strict=False))
            if not index or label != labels[index - 1]
        ]
        self._check_unit()
        if missing and len(columns) > 1:
            self._join_rows()

    def _join_rows(self) -> None:
        """Interpolate between rows where each holds some of the columns only, and none holds all of them.

        The rows of the first column stay; the others are interpolated there, but not over more than 2.5 of their steps.
        """
        measured = np.isfinite(self.values)
        if measured.all(axis=1).any() or (measured.sum(axis=0) < 2).any():
            return
        kept = measured[:, 0]
        stamps = self.stamps_ns[kept]
        joined = np.empty((len(stamps), self.values.shape[1]))
        for column in range(self.values.shape[1]):
            known = measured[:, column]
            own = self.stamps_ns[known]
            joined[:, column] = np.interp(stamps - own[0], own - own[0], self.values[known, column])
            after = own.searchsorted(stamps).clip(1, len(own) - 1)
            limit_ns = _BRIDGED_STEPS * float(np.median(np.diff(own)))
            outside = (stamps < own[0]) | (stamps > own[-1])
            joined[outside | (own[after] - own[after - 1] > limit_ns), column] = np.nan
        self.stamps_ns, self.values = stamps, joined
        self.warnings.append(
            f'{self._path}: no row holds all columns; the others are interpolated at the {len(stamps)} rows of the '
            'first'
        )

    def _check_unit(self) -> None:
        """Compare the rate of the rows with what motors are measured at.

        Raises:
            SurfaceError: The unit of time is assumed, and it cannot be right.
        """
        steps = np.diff(self.stamps_ns)
        steps = steps[steps > 0]
        if len(steps) < _LEAST_STEPS:
            return
        step_ns = float(np.median(steps))
        if _SHORTEST_STEP_NS <= step_ns < messages.NANOSECONDS:
            return
        in_unit = step_ns / _TIME_UNITS_NS[self._time.unit]
        likely = _likely_units(in_unit, self._time.unit)
        span_s = (self.stamps_ns[-1] - self.stamps_ns[0]) / messages.NANOSECONDS
        text = (
            f'{self._path}, column {self._time.column!r}: the rows are {in_unit:g} {self._time.unit} apart and span '
            f'{span_s:g} s'
        )
        if likely:
            text += f'; the numbers look like {" or ".join(likely)}'
        if self._time.is_guessed and likely:
            name = self._time.column
            raise SurfaceError(
                f'{text}, and no unit is given: name the column {name}_{likely[0]}, or give the unit in a columns file '
                f'(motor: {{time: {{column: {name}, unit: {likely[0]}}}, ...}}; unit: s if they are seconds)'
            )
        self.warnings.append(f'{text}; check the unit of time')

    def _stamp(self, text: str, line: int, base_ns: int, stamps: list[int]) -> int:
        factor = _TIME_UNITS_NS[self._time.unit]
        try:
            # A float64 cannot hold Unix time in nanoseconds: whole numbers stay whole, and decimals stay decimal.
            if text.lstrip('+-').isdigit():
                elapsed = int(text) * factor
            elif self._time.absolute:
                elapsed = round(min(Decimal(text) * factor, Decimal(_MAX_STAMP_NS + 1)))
            else:
                elapsed = round(float(text) * factor)
        except (ValueError, ArithmeticError):
            raise self._not_a_number(text, line, self._time.column) from None
        if not stamps:
            self._first = elapsed / factor
        stamp = elapsed + (0 if self._time.absolute else base_ns)
        if not 0 <= stamp <= _MAX_STAMP_NS:
            unit = _unix_unit(elapsed / factor)
            remedy = 'check its unit'
            if stamps and (likely := _likely_units((elapsed / factor - self._first) / len(stamps), self._time.unit)):
                remedy = f'the numbers look like {" or ".join(likely)}: name the column {self._time.column}_{likely[0]}'
            elif unit:
                remedy = (
                    f'it looks like Unix time in {unit}: write time: {{column: {self._time.column}, unit: {unit}, '
                    'absolute: true} into the columns file'
                )
            raise SurfaceError(
                f'{self._path}, line {line}, column {self._time.column!r}: {text!r} [{self._time.unit}] does not fit '
                f'a ROS time stamp; {remedy}'
            )
        return stamp

    def _number(self, text: str, line: int, column: str, missing: bool) -> float:
        try:
            value = float(text) if text or not missing else math.nan
        except ValueError:
            raise self._not_a_number(text, line, column) from None
        if not math.isfinite(value) and not (missing and math.isnan(value)):
            raise self._not_a_number(text, line, column)
        return value

    def _not_a_number(self, text: str, line: int, column: str) -> SurfaceError:
        what = f'{text!r} is not a finite number' if text else 'the cell is empty'
        return SurfaceError(f'{self._path}, line {line}, column {column!r}: {what}; correct the cell or delete the row')


def _likely_units(step: float, unit: str) -> list[str]:
    """Return the units, other than one, in which a step of time is one between samples of motor currents."""
    return [
        other
        for other, factor in _TIME_UNITS_NS.items()
        if other != unit and _SHORTEST_STEP_NS <= step * factor < messages.NANOSECONDS
    ]


def _unix_unit(value: float) -> str:
    """Return the unit in which a number is a Unix time of the years 2001 to 2100; empty when there is none."""
    return next((unit for unit, factor in _TIME_UNITS_NS.items() if 1e9 <= value * factor / 1e9 <= 4.2e9), '')


def _delimiter_of(path: Path) -> str:
    """Return what divides the header line: the first of comma, semicolon, tab and bar that does; else a comma."""
    names = next(_rows(path, '\x1f'))[1][0]
    return next((mark for mark in _DELIMITERS if mark in names), ',')


def _decimal_of(path: Path, delimiter: str) -> str:
    """Return the decimal mark: a comma where the first row has decimal commas and no points."""
    if delimiter == ',':
        return '.'
    rows = _rows(path, delimiter)
    next(rows)
    cells = next(rows, (0, [], True))[1]
    has_comma = any(_DECIMAL_COMMA.fullmatch(cell.strip()) for cell in cells)
    return ',' if has_comma and not any('.' in cell for cell in cells) else '.'


def _with_point(text: str) -> str:
    """Return a number with a decimal comma as one with a point; any other text as it is."""
    return text.replace(',', '.') if _DECIMAL_COMMA.fullmatch(text) else text


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str], bool]]:
    """Yield line number, cells and whether it is the last row; the header line comes first as line 0."""
    try:
        with path.open(encoding='utf-8-sig', newline='') as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            header = [cell.strip() for cell in next(reader, [])]
            if not any(header):
                raise SurfaceError(f'{path}: the file is empty; a header line with the names of the columns is needed')
            yield 0, header, False
            held: tuple[int, list[str]] | None = None
            for cells in reader:
                if not cells or cells == ['']:
                    continue
                if held is not None:
                    yield (*held, False)
                held = (reader.line_num, cells)
            if held is not None:
                yield (*held, True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SurfaceError(f'{path}: cannot be read as a CSV file: {error}') from error


def _place(path: Path, header: list[str], column: str) -> int:
    if header.count(column) != 1:
        problem = 'there is no' if column not in header else 'more than one'
        hint = ' (the first line must name the columns)' if all(_is_number(cell) for cell in header) else ''
        if remedy := _delimiter_remedy(header):
            hint = f'; {remedy}'
        raise SurfaceError(f'{path}: {problem} column {column!r}; the columns are {", ".join(header)}{hint}')
    return header.index(column)


def _delimiter_remedy(header: list[str]) -> str:
    """What to do when the whole header line came out as one column; empty when it did not."""
    for mark, name in ((';', "';'"), ('\t', '"\\t"'), ('|', "'|'")):
        if len(header) == 1 and mark in header[0]:
            return f'the header line is divided by another character; write delimiter: {name} into a columns file'
    return ''


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class CsvReader(RecordingReader):
    """A recording stored as one CSV file, or as one per part."""

    def __init__(self, path: Path, columns: ColumnsConfig | None, base_ns: int) -> None:
        """Read and check the files.

        Args:
            path: The CSV file; where the configuration gives each part its own file, any of them.
            columns: What the columns are; None: guessed from their names.
            base_ns: Stamp of time 0 [ns].

        Raises:
            SurfaceError: A file cannot be used; names the file, the line, the column and the value.
        """
        self.path = path
        self.metadata = {}
        self.warnings = []
        self.left_out = {}
        self.publishers = {}
        if columns is None:
            columns = ColumnsConfig(None)
        if columns.motor is None and columns.imu is None:
            delimiter = columns.delimiter or _delimiter_of(path)
            columns = columns.for_header(next(_rows(path, delimiter))[1], str(path))
        files = columns.part_files(path)
        self._motor_columns = columns.motor if 'motor' in files else None
        self._motor: _Table | None = None
        self._imu: _Table | None = None
        if self._motor_columns is not None:
            part = self._motor_columns
            names = [*part.current.values(), *part.wheel_speed.values(), *part.voltage.values()]
            self._motor = _Table(files['motor'], part.time, names, columns, base_ns, columns.allow_missing)
        if columns.imu is not None and 'imu' in files:
            names = [*columns.imu.angular_velocity, *columns.imu.linear_acceleration]
            self._imu = _Table(files['imu'], columns.imu.time, names, columns, base_ns, missing=False)

        self.topics = {}
        self.message_counts = {}
        if self._motor is not None:
            self.topics[MOTOR_TOPIC] = MOTOR_CURRENT
            self._block_samples = _block_samples(self._motor.stamps_ns)
            self.message_counts[MOTOR_TOPIC] = -(-len(self._motor.stamps_ns) // self._block_samples)
        if self._imu is not None:
            self.topics[IMU_TOPIC] = IMU
            self.message_counts[IMU_TOPIC] = len(self._imu.stamps_ns)
        tables = [table for table in (self._motor, self._imu) if table is not None]
        self.warnings = [warning for table in tables for warning in table.warnings]
        self.label_changes = next((table.label_changes for table in tables if table.label_changes), [])
        self._check_labels(columns)
        self.latched_topics = frozenset()
        self.start_ns = min(int(table.stamps_ns[0]) for table in tables)
        self.end_ns = max(int(table.stamps_ns[-1]) for table in tables)
        self.definitions = {msgtype: messages.definition(msgtype) for msgtype in self.topics.values()}

    def _check_labels(self, columns: ColumnsConfig) -> None:
        """Say what becomes of a column of labels.

        Raises:
            SurfaceError: The column that is to hold the surface is not there.
        """
        header = next(_rows(self.path, columns.delimiter or _delimiter_of(self.path)))[1]
        if columns.label and not self.label_changes:
            raise SurfaceError(
                f'{self.path}: there is no column {columns.label!r} to take labels from; the columns are '
                f'{", ".join(header)}'
            )
        found = [name for name in header if _LABEL_NAME.match(name)]
        if found and not columns.label:
            self.warnings.append(
                f'{self.path}: column {found[0]!r} is ignored, the label is the name of the folder; take the '
                f'labels of the column with --label-column {found[0]}'
            )

    def _read(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        streams = []
        if MOTOR_TOPIC in topics:
            streams.append(self._motor_messages(start_ns))
        if IMU_TOPIC in topics:
            streams.append(self._imu_messages(start_ns))
        return heapq.merge(*streams, key=lambda message: message.stamp_ns)

    def _motor_messages(self, start_ns: int) -> Iterator[StampedMessage]:
        table, columns = self._motor, self._motor_columns
        assert table is not None
        assert columns is not None
        motors = len(columns.current)
        current = table.values[:, :motors] * _CURRENT_UNITS_A[columns.current_unit]
        speed = table.values[:, motors : 2 * motors] if columns.wheel_speed else None
        voltage = table.values[:, -motors:] if columns.voltage else None
        for first in range(0, len(current), self._block_samples):
            rows = slice(first, first + self._block_samples)
            block = CurrentBlock(
                stamps_ns=table.stamps_ns[rows],
                current_a=current[rows],
                motor_names=tuple(columns.current),
                first_sample=first,
                wheel_speed_mps=None if speed is None else speed[rows],
                voltage_v=None if voltage is None else voltage[rows],
            )
            complete = int(block.stamps_ns[-1])
            if complete >= start_ns:
                yield messages.stamped(MOTOR_TOPIC, messages.current_block_message(block), complete)

    def _imu_messages(self, start_ns: int) -> Iterator[StampedMessage]:
        table = self._imu
        assert table is not None
        first = int(np.searchsorted(table.stamps_ns, start_ns))
        for stamp, row in zip(table.stamps_ns[first:].tolist(), table.values[first:], strict=True):
            yield messages.stamped(IMU_TOPIC, messages.imu_message(stamp, row[:3], row[3:], 'imu_link'), stamp)

    def deserialize(self, message: StampedMessage) -> Any:
        """Return a message of this recording as a rosbags dataclass."""
        return messages.deserialize(message.cdr, message.msgtype)

    def close(self) -> None:
        """Do nothing: the files were read when the recording was opened."""


def _block_samples(stamps_ns: NDArray[np.int64]) -> int:
    """Return how many rows go into one message, so that a message lasts at most a tenth of a second."""
    if len(stamps_ns) < 2:
        return 1
    period_ns = max(float(np.median(np.diff(stamps_ns))), 1.0)
    return max(1, min(1000, int(BLOCK_SECONDS * messages.NANOSECONDS / period_ns + 1e-6)))
