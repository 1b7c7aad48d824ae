# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Which numbers in a robot's messages look like the current of its motors, by points that can be read.

Numbers of one kind (the same field of each motor) are one guess, with the points of its best number:

    +6    a preset reads this field of this type as a current of motors or drives
    +3    a preset reads it as the current of a battery, or as a torque
    -5    the type is of another quantity (IMU, odometry, temperature, ...)
    +3    the field is called current, amperes, iq or the like; +1 when the topic alone is
    +1.5  the field is called effort or torque
    -4    the field is called after another quantity, a limit, a set point, a state or a counter
    +0..3 rises and falls with the motion of the robot: three times the correlation, where it is above 0.3
    -4    counts: whole steps, all in one direction
    +1    is rough: changes from sample to sample by more than a fifth of its spread
    -2    is smooth: by less than a twentieth
    -1    hardly varies: its spread is below a thirtieth of its level
    -3    is no current of a robot: less than 10 mA throughout, or ever above 1000 A

What never changes is no guess. Motion is the speed of odometry, of commands and of wheels, and the rate and shaking of
an IMU, as far as they are there, in steps of half a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from current_driver.messages import MOTOR_CURRENT, NANOSECONDS, SURFACE_TRUTH
from surface_classifier.data.inspection.topic_log import NumberSeries, TopicLog
from surface_classifier.signal.presets import preset_config, preset_names, preset_notes
from surface_classifier.signal.value_checks.wrapped_numbers import jumps_far, wrap_of
from surface_classifier.signal.window_config import SPEED_UNIT, TURN_RATE_UNIT, ChannelConfig

LEAST_SAMPLES = 20
STEP_NS = NANOSECONDS // 2
LEAST_STEPS = 6
LEAST_CORRELATION = 0.3
# Numbers of a guess with so many points less than its best one are left out of its channels: a joint without a motor.
CLOSE_POINTS = 3.0

_CURRENT_WORDS = {'current', 'currents', 'curr', 'cur', 'amp', 'amps', 'ampere', 'amperes', 'iq', 'ma', 'milliamps'}
_TORQUE_WORDS = {'effort', 'efforts', 'torque', 'torques'}
_OTHER_WORDS = {
    *(
        'temperature',
        'temperatures',
        'temp',
        'voltage',
        'voltages',
        'volt',
        'volts',
        'position',
        'pos',
        'velocity',
        'vel',
    ),
    *(
        'speed',
        'rpm',
        'travel',
        'angle',
        'distance',
        'displacement',
        'orientation',
        'acceleration',
        'pressure',
        'humidity',
    ),
    *('setpoint', 'target', 'desired', 'commanded', 'command', 'reference', 'limit', 'max', 'min', 'over'),
    *('count', 'counter', 'counts', 'seq', 'ticks', 'encoder', 'errorcount', 'timestamp', 'stamp', 'time', 'version'),
    *(
        'charge',
        'capacity',
        'percentage',
        'energy',
        'drawn',
        'regen',
        'error',
        'errors',
        'fault',
        'state',
        'status',
        'mode',
    ),
    *('flags', 'id', 'number', 'pwm', 'duty', 'power', 'level', 'variance', 'design'),
}
_OTHER_TYPES = re.compile(
    r'nav_msgs/|geometry_msgs/|tf2_msgs/|rosgraph_msgs/|visualization_msgs/|diagnostic_msgs/'
    r'|sensor_msgs/msg/(?:Imu|Temperature|FluidPressure|RelativeHumidity|Illuminance|MagneticField|NavSat\w*|Range|Joy\w*'
    r'|LaserScan|TimeReference|PointCloud2?|\w*Image|CameraInfo|MultiDOFJointState)$'
    r'|std_msgs/msg/(?:U?Int\d+|Byte|Char|Bool|Empty)(?:MultiArray)?$'
)
# Units of fields that are called after another quantity, so that none of them is written as A.
_UNITS_OF_WORDS = {
    **dict.fromkeys(('voltage', 'voltages', 'volt', 'volts'), 'V'),
    **dict.fromkeys(('position', 'pos', 'angle'), 'rad'),
    **dict.fromkeys(('velocity', 'vel', 'speed'), 'rad/s'),
    'rpm': '1/min',
    **dict.fromkeys(('temperature', 'temperatures', 'temp'), 'degC'),
    **dict.fromkeys(('duty', 'pwm', 'percentage', 'count', 'counts', 'ticks', 'encoder'), '1'),
    'power': 'W',
    'pressure': 'Pa',
    'acceleration': 'm/s^2',
}
_MILLIAMPERE_WORDS = {'ma', 'milliamp', 'milliamps', 'milliampere', 'milliamperes'}
_SIDES = ('left', 'right', 'front', 'rear', 'back', 'center', 'centre')
_SIDE = re.compile(rf'(?<![a-z])(?:{"|".join(_SIDES)})(?![a-z])')

