# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph inside a test: nodes under test beside one that watches them, in a domain of the test's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from current_driver.node.base_node import MonitoredNode
from current_driver.node.qos import stream_qos
from surface_msgs.msg import StreamProgress

DEADLINE_S = 20.0

NodeType = TypeVar('NodeType', bound=MonitoredNode)


class Collected(list[Any]):
    """Messages of one topic, in the order they came."""

    def __init__(self, graph: Graph) -> None:
        """Collect for a graph, whose `changed` is notified of each message."""
        super().__init__()
        self._graph = graph

    def wait_for(self, count: int, deadline_s: float = DEADLINE_S) -> list[Any]:
        """Wait for so many messages, and return them all."""
        self._graph.wait_for(lambda: len(self) >= count, f'{count} messages, there are {len(self)}', deadline_s)
        return list(self)


class Graph:
    """Nodes of a test and the thread that runs their callbacks."""

    def __init__(self, domain_id: int) -> None:
        """Start the executor's thread.

        Args:
            domain_id: ROS domain of the nodes.
        """
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id, args=[])
        self.executor = SingleThreadedExecutor(context=self.context)
        self.changed = threading.Condition()
        self._nodes: list[Node] = []
        self.watcher = self.add(Node('watcher', context=self.context))
        self.diagnostics: list[DiagnosticStatus] = []
        self.watcher.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, 100)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def add(self, node: Any) -> Any:
        """Run a node's callbacks."""
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def start(self, node_type: type[NodeType], parameters: Mapping[str, Any] | None = None, **options: Any) -> NodeType:
        """Make a node of the product with parameters and run it."""
        overrides = [Parameter(name, value=value) for name, value in (parameters or {}).items()]
        node: NodeType = self.add(node_type(context=self.context, parameter_overrides=overrides, **options))
        return node

    def collect(self, message_type: Any, topic: str, *, depth: int = 5000, latched: bool = False) -> Collected:
        """Collect every message of a topic, reliably."""
        messages = Collected(self)

        def take(message: Any) -> None:
            with self.changed:
                messages.append(message)
                self.changed.notify_all()

        qos = stream_qos(depth, reliable=True, latched=latched)
        self.watcher.create_subscription(message_type, topic, take, qos)
        return messages

    def publisher(self, message_type: Any, topic: str, subscribers: int = 1, **qos: Any) -> Any:
        """Make a publisher, and wait until it is found."""
        publisher = self.watcher.create_publisher(
            message_type, topic, stream_qos(qos.get('depth', 1000), reliable=qos.get('reliable', True))
        )
        self.wait_for(lambda: publisher.get_subscription_count() >= subscribers, f'a subscription to {topic}')
        return publisher

    def call(self, service_type: Any, name: str, request: Any) -> Any:
        """Call a service and return its answer."""
        client = self.watcher.create_client(service_type, name)
        self.wait_for(client.service_is_ready, f'service {name}')
        return self.result(client.call_async(request))

    def result(self, future: Any, deadline_s: float = DEADLINE_S) -> Any:
        """Wait for a future and return its result."""
        self.wait_for(future.done, 'an answer', deadline_s)
        return future.result()

    def wait_for_publishers(self, *topics: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until each of the topics has a publisher."""
        for topic in topics:
            self.wait_for(lambda topic=topic: self.watcher.count_publishers(topic) > 0, topic, deadline_s)  # type: ignore[misc]

    def wait_for(self, condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until a condition holds, looked at whenever a message comes and 50 times a second.

        Raises:
            AssertionError: It did not within the deadline.
        """
        end_s = time.monotonic() + deadline_s
        with self.changed:
            while not condition():
                left_s = end_s - time.monotonic()
                assert left_s > 0, f'waited {deadline_s:g} s in vain for {what}'
                self.changed.wait(min(left_s, 0.02))

    def status(self, node: str, condition: Callable[[DiagnosticStatus], bool], what: str) -> DiagnosticStatus:
        """Wait until a node reports a health that meets a condition, and return it."""
        found: list[DiagnosticStatus] = []

        def look() -> bool:
            found[:] = [status for status in self.diagnostics if status.name == node and condition(status)][-1:]
            return bool(found)

        self.wait_for(look, f'{node} to report {what}; it reports {self.diagnostics[-1:]}')
        return found[0]

    def close(self) -> None:
        """End the nodes and the thread."""
        try:
            for node in self._nodes:
                if isinstance(node, MonitoredNode):
                    node.close()
        finally:
            self.context.try_shutdown()
            self._thread.join()
            for node in self._nodes:
                node.destroy_node()

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        with self.changed:
            self.diagnostics.extend(message.status)
            self.changed.notify_all()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            pass
        except Exception:
            # `close` may shut the context down while the executor is about to wait.
            if self.context.ok():
                raise


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    """Return the values of a health report."""
    return {item.key: item.value for item in status.values}


def level_of(status: DiagnosticStatus) -> int:
    """Return the level of a health report."""
    return int.from_bytes(status.level, 'little')


class LosslessReader:
    """Reads a topic without loss: reports its progress to the sender."""

    def __init__(self, graph: Graph, message_type: Any, topic: str) -> None:
        """Subscribe to a topic, and report progress on it."""
        self.messages: list[Any] = []
        self._graph = graph
        self._state = StreamProgress(reader='/test')
        self._progress = graph.watcher.create_publisher(
            StreamProgress, f'{topic}/progress', stream_qos(10, reliable=True)
        )
        graph.watcher.create_subscription(message_type, topic, self._take, stream_qos(100, reliable=True))

    def start(self, deadline_s: float = DEADLINE_S) -> None:
        """Report once, when the sender is there."""
        self._graph.wait_for(lambda: self._progress.get_subscription_count() > 0, 'the sender', deadline_s)
        self._progress.publish(self._state)

    def _take(self, message: Any) -> None:
        self.messages.append(message)
        self._state.received += 1
        self._state.done += 1
        self._progress.publish(self._state)


@contextmanager
def open_graph(domain_id: int) -> Iterator[Graph]:
    """Open a graph for a `with` statement."""
    graph = Graph(domain_id)
    try:
        yield graph
    finally:
        graph.close()
