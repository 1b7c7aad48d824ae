# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures what `kill -9` costs a recording: the trainer is killed again and again while it records real topics.

A simulated robot publishes the currents of four motors at 1 kHz, this program joint states at 100 Hz. The trainer node
records both, alternately as MCAP and sqlite3, and is killed at a random moment. Then `surface recover` makes the bag
whole, and it is looked at: what was published before the kill and is not there, in seconds of the topic that lost most;
whether every message before the last one is there; whether readers that are not ours (rosbags, mcap) count the same.

Example:
    tools/run_in_environment python bench/recording_kill.py --times 20 --json recording_kill.json
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rclpy
from mcap.reader import make_reader
from node_benchmark import run_benchmark
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import JointState

from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS
from current_driver.node.qos import stream_qos
from current_driver.recordings.recording import Recording
from current_driver.recordings.repair.bag_recovery import RecoveryResult, recover_bag
from surface_classifier import __version__
from surface_classifier.nodes.conversion import to_ns, to_time
from surface_classifier.startup.node_processes import NodeProcesses, free_domain_id
from surface_msgs.msg import MotorCurrent
from surface_msgs.srv import StartRecording

STORAGES = ('mcap', 'sqlite3')
MOTORS = 4
RATE_HZ = 1000.0
BLOCK_SAMPLES = 10
JOINT_PERIOD_S = 0.01
START_TIMEOUT_S = 60.0
START_TRIES, ANSWER_S = 5, 8.0
# When the kill comes after the first message of both topics [s].
EARLIEST_S, LATEST_S = 0.5, 3.0
ALLOWED_S = 1.0


@dataclass
class Kill:
    """One kill.

    Attributes:
        storage: mcap or sqlite3.
        recorded_s: How long the recording had gone on [s].
        lost_s: From the last message in the recovered bag to the last one that was published before the kill, of the
            topic that lost most [s].
        messages: Messages in the recovered bag.
        missing: Messages that are missing before the last one of their topic.
        differing: Messages that other readers find more, or fewer, than ours.
        repaired: What `surface recover` put in order.
        lost: What it says is lost.
    """

    storage: str
    recorded_s: float
    lost_s: float
    messages: int
    missing: int
    differing: int
    repaired: list[str]
    lost: list[str]