Values = NDArray[np.float64]


@dataclass(frozen=True)
class FoundChannel:
    """One number of a guess, ready to be a channel.

    Attributes:
        channel: The channel.
        points: Its points.
        reasons: Why, in words, with the points of each.
    """

    channel: ChannelConfig
    points: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class CurrentGuess:
    """Numbers of one kind that may be the motors' currents.

    Attributes:
        topic: Their topic.
        msgtype: Its type.
        field: The field path they share; `*` stands for what differs.
        points: Points of the best of them.
        reasons: Why, in words.
        channels: The numbers, in the order of the message.
        preset: The preset that knows the field; empty: none.
        quantity: What they are, as far as is known: `motor current`, `torque at the joint`, ...; empty: not known.
        unit_known: Whether the unit is that of a definition; otherwise A is assumed.
    """

    topic: str
    msgtype: str
    field: str
    points: float
    reasons: tuple[str, ...]
    channels: tuple[FoundChannel, ...]
    preset: str
    quantity: str
    unit_known: bool


@dataclass(frozen=True)
class _KnownField:
    """What a preset says of a field of a type."""

    preset: str
    quantity: str
    unit: str
    scale: float
    is_assumed: bool


@dataclass(frozen=True)
class _Motion:
    """A signal that shows how much the robot moves: its size in each step of half a second."""

    topic: str
    path: str
    course: dict[int, float]


@dataclass
class _Group:
    """Numbers of one kind while they are collected."""

    log: TopicLog
    known: _KnownField | None
    found: list[tuple[NumberSeries, float, tuple[str, ...]]] = field(default_factory=list)
    integer_types: dict[str, str] = field(default_factory=dict)


def guess_currents(logs: Sequence[TopicLog]) -> list[CurrentGuess]:
    """Rank the numbers of all topics.

    Args:
        logs: What came on the topics.

    Returns:
        The guesses, best first; equal ones in the order of topic and field.
    """
    known = _known_fields()
    motion = _motion_signals(logs)
    groups: dict[tuple[str, str], _Group] = {}
    for log in logs:
        if log.msgtype == SURFACE_TRUTH:
            continue
        for sent in log.series():
            if len(sent.values) < LEAST_SAMPLES or not np.ptp(sent.values):
                continue
            series = sent
            field_of = known.get((log.msgtype, _general(series.path)))
            group = groups.setdefault((log.topic, kind_of(series.path)), _Group(log, field_of))
            wrap = wrap_of(series.values, 0.0) if jumps_far(series.values) else None
            if wrap is not None and wrap.step == 1.0:
                group.integer_types[series.path] = wrap.numbers.name
                series = replace(series, values=wrap.numbers.read(series.values))
            points, reasons = _score(log, series, field_of, motion)
            if wrap is not None:
                reasons = (*reasons, f'wraps around, {wrap.numbers.name} (+0.0)')
            group.known = group.known or field_of
            group.found.append((series, points, reasons))
    guesses = [_guess(topic, kind, group) for (topic, kind), group in groups.items()]
    return sorted(guesses, key=lambda guess: (-guess.points, guess.topic, guess.field))


