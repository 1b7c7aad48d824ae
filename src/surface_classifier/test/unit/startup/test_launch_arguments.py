# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Launch arguments become parameters of the nodes, and parameter files match the nodes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from current_driver.devices.device_parameters import DEVICES
from current_driver.devices.device_source import DeviceSource
from current_driver.driver_parameters import DRIVER_PARAMETERS, make_source
from current_driver.errors import SurfaceError
from current_driver.messages import to_time, typestore
from current_driver.node.node_parameters import NodeParameter, check_all
from surface_classifier.nodes.parameters import CLASSIFIER_PARAMETERS, PREPROCESSOR_PARAMETERS, TRAINER_PARAMETERS
from surface_classifier.nodes.window_parameters import window_config
from surface_classifier.signal.field_path import FieldReader
from surface_classifier.startup.launch_arguments import (
    CLASSIFIER,
    DRIVER,
    DRIVER_ARGUMENTS,
    PREPROCESSOR,
    TRAINER,
    bringup_parameters,
    parameter_file,
    record_parameters,
    resolve_name,
    truth_value,
)

PACKAGE = Path(__file__).resolve().parents[3]
LAUNCH_FILES = ('bringup', 'record')
TABLES = {
    DRIVER: DRIVER_PARAMETERS,
    PREPROCESSOR: PREPROCESSOR_PARAMETERS,
    CLASSIFIER: CLASSIFIER_PARAMETERS,
    TRAINER: TRAINER_PARAMETERS,
}


def launch_file(name: str) -> ast.Module:
    """Parse a launch file, which needs no `launch`."""
    return ast.parse((PACKAGE / 'launch' / f'{name}.launch.py').read_text())