class _Robot:
    """A node of the benchmark: publishes joint states, and listens to what the driver publishes."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=[])
        self.node = Node('recording_kill', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.joint_stamps_ns: list[int] = []
        self.newest_block_ns = 0
        self._publisher = self.node.create_publisher(JointState, 'joint_states', stream_qos(1000, reliable=True))
        self.node.create_timer(JOINT_PERIOD_S, self._publish)
        self.node.create_subscription(MotorCurrent, 'motor_current', self._hear, stream_qos(1000, reliable=True))
        self.start = self.node.create_client(StartRecording, 'trainer/start_recording')

    def __enter__(self) -> _Robot:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    @property
    def trainer_listens(self) -> bool:
        """Whether the trainer has found the joint states."""
        return self._publisher.get_subscription_count() > 0

    def wait_for(self, condition: Callable[[], bool], nodes: NodeProcesses, what: str) -> None:
        """Work off messages until a condition holds.

        Raises:
            SurfaceError: It does not hold in time, or a node ended.
        """
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not condition():
            self.executor.spin_once(timeout_sec=0.02)
            if time.monotonic() > deadline_s:
                raise SurfaceError(f'{what}: nothing for {START_TIMEOUT_S:g} s')
            nodes.check()

    def drive(self, seconds: float) -> None:
        """Publish and listen for some time."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)

    def _publish(self) -> None:
        stamp_ns = time.time_ns()
        message = JointState(name=['left', 'right'], effort=[1.0, 2.0])
        message.header.stamp = to_time(stamp_ns)
        self._publisher.publish(message)
        self.joint_stamps_ns.append(stamp_ns)

    def _hear(self, message: MotorCurrent) -> None:
        self.newest_block_ns = to_ns(message.header.stamp) + message.offsets_ns[-1]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status: 1 when a kill cost more than a second, or anything else."""
    status, result = run_benchmark('recording_kill', _parser().parse_args(argv), run, print_result)
    return status if result is None or result['held'] else 1


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Kill the trainer so many times, and return what it cost as JSON types."""
    # The nodes inherit it, and this process joins them there.
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    moments = random.Random(args.seed)
    kills: list[Kill] = []
    with (
        tempfile.TemporaryDirectory(prefix='recording_kill_') as folder,
        _Robot() as robot,
        NodeProcesses(Path(folder, 'log'), os.environ) as nodes,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task('killing', total=args.times)
        simulator = {'simulator.motors': MOTORS, 'simulator.sample_rate_hz': RATE_HZ, 'block_samples': BLOCK_SAMPLES}
        nodes.start('current_driver', 'current_driver_node', simulator)
        robot.wait_for(lambda: robot.newest_block_ns > 0, nodes, 'the driver')
        for number in range(args.times):
            storage = STORAGES[number % len(STORAGES)]
            kills.append(_kill(Path(folder, str(number)), storage, moments.uniform(EARLIEST_S, LATEST_S), robot))
            progress.advance(task)
    held = all(kill.lost_s <= ALLOWED_S and not kill.missing and not kill.differing for kill in kills)
    return {
        'versions': {'surface_classifier': __version__, 'python': platform.python_version()},
        'machine': {'cores': os.cpu_count(), 'load_average': os.getloadavg()},
        'settings': {'times': args.times, 'seed': args.seed, 'motors': MOTORS, 'rate_hz': RATE_HZ},
        'held': held,
        'kills': [asdict(kill) for kill in kills],
    }


def _kill(folder: Path, storage: str, after_s: float, robot: _Robot) -> Kill:
    """Record, kill, recover, and look at what is there."""
    parameters = {'output_dir': str(folder), 'storage': storage, 'topics': ['motor_current', 'joint_states']}
    with NodeProcesses(folder / 'log', os.environ) as nodes:
        trainer = nodes.start('surface_classifier', 'trainer_node', parameters)
        robot.wait_for(lambda: robot.start.service_is_ready() and robot.trainer_listens, nodes, 'the trainer')
        robot.drive(0.5)  # it looks for topics five times a second
        _start(robot, nodes)
        began_ns = time.time_ns()
        robot.drive(after_s)
        os.kill(trainer.process.pid, signal.SIGKILL)
        killed_ns = time.time_ns()
        trainer.process.wait()
    published_ns = {'/joint_states': robot.joint_stamps_ns[-1], '/motor_current': robot.newest_block_ns}
    result = recover_bag(folder / 'drive')
    with Recording(folder / 'drive').reader() as reader:
        stored = list(reader.messages())
        blocks = [reader.deserialize(message) for message in stored if message.topic == '/motor_current']
    joints_ns = [message.stamp_ns for message in stored if message.topic == '/joint_states']
    if not blocks or not joints_ns:
        raise SurfaceError(f'{folder}: nothing was recorded within {after_s:.1f} s')
    last_ns = {
        '/joint_states': joints_ns[-1],
        '/motor_current': to_ns(blocks[-1].header.stamp) + int(blocks[-1].offsets_ns[-1]),
    }
    first = robot.joint_stamps_ns.index(joints_ns[0])
    expected_joints = robot.joint_stamps_ns.index(joints_ns[-1]) - first + 1
    expected_blocks = (blocks[-1].first_sample - blocks[0].first_sample) // BLOCK_SAMPLES + 1
    return Kill(
        storage,
        recorded_s=(killed_ns - began_ns) / NANOSECONDS,
        lost_s=max(0, *(published_ns[topic] - last_ns[topic] for topic in last_ns)) / NANOSECONDS,
        messages=len(stored),
        missing=expected_joints - len(joints_ns) + expected_blocks - len(blocks),
        differing=_differing(folder / 'drive', len(stored)),
        repaired=_texts(result, 'repaired'),
        lost=_texts(result, 'lost'),
    )


def _start(robot: _Robot, nodes: NodeProcesses) -> None:
    """Start the recording; an answer may be lost while the middleware still gets to know the trainer.

    Raises:
        SurfaceError: The trainer refuses, or does not answer.
    """
    for _ in range(START_TRIES):
        future = robot.start.call_async(StartRecording.Request(name='drive', surface='gravel'))
        asked_s = time.monotonic()
        robot.wait_for(lambda: future.done() or time.monotonic() - asked_s > ANSWER_S, nodes, 'the start')  # noqa: B023
        if future.done():
            answer = future.result()
            if not answer.success and 'is being recorded' not in answer.message:
                raise SurfaceError(answer.message)
            return
    raise SurfaceError(f'the trainer did not answer within {START_TRIES * ANSWER_S:g} s')


def _texts(result: RecoveryResult, name: str) -> list[str]:
    return [str(text) for text in result.to_dict()[name]]


def _differing(bag: Path, count: int) -> int:
    """Return how far other readers' counts of messages are from ours."""
    with Reader(bag) as reader:
        differing = abs(sum(1 for _ in reader.messages()) - count)
    for file in bag.glob('*.mcap'):
        with file.open('rb') as stream:
            differing += abs(sum(1 for _ in make_reader(stream).iter_messages()) - count)
    return differing


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ('', 'kills', 'lost, median [s]', 'lost, most [s]', 'messages', 'missing before', 'readers differ'):
        table.add_column(heading, justify='right' if heading else 'left', no_wrap=True)
    for storage in (*STORAGES, 'both'):
        kills = [kill for kill in result['kills'] if storage in (kill['storage'], 'both')]
        if kills:
            lost_s = [kill['lost_s'] for kill in kills]
            table.add_row(
                storage,
                str(len(kills)),
                f'{statistics.median(lost_s):.2f}',
                f'{max(lost_s):.2f}',
                str(sum(kill['messages'] for kill in kills)),
                str(sum(kill['missing'] for kill in kills)),
                str(sum(kill['differing'] for kill in kills)),
            )
    console.print(table)
    verdict = 'held' if result['held'] else 'NOT held'
    console.print(f'at most {ALLOWED_S:g} s lost each time, and all else readable: {verdict}')


def _parser() -> argparse.ArgumentParser:
    description, _, example = (__doc__ or '').partition('Example:')
    parser = argparse.ArgumentParser(
        prog='recording_kill.py',
        description=description,
        epilog=f'example:{example}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--times', type=int, default=20, metavar='N', help='kills (%(default)s)')
    parser.add_argument('--seed', type=int, default=1, metavar='N', help='seed of the moments (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything to FILE')
    return parser


if __name__ == '__main__':
    sys.exit(main())