def silent_currents(logs: Sequence[TopicLog]) -> list[str]:
    """Fields that are called after a current or a torque and hold nothing, one sentence for each kind.

    Args:
        logs: What came on the topics.
    """
    texts: dict[str, None] = {}
    for log in logs:
        paths = []
        for series in log.series():
            paths.append(series.path)
            is_meant = set(_words(series.path)) & (_CURRENT_WORDS | _TORQUE_WORDS)
            if is_meant and len(series.values) >= LEAST_SAMPLES and not np.ptp(series.values):
                texts[
                    f'{log.topic} {kind_of(series.path)} is {series.values[0]:g} in all {len(series.values)} messages: '
                    'the driver does not measure it'
                ] = None
        has_effort = any(path.startswith('effort') for path in paths)
        if log.msgtype == 'sensor_msgs/msg/JointState' and log.count >= LEAST_SAMPLES and not has_effort:
            texts[f'{log.topic} effort is empty in all {log.count} messages: the driver does not measure it'] = None
    return list(texts)


def kind_of(path: str) -> str:
    """A field path without what distinguishes the motors: names, indices and sides.

    An interface stays what it is: `values[left/effort]` and `values[left/velocity]` are of two kinds.
    """
    head, bracket, rest = path.partition('[')
    if not bracket:
        return _SIDE.sub('*', path)
    element, _, tail = rest.partition(']')
    interface = element.rpartition('/')[2] if '/' in element else ''
    return f'{head}[*{"/" if interface else ""}{interface}]{tail}'


def _general(path: str) -> str:
    return re.sub(r'\[[^\]]*\]', '[]', path)


def _known_fields() -> dict[tuple[str, str], _KnownField]:
    """What the presets know, by type and field path with empty brackets; MotorCurrent among them."""
    known: dict[tuple[str, str], _KnownField] = {}
    for name in preset_names():
        notes = preset_notes(name)
        for channel in preset_config(name).parts[0].channels:
            known.setdefault(
                (channel.type, _general(channel.field)),
                _KnownField(name, notes.quantity, channel.unit, channel.scale, 'assumed' in notes.source_unit),
            )
    known[MOTOR_CURRENT, 'current[]'] = _KnownField('', 'motor current', 'A', 1.0, False)
    return known


def _guess(topic: str, kind: str, group: _Group) -> CurrentGuess:
    best = max(points for _, points, _ in group.found)
    chosen = [entry for entry in group.found if entry[1] > best - CLOSE_POINTS]
    names = _channel_names([series.path for series, _, _ in chosen])
    known = group.known
    words = set(_words(group.found[0][0].path))
    unit, scale = 'A', 1e-3 if words & _MILLIAMPERE_WORDS else 1.0
    if known is not None:
        unit, scale = known.unit, known.scale
    elif words & _TORQUE_WORDS:
        unit = 'N m'
    elif not words & _CURRENT_WORDS:
        unit = next((other for word, other in _UNITS_OF_WORDS.items() if word in words), unit)
    channels = tuple(
        FoundChannel(
            ChannelConfig(
                name,
                topic,
                group.log.msgtype,
                series.path,
                unit=unit,
                scale=scale,
                names_topic=group.log.names_topic,
                names_type=group.log.names_type,
                integer_type=group.integer_types.get(series.path, ''),
            ),
            points,
            reasons,
        )
        for name, (series, points, reasons) in zip(names, chosen, strict=True)
    )
    reasons = next(reasons for _, points, reasons in group.found if points == best)
    return CurrentGuess(
        topic,
        group.log.msgtype,
        kind,
        best,
        reasons,
        channels,
        known.preset if known else '',
        known.quantity if known and not known.is_assumed else '',
        unit_known=known is not None and not known.is_assumed,
    )


def _score(
    log: TopicLog, series: NumberSeries, known: _KnownField | None, motion: Sequence[_Motion]
) -> tuple[float, tuple[str, ...]]:
    scored = [
        *_type_points(log, known),
        *_name_points(log, series.path),
        *_signal_points(log.topic, series, known, motion),
    ]
    return sum(points for points, _ in scored), tuple(f'{text} ({points:+.1f})' for points, text in scored)


