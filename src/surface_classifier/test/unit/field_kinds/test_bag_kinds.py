# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of the odd kinds that robots in the field record: the right value, or a sentence that leads to the right action.

Each row is named by its property and links to a public report of the kind where there is one. Rows without a link are
siblings of the row above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from field_bags import (
    BASE_NS,
    JOINTS,
    LEVELS,
    NS,
    WHEELS,
    Entry,
    MakeEntries,
    drive,
    joint_state,
    write_bag,
    write_channels,
)
from rosbags.rosbag2 import StoragePlugin

from current_driver import messages
from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset

TOPIC = 'joint_states'


@dataclass(frozen=True)
class Kind:
    """One kind of bag.

    Attributes:
        name: Its property.
        source: A public report of it; empty for a sibling of the row above.
        make: Its messages.
        words: What the output must hold.
        built: Whether a data set comes out, with the currents of the wheels; otherwise the verb ends with 2.
        settings: Parameters in the channels file.
        plugin: Storage of the bag.
        options: Further keys of each channel.
        is_checked: Whether the currents of the wheels come out.
    """

    name: str
    source: str
    make: MakeEntries
    words: tuple[str, ...] = ()
    built: bool = True
    settings: tuple[str, ...] = ()
    plugin: StoragePlugin = StoragePlugin.MCAP
    options: str = ''
    is_checked: bool = True


