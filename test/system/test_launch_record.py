# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""record.launch.py with every source: a labelled bag that the project reads, and every exit code 0."""

import functools
import itertools
import tempfile
import unittest
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import launch_testing
import pytest
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from sensor_msgs.msg import JointState

from current_driver.messages import NANOSECONDS
from current_driver.recordings.recording import Recording
from current_driver.testing.drives import START_NS, write_drive
from current_driver.testing.ros_domains import free_domain
from current_driver.testing.ros_graph import Graph, open_graph, values_of
from surface_classifier.startup.launch_arguments import TRAINER, resolve_name
from surface_msgs.srv import SetSurface, StartRecording, StopRecording

REQUIRES = ('launch_testing', 'surface_msgs')

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 20

# Arguments beside the output folder, and the surfaces that are expected in the bag.
CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    'simulator': ({}, {'carpet', 'concrete', 'grass', 'gravel', 'parquet', 'tiles'}),
    'replay, in a namespace': ({'source': 'replay', 'namespace': 'robot1', 'storage': 'sqlite3'}, {'ice'}),
    'topic': ({'source': 'topic', 'topics': 'joint_states', 'surfaces': 'gravel,tiles'}, {'gravel'}),
}


@functools.cache
def folder() -> Path:
    """Make a folder for all cases; it is deleted at the end of the process."""
    return Path(_kept.enter_context(tempfile.TemporaryDirectory(prefix='test_launch_')))


_kept = ExitStack()


@pytest.mark.launch_test
@pytest.mark.timeout(200)
@launch_testing.parametrize('case', list(CASES))
def generate_test_description(case: str) -> tuple[LaunchDescription, dict[str, Any]]:
    """Include the launch file with a case's arguments, in a domain of its own."""
    output = folder() / case
    given = {'output_dir': str(output)} | CASES[case][0]
    if given.get('source') == 'replay':
        given |= {'bag': str(write_drive(folder() / 'drive', [('ice', 30.0)])), 'loop': 'true'}
    domain_id = _kept.enter_context(free_domain())
    description = LaunchDescription(
        [
            SetEnvironmentVariable('ROS_DOMAIN_ID', str(domain_id)),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(ROOT / 'launch' / 'record.launch.py')), launch_arguments=given.items()
            ),
            ReadyToTest(),
        ]
    )
    return description, {
        'domain_id': domain_id,
        'output': output,
        'trainer': resolve_name(given.get('namespace', ''), TRAINER),
    }


def drive_by_joint_states(graph: Graph, enough: Callable[[], bool]) -> None:
    """Publish joint states as a robot does until there is enough."""
    publisher = graph.publisher(JointState, '/joint_states', reliable=False)
    stamps = itertools.count(START_NS, NANOSECONDS // 100)

    def publish_and_look() -> bool:
        message = JointState(name=['left'], effort=[1.0])
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(next(stamps), NANOSECONDS)
        publisher.publish(message)
        return enough()

    graph.wait_for(publish_and_look, f'{MESSAGES} recorded joint states')


class TestWhileRunning(unittest.TestCase):
    """What the running recorder does."""

    def test_a_labelled_bag_is_recorded(self, case: str, domain_id: int, output: Path, trainer: str) -> None:
        arguments, surfaces = CASES[case]
        with open_graph(domain_id) as graph:
            request = StartRecording.Request(
                name='drive_1', surface='' if case == 'simulator' else min(surfaces), robot='test'
            )
            started = graph.call(StartRecording, f'{trainer}/start_recording', request)
            assert started.success, started.message
            assert Path(started.path) == output / 'drive_1'

            def recorded() -> int:
                reports = [status for status in graph.diagnostics if status.name == trainer.lstrip('/')]
                return int(values_of(reports[-1])['messages']) if reports else 0

            if case == 'topic':
                refused = graph.call(SetSurface, f'{trainer}/set_surface', SetSurface.Request(surface='gravell'))
                assert not refused.success
                assert 'gravell' in refused.message
                drive_by_joint_states(graph, lambda: recorded() >= MESSAGES)
            else:
                graph.wait_for(lambda: recorded() >= MESSAGES, f'{MESSAGES} recorded messages')
            stopped = graph.call(StopRecording, f'{trainer}/stop_recording', StopRecording.Request())
            assert stopped.success, stopped.message
            assert stopped.messages >= MESSAGES
        found = {segment.surface for segment in Recording(started.path).segments()}
        assert found
        assert found <= surfaces
        assert found == set(stopped.surfaces)
        assert list(Path(started.path).glob('*.db3' if arguments.get('storage') == 'sqlite3' else '*.mcap'))


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    """What is left after a Ctrl-C."""

    def test_every_process_has_ended_well(self, proc_info: Any, case: str) -> None:
        assertExitCodes(proc_info)
        # Names end with a counter.
        ended = sorted(name.rpartition('-')[0] for name in proc_info.process_names())
        driver = [] if case == 'topic' else ['current_driver_node']
        assert ended == [*driver, 'trainer_node']