def _type_points(log: TopicLog, known: _KnownField | None) -> Iterator[tuple[float, str]]:
    if known is not None and not known.is_assumed:
        what = f'the preset {known.preset}' if known.preset else log.msgtype
        is_current = 'current' in known.quantity and known.quantity != 'current at the battery'
        yield (6.0 if is_current else 3.0), f'{what} knows it as {known.quantity}'
    elif _OTHER_TYPES.match(log.msgtype):
        yield -5.0, f'{log.msgtype} holds another quantity'


def _name_points(log: TopicLog, path: str) -> Iterator[tuple[float, str]]:
    words = set(_words(path))
    if found := words & _CURRENT_WORDS:
        yield 3.0, f'is called {sorted(found)[0]}'
    elif found := set(_words(log.topic)) & _CURRENT_WORDS:
        yield 1.0, f'its topic is called {sorted(found)[0]}'
    if found := words & _TORQUE_WORDS:
        yield 1.5, f'is called {sorted(found)[0]}'
    if found := words & _OTHER_WORDS:
        yield -4.0, f'is called {sorted(found)[0]}'


def _words(path: str) -> list[str]:
    """The words of the last named step of a path: the field, and what stands in its brackets after a slash."""
    inside = re.findall(r'\[[^\]]*?([^/\]]*)\]', path)
    steps = re.sub(r'\[[^\]]*\]', '', path).split('.')
    text = f'{steps[-1]} {inside[-1] if inside else ""}' if '/' in steps[-1] else steps[-1]
    if inside and not inside[-1].isdecimal():
        text += f' {inside[-1]}'
    return [word for word in re.split(r'[^a-z]+', re.sub(r'(?<=[a-z])(?=[A-Z])', '_', text).lower()) if word]


def _signal_points(
    topic: str, series: NumberSeries, known: _KnownField | None, motion: Sequence[_Motion]
) -> Iterator[tuple[float, str]]:
    values = series.values
    steps = np.diff(values)
    moved = steps[steps != 0]
    if np.all(values == np.rint(values)) and (np.all(moved > 0) or np.all(moved < 0)):
        yield -4.0, 'counts'
    correlation = _correlation(topic, series, motion)
    if correlation > LEAST_CORRELATION:
        yield 3 * correlation, f'follows the motion of the robot, correlation {correlation:.2f}'
    spread = float(values.std())
    # Half the mean square of the differences is the variance of what is new from sample to sample (von Neumann, 1941).
    roughness = float(np.sqrt(np.mean(steps**2) / 2)) / spread
    if roughness > 0.2:
        yield 1.0, 'is rough'
    elif roughness < 0.05:
        yield -2.0, 'is smooth'
    if spread < abs(float(values.mean())) / 30:
        yield -1.0, 'hardly varies'
    largest = float(np.abs(values).max()) * abs(known.scale if known else 1.0)
    if largest < 0.01 or largest > 1000:
        yield -3.0, f'is no current of a robot, up to {largest:.3g}'


def _correlation(topic: str, series: NumberSeries, motion: Sequence[_Motion]) -> float:
    """The highest correlation of a number's level, or of its spread, with a motion; 0 where there is too little."""
    own = [_in_steps(series, np.mean), _in_steps(series, np.std)]
    best = 0.0
    for signal in motion:
        if (signal.topic, signal.path) == (topic, series.path):
            continue
        reference = signal.course
        shared = [step for step in own[0] if step in reference]
        if len(shared) < LEAST_STEPS:
            continue
        moved = np.array([reference[step] for step in shared])
        for course in own:
            found = np.array([course[step] for step in shared])
            if found.std() > 0 and moved.std() > 0:
                best = max(best, float(np.corrcoef(found, moved)[0, 1]))
    return best


def _in_steps(series: NumberSeries, measure: Callable[[Values], np.floating]) -> dict[int, float]:
    """A measure of a number's size in each step of half a second."""
    steps = series.stamps_ns // STEP_NS
    firsts = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]])
    pieces = np.split(np.abs(series.values) if measure is np.mean else series.values, firsts[1:])
    return {int(steps[first]): float(measure(piece)) for first, piece in zip(firsts, pieces, strict=True)}