def plain(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
    return [(TOPIC, joint_state(t, WHEELS, (left, right)), t)]


def with_effort(names: Sequence[str], *effort: float | None) -> MakeEntries:
    """Messages with these efforts; None stands for the wheels' currents in turn."""

    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        currents = iter((left, right))
        values = [next(currents) if value is None else value for value in effort]
        return [(TOPIC, joint_state(t, names, values), t)]

    return make


def beside(make_other: MakeEntries) -> MakeEntries:
    """The wheels' messages, and others on the same topic between them."""
    return lambda i, t, left, right: [*plain(i, t, left, right), *make_other(i, t, left, right)]


def sometimes(make_other: MakeEntries, every: int) -> MakeEntries:
    """Other messages in the place of one in so many."""
    return lambda i, t, left, right: (make_other if i % every == every - 1 else plain)(i, t, left, right)


def also(names: Sequence[str], *effort: float, above: float | None = None) -> MakeEntries:
    """Messages of another publisher 10 ms later, with constant efforts or those of the wheels raised by so much."""

    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        values = effort if above is None else (above + left, above + right)
        return [(TOPIC, joint_state(t + 10**7, names, values), t + 10**7)]

    return make


def damaged(cut: int = 8) -> MakeEntries:
    """Messages whose last bytes are missing."""

    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        message = joint_state(t, WHEELS, (left, right))
        return [(TOPIC, message, t, messages.serialize(message)[:-cut])]

    return make


def once(make_other: MakeEntries) -> MakeEntries:
    """One other message, the hundredth."""
    return lambda i, t, left, right: (make_other if i == 99 else plain)(i, t, left, right)


def bad_text(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
    message = joint_state(t, WHEELS, (left, right), 'base')
    return [(TOPIC, message, t, messages.serialize(message).replace(b'base', b'\xff\xfese'))]


def at(shift_ns: int, *, log: bool = False) -> MakeEntries:
    """The wheels' messages, stamped so much later."""

    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        return [(TOPIC, joint_state(t + shift_ns, WHEELS, (left, right)), t + shift_ns if log else t)]

    return make


def in_batches(size: int) -> MakeEntries:
    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        batch_ns = BASE_NS + (t - BASE_NS) // (size * NS // 50) * (size * NS // 50)
        return [(TOPIC, joint_state(batch_ns, WHEELS, (left, right)), t)]

    return make


def clock_set_back(after_s: float, by_s: float) -> MakeEntries:
    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        now = t - round(by_s * NS) if t - BASE_NS > after_s * NS else t
        return [(TOPIC, joint_state(now, WHEELS, (left, right)), now)]

    return make


def counted(bits: int, unsigned: bool, step: float = 0.01) -> MakeEntries:
    """The wheels' currents around zero as whole numbers of `step`, read with the other sign."""

    def make(i: int, t: int, left: float, right: float) -> Sequence[Entry]:
        middle = 0 if unsigned else 2 ** (bits - 1)
        counts = [middle + round(value / step) for value in (left * np.cos(i), right * np.cos(i))]
        wrapped = [count % 2**bits if unsigned else (count + middle) % 2**bits - middle for count in counts]
        return [(TOPIC, joint_state(t, WHEELS, wrapped), t)]

    return make


def device_clock(shift_ns: Callable[[float], int]) -> MakeEntries:
    """The wheels' messages, stamped by a clock that is ahead by so much at a time [s]; the recorder's runs on."""

    def make(_: int, t: int, left: float, right: float) -> Sequence[Entry]:
        return [(TOPIC, joint_state(t + shift_ns((t - BASE_NS) / NS), WHEELS, (left, right)), t)]

    return make


def one_future(shift_s: float) -> MakeEntries:
    return lambda i, t, left, right: at(round(shift_s * NS) if i == 77 else 0)(i, t, left, right)


def a_third_of(make_other: MakeEntries) -> MakeEntries:
    return lambda i, t, left, right: [*plain(i, t, left, right), *(make_other(i, t, left, right) if i % 2 else ())]


def with_status_of_two_types(i: int, t: int, left: float, right: float) -> Sequence[Entry]:
    status = messages.imu_message(t, np.zeros(3), np.zeros(3), '') if i % 2 else joint_state(t, (), ())
    return [*plain(i, t, left, right), ('status', status, t)]


EFFORT_LINK = 'https://github.com/ros-controls/topic_based_hardware_interfaces/pull/101'
TWICE_LINK = 'https://github.com/automaticaddison/yahboom_rosmaster/issues/4'
TWO_LINK = 'https://github.com/yujinrobot/kobuki/issues/388'
DAMAGED_LINK = 'https://github.com/ros2/rosbag2/issues/1470'
BATCH_LINK = 'https://github.com/ouster-lidar/ouster-ros/issues/479'
BOOT_LINK = 'https://github.com/kevinmcaleer/snakeros/issues/27'
BACK_LINK = 'https://github.com/wendylabsinc/WendyOS/issues/1171'
NTP_LINK = 'https://github.com/ros2/rclcpp/issues/940'
WRAP_LINK = 'https://github.com/ROBOTIS-GIT/DynamixelSDK/issues/442'
FUTURE_LINK = 'https://github.com/ros2/rosbag2/issues/2133'

KINDS = [
    Kind(
        'an effort shorter than the names',
        EFFORT_LINK,
        with_effort(('caster', *WHEELS, 'lift'), None, None, 9.0),
        ("'effort' holds 3 values for 4 names",),
        built=False,
    ),
    Kind(
        'an effort longer than the names',
        '',
        with_effort(WHEELS, 9.0, None, None),
        ("'effort' holds 3 values for 2 names",),
        built=False,
    ),
    Kind(
        'one message in fifty with a short effort',
        '',
        sometimes(with_effort(('caster', *WHEELS), None, None), 50),
        ('12 of 600 messages', 'were skipped'),
    ),
    Kind(
        'a joint named twice',
        TWICE_LINK,
        with_effort(('left_wheel', *WHEELS), 0.0, None, None),
        ("'left_wheel' is named twice",),
        built=False,
    ),
    Kind(
        'another joint named twice',
        '',
        with_effort(('arm', 'arm', *WHEELS), 0.0, 0.0, None, None),
    ),
    Kind(
        'an arm on the same topic',
        TWO_LINK,
        a_third_of(also(('arm_1', 'arm_2'), 0.1, 0.2)),
        ('300 of 900 messages', "no element is named 'left_wheel'"),
    ),
    Kind(
        'empty efforts in the first second',
        'https://github.com/berkeleyopenarms/blue_interface/pull/8',
        lambda i, t, left, right: with_effort(WHEELS, *(() if i < 50 else (None, None)))(i, t, left, right),
        ('50 of 600 messages', "'effort' holds 0 values"),
    ),
    Kind(
        'empty efforts throughout',
        '',
        with_effort(WHEELS),
        ('none of', "'effort' holds 0 values"),
        built=False,
    ),
    Kind(
        'a publisher of zeros beside',
        TWICE_LINK,
        beside(also(WHEELS, 0.0, 0.0)),
        ('values alternate between 0, 0 and others', 'two nodes publish'),
        built=False,
        is_checked=False,
    ),
    Kind(
        'a publisher of a constant beside',
        '',
        beside(also(WHEELS, 7.0, 7.0)),
        ('values alternate between 7, 7 and others', 'two nodes publish'),
        built=False,
        is_checked=False,
    ),
    Kind(
        'a publisher of another level beside',
        '',
        beside(also(WHEELS, above=9.0)),
        ('values alternate between two levels', 'two nodes publish'),
        built=False,
        is_checked=False,
    ),
    Kind('a frame_id that is no UTF-8', DAMAGED_LINK, bad_text),
    Kind(
        'one message cut short',
        DAMAGED_LINK,
        once(damaged()),
        ('1 of 600 messages', 'cannot be decoded'),
    ),
    Kind(
        'one empty message in a database',
        '',
        once(damaged(10**6)),
        ('1 of 600 messages', 'cannot be decoded'),
        plugin=StoragePlugin.SQLITE3,
    ),
    Kind(
        'one message in five cut short',
        '',
        sometimes(damaged(), 5),
        ('120 of 600 messages', 'damaged, more than 10 %'),
        built=False,
    ),
    Kind(
        'five messages with one stamp',
        BATCH_LINK,
        in_batches(5),
        ('480 of 600 samples repeat the stamp before', 'repeated_stamps: spread'),
        built=False,
    ),
    Kind('five messages with one stamp, spread', '', in_batches(5), settings=('repeated_stamps: spread',)),
    Kind(
        'two messages with one stamp, dropped as configured',
        '',
        in_batches(2),
        ('300 of 600 samples repeat the stamp before',),
        settings=('repeated_stamps: drop', 'gap_limit_s: 0.2'),
    ),
    Kind(
        'stamps since boot beside labels in Unix time',
        BOOT_LINK,
        at(12 * NS - BASE_NS),
        ('1970-01-01', '2023-11-14', 'stamps: receipt'),
        built=False,
    ),
    Kind('stamps since boot, time of recording taken', '', at(12 * NS - BASE_NS), settings=('stamps: receipt',)),
    Kind(
        'stamps a year ahead of the labels',
        '',
        at(365 * 86_400 * NS),
        ('2024-11-13', 'their clocks differ', 'stamps: receipt'),
        built=False,
    ),
    Kind(
        'a clock set back while recording',
        BACK_LINK,
        clock_set_back(8.0, 1.5),
        ('time runs twice over', 'left out'),
    ),
    Kind(
        'a clock set back while recording to a database',
        '',
        clock_set_back(8.0, 1.5),
        ('time runs twice over', 'left out'),
        plugin=StoragePlugin.SQLITE3,
    ),
    Kind(
        'a clock of the device set back by 2 s while labels go on',
        NTP_LINK,
        device_clock(lambda s: -2 * NS if s > 3.5 else 0),
        ('ran on from there', 'one label by their stamps and another by the time of recording'),
    ),
    Kind(
        'a clock of the device set forward by 2 s while labels go on',
        '',
        device_clock(lambda s: 2 * NS if s > 3.5 else 0),
        ('one label by their stamps and another by the time of recording',),
    ),
    Kind(
        'a clock of the device 2 s behind until it is set',
        '',
        device_clock(lambda s: -2 * NS if s < 9 else 0),
        ('one label by their stamps and another by the time of recording',),
    ),
    Kind('one stamp an hour ahead', FUTURE_LINK, one_future(3600.0), ('1 samples were stamped far ahead',)),
    Kind('one stamp nine years ahead', '', one_future(9 * 365 * 86_400.0), ('1 samples were stamped far ahead',)),
    Kind(
        'currents of 16 bits that are read without their sign',
        WRAP_LINK,
        counted(16, unsigned=True),
        ('channel left', 'whole numbers of 16 bits', '65527 for -9', 'integer_type: int16'),
        is_checked=False,
    ),
    Kind(
        'currents of 12 bits that are read without their sign',
        '',
        counted(12, unsigned=True),
        ('channel right', 'whole numbers of 12 bits', 'integer_type: int12'),
        is_checked=False,
    ),
    Kind(
        'currents above 32767 that are read with a sign',
        '',
        counted(16, unsigned=False),
        ('channel left', '-32768 for 32768', 'integer_type: uint16'),
        is_checked=False,
    ),
    Kind(
        'all currents negative and read without their sign',
        '',
        lambda i, t, *_: [(TOPIC, joint_state(t, WHEELS, (65536 - 9 - i % 5, 65536 - 90 - i % 7)), t)],
        ('channel left', 'channel right', 'integer_type: int16'),
        is_checked=False,
    ),
    Kind(
        'currents of 16 bits whose type is configured',
        '',
        lambda _, t, left, right: [
            (TOPIC, joint_state(t, WHEELS, [round(100 * value) % 65536 for value in (left, right)]), t)
        ],
        options='integer_type: int16, scale: 0.01',
    ),
    Kind(
        'a channel that is always NaN',
        TWICE_LINK,
        with_effort(WHEELS, float('nan'), None),
        ('channel left not a number (NaN)', 'windows lost'),
        built=False,
    ),
    Kind(
        'another topic with two types',
        'https://github.com/ros2/rosbag2/issues/2278',
        with_status_of_two_types,
        ("topic 'status' is left out", 'several types'),
    ),
]


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name.replace(' ', '_'))
def test_the_right_value_or_a_clear_sentence(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bag(Path('bag'), drive(kind.make), kind.plugin)
    write_channels(Path('js.yaml'), *kind.settings, options=kind.options)
    code = main(['dataset', 'build', 'bag', '-o', 'ds', '--channels', 'js.yaml'])
    printed = ''.join(capsys.readouterr())
    assert 'Traceback' not in printed
    for words in kind.words:
        assert words in printed
    assert (code == 0) == kind.built, printed
    if not kind.built or not kind.is_checked:
        return
    dataset = Dataset.load('ds')
    for label, name in enumerate(dataset.classes):
        values = np.asarray(dataset.parts['motor'])[np.asarray(dataset.labels) == label]
        assert len(values) >= 3
        np.testing.assert_allclose(values.mean(axis=(0, 1)), (LEVELS[name], -3 * LEVELS[name]), atol=0.1)


def test_the_messages_are_those_of_a_joint_state() -> None:
    assert joint_state(BASE_NS, WHEELS, (1.0, 2.0)).__msgtype__ == JOINTS
