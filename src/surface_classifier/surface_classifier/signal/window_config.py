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
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from current_driver.declared_fields import (
    FieldError,
    check_fields,
    check_layout,
    choice,
    declarations,
    declared,
    from_values,
    key_reference,
    number,
    plain_values,
    read_value,
    text,
    whole,
)
from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_yaml, read_yaml
from surface_classifier.signal.field_path import parse_field_path
from surface_classifier.signal.grid import MAX_RATE_HZ, Grid
from surface_classifier.signal.value_checks.wrapped_numbers import WholeNumbers

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


@contextmanager
def _refusing(where: str = '') -> Iterator[None]:
    """Refuse what the declarations refuse, with what to do about it.

    Args:
        where: What the message begins with.
    """
    try:
        yield
    except FieldError as error:
        raise SurfaceError(f'{where}{error.name} is {error.value!r}; {error.declaration.remedy}') from error
    except ValueError as error:
        raise SurfaceError(f'{where}{error}') from error


@dataclass(frozen=True)
class ChannelConfig:
    """One named quantity, read from a field of a message; each field is declared with its meaning."""

    name: str = field(metadata=declared('text', 'Name of the channel, unique in its part.', minimum=1))
    topic: str = field(
        metadata=declared(
            'text', 'Topic that carries it; a relative name also matches the same name in a namespace.', minimum=1
        )
    )
    type: str = field(metadata=declared('text', 'Message type, such as sensor_msgs/msg/JointState.', minimum=1))
    field: str = field(
        metadata=declared(
            'text', 'Path to the number inside the message: effort[left_wheel], current[0], a.b[0].c.', minimum=1
        )
    )
    unit: str = text('A', 'Unit after scaling, such as A or rad/s.', minimum=1)
    scale: float = number(1.0, "Factor from the field's value to the unit.")
    offset: float = number(0.0, 'Added after scaling, in the unit.')
    names_topic: str = text(
        '',
        'Topic whose messages name the elements of `field`, where the message itself does not, such as the Keys beside '
        'Float64Values; empty: the message does.',
        omitted=True,
    )
    names_type: str = text('', 'Type of the messages of `names_topic`.', omitted=True)
    integer_type: str = text(
        '',
        'Whole numbers that the field holds, such as int16, whatever type they were sent as: 65527 is -9; read before '
        'scaling. Empty: as sent.',
        omitted=True,
    )

    def __post_init__(self) -> None:
        with _refusing(f'channel {self.name!r}: '):
            check_fields(self)
        if self.integer_type and self.whole_numbers is None:
            raise SurfaceError(
                f'channel {self.name!r}: integer_type is {self.integer_type!r}; give int or uint and a number of bits '
                'up to 32, such as int16'
            )
        if bool(self.names_topic) != bool(self.names_type):
            raise SurfaceError(
                f'channel {self.name!r}: names_topic is {self.names_topic!r} and names_type is {self.names_type!r}; '
                'give both or none'
            )
        if self.scale == 0:
            raise SurfaceError(
                f'channel {self.name!r}: scale is 0, which leaves nothing of the signal; give another factor'
            )
        parse_field_path(self.field)

    @property
    def whole_numbers(self) -> WholeNumbers | None:
        """The type that `integer_type` names; None for none."""
        return WholeNumbers.from_name(self.integer_type)

    def to_dict(self) -> dict[str, Any]:
        """The channel as plain values, in the layout of `from_dict`."""
        return plain_values(self)

    @classmethod
    def from_dict(cls, values: Any) -> ChannelConfig:
        """A channel from plain values.

        Raises:
            SurfaceError: A key is unknown or missing, or a value cannot be used.
        """
        with _refusing():
            return from_values(cls, values, 'a channel')


@dataclass(frozen=True)
class PartConfig:
    """Channels that share a sample rate; each field is declared with its meaning."""

    name: str = field(
        metadata=declared('text', 'Name of the part, such as motor or imu: letters, digits, _ and -.', minimum=1)
    )
    sample_rate_hz: float = field(
        metadata=declared('number', "Rate of the part's even grid.", 'Hz', 0.0, MAX_RATE_HZ, above=True)
    )
    channels: tuple[ChannelConfig, ...] = field(
        metadata=declared(
            'configs', 'The channels, in the order of the columns.', config=ChannelConfig, item='a channel'
        )
    )
    input_rate_hz: float | None = number(
        None,
        f'Rate of the incoming samples. Given and above {LOW_PASS_RATIO:g} times `sample_rate_hz`, the signal is '
        'low-passed before it is decimated.',
        unit='Hz',
        minimum=0.0,
        maximum=MAX_RATE_HZ,
        above=True,
        optional=True,
    )
    role: PartRole = choice(
        'input',
        get_args(PartRole),
        '`input`: a network sees the part. `motion`: it tells how the robot moves, and no network sees it. Of a motion '
        'means are taken only: it is not low-passed, which would delay windows, its gaps void none, and they are '
        f'bridged for {DEFAULT_GAP_PERIODS:g} periods of its grid at least.',
        omitted=True,
    )

    def __post_init__(self) -> None:
        with _refusing(f'part {self.name!r}: '):
            check_fields(self)
        if not re.fullmatch(r'\w[\w-]*', self.name):
            raise SurfaceError(
                f'part {self.name!r}: the name becomes part of a file name; use letters, digits, _ and - only'
            )
        for key in ('sample_rate_hz', 'input_rate_hz'):
            if (rate := getattr(self, key)) is not None:
                with _refusing(f'part {self.name!r}: {key}: '):
                    Grid(rate)
        if not self.channels:
            raise SurfaceError(f'part {self.name!r} has no channels; give at least one')
        _check_unique(self.channel_names, f'part {self.name!r}: channel')
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


