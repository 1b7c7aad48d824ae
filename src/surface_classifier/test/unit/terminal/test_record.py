# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recording at the terminal, without ROS: what is counted, what falls behind, keys, speeds, and the picture."""

from __future__ import annotations

import io
import os
import pty
import termios
from pathlib import Path
from types import SimpleNamespace as Message
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from current_driver import messages
from current_driver.errors import SurfaceError
from surface_classifier.cli.main import main
from surface_classifier.terminal.drive_motion import Motion, motion_of, preferred_topics
from surface_classifier.terminal.record_coverage import Coverage
from surface_classifier.terminal.record_keys import Command, KeyMap, Press, Terminal
from surface_classifier.terminal.record_view import RecordState, render
from surface_classifier.terminal.screen import save_view

SLOW, FAST = Motion(0.2, turning=False), Motion(0.8, turning=False)
TURN = Motion(0.2, turning=True)


def texts(coverage: Coverage) -> list[str]:
    return [shortage.text for shortage in coverage.shortages()]


def test_seconds_are_counted_by_surface_speed_and_turning() -> None:
    coverage = Coverage(['ice', 'snow'], (0.3, 0.6))
    assert coverage.ranges == ('standing', 'to 0.3 m/s', '0.3 to 0.6 m/s', 'over 0.6 m/s')
    for surface, seconds, motion in (
        ('ice', 3.0, SLOW),
        ('ice', 2.0, TURN),
        ('ice', 1.0, Motion(0.0, turning=True)),
        ('ice', 4.0, None),
        ('snow', 5.0, FAST),
        ('', 99.0, FAST),
        ('mud', 1.0, Motion(0.6, turning=False)),
    ):
        coverage.add(surface, seconds, motion)
    assert coverage.surfaces == ['ice', 'snow', 'mud']
    assert dict(coverage.seconds) == {'ice': 10.0, 'snow': 5.0, 'mud': 1.0}
    assert coverage.by_range['ice'] == [1.0, 5.0, 0.0, 0.0]
    assert coverage.by_range['snow'] == [0.0, 0.0, 0.0, 5.0]
    assert coverage.by_range['mud'] == [0.0, 0.0, 0.0, 1.0]
    assert coverage.turning['ice'] == 2.0


def test_a_surface_that_falls_behind_is_reported_once_something_leads() -> None:
    coverage = Coverage(['ice', 'snow', 'mud'])
    coverage.add('ice', 19.0, None)
    assert texts(coverage) == []
    coverage.add('ice', 21.0, None)
    coverage.add('snow', 20.0, None)
    coverage.add('mud', 3.0, None)
    assert texts(coverage) == ['mud falls behind: 3 s, and ice has 40 s']
    coverage.add('mud', 17.0, None)
    assert texts(coverage) == []


def test_a_speed_that_falls_behind_is_reported_in_all_and_by_surface() -> None:
    coverage = Coverage(['ice', 'snow'], (0.3, 0.6))
    for surface in ('ice', 'snow'):
        coverage.add(surface, 30.0, SLOW)
        coverage.add(surface, 8.0, TURN)
        coverage.add(surface, 10.0, Motion(0.5, turning=True))
    assert texts(coverage) == ['over 0.6 m/s falls behind: 0 s, and to 0.3 m/s has 76 s']
    coverage.add('ice', 30.0, FAST)
    assert texts(coverage) == ['snow at over 0.6 m/s falls behind: 0 s, and ice has 30 s']
    coverage.add('snow', 16.0, FAST)
    assert texts(coverage) == []


def test_turning_that_falls_behind_is_reported_in_all_and_by_surface() -> None:
    coverage = Coverage(['ice', 'snow'], (0.5,))
    for surface in ('ice', 'snow'):
        coverage.add(surface, 40.0, SLOW)
        coverage.add(surface, 40.0, FAST)
    assert texts(coverage) == ['turning falls behind: 0 s of 160 s; drive curves']
    coverage.add('ice', 40.0, TURN)
    assert texts(coverage) == ['turning on snow falls behind: 0 s of 80 s; drive curves there']