def declarations(name: str) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Give the name and the keywords of every argument that a launch file declares by itself."""
    for node in ast.walk(launch_file(name)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'DeclareLaunchArgument':
            first = node.args[0]
            keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            yield (str(first.value) if isinstance(first, ast.Constant) else ast.unparse(first)), keywords


def arguments(launch: str, **given: str) -> dict[str, str]:
    """Return the arguments of a launch file, all at their defaults except those given."""
    values = {name: '' for name, _ in declarations(launch)} | dict.fromkeys(DRIVER_ARGUMENTS, '')
    values |= {'source': 'simulator', 'use_sim_time': 'false', 'composed': 'false', 'plot': 'false', 'respawn': 'false'}
    assert set(given) <= set(values), f'{launch}.launch.py has no argument {set(given) - set(values)}'
    return values | given


def leaves(values: dict[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Give the parameters of a nested mapping by their full names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', value


def parameters_in(file: str) -> dict[str, dict[str, Any]]:
    """Read a parameter file: values by node and full parameter name."""
    content = yaml.safe_load((PACKAGE / 'config' / file).read_text())
    assert all(key.startswith('/**/') for key in content), 'a plain node name does not hold in a namespace'
    return {key.removeprefix('/**/'): dict(leaves(value['ros__parameters'])) for key, value in content.items()}


@pytest.mark.parametrize('name', LAUNCH_FILES)
def test_every_launch_argument_has_a_description(name: str) -> None:
    declared = dict(declarations(name))
    assert len(declared) > 5, 'the walk has lost the arguments'
    for argument, keywords in declared.items():
        description = keywords.get('description')
        assert description is not None, f'{name}.launch.py: {argument} has no description'
        if isinstance(description, ast.Constant):
            assert len(str(description.value).split()) > 3, f'{name}.launch.py: {argument}: {description.value!r}'
        else:
            assert ast.unparse(description) == 'argument.description', 'only the table may stand in for the text'
    for argument, entry in DRIVER_ARGUMENTS.items():
        assert len(entry.description.split()) > 3, f'{argument}: {entry.description!r}'
        assert entry.parameter in {parameter.name for parameter in DRIVER_PARAMETERS}


@pytest.mark.parametrize('name', LAUNCH_FILES)
def test_launch_files_read_only_arguments_they_declare(name: str) -> None:
    declared = set(arguments(name))
    read = {
        node.slice.value
        for node in ast.walk(launch_file(name))
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value) == 'arguments'
        and isinstance(node.slice, ast.Constant)
    }
    assert read
    assert read <= declared


def test_arguments_left_empty_set_nothing_but_the_source() -> None:
    assert bringup_parameters(arguments('bringup')) == {
        DRIVER: {'source': 'simulator'},
        PREPROCESSOR: {},
        CLASSIFIER: {},
    }
    assert record_parameters(arguments('record', source='topic')) == {DRIVER: {'source': 'topic'}, TRAINER: {}}


def test_replay_arguments_reach_the_driver(tmp_path: Path) -> None:
    bags = [tmp_path / 'a', tmp_path / 'b']
    for bag in bags:
        bag.mkdir()
    given = arguments(
        'bringup',
        source='replay',
        bag=f'{bags[0]}, {bags[1]}',
        rate='2',
        loop='True',
        start_offset_s='1.5',
        exit_when_done='true',
        device='cpu',
    )
    assert bringup_parameters(given) == {
        DRIVER: {
            'source': 'replay',
            'replay.paths': [str(bag) for bag in bags],
            'rate': 2.0,
            'replay.loop': True,
            'replay.start_offset_s': 1.5,
            'exit_when_done': True,
        },
        PREPROCESSOR: {},
        CLASSIFIER: {'device': 'cpu'},
    }


def test_relative_paths_and_the_home_folder_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'drive').mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))
    for text in ('drive', '~/drive'):
        parameters = bringup_parameters(arguments('bringup', source='replay', bag=text))
        assert parameters[DRIVER]['replay.paths'] == [str(tmp_path / 'drive')]
    # A new folder need not exist.
    assert record_parameters(arguments('record', output_dir='~/new'))[TRAINER]['output_dir'] == str(tmp_path / 'new')


@pytest.mark.parametrize(('source', 'publishes'), [('simulator', True), ('replay', True), ('topic', False)])
def test_simulated_time_comes_from_the_driver_unless_the_input_is_a_topic(
    source: str, publishes: bool, tmp_path: Path
) -> None:
    bag = str(tmp_path) if source == 'replay' else ''
    parameters = bringup_parameters(arguments('bringup', source=source, bag=bag, use_sim_time='true'))
    assert parameters[PREPROCESSOR] == parameters[CLASSIFIER] == {'use_sim_time': True}
    assert parameters[DRIVER].get('publish_clock', False) is publishes
    assert parameters[DRIVER].get('use_sim_time', False) is False


@pytest.mark.parametrize(
    ('given', 'lossless'),
    [
        ({'rate': '0'}, True),
        ({'rate': '0.0'}, True),
        ({'rate': '1'}, False),
        ({}, False),
        ({'lossless': 'true'}, True),
        ({'rate': '2', 'lossless': 'false'}, False),
    ],
)
def test_a_driver_that_waits_for_its_readers_makes_them_report(given: dict[str, str], lossless: bool) -> None:
    parameters = bringup_parameters(arguments('bringup', **given))
    assert [parameters[node].get('lossless', False) for node in (PREPROCESSOR, CLASSIFIER)] == [lossless] * 2
    assert record_parameters(arguments('record', **given))[TRAINER].get('lossless', False) is lossless


def test_recorder_arguments_reach_the_trainer(tmp_path: Path) -> None:
    given = arguments(
        'record',
        source='topic',
        output_dir=str(tmp_path),
        topics='joint_states, imu',
        surfaces='gravel,grass',
        storage='sqlite3',
        label_topic='/operator/surface',
    )
    assert record_parameters(given)[TRAINER] == {
        'output_dir': str(tmp_path),
        'topics': ['joint_states', 'imu'],
        'surfaces': ['gravel', 'grass'],
        'storage': 'sqlite3',
        'label_topic': '/operator/surface',
    }


def test_the_simulator_labels_its_recordings_unless_another_topic_does() -> None:
    assert record_parameters(arguments('record'))[TRAINER] == {'label_topic': 'surface_truth'}
    assert record_parameters(arguments('record', label_topic='mine'))[TRAINER] == {'label_topic': 'mine'}
    assert record_parameters(arguments('record', source='topic'))[TRAINER] == {}


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'source': 'replay'}, 'source:=replay needs bag:='),
        ({'source': 'replay', 'bag': '/no/such/bag'}, 'bag:=/no/such/bag: there is no /no/such/bag'),
        ({'bag': '/'}, 'bag:=/ has no meaning with source:=simulator, only with source:=replay'),
        (
            {'source': 'topic', 'rate': '2'},
            'rate:=2 has no meaning with source:=topic, only with source:=simulator or replay',
        ),
        ({'rate': 'fast'}, 'rate:=fast must be a number, such as 1.0'),
        ({'rate': '-1'}, 'rate:=-1: parameter rate is -1.0; it must be a number from 0 to'),
        ({'exit_when_done': 'maybe'}, 'exit_when_done:=maybe must be true or false'),
        ({'use_sim_time': '1'}, 'use_sim_time:=1 must be true or false'),
        ({'source': 'can', 'use_sim_time': 'true'}, 'use_sim_time:=true has no meaning with source:=can: a device'),
        ({'source': 'serial', 'rate': '2'}, 'rate:=2 has no meaning with source:=serial'),
        ({'model': '/no/such/model'}, 'model:=/no/such/model: there is no'),
        ({'model': '/'}, 'is not a model: it holds no model.json; make one with `surface train`'),
        ({'device': 'gpu'}, 'device:=gpu: parameter device .* must be one of auto, cpu, cuda'),
    ],
)
def test_a_refused_argument_is_named_with_the_remedy(given: dict[str, str], message: str) -> None:
    with pytest.raises(SurfaceError, match=message):
        bringup_parameters(arguments('bringup', **given))


def test_truth_values_are_read_in_any_case() -> None:
    assert [truth_value('plot', text) for text in ('true', 'True', 'false', 'False')] == [True, True, False, False]


def test_one_parameter_file_distinguishes_the_nodes_of_a_process() -> None:
    parameters = bringup_parameters(arguments('bringup', use_sim_time='true'))
    assert yaml.safe_load(parameter_file(parameters)) == {
        '/**/current_driver': {
            'ros__parameters': {'source': 'simulator', 'publish_clock': True, 'use_sim_time': False}
        },
        '/**/preprocessor': {'ros__parameters': {'use_sim_time': True}},
        '/**/classifier': {'ros__parameters': {'use_sim_time': True}},
    }


@pytest.mark.parametrize(
    ('namespace', 'name'), [('', '/surface_label'), ('/', '/surface_label'), ('a/b', '/a/b/surface_label')]
)
def test_names_are_resolved_in_their_namespace(namespace: str, name: str) -> None:
    assert resolve_name(namespace, 'surface_label') == name


def checked(node: str, values: dict[str, Any]) -> dict[str, Any]:
    """Check a parameter file's values for a node as the node does; return all its parameters."""
    table: tuple[NodeParameter, ...] = TABLES[node]
    assert set(values) <= {parameter.name for parameter in table}
    return check_all(table, values)