@dataclass(frozen=True)
class WindowConfig:
    """How windows are cut from the signals; each field is declared with its meaning."""

    parts: tuple[PartConfig, ...] = field(
        metadata=declared(
            'configs',
            'The parts of a window; the first one defines its span and the grid on which windows start.',
            config=PartConfig,
            item='a part',
        )
    )
    window_samples: int = whole(100, 'Samples of the first part in a window.', unit='samples', minimum=1, key='samples')
    stride_samples: int = whole(
        50,
        "Samples of the first part from one window's start to the next one's.",
        unit='samples',
        minimum=1,
        key='stride',
    )
    gap_limit_s: float | None = number(
        None,
        f"Longest interval between two samples that is bridged; {DEFAULT_GAP_PERIODS:g} periods of the part's grid "
        'unless it is given.',
        unit='s',
        minimum=0.0,
        above=True,
        optional=True,
    )
    min_coverage: float = number(
        1.0,
        'Smallest measured fraction of the values that a network sees; windows with less are voided.',
        unit='1',
        minimum=0.0,
        maximum=1.0,
        above=True,
    )
    stamps: StampSource = choice(
        'header',
        get_args(StampSource),
        '`header`: a sample was taken at the stamp of its message. `receipt`: when its message was received or '
        'recorded, for devices whose clock is not set.',
        omitted=True,
    )
    repeated_stamps: RepeatedStamps = choice(
        'refuse',
        get_args(RepeatedStamps),
        'What becomes of samples that repeat the stamp before. `refuse`: dropped, and a recording with more than 10 % '
        'of them is refused. `drop`: dropped. `spread`: spread over the time since the stamp before.',
        omitted=True,
    )
    _samples_of_part: tuple[int, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        with _refusing():
            check_fields(self)
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
        _check_topics([channel for part in self.parts for channel in part.channels])
        base = Grid(self.parts[0].sample_rate_hz).rate
        counts = tuple(_samples_in(part, Fraction(self.window_samples) / base) for part in self.parts)
        object.__setattr__(self, '_samples_of_part', counts)

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
        window = plain_values(self)
        parts = window.pop('parts')
        return {'window': window, 'parts': parts}

    @classmethod
    def from_dict(cls, values: Any) -> WindowConfig:
        """A configuration from plain values, in the layout of the module's docstring.

        Raises:
            SurfaceError: A key is unknown or missing, or a value cannot be used.
        """
        with _refusing():
            check_layout(values, 'a window configuration', required=('parts',), optional=('window', 'about'))
            parts = read_value(declarations(cls)['parts'], 'parts', values['parts'])
            return from_values(cls, values.get('window') or {}, '`window`', parts=parts)

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


def window_reference() -> str:
    """Return a reference of the keys of a window configuration, from their declarations."""
    return '\n'.join(
        [
            'Keys of a window configuration (default): what a value must be [unit]',
            '',
            'window ({}): how windows are cut, by the keys below',
            'parts (required): the parts of a window, by the keys below; the first one defines its span',
            'about ({}): notes on the robot, which nothing is made of',
            '',
            'Keys of `window`:',
            '',
            key_reference(WindowConfig, leave_out=('parts',)),
            '',
            'Keys of each of `parts`:',
            '',
            key_reference(PartConfig),
            '',
            'Keys of each of `channels`:',
            '',
            key_reference(ChannelConfig),
        ]
    )


def default_window_config() -> WindowConfig:
    """The simulated robot: the currents of its two motors at 100 Hz, windows of 1 s every 0.5 s."""
    channels = tuple(
        ChannelConfig(name, 'motor_current', MOTOR_CURRENT_TYPE, f'current[{name}]') for name in ('left', 'right')
    )
    return WindowConfig((PartConfig('motor', 100.0, channels),))


def _samples_in(part: PartConfig, window_s: Fraction) -> int:
    """Samples of a part in a window of some length [s].

    Raises:
        SurfaceError: They are too few.
    """
    samples = round(window_s * Grid(part.sample_rate_hz).rate)
    if samples < 1:
        raise SurfaceError(
            f'part {part.name!r}: a window of {float(window_s):g} s holds no sample at {part.sample_rate_hz:g} Hz; '
            'make the window longer'
        )
    if part.role == 'motion' and samples < LEAST_MOTION_SAMPLES:
        raise SurfaceError(
            f'part {part.name!r}: a window of {float(window_s):g} s holds {samples} of its samples at '
            f'{part.sample_rate_hz:g} Hz, which do not tell a motion; give a rate at which it holds '
            f'{LEAST_MOTION_SAMPLES}'
        )
    return samples


def _check_topics(channels: Sequence[ChannelConfig]) -> None:
    """Refuse channels that disagree on what a topic is.

    Raises:
        SurfaceError: A topic has two types, two topics of names, or holds both names and values.
    """
    types: dict[str, str] = {}
    names_of: dict[str, str] = {}
    for channel in channels:
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
    for channel in channels:
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


def _check_unique(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SurfaceError(f'{what} {name!r} is given twice; names must differ')