@given(
    st.lists(
        st.tuples(
            st.sampled_from(['ice', 'snow', '']),
            st.floats(0.0, 50.0),
            st.one_of(st.none(), st.builds(Motion, st.floats(0.0, 3.0), st.booleans())),
        ),
        max_size=30,
    )
)
def test_nothing_is_counted_twice_or_lost(entries: list[tuple[str, float, Motion | None]]) -> None:
    coverage = Coverage(['ice', 'snow'])
    for surface, seconds, motion in entries:
        coverage.add(surface, seconds, motion)
    for surface in ('ice', 'snow'):
        known = sum(seconds for name, seconds, motion in entries if name == surface and motion is not None)
        assert sum(coverage.by_range[surface]) == pytest.approx(known)
        assert coverage.seconds[surface] == pytest.approx(sum(s for name, s, _ in entries if name == surface))
        assert coverage.turning[surface] <= sum(coverage.by_range[surface][1:]) + 1e-9
    assert all(shortage.missing_s > 0 for shortage in coverage.shortages())


def test_each_surface_has_a_key() -> None:
    keys = KeyMap([f'surface {number}' for number in range(15)])
    assert list(keys.keys.values()) == [*'123456789abcdef']
    assert keys.presses('1') == [Press(surface='surface 0')]
    assert keys.presses('B ') == [Press(surface='surface 10'), Press(surface='')]
    assert keys.presses('rq') == [Press(command=Command.RECORD), Press(command=Command.QUIT)]
    assert [press.surface for press in keys.presses('z!')] == [None, None]
    assert keys.presses('!')[0].notice.startswith("the key '!' has no meaning; keys: 1 surface 0")
    assert keys.presses('\x00') == []
    assert keys.presses('\x1b[A') == []
    assert not {'r', 'q'} & set(KeyMap([str(number) for number in range(33)]).keys.values())


@pytest.mark.parametrize(
    ('surfaces', 'word'),
    [([], 'no surface is named'), (['ice', 'ice'], "'ice' is there twice"), ([*map(str, range(34))], '33 keys for 34')],
)
def test_surfaces_without_a_key_each_are_refused(surfaces: list[str], word: str) -> None:
    with pytest.raises(SurfaceError, match=word):
        KeyMap(surfaces)


def test_a_terminal_gives_keys_at_once_and_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    outer, inner = pty.openpty()
    with os.fdopen(inner, 'r') as stdin:
        monkeypatch.setattr('sys.stdin', stdin)
        before = termios.tcgetattr(inner)
        with Terminal() as terminal:
            assert terminal.read(0.0) == ''
            os.write(outer, b'1')
            assert terminal.read(5.0) == '1'
            assert termios.tcgetattr(inner)[3] & termios.ICANON == 0
        assert termios.tcgetattr(inner) == before
        with Terminal() as terminal:
            os.close(outer)
            assert terminal.read(5.0) is None
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr('sys.stdin', nothing)
        with pytest.raises(SurfaceError, match='only be read from a terminal'):
            Terminal()


def twist(forward: float, sideways: float = 0.0, turn: float = 0.0) -> Message:
    return Message(linear=Message(x=forward, y=sideways), angular=Message(z=turn))


def test_speed_and_turning_are_read_from_any_message_that_holds_them() -> None:
    assert motion_of('geometry_msgs/msg/Twist', twist(-3.0, 4.0)) == Motion(5.0, turning=False)
    assert motion_of('geometry_msgs/msg/TwistStamped', Message(twist=twist(0.5, turn=-0.3))) == Motion(
        0.5, turning=True
    )
    odometry = Message(twist=Message(twist=twist(0.5, turn=0.05)))
    assert motion_of('nav_msgs/msg/Odometry', odometry) == Motion(0.5, turning=False)
    joints = Message(name=['front_left_wheel', 'front_right_wheel'], velocity=[2.0, 4.0])
    assert motion_of('sensor_msgs/msg/JointState', joints, 0.125) == Motion(0.375, turning=True)
    assert motion_of('sensor_msgs/msg/JointState', joints) is None
    assert motion_of('sensor_msgs/msg/JointState', Message(name=['a'], velocity=[]), 0.1) is None
    assert motion_of('sensor_msgs/msg/JointState', Message(name=['a'], velocity=[-3.0]), 0.125) == Motion(
        0.375, turning=False
    )