_MOTION_FIELDS: dict[str, tuple[str, ...]] = {
    'nav_msgs/msg/Odometry': ('twist.twist.linear.x', 'twist.twist.angular.z'),
    'geometry_msgs/msg/Twist': ('linear.x', 'angular.z'),
    'geometry_msgs/msg/TwistStamped': ('twist.linear.x', 'twist.angular.z'),
    'sensor_msgs/msg/Imu': ('angular_velocity.z',),
}
_TWIST_TYPES = ('nav_msgs/msg/Odometry', 'geometry_msgs/msg/TwistStamped', 'geometry_msgs/msg/Twist')
_SHAKING_FIELDS = ('linear_acceleration.x', 'linear_acceleration.y', 'linear_acceleration.z')


def _motion_signals(logs: Sequence[TopicLog]) -> list[_Motion]:
    """How much the robot moves in each step of half a second, by each signal that shows it."""
    found: list[_Motion] = []
    for log in logs:
        fields = _MOTION_FIELDS.get(log.msgtype, ())
        is_joints = log.msgtype == 'sensor_msgs/msg/JointState'
        for series in log.series() if fields or is_joints else []:
            if series.path in fields or (is_joints and series.path.startswith('velocity[')):
                found.append(_Motion(log.topic, series.path, _in_steps(series, np.mean)))
            elif series.path in _SHAKING_FIELDS:
                found.append(_Motion(log.topic, series.path, _in_steps(series, np.std)))
    return found


@dataclass(frozen=True)
class MotionGuess:
    """What measures how fast the robot drives and turns.

    Attributes:
        topic: Its topic.
        rate_hz: Mean rate of its samples [Hz].
        channels: Speeds of wheels, or speed and turn rate of the robot.
    """

    topic: str
    rate_hz: float
    channels: tuple[ChannelConfig, ...]


def guess_motion(logs: Sequence[TopicLog]) -> MotionGuess | None:
    """Return what measures how fast the robot drives and turns; None where nothing does.

    Wheel speeds that come with the currents go first, as they are there whenever the currents are, and an odometry goes
    before a twist, which may be a command only.

    Args:
        logs: All topics.
    """
    for msgtype in (MOTOR_CURRENT, *_TWIST_TYPES):
        for log in logs:
            channels = _motion_channels(log) if log.msgtype == msgtype else ()
            if channels and log.timing.rate_hz > 0.0:
                return MotionGuess(log.topic, log.timing.rate_hz, channels)
    return None


def _motion_channels(log: TopicLog) -> tuple[ChannelConfig, ...]:
    found = {series.path: series.values for series in log.series()}
    if log.msgtype == MOTOR_CURRENT:
        speeds = [path for path in found if path.startswith('wheel_speed[')]
        names = _channel_names(speeds)
        return tuple(
            ChannelConfig(f'{name}_speed', log.topic, log.msgtype, path, SPEED_UNIT)
            for name, path in zip(names, speeds, strict=True)
        )
    speed, turn = _MOTION_FIELDS[log.msgtype]
    if turn not in found or not len(found.get(speed, ())) or not np.ptp(found[speed]) > 0.0:
        return ()
    return (
        ChannelConfig('speed', log.topic, log.msgtype, speed, SPEED_UNIT),
        ChannelConfig('turn_rate', log.topic, log.msgtype, turn, TURN_RATE_UNIT),
    )


def _channel_names(paths: Sequence[str]) -> list[str]:
    """A short name for each path, different ones: its side, its element, or its field."""
    for candidates in ([_side_name(path) for path in paths], [_element_name(path) for path in paths]):
        if all(candidates) and len(set(candidates)) == len(candidates):
            return candidates
    return [re.sub(r'\W+', '_', path).strip('_') for path in paths]


def _side_name(path: str) -> str:
    return '_'.join(dict.fromkeys(_SIDE.findall(path.replace('_', ' ').lower())))


def _element_name(path: str) -> str:
    elements = re.findall(r'\[([^\]]*)\]', path)
    if not elements:
        return re.sub(r'\W+', '_', path.rpartition('.')[2])
    if elements[0].isdecimal():
        return f'motor_{elements[0]}'
    return re.sub(r'\W+', '_', elements[0].partition('/')[0]).strip('_')
