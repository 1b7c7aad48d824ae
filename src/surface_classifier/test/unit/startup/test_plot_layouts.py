# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Every field of every layout exists, each shows what a user looks for, and copies name the running robot."""

import json
import platform
from pathlib import Path
from typing import Any, cast

import pytest

from current_driver.errors import SurfaceError
from current_driver.messages import typestore
from surface_classifier.signal.field_path import parse_field_path
from surface_classifier.startup.plot_layouts import (
    CURRENT_TOPIC,
    DIAGNOSTICS_TOPIC,
    FILES,
    FOXGLOVE,
    LABEL_TOPIC,
    PACKAGES,
    PLOTJUGGLER,
    RQT,
    TOPIC_TYPES,
    PlottedField,
    adapted_layout,
    check_installed,
    layout_file,
    plot_tool,
    shown_fields,
)

PACKAGE = Path(__file__).resolve().parents[3]
LAYOUTS = PACKAGE / 'config' / 'layouts'
NUMBERS = {
    'float32',
    'float64',
    'int8',
    'int16',
    'int32',
    'int64',
    'uint8',
    'uint16',
    'uint32',
    'uint64',
    'octet',
    'byte',
}
# Foxglove's state transitions show these as well.
STATES = {'bool', 'string'}


def text_of(tool: str) -> str:
    return (LAYOUTS / FILES[tool]).read_text()


def type_of(msgtype: str, field: str) -> str:
    """Return the base type that a path ends at, walked on the message definitions."""
    store = typestore()
    kind: Any = ('NAME', msgtype)
    for step in parse_field_path(field):
        assert kind[0] == 'NAME', f'{msgtype}: {field} goes on behind a plain value'
        definitions = dict(cast(Any, store.fielddefs[kind[1]][1]))
        assert step.field in definitions, f'{kind[1]} has no field {step.field}'
        node, detail = definitions[step.field]
        if step.element is not None:
            assert node.name in ('SEQUENCE', 'ARRAY'), f'{kind[1]}: {step.field} is no array'
            node, detail = detail[0]
        kind = (node.name, detail[0] if node.name == 'BASE' else detail)
    assert kind[0] == 'BASE', f'{msgtype}: {field} ends at a message'
    return str(kind[1])


def test_every_file_is_the_layout_of_a_tool() -> None:
    assert {path.name for path in LAYOUTS.iterdir()} == set(FILES.values())
    assert set(PACKAGES) == set(FILES)


@pytest.mark.parametrize('tool', FILES)
def test_every_field_resolves_on_the_message_definitions(tool: str) -> None:
    fields = shown_fields(tool, text_of(tool))
    assert len(fields) >= 11, 'the walk has lost the fields'
    for topic, field in fields:
        assert topic in TOPIC_TYPES, f'{tool}: {topic}{field} is of no topic that the nodes publish'
        if field:
            kinds = NUMBERS | STATES if tool == FOXGLOVE else NUMBERS
            assert type_of(TOPIC_TYPES[topic], field) in kinds, f'{topic}: {field}'


def test_a_field_that_does_not_exist_is_found() -> None:
    text = text_of(FOXGLOVE).replace('.novelty', '.strangeness')
    (wrong,) = [field for field in shown_fields(FOXGLOVE, text) if 'strangeness' in field.field]
    with pytest.raises(AssertionError, match='SurfaceLabel has no field strangeness'):
        type_of(TOPIC_TYPES[wrong.topic], wrong.field)


@pytest.mark.parametrize('tool', FILES)
def test_each_layout_shows_currents_label_probabilities_novelty_confidence_and_diagnostics(tool: str) -> None:
    fields = set(shown_fields(tool, text_of(tool)))
    expected = {PlottedField(CURRENT_TOPIC, f'current[{motor}]') for motor in range(2)}
    expected |= {PlottedField(LABEL_TOPIC, f'probabilities[{index}]') for index in range(6)}
    expected |= {PlottedField(LABEL_TOPIC, name) for name in ('surface_id', 'novelty', 'confidence')}
    assert expected <= fields
    if tool == RQT:
        running = json.loads(text_of(RQT))['groups']['pluginmanager']['keys']['running-plugins']['repr']
        for plugin in ('rqt_plot/Plot', 'rqt_graph/RosGraph', 'rqt_robot_monitor/RobotMonitor'):
            assert plugin in running
    else:
        assert DIAGNOSTICS_TOPIC in {field.topic for field in fields}


def test_the_label_is_shown_as_states() -> None:
    panels = json.loads(text_of(FOXGLOVE))['configById']
    states = [
        path['value']
        for name, panel in panels.items()
        if name.startswith('StateTransitions!')
        for path in panel['paths']
    ]
    assert '/surface_label.surface_id' in states
    steps = text_of(PLOTJUGGLER).split('<plot mode="TimeSeries" style="Steps"')[1]
    assert '/surface_label/surface_id' in steps.split('</plot>')[0]


@pytest.mark.parametrize('tool', FILES)
def test_a_layout_without_changes_shows_the_same(tool: str) -> None:
    text = text_of(tool)
    same = adapted_layout(tool, text, '', None)
    assert shown_fields(tool, same) == shown_fields(tool, text)
    if tool != PLOTJUGGLER:
        assert json.loads(same) == json.loads(text)


@pytest.mark.parametrize('tool', FILES)
def test_namespace_and_classes_of_the_robot_are_put_in(tool: str) -> None:
    text = adapted_layout(tool, text_of(tool), 'fleet/robot1', 2)
    assert 'probabilities[1]' in text
    assert 'probabilities[2]' not in text
    assert '"/surface_label' not in text.replace("'", '"')
    assert '/fleet/robot1/motor_current' in text
    assert '/fleet/robot1/diagnostics' not in text, 'every node of a fleet reports on /diagnostics'


def test_plotjuggler_finds_the_diagnostics_of_this_computer() -> None:
    text = adapted_layout(PLOTJUGGLER, text_of(PLOTJUGGLER), 'robot1', None)
    assert f'"/diagnostics/{platform.node()}/robot1/classifier/level"' in text
    assert 'COMPUTER' not in text


@pytest.mark.parametrize(('text', 'tool'), [('false', None), ('true', RQT), ('rqt', RQT), ('plotjuggler', PLOTJUGGLER)])
def test_plot_names_a_tool(text: str, tool: str | None) -> None:
    assert plot_tool(text) == tool


def test_missing_packages_are_named_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    (index / 'plotjuggler').touch()
    with pytest.raises(
        SurfaceError, match=r'needs plotjuggler_ros, not installed.*sudo apt install ros-jazzy-plotjuggler-ros'
    ):
        check_installed(PLOTJUGGLER)
    (index / 'plotjuggler_ros').touch()
    check_installed(PLOTJUGGLER)


def test_a_layout_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    with pytest.raises(SurfaceError, match=r'rqt\.perspective is not installed'):
        layout_file(RQT)
    folder = tmp_path / 'share' / 'surface_classifier' / 'config' / 'layouts'
    folder.mkdir(parents=True)
    (folder / 'rqt.perspective').touch()
    assert layout_file(RQT) == folder / 'rqt.perspective'
