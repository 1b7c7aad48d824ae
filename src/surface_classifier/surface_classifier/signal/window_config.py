# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a window is made of: channels, their topics and fields, sample rates, and how windows are cut.

The same configuration serves the live preprocessor, the data-set builder and the model's contract. It is a plain
mapping in YAML and JSON:

    window: {samples: 100, stride: 50}
    parts:
      - name: motor
        sample_rate_hz: 100
        channels:
          - {name: left, topic: joint_states, type: sensor_msgs/msg/JointState, field: 'effort[left_wheel]', unit: A}

A last part with `role: motion` holds wheel speeds or a twist. No network sees it; it tells motions that were never
driven when a model was trained. `about` may hold notes on the robot, which nothing is made of (see `presets`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_yaml, read_yaml
from surface_classifier.signal.field_path import parse_field_path
from surface_classifier.signal.grid import Grid

_CORRECT = 'correct the window configuration'
MOTOR_CURRENT_TYPE = 'surface_msgs/msg/MotorCurrent'

PartRole = Literal['input', 'motion']
StampSource = Literal['header', 'receipt']
RepeatedStamps = Literal['refuse', 'drop', 'spread']
# Units of a motion: of speeds, and of turn rates and wheels.
SPEED_UNIT, TURN_RATE_UNIT = 'm/s', 'rad/s'
LEAST_MOTION_SAMPLES = 4

DEFAULT_GAP_PERIODS = 2.5
# Below this ratio of input to output rate, what lies between the two Nyquist frequencies is not worth the filter's
# delay.
LOW_PASS_RATIO = 1.5


@dataclass(frozen=True)
class ChannelConfig:
    """One named quantity, read from a field of a message.

    Attributes:
        name: Name of the channel, unique in its part.
        topic: Topic that carries it; a relative name also matches the same name in a namespace.
        type: Message type, such as `sensor_msgs/msg/JointState`.
        field: Path to the number inside the message: `effort[left_wheel]`, `current[0]`, `a.b[0].c`.
        unit: Unit after scaling, such as A or rad/s.
        scale: Factor from the field's value to the unit.
        offset: Added after scaling [unit].
        names_topic: Topic whose messages name the elements of `field`, where the message itself does not, such as the
            Keys beside Float64Values; empty: the message does.
        names_type: Type of the messages of `names_topic`.
    """

    name: str
    topic: str
    type: str
    field: str
    unit: str = 'A'
    scale: float = 1.0
    offset: float = 0.0
    names_topic: str = ''
    names_type: str = ''

    def __post_init__(self) -> None:
        for key in ('names_topic', 'names_type'):
            if not isinstance(getattr(self, key), str):
                raise SurfaceError(f'channel {self.name!r}: {key} is {getattr(self, key)!r}; give a text')
        if bool(self.names_topic) != bool(self.names_type):
            raise SurfaceError(
                f'channel {self.name!r}: names_topic is {self.names_topic!r} and names_type is {self.names_type!r}; '
                'give both or none'
            )
        for key in ('name', 'topic', 'type', 'field', 'unit'):
            value = getattr(self, key)
            if not isinstance(value, str) or not value:
                raise SurfaceError(f'channel {self.name!r}: {key} is {value!r}; give a text')
        for key in ('scale', 'offset'):
            object.__setattr__(self, key, _number(getattr(self, key), f'channel {self.name!r}: {key}'))
        if self.scale == 0:
            raise SurfaceError(
                f'channel {self.name!r}: scale is 0, which leaves nothing of the signal; give another factor'
            )
        parse_field_path(self.field)

    def to_dict(self) -> dict[str, Any]:
        """The channel as plain values, in the layout of `from_dict`."""
        values = {
            'name': self.name,
            'topic': self.topic,
            'type': self.type,
            'field': self.field,
            'unit': self.unit,
            'scale': self.scale,
            'offset': self.offset,
        }
        if self.names_topic:
            values |= {'names_topic': self.names_topic, 'names_type': self.names_type}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ChannelConfig:
        """A channel from plain values.

        Raises:
            SurfaceError: A key is unknown or missing, or a value cannot be used.
        """
        _check_keys(
            values,
            'a channel',
            required=('name', 'topic', 'type', 'field'),
            optional=('unit', 'scale', 'offset', 'names_topic', 'names_type'),
        )
        return cls(**values)


@dataclass(frozen=True)
class PartConfig:
    """Channels that share a sample rate.

    Attributes:
        name: Name of the part, such as motor or imu.
        sample_rate_hz: Rate of the part's even grid [Hz].
        channels: The channels, in the order of the columns.
        input_rate_hz: Rate of the incoming samples [Hz]. Given and above 1.5 times `sample_rate_hz`, the signal is
            low-passed before it is decimated. None: no low-pass.
        role: `input`: a network sees the part. `motion`: it tells how the robot moves, and no network sees it. Of a
            motion means are taken only: it is not low-passed, which would delay windows, its gaps void none, and they
            are bridged for 2.5 periods of its grid at least.
    """

    name: str
    sample_rate_hz: float
    channels: tuple[ChannelConfig, ...]
    input_rate_hz: float | None = None
    role: PartRole = 'input'

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SurfaceError(f'part {self.name!r}: the name must be a text')
        if not re.fullmatch(r'\w[\w-]*', self.name):
            raise SurfaceError(
                f'part {self.name!r}: the name becomes part of a file name; use letters, digits, _ and - only'
            )
        object.__setattr__(self, 'channels', tuple(self.channels))
        object.__setattr__(self, 'sample_rate_hz', _rate(self.sample_rate_hz, f'part {self.name!r}: sample_rate_hz'))
        if self.input_rate_hz is not None:
            object.__setattr__(self, 'input_rate_hz', _rate(self.input_rate_hz, f'part {self.name!r}: input_rate_hz'))
        if not self.channels:
            raise SurfaceError(f'part {self.name!r} has no channels; give at least one')
        if self.role not in get_args(PartRole):
            raise SurfaceError(f'part {self.name!r}: role is {self.role!r}; choose {" or ".join(get_args(PartRole))}')
        _check_unique([channel.name for channel in self.channels], f'part {self.name!r}: channel')
        for channel in self.channels if self.role == 'motion' else ():
            if channel.unit not in (SPEED_UNIT, TURN_RATE_UNIT):
                raise SurfaceError(
                    f'part {self.name!r}, which tells the motion: channel {channel.name!r} is in {channel.unit}; give '
                    f'speeds in {SPEED_UNIT} and turn rates in {TURN_RATE_UNIT}, with a scale if need be'
                )

    @property
    def decimates(self) -> bool:
        """Whether the signal is low-passed before it is put on the grid."""
        if self.role == 'motion' or self.input_rate_hz is None:
            return False
        return self.input_rate_hz > LOW_PASS_RATIO * self.sample_rate_hz

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in the order of the columns."""
        return tuple(channel.name for channel in self.channels)

    @property
    def channel_units(self) -> tuple[str, ...]:
        """Units of the channels, in the order of the columns."""
        return tuple(channel.unit for channel in self.channels)

    def to_dict(self) -> dict[str, Any]:
        """The part as plain values, in the layout of `from_dict`."""
        values = {
            'name': self.name,
            'sample_rate_hz': self.sample_rate_hz,
            'input_rate_hz': self.input_rate_hz,
            'channels': [channel.to_dict() for channel in self.channels],
        }
        # What was written before parts had a role keeps its digest.
        return values if self.role == 'input' else {**values, 'role': self.role}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PartConfig:
        """A part from plain values.

        Raises:
            SurfaceError: A key is unknown or missing, or a value cannot be used.
        """
        _check_keys(
            values, 'a part', required=('name', 'sample_rate_hz', 'channels'), optional=('input_rate_hz', 'role')
        )
        channels = tuple(ChannelConfig.from_dict(channel) for channel in _sequence(values['channels'], 'channels'))
        return cls(**{**values, 'channels': channels})


@dataclass(frozen=True)
class WindowConfig:
    """How windows are cut from the signals.

    Attributes:
        parts: The parts of a window; the first one defines its span and the grid on which windows start.
        window_samples: Samples of the first part in a window.
        stride_samples: Samples of the first part from one window's start to the next one's.
        gap_limit_s: Longest interval between two samples that is bridged [s]; None: 2.5 periods of the part's grid.
        min_coverage: Smallest measured share of the values that a network sees, above 0 and up to 1; windows with less
            are voided.
        stamps: `header`: a sample was taken at the stamp of its message. `receipt`: when its message was received or
            recorded, for devices whose clock is not set.
        repeated_stamps: What becomes of samples that repeat the stamp before. `refuse`: dropped, and a recording with
            more than 10 % of them is refused. `drop`: dropped. `spread`: spread over the time since the stamp before.
    """

    parts: tuple[PartConfig, ...]
    window_samples: int = 100
    stride_samples: int = 50
    gap_limit_s: float | None = None
    min_coverage: float = 1.0
    stamps: StampSource = 'header'
    repeated_stamps: RepeatedStamps = 'refuse'
    _samples_of_part: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, 'parts', tuple(self.parts))
        if not self.parts:
            raise SurfaceError('a window configuration without parts; give at least one part')
        _check_unique([part.name for part in self.parts], 'part')
        # A network's parts are the first ones, so that a part has the same index for the network and in the window.
        for part in self.parts[:-1] if len(self.parts) > 1 else self.parts:
            if part.role == 'motion':
                raise SurfaceError(
                    f'part {part.name!r} has the role motion; give at most one such part, last, after the parts that a '
                    'network sees'
                )
        for key in ('window_samples', 'stride_samples'):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SurfaceError(f'{key} is {value!r}; give a whole number of samples, at least 1')
        if self.gap_limit_s is not None:
            limit = _number(self.gap_limit_s, 'gap_limit_s')
            if limit <= 0:
                raise SurfaceError(f'gap_limit_s is {self.gap_limit_s}; give a time above 0 s')
            object.__setattr__(self, 'gap_limit_s', limit)
        coverage = _number(self.min_coverage, 'min_coverage')
        if not 0 < coverage <= 1:
            raise SurfaceError(f'min_coverage is {self.min_coverage}; give a share above 0 and at most 1')
        object.__setattr__(self, 'min_coverage', coverage)
        for key, choices in (('stamps', get_args(StampSource)), ('repeated_stamps', get_args(RepeatedStamps))):
            if getattr(self, key) not in choices:
                raise SurfaceError(f'{key} is {getattr(self, key)!r}; choose {" or ".join(choices)}')
        types: dict[str, str] = {}
        names_of: dict[str, str] = {}
        for channel in (channel for part in self.parts for channel in part.channels):
            other = types.setdefault(channel.topic, channel.type)
            if other != channel.type:
                raise SurfaceError(
                    f'topic {channel.topic!r} is configured both as {other} and as {channel.type}; '
                    'give every channel of a topic the same type'
                )
            named = names_of.setdefault(channel.topic, channel.names_topic)
            if named != channel.names_topic:
                raise SurfaceError(
                    f'topic {channel.topic!r} takes its names both from {named!r} and from {channel.names_topic!r}; '
                    'give every channel of a topic the same names_topic'
                )
        for channel in (channel for part in self.parts for channel in part.channels):
            if channel.names_topic and types.setdefault(channel.names_topic, channel.names_type) != channel.names_type:
                raise SurfaceError(
                    f'topic {channel.names_topic!r} is configured both as {types[channel.names_topic]} and as '
                    f'{channel.names_type}; give it one type'
                )
            if channel.names_topic in names_of:
                raise SurfaceError(
                    f'topic {channel.names_topic!r} is configured both for names and for values; give the names a '
                    'topic of their own'
                )
        base = Grid(self.parts[0].sample_rate_hz).rate
        counts = []
        for part in self.parts:
            samples = round(Fraction(self.window_samples) / base * Grid(part.sample_rate_hz).rate)
            if samples < 1:
                raise SurfaceError(
                    f'part {part.name!r}: a window of {float(self.window_samples / base):g} s holds no sample at '
                    f'{part.sample_rate_hz:g} Hz; make the window longer'
                )
            if part.role == 'motion' and samples < LEAST_MOTION_SAMPLES:
                raise SurfaceError(
                    f'part {part.name!r}: a window of {float(self.window_samples / base):g} s holds {samples} of its '
                    f'samples at {part.sample_rate_hz:g} Hz, which do not tell a motion; give a rate at which it holds '
                    f'{LEAST_MOTION_SAMPLES}'
                )
            counts.append(samples)
        object.__setattr__(self, '_samples_of_part', tuple(counts))

    @property
    def input_parts(self) -> tuple[PartConfig, ...]:
        """The parts that a network sees: the first ones of `parts`."""
        return tuple(part for part in self.parts if part.role == 'input')

    @property
    def motion_part(self) -> PartConfig | None:
        """The part that tells how the robot moves, if there is one."""
        return next((part for part in self.parts if part.role == 'motion'), None)

    @property
    def topics(self) -> dict[str, str]:
        """Type of every configured topic, in the order of the channels; topics of names go before those they name."""
        topics: dict[str, str] = {}
        for channel in (channel for part in self.parts for channel in part.channels):
            if channel.names_topic:
                topics.setdefault(channel.names_topic, channel.names_type)
            topics.setdefault(channel.topic, channel.type)
        return topics

    @property
    def names_topics(self) -> frozenset[str]:
        """Those of the topics that carry no samples but the names of another topic's elements."""
        return frozenset(channel.names_topic for part in self.parts for channel in part.channels if channel.names_topic)

    @property
    def window_s(self) -> float:
        """Length of a window: its samples times the period of the first part [s]."""
        return self.window_samples / self.parts[0].sample_rate_hz

    @property
    def stride_s(self) -> float:
        """Time from one window's start to the next one's [s]."""
        return self.stride_samples / self.parts[0].sample_rate_hz

    def samples_of_part(self, part_index: int) -> int:
        """Samples of one part in a window: the window's length on the part's own grid."""
        return self._samples_of_part[part_index]

    def gap_limit_of_part_s(self, part_index: int) -> float:
        """Longest interval between two samples of this part that is bridged [s]."""
        part = self.parts[part_index]
        usual_s = DEFAULT_GAP_PERIODS / part.sample_rate_hz
        if self.gap_limit_s is None:
            return usual_s
        # A limit that suits the currents may be shorter than the period of an odometry.
        return max(self.gap_limit_s, usual_s) if part.role == 'motion' else self.gap_limit_s

    @property
    def digest(self) -> str:
        """SHA-256 of what a model and its input must agree on, in hexadecimal digits.

        Names, units, rates and roles of the parts and the length of a window. Left out: where the channels come from
        (topic, type, field, scale, offset, input rate), the stride and how gaps are treated; a model serves any robot
        that fills its window.
        """
        agreed = {
            'window_samples': self.window_samples,
            'parts': [
                {
                    'name': part.name,
                    'sample_rate_hz': str(Grid(part.sample_rate_hz).rate),
                    'channels': [{'name': channel.name, 'unit': channel.unit} for channel in part.channels],
                    # What was written before parts had a role keeps its digest.
                    **({} if part.role == 'input' else {'role': part.role}),
                }
                for part in self.parts
            ],
        }
        return hashlib.sha256(json.dumps(agreed, sort_keys=True, separators=(',', ':')).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain values for JSON and YAML, in the layout of `from_dict`."""
        return {
            'window': {
                'samples': self.window_samples,
                'stride': self.stride_samples,
                'gap_limit_s': self.gap_limit_s,
                'min_coverage': self.min_coverage,
                # What was written before these could be set reads the same.
                **({} if self.stamps == 'header' else {'stamps': self.stamps}),
                **({} if self.repeated_stamps == 'refuse' else {'repeated_stamps': self.repeated_stamps}),
            },
            'parts': [part.to_dict() for part in self.parts],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WindowConfig:
        """A configuration from plain values, in the layout of the module's docstring.

        Raises:
            SurfaceError: A key is unknown or missing, or a value cannot be used.
        """
        _check_keys(values, 'a window configuration', required=('parts',), optional=('window', 'about'))
        window = values.get('window') or {}
        _check_keys(
            window,
            '`window`',
            required=(),
            optional=('samples', 'stride', 'gap_limit_s', 'min_coverage', 'stamps', 'repeated_stamps'),
        )
        names = {'samples': 'window_samples', 'stride': 'stride_samples'}
        settings = {names.get(key, key): value for key, value in window.items()}
        return cls(tuple(PartConfig.from_dict(part) for part in _sequence(values['parts'], 'parts')), **settings)

    @classmethod
    def from_yaml(cls, path: str | Path) -> WindowConfig:
        """A configuration from a YAML file.

        Raises:
            SurfaceError: The file cannot be read, is not YAML, or holds a value that cannot be used; the message names
                it.
        """
        return cls._from_document(read_yaml(path, _CORRECT), str(path))

    @classmethod
    def from_yaml_text(cls, text: str, where: str) -> WindowConfig:
        """A configuration from YAML.

        Args:
            text: The YAML.
            where: What an error calls it, such as its file.

        Raises:
            SurfaceError: It is not YAML, or holds a value that cannot be used; the message names it.
        """
        return cls._from_document(parse_yaml(text, where, _CORRECT), where)

    @classmethod
    def _from_document(cls, values: Any, where: str) -> WindowConfig:
        try:
            return cls.from_dict(values)
        except SurfaceError as error:
            raise SurfaceError(f'{where}: {error}') from error


def default_window_config() -> WindowConfig:
    """The simulated robot: the currents of its two motors at 100 Hz, windows of 1 s every 0.5 s."""
    channels = tuple(
        ChannelConfig(name, 'motor_current', MOTOR_CURRENT_TYPE, f'current[{name}]') for name in ('left', 'right')
    )
    return WindowConfig((PartConfig('motor', 100.0, channels),))


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SurfaceError(f'{what} is {value!r}; give a number')
    return float(value)


def _rate(value: Any, what: str) -> float:
    rate = _number(value, what)
    try:
        Grid(rate)
    except ValueError as error:
        raise SurfaceError(f'{what}: {error}') from error
    return rate


def _sequence(value: Any, what: str) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise SurfaceError(f'{what} is {value!r}; give a list')
    return value


def _check_keys(values: Any, what: str, required: Sequence[str], optional: Sequence[str]) -> None:
    if not isinstance(values, Mapping):
        raise SurfaceError(f'{what} is {values!r}; give a mapping with the keys {", ".join([*required, *optional])}')
    unknown = [str(key) for key in values if key not in required and key not in optional]
    if unknown:
        raise SurfaceError(
            f'unknown key {", ".join(unknown)} in {what}; known keys: {", ".join([*required, *optional])}'
        )
    missing = [key for key in required if key not in values]
    if missing:
        raise SurfaceError(f'{what} lacks the key {", ".join(missing)}')


def _check_unique(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SurfaceError(f'{what} {name!r} is given twice; names must differ')
