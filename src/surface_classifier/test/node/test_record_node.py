# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface record` at a real terminal: keys become labels in the bag of a real trainer."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState

from current_driver.node.qos import stream_qos
from current_driver.recordings.recording import Recording
from current_driver.testing.ros_graph import Graph
from surface_classifier.nodes.conversion import to_time, truth_message
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_msgs.msg import SurfaceTruth

REQUIRES = ('rclpy', 'surface_msgs')

pytestmark = pytest.mark.timeout(120)
START_S = 60.0


class TerminalProcess:
    """`surface record` in a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self._outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
        self.popen = subprocess.Popen(
            [sys.executable, '-m', 'surface_classifier.cli.main', 'record', *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env={**os.environ, 'TERM': 'xterm-256color'},
        )
        os.close(inner)
        self.output = ''
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def press(self, key: str) -> None:
        os.write(self._outer, key.encode())

    def wait(self) -> int:
        status = self.popen.wait(30.0)
        self._thread.join(10.0)
        return status

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def _drain(self) -> None:
        with suppress(OSError):  # the terminal of a process that has ended
            while data := os.read(self._outer, 65536):
                self.output += data.decode(errors='replace')


@pytest.fixture
def robot(graph: Graph) -> None:
    """Give a robot that publishes efforts, and odometry: half a metre a second, in a curve."""
    efforts = graph.watcher.create_publisher(JointState, 'joint_states', 10)
    odometry = graph.watcher.create_publisher(Odometry, 'odom', 10)

    def publish() -> None:
        message = JointState(name=['wheel'], effort=[1.0])
        message.header.stamp = to_time(time.time_ns())
        efforts.publish(message)
        moved = Odometry()
        moved.twist.twist.linear.x, moved.twist.twist.angular.z = 0.5, 0.5
        odometry.publish(moved)

    graph.watcher.create_timer(0.02, publish)


def label_of(bag: Path) -> list[str]:
    return [segment.surface for segment in Recording(bag).segments()]


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.usefixtures('robot')
def test_keys_label_what_a_running_trainer_records(graph: Graph, tmp_path: Path) -> None:
    node = graph.start(
        TrainerNode, {'output_dir': str(tmp_path), 'topics': ['joint_states'], 'surfaces': ['gravel', 'grass']}
    )
    terminal = TerminalProcess('--name', 'yard', '--operator', 'Ann', '--battery', '87 %')

    def messages() -> int:
        return int(str(node.health().values['messages']))

    def press_and_drive(key: str, surface: str) -> None:
        terminal.press(key)
        graph.wait_for(lambda: node.health().values['surface'] == surface, surface or 'no label')
        before = messages()
        graph.wait_for(lambda: messages() > before + 20, 'messages')

    try:
        graph.wait_for(lambda: bool(node.health().values['recording']), 'a recording', START_S)
        for key, surface in (('1', 'gravel'), ('2', 'grass'), (' ', ''), ('1', 'gravel')):
            press_and_drive(key, surface)
        terminal.press('r')
        graph.wait_for(lambda: not node.health().values['recording'], 'the end of the recording')
        terminal.press('r')
        graph.wait_for(lambda: bool(node.health().values['recording']), 'the next recording')
        terminal.press('2')
        graph.wait_for(lambda: node.health().values['surface'] == 'grass', 'grass')
        terminal.press('q')
        assert terminal.wait() == 0, terminal.output
    finally:
        terminal.close()
    assert node.health().values['recording'] == ''
    assert label_of(tmp_path / 'yard') == ['gravel', 'grass', '', 'gravel']
    assert label_of(tmp_path / 'yard_2') == ['gravel', 'grass']
    with Recording(tmp_path / 'yard').reader() as reader:
        assert (reader.metadata['operator'], reader.metadata['battery']) == ('Ann', '87 %')
        assert reader.metadata['surface_recording_state'] == 'complete'
        assert reader.message_counts['/joint_states'] > 60
    for word in ('GRAVEL', 'GRASS', 'NOT LABELLED', '0.50 m/s', 'is complete'):
        assert word in terminal.output


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.usefixtures('robot')
def test_it_records_by_itself_and_completes_the_bag_when_interrupted(graph: Graph, tmp_path: Path) -> None:
    terminal = TerminalProcess(
        *('--surfaces', 'ice,snow', '--topics', 'joint_states', '-o', str(tmp_path), '--name', 'a', '--plain'),
        *('--picture', str(tmp_path / 'view.svg')),
    )
    try:
        graph.wait_for(lambda: 'not labelled' in terminal.output, 'the terminal', START_S)
        terminal.press('2')
        graph.wait_for(lambda: ' s  snow' in terminal.output, 'the label')
        terminal.popen.send_signal(signal.SIGINT)
        assert terminal.wait() == 0, terminal.output
    finally:
        terminal.close()
    assert label_of(tmp_path / 'a') == ['snow']
    with Recording(tmp_path / 'a').reader() as reader:
        assert reader.metadata['surface_recording_state'] == 'complete'
    assert (tmp_path / 'view.svg').is_file()


def test_a_refusal_of_the_trainer_is_reported(graph: Graph, tmp_path: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    (tmp_path / 'taken').mkdir()
    terminal = TerminalProcess('--surfaces', 'ice', '--name', 'taken')
    try:
        assert terminal.wait() == 2
    finally:
        terminal.close()
    assert 'taken: exists already' in terminal.output


def shown(terminal: TerminalProcess, since: int = 0) -> str:
    """Return what the terminal was sent, without escape sequences."""
    return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', terminal.output[since:])


@pytest.mark.usefixtures('robot')
def test_a_full_disk_is_shown_and_ends_the_count(graph: Graph, small_disk: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(small_disk), 'topics': ['joint_states'], 'surfaces': ['ice']})
    terminal = TerminalProcess('--name', 'drive')
    try:
        graph.wait_for(lambda: 'messages' in shown(terminal), 'the view', START_S)
        filler = small_disk / 'filler'
        with suppress(OSError), filler.open('wb', buffering=0) as stream:
            while True:
                stream.write(bytes(65536))
        graph.wait_for(lambda: 'recording has stopped' in shown(terminal), 'the fault', 30.0)
        graph.wait_for(lambda: 'NOT RECORDING' in shown(terminal), 'the end of the recording')
        terminal.press('q')
        assert terminal.wait() == 0, terminal.output
    finally:
        terminal.close()


@pytest.mark.usefixtures('robot')
def test_the_label_is_that_of_the_trainer_whatever_another_node_publishes(graph: Graph, tmp_path: Path) -> None:
    qos = stream_qos(10, reliable=True, latched=True)
    truths = graph.watcher.create_publisher(SurfaceTruth, 'surface_truth', qos)
    graph.watcher.create_timer(0.1, lambda: truths.publish(truth_message(time.time_ns(), 'concrete', 'simulation')))
    graph.start(
        TrainerNode, {'output_dir': str(tmp_path), 'topics': ['joint_states'], 'surfaces': ['gravel', 'concrete']}
    )
    terminal = TerminalProcess('--name', 'yard')
    try:
        graph.wait_for(lambda: 'messages' in shown(terminal), 'the view', START_S)
        graph.wait_for(lambda: 'publishes surface_truth as well' in shown(terminal), 'the warning')
        terminal.press('1')
        graph.wait_for(lambda: ' GRAVEL ' in shown(terminal), 'the label')
        begin = len(terminal.output)
        graph.wait_for(lambda: re.search(r'● \d+ s  \d\d\d+ messages', shown(terminal, begin)) is not None, 'messages')
        terminal.press('q')
        assert terminal.wait() == 0, terminal.output
    finally:
        terminal.close()
    assert ' CONCRETE ' not in shown(terminal)
    assert label_of(tmp_path / 'yard') == ['gravel']


def test_a_topic_without_publisher_stays_a_warning_and_counts_nothing(graph: Graph, tmp_path: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['joint_states'], 'surfaces': ['gravel']})
    terminal = TerminalProcess('--name', 'yard')
    try:
        graph.wait_for(lambda: 'NOT LABELLED' in shown(terminal), 'the view', START_S)
        terminal.press('1')
        graph.wait_for(lambda: ' GRAVEL ' in shown(terminal), 'the label')
        begin = len(terminal.output)
        graph.wait_for(lambda: re.search(r'● ([6-9]|\d\d+) s', shown(terminal, begin)) is not None, 'six seconds')
        graph.wait_for(lambda: '/joint_states' in shown(terminal, begin), 'the warning')
        later = shown(terminal, begin)
        assert re.findall(r'gravel ◀\s+(\d+)', later)
        assert set(re.findall(r'gravel ◀\s+(\d+)', later)) == {'0'}
        assert '/joint_states' in later
        terminal.press('q')
        assert terminal.wait() == 0, terminal.output
    finally:
        terminal.close()


@pytest.mark.usefixtures('graph')
def test_it_waits_for_the_trainer_in_view_and_q_quits() -> None:
    terminal = TerminalProcess('--surfaces', 'ice')
    try:
        deadline = time.monotonic() + START_S
        while 'waiting for the trainer /trainer; q quits' not in shown(terminal) and time.monotonic() < deadline:
            time.sleep(0.05)
        terminal.press('q')
        assert terminal.wait() == 0, terminal.output
    finally:
        terminal.close()
    assert 'waiting for the trainer /trainer; q quits' in shown(terminal)


@pytest.mark.usefixtures('robot')
def test_two_commands_with_trainers_of_their_own_do_not_share_keys(graph: Graph, tmp_path: Path) -> None:
    both = [
        TerminalProcess('--surfaces', 'ice,snow', '--topics', 'joint_states', '-o', str(tmp_path), '--name', name)
        for name in ('a', 'b')
    ]
    try:
        graph.wait_for(lambda: all('NOT LABELLED' in shown(terminal) for terminal in both), 'the views', START_S)
        both[0].press('x')
        graph.wait_for(lambda: "the key 'x' has no meaning; keys: 1 ice, 2 snow" in shown(both[0]), 'the notice')
        both[0].press('1')
        graph.wait_for(lambda: ' ICE ' in shown(both[0]), 'the label')
        both[1].press('2')
        graph.wait_for(lambda: ' SNOW ' in shown(both[1]), 'the label')
        for surface, terminal in zip(('ice', 'snow'), both, strict=True):
            counted = re.compile(rf'{surface} ◀\s+[1-9]')
            graph.wait_for(
                partial(lambda words, view: words.search(shown(view)) is not None, counted, terminal), 'driving'
            )
        both[0].press('q')
        assert both[0].wait() == 0, both[0].output
        begin = len(both[1].output)
        graph.wait_for(lambda: '●' in shown(both[1], begin), 'the other one going on')
        both[1].press('q')
        assert both[1].wait() == 0, both[1].output
    finally:
        for terminal in both:
            terminal.close()
    assert label_of(tmp_path / 'a') == ['ice']
    assert label_of(tmp_path / 'b') == ['snow']
    # The log of the trainer is not written through the picture.
    assert '[INFO]' not in both[0].output
