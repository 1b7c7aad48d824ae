# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""bringup.launch.py with every source, composed and not: labels come, nothing is left behind, every exit code is 0."""

import functools
import itertools
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import launch_testing
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from sensor_msgs.msg import JointState
from untrained_model import save_untrained_model

from current_driver.messages import NANOSECONDS
from current_driver.testing.drives import START_NS, write_drive
from current_driver.testing.ros_domains import free_domain
from current_driver.testing.ros_graph import Graph, open_graph
from surface_classifier.nodes.conversion import to_ns
from surface_classifier.signal.window_config import default_window_config
from surface_classifier.startup.launch_arguments import CLASSIFIER, LABEL_TOPIC, PREPROCESSOR, resolve_name
from surface_msgs.msg import SurfaceLabel

REQUIRES = ('launch_testing', 'surface_msgs')

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ('asphalt', 'ice', 'snow')
DRIVE = (('ice', 6.0), ('snow', 6.0))
DRIVE_NS = 12 * NANOSECONDS
LABELS = 4

# Arguments beside the model, and the nodes' processes that are expected.
APART = ['classifier_node', 'current_driver_node', 'preprocessor_node']
CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    'simulator': ({}, APART),
    'simulator, composed, in a namespace': ({'composed': 'true', 'namespace': 'robot1'}, ['bringup']),
    'replay, in a namespace': ({'source': 'replay', 'namespace': 'fleet/robot1'}, APART),
    'replay, composed, simulated time': (
        {'source': 'replay', 'composed': 'true', 'use_sim_time': 'true', 'rate': '4'},
        ['bringup'],
    ),
    'replay, as fast as the nodes follow': ({'source': 'replay', 'rate': '0', 'use_sim_time': 'true'}, APART),
    # As `ros2 bag play --clock` does: another process plays the bag and publishes /clock.
    'topic, external clock': ({'source': 'topic', 'use_sim_time': 'true'}, ['classifier_node', 'preprocessor_node']),
    'topic, external clock, composed': ({'source': 'topic', 'use_sim_time': 'true', 'composed': 'true'}, ['bringup']),
    'topic, joint states': (
        {'source': 'topic', 'params_file': str(ROOT / 'config' / 'joint_states.yaml')},
        ['classifier_node', 'preprocessor_node'],
    ),
}


@functools.cache
def samples() -> tuple[Path, Path]:
    """Make a model and a bag for all cases; they are deleted at the end of the process."""
    folder = tempfile.TemporaryDirectory(prefix='test_launch_')
    _kept.enter_context(folder)
    model, bag = Path(folder.name, 'model'), Path(folder.name, 'drive')
    save_untrained_model(model, default_window_config(), classes=CLASSES)
    return model, write_drive(bag, DRIVE)


_kept = ExitStack()


@pytest.mark.launch_test
@pytest.mark.timeout(400)
@launch_testing.parametrize('case', list(CASES))
def generate_test_description(case: str) -> tuple[LaunchDescription, dict[str, Any]]:
    """Include the launch file with a case's arguments, in a domain of its own."""
    model, bag = samples()
    given = {'model': str(model)} | CASES[case][0]
    if given.get('source') == 'replay':
        given |= {'bag': str(bag), 'loop': 'true'}
    domain_id = _kept.enter_context(free_domain())
    actions = [
        SetEnvironmentVariable('ROS_DOMAIN_ID', str(domain_id)),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(ROOT / 'launch' / 'bringup.launch.py')), launch_arguments=given.items()
        ),
    ]
    if 'external clock' in case:
        actions.append(
            Node(
                package='current_driver',
                executable='current_driver_node',
                name='player',
                parameters=[
                    {'source': 'replay', 'replay.paths': [str(bag)], 'replay.loop': True, 'publish_clock': True}
                ],
            )
        )
    return LaunchDescription([*actions, ReadyToTest()]), {'domain_id': domain_id, 'given': given}


def publish_joint_states(graph: Graph, labels: list[Any]) -> None:
    """Publish joint states as a robot does, at 100 Hz by their stamps, until there are enough labels."""
    publisher = graph.publisher(JointState, '/joint_states', reliable=False)
    message = JointState(name=['left_wheel_joint', 'right_wheel_joint'])
    stamps = itertools.count(START_NS, NANOSECONDS // 100)

    def publish_and_look() -> bool:
        for stamp_ns in itertools.islice(stamps, 5):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
            message.effort = [0.5, -0.6 - 0.1 * (stamp_ns // 10**7 % 3)]
            publisher.publish(message)
        return len(labels) >= LABELS

    graph.wait_for(publish_and_look, f'{LABELS} labels of joint states')


def wait_for_simulated_time(graph: Graph, diagnostics: list[Any], node: str) -> None:
    """Wait until a node reports its health at a time within the drive."""

    def look() -> bool:
        times_ns = [to_ns(array.header.stamp) for array in diagnostics if array.status[0].name == node]
        return any(START_NS <= time_ns <= START_NS + DRIVE_NS for time_ns in times_ns)

    graph.wait_for(look, f'{node} to follow /clock')


class TestWhileRunning(unittest.TestCase):
    """What the running chain does."""

    def test_labels_arrive(self, case: str, domain_id: int, given: dict[str, str]) -> None:
        namespace = given.get('namespace', '')
        with open_graph(domain_id) as graph:
            labels = graph.collect(SurfaceLabel, resolve_name(namespace, LABEL_TOPIC))
            diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
            if 'joint states' in case:
                publish_joint_states(graph, labels)
            for label in labels.wait_for(LABELS):
                assert tuple(label.class_names) == CLASSES
                assert label.surface in CLASSES
                assert sum(label.probabilities) == pytest.approx(1.0)
                assert label.confidence == max(label.probabilities)
                if given.get('source') == 'replay' or 'external clock' in case:
                    assert START_NS <= to_ns(label.header.stamp) <= START_NS + DRIVE_NS
            if given.get('use_sim_time') == 'true':
                assert graph.watcher.count_publishers('/clock') == 1
                for node in (PREPROCESSOR, CLASSIFIER):
                    wait_for_simulated_time(graph, diagnostics, resolve_name(namespace, node).lstrip('/'))


@launch_testing.post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    """What is left after a Ctrl-C."""

    def test_every_process_has_ended_well(self, proc_info: Any, case: str) -> None:
        assertExitCodes(proc_info)
        # Names end with a counter.
        ended = sorted(name.rpartition('-')[0] for name in proc_info.process_names())
        player = ['current_driver_node'] if 'external clock' in case else []
        assert ended == sorted(CASES[case][1] + player)
