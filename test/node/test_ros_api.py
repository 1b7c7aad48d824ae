# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""ROS_API.md lists every topic, service, action and parameter that the running nodes have, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from api_document import documented, parameter_row, section, table
from rclpy.action import get_action_server_names_and_types_by_node

from current_driver.driver_node import CurrentDriverNode
from current_driver.driver_parameters import DRIVER_PARAMETERS
from current_driver.node.base_node import MonitoredNode
from current_driver.node.node_parameters import NodeParameter
from current_driver.testing.ros_graph import Graph
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.parameters import CLASSIFIER_PARAMETERS, PREPROCESSOR_PARAMETERS, TRAINER_PARAMETERS
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_msgs.msg import MotorCurrent

REQUIRES = ('rclpy', 'surface_msgs')

# Of every ROS 2 node.
STANDARD_TOPICS = {'/parameter_events', '/rosout'}
STANDARD_PARAMETERS = {'use_sim_time', 'start_type_description_service'}
STANDARD_SERVICE_TYPES = ('rcl_interfaces/', 'type_description_interfaces/')

NODES: list[tuple[type[MonitoredNode], Sequence[NodeParameter], dict[str, Any]]] = [
    (CurrentDriverNode, DRIVER_PARAMETERS, {'lossless': True, 'publish_clock': True}),
    (PreprocessorNode, PREPROCESSOR_PARAMETERS, {'lossless': True}),
    (ClassifierNode, CLASSIFIER_PARAMETERS, {'lossless': True}),
    (TrainerNode, TRAINER_PARAMETERS, {'lossless': True}),
]


def names(found: Sequence[tuple[str, list[str]]], node: str) -> dict[str, str]:
    """Return type by name, written as the document writes names."""
    return {
        name.replace(f'/{node}/', '~/') if name.startswith(f'/{node}/') else name: types[0]
        for name, types in found
        if name not in STANDARD_TOPICS and '/_action/' not in name and not types[0].startswith(STANDARD_SERVICE_TYPES)
    }


def absolute(listed: dict[str, str]) -> dict[str, str]:
    return {name if name.startswith(('/', '~')) else f'/{name}': msgtype for name, msgtype in listed.items()}


@pytest.mark.parametrize(
    ('node_type', 'parameters', 'values'), NODES, ids=[node_type.__name__ for node_type, _, _ in NODES]
)
def test_every_topic_service_action_and_parameter_is_documented(
    graph: Graph,
    tmp_path: Path,
    node_type: type[MonitoredNode],
    parameters: Sequence[NodeParameter],
    values: dict[str, Any],
) -> None:
    if node_type is TrainerNode:
        values = values | {'output_dir': str(tmp_path)}
        graph.watcher.create_publisher(MotorCurrent, 'motor_current', 10)  # the trainer takes the type that it finds
    node = graph.start(node_type, values)
    name = node.get_name()
    published, subscribed, services, actions = (
        absolute(documented(name, [title]))
        for title in ('Topics published', 'Topics subscribed', 'Services', 'Actions')
    )

    def found() -> tuple[dict[str, str], ...]:
        watcher = graph.watcher
        return (
            names(watcher.get_publisher_names_and_types_by_node(name, '/'), name),
            names(watcher.get_subscriber_names_and_types_by_node(name, '/'), name),
            names(watcher.get_service_names_and_types_by_node(name, '/'), name),
            names(get_action_server_names_and_types_by_node(watcher, name, '/'), name),
        )

    def all_there() -> bool:
        try:
            return all(
                there.keys() >= listed.keys()
                for there, listed in zip(found(), (published, subscribed, services, actions), strict=True)
            )
        except Exception:  # the node is not known yet
            return False

    graph.wait_for(all_there, 'everything that is documented')
    assert found() == (published, subscribed, services, actions)

    declared = {
        parameter
        for parameter in node.list_parameters([], 0).names
        if parameter not in STANDARD_PARAMETERS and not parameter.startswith('qos_overrides.')
    }
    assert declared == {parameter.name for parameter in parameters}
    rows = section(name).splitlines()
    for parameter in parameters:
        assert parameter_row(parameter) in rows
    assert {row[0].strip('`') for row in table(name, 'Parameters')} == declared


def test_a_documented_name_that_does_not_exist_would_be_found() -> None:
    assert 'motor_current' in documented('current_driver', ['Topics published'])
    assert documented('classifier', ['Services']) == {'~/load_model': 'surface_msgs/srv/LoadModel'}
    assert documented('classifier', ['Actions']) == {}
