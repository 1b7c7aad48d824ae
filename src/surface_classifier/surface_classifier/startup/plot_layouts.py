# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Layouts of the plot tools: which fields each shows, and a copy for a robot's namespace and classes.

The files in `config/layouts/` name the topics without a namespace, two motors and six classes. They can be opened as
they are; `surface_plot` opens a copy in which the names of the running robot stand.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from current_driver.errors import SurfaceError

RQT, PLOTJUGGLER, FOXGLOVE = 'rqt', 'plotjuggler', 'foxglove'
FILES = {RQT: 'rqt.perspective', PLOTJUGGLER: 'plotjuggler.xml', FOXGLOVE: 'foxglove.json'}
# ROS packages that each tool, with its layout, is made of.
PACKAGES = {
    RQT: ('rqt_gui', 'rqt_gui_py', 'rqt_plot', 'rqt_graph', 'rqt_robot_monitor'),
    PLOTJUGGLER: ('plotjuggler', 'plotjuggler_ros'),
    FOXGLOVE: ('foxglove_bridge',),
}
LABEL_TOPIC = '/surface_label'
CURRENT_TOPIC = '/motor_current'
DIAGNOSTICS_TOPIC = '/diagnostics'
TOPIC_TYPES = {
    CURRENT_TOPIC: 'surface_msgs/msg/MotorCurrent',
    LABEL_TOPIC: 'surface_msgs/msg/SurfaceLabel',
    DIAGNOSTICS_TOPIC: 'diagnostic_msgs/msg/DiagnosticArray',
}
# Stands in PlotJuggler's layout for the name of the computer, which is the `hardware_id` of diagnostics.
COMPUTER = 'COMPUTER'

_PROBABILITY = re.compile(r'\bprobabilities\[(\d+)\]')


class PlottedField(NamedTuple):
    """A field that a layout shows.

    Attributes:
        topic: Topic without a namespace.
        field: Path of the field in its message; empty: the whole message.
    """

    topic: str
    field: str


def plot_tool(text: str) -> str | None:
    """Return the tool that the launch argument `plot` names; None: no plot."""
    return {'false': None, 'true': RQT}.get(text, text)


def check_installed(tool: str) -> None:
    """Check that a tool's ROS packages are there.

    Raises:
        SurfaceError: Some are not; the sentence holds the command that installs them.
    """
    prefixes = [Path(prefix) for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if prefix]
    index = Path('share', 'ament_index', 'resource_index', 'packages')
    missing = [name for name in PACKAGES[tool] if not any((prefix / index / name).exists() for prefix in prefixes)]
    if missing:
        distribution = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
        debian = ' '.join(f'ros-{distribution}-{name.replace("_", "-")}' for name in missing)
        raise SurfaceError(
            f'plot:={tool} needs {", ".join(missing)}, not installed here: sudo apt install {debian}, '
            'or leave plot:= out'
        )


def layout_file(tool: str) -> Path:
    """Return the layout of a tool where this package is installed.

    Raises:
        SurfaceError: The installation lacks it.
    """
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix, 'share', 'surface_classifier', 'config', 'layouts', FILES[tool])
        if prefix and path.is_file():
            return path
    raise SurfaceError(f'{FILES[tool]} is not installed; build the workspace and source install/setup.bash')


def shown_fields(tool: str, text: str) -> list[PlottedField]:
    """Return what a layout shows.

    Args:
        tool: The tool that it is for.
        text: Content of the layout.
    """
    found: list[PlottedField] = []

    def keep(name: str) -> str:
        found.append(_parsed(tool, name))
        return name

    _map_names(tool, text, keep)
    return found


def adapted_layout(tool: str, text: str, namespace: str, classes: int | None) -> str:
    """Return a layout for a robot's namespace, classes and computer.

    Args:
        tool: The tool that it is for.
        text: Content of the layout.
        namespace: Namespace of the nodes; empty: none.
        classes: Classes of the model; None: as in the layout.
    """
    prefix = ''.join(f'/{part}' for part in namespace.split('/') if part)

    def adapt(name: str) -> str | None:
        index = _PROBABILITY.search(name)
        if index and classes is not None and int(index.group(1)) >= classes:
            return None
        if name.startswith(DIAGNOSTICS_TOPIC):
            # Statuses are named after their nodes.
            return name.replace(f'/{COMPUTER}/', f'/{platform.node()}{prefix}/')
        return prefix + name

    return _map_names(tool, text, adapt)


def _parsed(tool: str, name: str) -> PlottedField:
    topic = next((topic for topic in TOPIC_TYPES if re.match(rf'{topic}(?![\w])', name)), '')
    rest = name[len(topic) + 1 :]
    if tool == PLOTJUGGLER and topic == DIAGNOSTICS_TOPIC and rest:
        # Computer, status and field: PlotJuggler takes arrays of diagnostics apart by the names in them.
        return PlottedField(topic, f'status[0].{rest.rpartition("/")[2]}')
    return PlottedField(topic, rest.replace('/', '.'))


def _map_names(tool: str, text: str, change: Callable[[str], str | None]) -> str:
    """Return a layout in which every name of a topic or field is changed; None leaves its curve out."""
    if tool == PLOTJUGGLER:
        return _map_xml(text, change)
    content = json.loads(text)
    if tool == RQT:
        for keys in _settings(content):
            names = ast.literal_eval(keys['topics']['repr'])
            keys['topics']['repr'] = repr([new for name in names if (new := change(name)) is not None])
    else:
        for panel in content['configById'].values():
            if 'topicToRender' in panel:
                panel['topicToRender'] = change(panel['topicToRender'])
            paths = [(path, change(path['value'])) for path in panel.get('paths', [])]
            if paths:
                panel['paths'] = [path | {'value': value} for path, value in paths if value is not None]
    return json.dumps(content, indent=2) + '\n'


def _settings(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the settings of an rqt perspective that list topics, however deep."""
    if 'topics' in group.get('keys', {}):
        yield group['keys']
    for inner in group.get('groups', {}).values():
        yield from _settings(inner)


def _map_xml(text: str, change: Callable[[str], str | None]) -> str:
    root = ElementTree.fromstring(text)
    for plot in root.iter('plot'):
        for curve in plot.findall('curve'):
            name = change(curve.attrib['name'])
            if name is None:
                plot.remove(curve)
            else:
                curve.set('name', name)
    for topics in root.iter('selected_topics'):
        names = [change(name) for name in topics.attrib['value'].split(';')]
        topics.set('value', ';'.join(name for name in names if name is not None))
    return ElementTree.tostring(root, encoding='unicode', xml_declaration=True) + '\n'