@pytest.mark.parametrize(
    ('file', 'complete'),
    [
        ('bringup.yaml', {DRIVER, PREPROCESSOR, CLASSIFIER}),
        ('record.yaml', {TRAINER}),
        ('joint_states.yaml', set()),
        ('serial.yaml', set()),
        ('can.yaml', set()),
        ('dynamixel.yaml', set()),
    ],
)
def test_parameter_files_hold_parameters_the_nodes_have(file: str, complete: set[str]) -> None:
    nodes = parameters_in(file)
    assert complete <= set(nodes)
    for node, values in nodes.items():
        parameters = checked(node, values)
        if node in complete:
            assert set(values) == set(parameters), f'{file}: {node} lacks {set(parameters) - set(values)}'
            assert parameters == {parameter.name: parameter.default for parameter in TABLES[node]}


def test_the_joint_states_example_reads_the_efforts_of_a_joint_state() -> None:
    config = window_config(checked(PREPROCESSOR, parameters_in('joint_states.yaml')[PREPROCESSOR]))
    types = typestore().types
    header = types['std_msgs/msg/Header'](to_time(0), '')
    joints = types['sensor_msgs/msg/JointState'](
        header,
        ['left_wheel_joint', 'right_wheel_joint'],
        np.zeros(0),
        np.zeros(0),
        np.array([1.5, -2.5]),
    )
    channels = config.parts[0].channels
    assert set(config.topics.items()) == {('joint_states', 'sensor_msgs/msg/JointState')}
    currents = [FieldReader(channel.field).read(joints) * channel.scale + channel.offset for channel in channels]
    assert currents == [3.0, 5.0]


@pytest.mark.parametrize('source', DEVICES)
def test_the_example_of_a_device_describes_one(source: str) -> None:
    values = parameters_in(f'{source}.yaml')[DRIVER]
    assert values['source'] == source
    assert bringup_parameters(arguments('bringup', source=source))[DRIVER] == {'source': source}
    assert isinstance(make_source(checked(DRIVER, values), now_ns=0), DeviceSource)
