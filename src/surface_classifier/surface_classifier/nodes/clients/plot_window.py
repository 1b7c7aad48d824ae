# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The executable `surface_plot`: waits for the publishers of labels, then opens a plot tool on its layout.

rqt_plot looks up its topics once, 20 to 40 ms after it makes its node, which is before discovery. rqt therefore runs in
this process: its node joins the context whose discovery has found the publishers before.

rqt_robot_monitor takes whole arrays of diagnostics from `/diagnostics_agg`, where an aggregator may or may not run. The
node here gives it one from `/diagnostics`, on a topic of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.node.run_nodes import NodeExecutor
from surface_classifier.startup.node_processes import find_executable
from surface_classifier.startup.plot_layouts import (
    CURRENT_TOPIC,
    FILES,
    FOXGLOVE,
    LABEL_TOPIC,
    PLOTJUGGLER,
    RQT,
    adapted_layout,
    check_installed,
    layout_file,
)

WAIT_S = 30.0
LOOK_PERIOD_S = 0.1
RELAY_PERIOD_S = 1.0
DIAGNOSTICS_DEPTH = 100
# Name of the settings that rqt keeps for this window, apart from the user's own.
RQT_SETTINGS = 'surface_classifier_plot'


class PlotNode(Node):
    """Watches the graph, and gathers the diagnostics of all nodes into one array."""

    def __init__(self, name: str, namespace: str = '', context: rclpy.Context | None = None) -> None:
        """Subscribe to the diagnostics.

        Args:
            name: Name of the node.
            namespace: Namespace of the robot's nodes.
            context: Context of ROS; None: the default one.
        """
        super().__init__(name, namespace=namespace, context=context)
        self._statuses: dict[str, DiagnosticStatus] = {}
        qos = stream_qos(DIAGNOSTICS_DEPTH, reliable=True)
        self.create_subscription(
            DiagnosticArray, '/diagnostics', self._keep, stream_qos(DIAGNOSTICS_DEPTH, reliable=False)
        )
        self._gathered = self.create_publisher(DiagnosticArray, '~/diagnostics', qos)
        self.create_timer(RELAY_PERIOD_S, self._publish)

    def wait_for_publishers(self, topics: Sequence[str], timeout_s: float) -> list[str]:
        """Wait until topics have publishers; return those that have none.

        Args:
            topics: Names without a namespace.
            timeout_s: Longest time to wait [s].
        """
        names = {topic: self.resolve_topic_name(topic.lstrip('/')) for topic in topics}
        deadline_s = time.monotonic() + timeout_s
        while True:
            missing = [name for name in names.values() if not self.count_publishers(name)]
            if not missing or time.monotonic() >= deadline_s or not self.context.ok():
                return missing
            time.sleep(LOOK_PERIOD_S)

    def _keep(self, message: DiagnosticArray) -> None:
        self._statuses |= {status.name: status for status in message.status}

    def _publish(self) -> None:
        message = DiagnosticArray(status=list(self._statuses.values()))
        message.header.stamp = self.get_clock().now().to_msg()
        self._gathered.publish(message)


def write_layout(tool: str, namespace: str, classes: int | None) -> Path:
    """Write a tool's layout for a robot below ROS_HOME (`~/.ros`); return its path.

    Args:
        tool: The tool.
        namespace: Namespace of the robot's nodes.
        classes: Classes of the model; None: as in the layout.

    Raises:
        SurfaceError: The layout is not installed.
    """
    text = adapted_layout(tool, layout_file(tool).read_text(encoding='utf-8'), namespace, classes)
    home = Path(os.environ.get('ROS_HOME') or Path.home() / '.ros')
    folder = home / 'surface_classifier' / '_'.join(filter(None, ['layouts', *namespace.split('/')]))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILES[tool]
    path.write_text(text, encoding='utf-8')
    return path


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments behind the program's name, without those of ROS."""
    parser = argparse.ArgumentParser(prog='surface_plot', description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('tool', choices=[RQT, PLOTJUGGLER, FOXGLOVE])
    parser.add_argument('--namespace', default='', help="namespace of the robot's nodes")
    parser.add_argument('--classes', type=int, help='classes of the model; default: as in the layout')
    parser.add_argument('--currents', action='store_true', help=f'wait for {CURRENT_TOPIC} as well')
    parser.add_argument('--wait', type=float, default=WAIT_S, metavar='SECONDS', help='default %(default)g')
    return parser.parse_args(arguments)


def open_plot(arguments: argparse.Namespace, node: PlotNode) -> int:
    """Wait for the labels, then run the tool; return its exit status.

    Raises:
        SurfaceError: No node publishes labels, or the tool is not installed.
    """
    topics = [LABEL_TOPIC, CURRENT_TOPIC] if arguments.currents else [LABEL_TOPIC]
    missing = node.wait_for_publishers(topics, arguments.wait)
    if not node.context.ok():
        return 0
    if missing:
        where = f'the namespace {arguments.namespace or "/"} and the domain {os.environ.get("ROS_DOMAIN_ID", "0")}'
        raise SurfaceError(
            f'{" and ".join(missing)} had no publisher for {arguments.wait:g} s: do classifier and driver run, '
            f'in {where}?'
        )
    layout = write_layout(arguments.tool, arguments.namespace, arguments.classes)
    node.get_logger().info(f'opening {arguments.tool} with {layout}')
    if arguments.tool == RQT:
        return run_rqt(layout)
    return become(arguments.tool, layout, node)


def become(tool: str, layout: Path, node: PlotNode) -> NoReturn:
    """Replace this process by a tool that is no Python program.

    Raises:
        SurfaceError: Its executable is missing.
    """
    if tool == PLOTJUGGLER:
        command = [str(find_executable('plotjuggler', 'plotjuggler')), '--nosplash', '--layout', str(layout)]
    else:
        command = [str(find_executable('foxglove_bridge', 'foxglove_bridge'))]
        node.get_logger().info(
            'in Foxglove or Lichtblick open the connection ws://localhost:8765 and import that layout; the bridge '
            'listens on every network interface'
        )
    sys.stdout.flush()
    os.execv(command[0], command)


def run_rqt(layout: Path) -> int:
    """Run rqt in this process on a perspective; return its exit status."""
    from rqt_gui.main import Main

    return int(Main(settings_filename=RQT_SETTINGS).main(argv=['rqt', '--perspective-file', str(layout)]) or 0)


def _spin(executor: NodeExecutor) -> None:
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()


def main() -> int:
    """Run `surface_plot`; return its exit status: 0 closed, 1 no publisher, 2 wrong usage."""
    arguments = parse_arguments(remove_ros_args(sys.argv)[1:])
    name = f'surface_plot_{os.getpid()}'
    prefix = ''.join(f'/{part}' for part in arguments.namespace.split('/') if part)
    try:
        check_installed(arguments.tool)
        rclpy.init(args=[*sys.argv, '--ros-args', '-r', f'/diagnostics_agg:={prefix}/{name}/diagnostics'])
        node = PlotNode(name, arguments.namespace)
        executor = NodeExecutor()
        executor.add_node(node)
        threading.Thread(target=_spin, args=(executor,), daemon=True).start()
        return open_plot(arguments, node)
    except SurfaceError as error:
        print(f'surface_plot: error: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
