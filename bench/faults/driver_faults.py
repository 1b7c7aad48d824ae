# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how soon a dead driver is reported, and that nothing stale is labelled after it.

A simulated robot sends 10 messages a second to a preprocessor and a classifier, each a process of its own. The driver
is killed, or stopped and continued, or never started. Measured are the time to the report of either node, the labels
that come after the fault is reported, how late the labels are after a stopped driver goes on, and the time from the
first message of a new driver to the first label. An untrained model will do for `--model`.

Example:
    tools/run_in_environment python bench/faults/driver_faults.py --model MODEL --kills 20 --stops 5 --absences 5
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from diagnostic_msgs.msg import DiagnosticArray
from node_benchmark import run_benchmark
from rich.console import Console
from rich.table import Table

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.testing.ros_graph import Graph
from surface_classifier.model.contract import load_contract
from surface_classifier.startup.node_processes import NodeProcesses, free_domain_id
from surface_msgs.msg import MotorCurrent, SurfaceLabel

NODES = ('preprocessor', 'classifier')
TIMEOUT_S = 60.0
RUN_S = 6.0
HELD_UP_S = 5.0
SILENT = 'nothing was '


class _Watch:
    """What the nodes publish, with the time it came [s of the monotonic clock]."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.reports: list[tuple[float, str, str]] = []
        self.labels: list[tuple[float, float]] = []  # when it came, and its age [s]
        self.messages_s: list[float] = []
        node = graph.watcher
        node.create_subscription(DiagnosticArray, '/diagnostics', self._hear, 100)
        node.create_subscription(SurfaceLabel, 'surface_label', self._take_label, stream_qos(100, reliable=True))
        node.create_subscription(
            MotorCurrent,
            'motor_current',
            lambda _: self.messages_s.append(time.monotonic()),
            stream_qos(1000, reliable=True),
        )

    def _hear(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.reports.append((time.monotonic(), status.name, status.message))

    def _take_label(self, label: SurfaceLabel) -> None:
        stamp_s = label.header.stamp.sec + label.header.stamp.nanosec * 1e-9
        self.labels.append((time.monotonic(), time.time() - stamp_s))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            self.graph.wait_for(condition, what, TIMEOUT_S)
        except AssertionError as error:
            raise SurfaceError(str(error)) from error

    def reported_s(self, node: str, since_s: float) -> float:
        """Wait for a node's report of silence after a time, and return how long it took [s]."""

        def first() -> float | None:
            found = [at_s for at_s, name, text in self.reports if name == node and at_s > since_s and SILENT in text]
            return found[0] if found else None

        self.wait(lambda: first() is not None, f'the report of the {node}')
        at_s = first()
        assert at_s is not None
        return at_s - since_s

    def pause(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end_s, 'a pause')


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', type=Path, required=True, help='model for the windows of the simulated robot')
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--stops', type=int, default=5)
    parser.add_argument('--absences', type=int, default=5)
    parser.add_argument('--json', type=Path, help='write the result here')
    return run_benchmark('driver_faults', parser.parse_args(), _run, _print)[0]


def _run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    load_contract(args.model)  # a model that cannot be used would be reported in place of the silence
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    result: dict[str, Any] = {'kills': [], 'stops': [], 'absences': []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.absences):
            result['absences'].append(_absence(args.model, Path(folder)))
        graph = Graph(int(os.environ['ROS_DOMAIN_ID']))
        try:
            watch = _Watch(graph)
            with _chain(args.model, Path(folder)) as nodes:
                for number in range(args.kills):
                    result['kills'].append(_kill(watch, nodes))
                    console.print(f'kill {number + 1}: {result["kills"][-1]}')
                for number in range(args.stops):
                    result['stops'].append(_stop(watch, nodes))
                    console.print(f'stop {number + 1}: {result["stops"][-1]}')
        finally:
            graph.close()
    return result


@contextmanager
def _chain(model: Path, folder: Path) -> Iterator[NodeProcesses]:
    """Run a preprocessor and a classifier."""
    with NodeProcesses(folder / 'log', os.environ) as nodes:
        nodes.start('surface_classifier', 'preprocessor_node', {'model': str(model)})
        nodes.start('surface_classifier', 'classifier_node', {'model': str(model)})
        yield nodes


def _start_driver(watch: _Watch, nodes: NodeProcesses) -> tuple[Any, float]:
    """Start a driver and return it with the time from its first message to the first label [s]."""
    labels, messages = len(watch.labels), len(watch.messages_s)
    driver = nodes.start('current_driver', 'current_driver_node', {'block_samples': 10})
    watch.wait(lambda: len(watch.labels) > labels, 'the first label')
    first_label_s = watch.labels[labels][0] - watch.messages_s[messages]
    watch.pause(RUN_S)
    return driver, first_label_s


def _kill(watch: _Watch, nodes: NodeProcesses) -> dict[str, float]:
    driver, first_label_s = _start_driver(watch, nodes)
    driver.process.send_signal(signal.SIGKILL)
    driver.process.wait()
    killed_s = time.monotonic()
    found = {node: watch.reported_s(node, killed_s) for node in NODES}
    labels = len(watch.labels)
    watch.pause(1.0)
    return {**found, 'first label': first_label_s, 'labels after the report': len(watch.labels) - labels}


def _stop(watch: _Watch, nodes: NodeProcesses) -> dict[str, float]:
    driver, _ = _start_driver(watch, nodes)
    driver.process.send_signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    found = {node: watch.reported_s(node, stopped_s) for node in NODES}
    watch.pause(HELD_UP_S)
    labels = len(watch.labels)
    # The simulator's stamps begin when its node is made, which is a constant age.
    usual_s = statistics.median(age_s for _, age_s in watch.labels[-10:])
    driver.process.send_signal(signal.SIGCONT)
    watch.pause(3.0)
    late_s = [age_s - usual_s for _, age_s in watch.labels[labels:]]
    driver.process.send_signal(signal.SIGKILL)
    driver.process.wait()
    watch.pause(2.0)
    return {**found, 'latest label': max(late_s, default=0.0)}


def _absence(model: Path, folder: Path) -> dict[str, float]:
    graph = Graph(int(os.environ['ROS_DOMAIN_ID']))
    try:
        watch = _Watch(graph)
        with _chain(model, folder):
            # From the first sign of life: the start of the interpreter is not the node's.
            watch.wait(lambda: {name for _, name, _ in watch.reports} >= set(NODES), 'both nodes')
            first_s = {node: min(at_s for at_s, name, _ in watch.reports if name == node) for node in NODES}
            return {node: watch.reported_s(node, first_s[node] - 1e-6) for node in NODES}
    finally:
        graph.close()


def _print(result: dict[str, Any], console: Console) -> None:
    table = Table('fault', 'measured [s]', 'times', 'median', 'maximum')
    for fault, rows in result.items():
        for key in rows[0] if rows else ():
            values = [row[key] for row in rows]
            table.add_row(fault, key, str(len(values)), f'{statistics.median(values):.2f}', f'{max(values):.2f}')
    console.print(table)


if __name__ == '__main__':
    sys.exit(main())