def test_speed_of_wheels_comes_from_a_block_of_motor_currents() -> None:
    speeds = np.array([[0.4, 0.6], [0.4, np.nan], [np.nan, 0.6]])
    stamps = np.arange(3, dtype=np.int64)
    block = messages.CurrentBlock(stamps, np.ones((3, 2)), ('left', 'right'), 0, wheel_speed_mps=speeds)
    message = messages.current_block_message(block)
    assert motion_of(messages.MOTOR_CURRENT, message) == Motion(0.5, turning=True)
    without = messages.current_block_message(messages.CurrentBlock(stamps, np.ones((3, 2)), ('left', 'right'), 0))
    assert motion_of(messages.MOTOR_CURRENT, without) is None
    unmeasured = messages.CurrentBlock(stamps, np.ones((3, 1)), ('left',), 0, wheel_speed_mps=np.full((3, 1), np.nan))
    assert motion_of(messages.MOTOR_CURRENT, messages.current_block_message(unmeasured)) is None


def test_what_is_measured_goes_before_what_is_commanded() -> None:
    published = {
        '/cmd_vel': ['geometry_msgs/msg/Twist'],
        '/camera/odom': ['nav_msgs/msg/Odometry'],
        '/odom': ['nav_msgs/msg/Odometry'],
        '/joint_states': ['sensor_msgs/msg/JointState'],
        '/twice': ['geometry_msgs/msg/Twist', 'nav_msgs/msg/Odometry'],
    }
    assert [topic for topic, _ in preferred_topics(published, 0.0)] == ['/odom', '/camera/odom', '/cmd_vel']
    assert [topic for topic, _ in preferred_topics(published, 0.1)][2] == '/joint_states'


def shown(state: RecordState, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(render(state, width))
    return console.export_text()


def driven() -> RecordState:
    keys = KeyMap(['gravel', 'grass'])
    state = RecordState(keys.keys, Coverage(['gravel', 'grass']))
    state.recording, state.messages, state.recorded_s = 'recordings/yard', 1234, 45.0
    state.surface, state.motion = 'gravel', Motion(0.42, turning=True)
    state.coverage.add('gravel', 40.0, TURN)
    state.coverage.add('grass', 3.0, FAST)
    return state


def test_the_picture_says_what_is_set_what_was_driven_and_what_falls_behind(tmp_path: Path) -> None:
    text = shown(driven())
    for word in ('GRAVEL', '45 s', '1234 messages', '0.42 m/s', 'turning', 'recordings/yard', 'q: quit'):
        assert word in text
    (grass,) = (line for line in text.splitlines() if ' grass ' in line and 'falls' not in line)
    assert grass.split()[1:4] == ['2', 'grass', '!']
    assert '! grass falls behind: 3 s, and gravel has 40 s' in text
    save_view(driven(), tmp_path / 'view.svg', 'surface record', render)
    assert ElementTree.parse(tmp_path / 'view.svg').getroot().tag.endswith('svg')
    assert 'GRAVEL' in (tmp_path / 'view.svg').read_text()
    assert 'gravel 40 s, grass 3 s' in driven().line()
    assert 'warning: grass falls behind' in driven().line()


@pytest.mark.parametrize(
    ('width', 'ranges', 'turning'), [(120, True, True), (80, True, False), (60, False, True), (40, False, True)]
)
def test_a_narrow_terminal_loses_columns_before_seconds_and_never_the_keys(
    width: int, ranges: bool, turning: bool
) -> None:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(render(driven(), width))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert '…' not in text.partition('seconds')[2].partition('space')[0].replace(driven().recording, '')
    words = ' '.join(text.replace('│', ' ').split())
    assert 'space: not labelled' in words
    assert 'q: quit' in words
    assert 'seconds' in words
    assert ('turning' in text.splitlines()[3], 'over 0.6 m/s' in text.splitlines()[3]) == (turning, ranges)


def test_without_a_recording_or_a_speed_that_is_said() -> None:
    state = RecordState(KeyMap(['ice']).keys, Coverage(['ice']), notice='recordings/a is complete')
    text = shown(state)
    assert 'NOT RECORDING' in text
    assert 'speed: unknown' in text
    assert 'recordings/a is complete' in text
    assert state.line() == 'recordings/a is complete'
    state.trouble = 'the disk is full'
    assert 'the disk is full' in shown(state)
    assert state.line() == 'the disk is full'


@pytest.mark.parametrize('width', [34, 60, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    state = driven()
    state.notice = 'a notice ' * 30
    assert max(len(line) for line in shown(state, width).splitlines()) <= width


@pytest.mark.parametrize('speeds', ['', 'fast', '0.5,0.3', '0.3,0.3', '0.01'])
def test_speeds_that_part_nothing_are_refused(speeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['record', '--speeds', speeds]) == 2
    assert 'rising speeds' in capsys.readouterr().err
