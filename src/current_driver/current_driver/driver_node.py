# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The driver node: publishes what a current source delivers, at its pace or as fast as its readers follow.

It is the only file of this package that imports ROS, so what every node of the project shares is kept here as well:
`MonitoredNode` (parameters from a table, health on `/diagnostics`, callbacks that survive their faults) and `run`.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading
import time
import traceback
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, ParamSpec

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.exceptions import InvalidParameterValueException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock as ClockMessage

from current_driver.driver_parameters import DRIVER_PARAMETERS, describe_source, make_source
from current_driver.errors import SurfaceError
from current_driver.messages import StampedMessage, to_time
from current_driver.node.health import DriverState, FaultLog, Health, driver_health
from current_driver.node.node_parameters import NodeParameter, check_all
from current_driver.node.pacing import FlowWindow, Pacer
from current_driver.node.ros_types import ros_message_class
from current_driver.source import CurrentSource
from surface_msgs.msg import StreamProgress

_Arguments = ParamSpec('_Arguments')

HEALTH_PERIOD_S = 1.0
GRAPH_CHECK_PERIOD_S = 1.0
# Four seconds at 1,000 messages a second: so long may a reader that wants every message be held up.
STREAM_DEPTH = 4096
EMPTY_PAUSE_S = 0.001
SUBSCRIPTION_CHECK_S = 0.05
LAST_MESSAGE_TIMEOUT_S = 2.0
# Python lets a computing thread keep the interpreter for 5 ms, which a sample in another thread's hands would wait.
THREAD_SWITCH_INTERVAL_S = 0.0005

WAITING = 'waiting for readers'
PUBLISHING = 'publishing'
ENDED = 'ended'


def stream_qos(depth: int, *, reliable: bool, latched: bool = False) -> QoSProfile:
    """Return the quality of service of a data stream: keep the last messages, reliable or best effort.

    Args:
        depth: Messages kept for a slow reader.
        reliable: Lost messages are sent again. A reliable publisher serves best-effort subscriptions as well, a
            reliable subscription takes nothing from a best-effort publisher.
        latched: A late subscriber gets the last messages (transient local).
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def qos_overrides() -> QoSOverridingOptions:
    """Let the reliability, depth and history of a topic be set by parameters."""
    return QoSOverridingOptions.with_default_policies()


class MonitoredNode(Node):
    """A node with parameters from a table, health on `/diagnostics`, and callbacks whose faults do not end it.

    Attributes:
        values: Checked value of every parameter of the table by name.
        steady_clock: Clock for watchdogs: it neither jumps nor follows simulated time.
        exit_code: Status the process ends with.
    """

    def __init__(self, name: str, table: Sequence[NodeParameter], **options: Any) -> None:
        """Declare and check the parameters, and publish the health from now on.

        Args:
            name: Name of the node, if not remapped.
            table: Its parameters.
            options: Passed on to `rclpy.node.Node`.

        Raises:
            SurfaceError: A parameter's value is refused.
        """
        super().__init__(name, **options)
        self.exit_code = 0
        try:
            self.values = self._declare(table)
        except SurfaceError:
            self.destroy_node()
            raise
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._started_s = time.monotonic()
        self._faults = FaultLog()
        self._told: Health | None = None
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(HEALTH_PERIOD_S, self.guarded(self.publish_health), clock=self.steady_clock)

    @property
    def uptime_s(self) -> float:
        """Time since the node was made [s]."""
        return time.monotonic() - self._started_s

    @abstractmethod
    def health(self) -> Health:
        """Return the present state; called from the executor's thread once a second."""

    def close(self) -> None:
        """End the node's threads; called once, after the last callback."""

    def guarded(self, callback: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
        """Wrap a callback so that an exception in it is told on `/diagnostics` instead of ending the node."""

        @functools.wraps(callback)
        def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:  # a node must outlive whatever one message does to it
                self.report_fault(error)

        return run

    def report_fault(self, error: Exception) -> None:
        """Put a fault on `/diagnostics`, and into the log when it is a new one."""
        if not self.context.ok():
            return  # what fails after the shutdown fails because of it
        expected = isinstance(error, SurfaceError)
        text = str(error) if expected else f'{type(error).__name__}: {error}'
        if self._faults.add(text, time.monotonic()):
            self.get_logger().error(text if expected else ''.join(traceback.format_exception(error)))

    def publish_health(self) -> None:
        """Publish the health on `/diagnostics`; a change of state is also logged."""
        health = self._faults.merge(self.health(), time.monotonic())
        if self._told is None or (health.level, health.text) != (self._told.level, self._told.text):
            # rclpy lets one line of code log at one severity only.
            if health.level > 0:
                self.get_logger().warning(health.text)
            else:
                self.get_logger().info(health.text)
            self._told = health
        status = DiagnosticStatus(
            level=bytes([health.level]),
            name=self.get_fully_qualified_name().lstrip('/'),
            message=health.text,
            hardware_id='',
            values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _declare(self, table: Sequence[NodeParameter]) -> dict[str, Any]:
        given = {}
        for parameter in table:
            # Types are checked by the table, which takes 1 for 1.0 and says what would be right.
            descriptor = ParameterDescriptor(
                description=parameter.description + (f' [{parameter.unit}]' if parameter.unit else ''),
                additional_constraints='one of: ' + ', '.join(parameter.choices) if parameter.choices else '',
                read_only=True,
                dynamic_typing=True,
            )
            _describe_range(descriptor, parameter)
            default = list(parameter.default) or [''] if isinstance(parameter.default, tuple) else parameter.default
            try:
                given[parameter.name] = self.declare_parameter(parameter.name, default, descriptor).value
            except InvalidParameterValueException as error:
                raise SurfaceError(str(error)) from error
        return check_all(table, given)


def _describe_range(descriptor: ParameterDescriptor, parameter: NodeParameter) -> None:
    """Put a closed range into a descriptor, for tools that show it."""
    if parameter.minimum is None or parameter.maximum is None:
        return
    if isinstance(parameter.default, float):
        span = FloatingPointRange(from_value=float(parameter.minimum), to_value=float(parameter.maximum))
        descriptor.floating_point_range = [span]
    else:
        descriptor.integer_range = [
            IntegerRange(from_value=int(parameter.minimum), to_value=int(parameter.maximum), step=1)
        ]


class NodeExecutor(SingleThreadedExecutor):
    """An executor that a shutdown may interrupt while it is being made."""

    # rclpy's `__del__` reads it even when `__init__` has not come so far, and prints a traceback without it.
    _sigint_gc = None


def run(make_nodes: Callable[[], Sequence[MonitoredNode]], args: Sequence[str] | None = None) -> int:
    """Run nodes in this process until Ctrl-C, a stop request, or the end of their work.

    Args:
        make_nodes: Makes the nodes; called after ROS is up.
        args: Command line, None for this process's own.

    Returns:
        Exit status: 0, 2 for bad parameters, or what a node asks for.
    """
    # rclpy's own handlers, installed next, shut ROS down and then call these.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    sys.setswitchinterval(THREAD_SWITCH_INTERVAL_S)
    rclpy.init(args=None if args is None else list(args))
    nodes: Sequence[MonitoredNode] = ()
    exit_code = 0
    try:
        nodes = make_nodes()
        executor = NodeExecutor()
        for node in nodes:
            executor.add_node(node)
        executor.spin()
    except ExternalShutdownException:
        pass
    except SurfaceError as error:
        print(f'{sys.argv[0].rsplit("/", 1)[-1]}: error: {error}', file=sys.stderr)
        exit_code = 2
    except Exception:
        if rclpy.ok():
            raise
        # A shutdown in the middle of work: what was being waited for or published is gone.
    finally:
        for node in nodes:
            node.close()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
        # Ctrl-C reaches a process from the terminal and again from `ros2 launch`; the second must not kill the
        # interpreter while it ends.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    return max([exit_code, *(node.exit_code for node in nodes)])


def progress_topic(resolved_topic: str) -> str:
    """Return the topic on which readers of a topic (fully qualified) tell how far they have come."""
    return f'{resolved_topic}/progress'


class FlowControl:
    """Keeps a node's publishers no further ahead of their readers than they can follow; used by one thread at a time.

    Readers report on `TOPIC/progress` (`surface_msgs/msg/StreamProgress`). Topics that nobody reports on are not held
    back. One that a reader has named in a report on another topic waits for its report there: the publisher may not
    have found its subscription before. A reader that is silent for 5 s and whose publisher of reports has left the
    graph is no longer waited for, as long as another one is there.
    """

    def __init__(self, node: MonitoredNode, in_flight: int, readers: int, on_progress: Callable[[], None]) -> None:
        """Set the limits.

        Args:
            node: The publishing node.
            in_flight: Messages of one topic that may be sent and not yet worked off.
            readers: Readers, of any of the topics, to wait for before the first message.
            on_progress: Called in the executor's thread after each report.
        """
        self.readers_expected = readers
        self._node = node
        self._in_flight = in_flight
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._windows: dict[str, FlowWindow] = {}
        self._publishers: dict[str, Publisher] = {}
        # Topics (fully qualified) that each reader has said it reads.
        self._announced: dict[str, frozenset[str]] = {}
        self._begun = False
        self._gone: set[str] = set()
        node.create_timer(GRAPH_CHECK_PERIOD_S, node.guarded(self._forget_gone), clock=node.steady_clock)

    def add(self, topic: str, publisher: Publisher) -> None:
        """Hold back a topic.

        Args:
            topic: Name of the topic.
            publisher: Its publisher, reliable and at least `in_flight` messages deep.
        """
        self._windows[topic] = FlowWindow(self._in_flight, readers=0)
        self._publishers[topic] = publisher
        self._node.create_subscription(
            StreamProgress,
            progress_topic(publisher.topic_name),
            self._node.guarded(functools.partial(self._take_progress, topic)),
            stream_qos(100, reliable=True),
        )

    def may_send(self, topic: str) -> bool:
        """Return whether one more message of a topic may be published now."""
        with self._lock:
            window = self._windows[topic]
            heard = window.readers()
            # A reader may be heard a moment before the publisher has found its subscription.
            found = self._publishers[topic].get_subscription_count() >= len(heard)
            return found and window.may_send and self._has_readers() and not self._awaited(topic, heard)

    def count_sent(self, topic: str) -> None:
        """Count a message that was published."""
        with self._lock:
            self._begun = True
            self._windows[topic].on_sent()

    def done(self, topic: str) -> int:
        """Return how many of a topic's messages all its readers have worked off."""
        with self._lock:
            return self._windows[topic].sent - self._windows[topic].unacknowledged

    def all_done(self) -> bool:
        """Return whether everything that was sent is worked off."""
        with self._lock:
            return not any(window.unacknowledged for window in self._windows.values())

    @property
    def ready(self) -> bool:
        """Whether as many readers as expected have been heard."""
        with self._lock:
            return self._has_readers()

    def readers(self) -> tuple[str, ...]:
        """Return the readers heard so far, over all topics."""
        with self._lock:
            return tuple(sorted(self._readers()))

    def silent(self) -> tuple[str, ...]:
        """Return the readers that messages wait for and that have not been heard for too long."""
        now_s = time.monotonic()
        with self._lock:
            return tuple(sorted({name for window in self._windows.values() for name in window.silent(now_s)}))

    def gone(self) -> tuple[str, ...]:
        """Return the readers that have left since the first message and have not come back."""
        with self._lock:
            return tuple(sorted(self._gone)) if self._begun else ()

    def _awaited(self, topic: str, heard: Collection[str]) -> bool:
        """Whether a reader that has named a topic is still to be heard on it."""
        name = self._publishers[topic].topic_name
        return any(name in topics and reader not in heard for reader, topics in self._announced.items())

    def _has_readers(self) -> bool:
        """Whether as many readers are there as are waited for: all to begin with, then those that have not left."""
        needed = self.readers_expected
        if self._begun and self._gone:
            needed = max(min(needed, 1), needed - len(self._gone))
        return len(self._readers()) >= needed

    def _forget_gone(self) -> None:
        # The graph is asked without the lock, which the publishing thread needs.
        present = {topic: self._reporters(publisher.topic_name) for topic, publisher in self._publishers.items()}
        now_s = time.monotonic()
        gone: set[str] = set()
        with self._lock:
            for topic, names in present.items():
                window = self._windows[topic]
                # A reader that reports under another name than its node's is there as long as none is missing.
                if len(names) < len(window.readers()):
                    gone.update(window.forget_gone(names, now_s))
            self._gone |= gone - self._readers()
            for reader in self._gone:
                self._announced.pop(reader, None)
        if gone:
            self._on_progress()

    def _reporters(self, resolved_topic: str) -> list[str]:
        """Return the fully qualified name of the node of each publisher of reports on a topic."""
        return [
            f'{info.node_namespace.rstrip("/")}/{info.node_name}'
            for info in self._node.get_publishers_info_by_topic(progress_topic(resolved_topic))
        ]

    def _readers(self) -> set[str]:
        return {name for window in self._windows.values() for name in window.readers()}

    def _take_progress(self, topic: str, message: StreamProgress) -> None:
        with self._lock:
            self._windows[topic].on_progress(message.reader, message.done, time.monotonic())
            self._announced[message.reader] = frozenset(message.topics)
            self._gone.discard(message.reader)
        self._on_progress()


class CurrentDriverNode(MonitoredNode):
    """Publishes what a source delivers, from a thread of its own.

    Attributes:
        local_topics: Topics (fully qualified) that the source delivers; other nodes of this process can take them from
            `hand_over` instead of a subscription.
    """

    def __init__(self, **options: Any) -> None:
        """Open the source and announce its topics; nothing is published before `start`.

        Args:
            options: Passed on to `rclpy.node.Node`.
        """
        super().__init__('current_driver', DRIVER_PARAMETERS, **options)
        self._fault = ''
        self._stage = 'starting'
        self._skipped: list[str] = []
        self._messages = 0
        self._stamp_ns = 0
        self._source: CurrentSource | None = None
        self._streams: dict[str, Publisher] = {}
        self._takers: dict[str, tuple[type[Any], Callable[[Any], None]]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._before_exit: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name='source', daemon=True)
        self._pacer = Pacer(self.values['rate'])
        self._flow: FlowControl | None = None
        if self.values['rate'] == 0.0 or self.values['lossless']:
            self._flow = FlowControl(self, self.values['in_flight'], self.values['readers'], self._wake)
        self._clock_out: Publisher | None = None
        if self.values['publish_clock']:
            self._clock_out = self.create_publisher(ClockMessage, '/clock', stream_qos(1, reliable=False))
        try:
            self._source = make_source(self.values, self._now_ns(), self._now_ns)
            if self._source is not None:
                if self._source.live:
                    self._pacer = Pacer(0.0)
                self._source.open()
                self._announce(self._source)
        except SurfaceError as error:
            self._fail(error)

    @property
    def local_topics(self) -> frozenset[str]:
        """Fully qualified names of the topics that the source delivers."""
        return frozenset(self.resolve_topic_name(topic) for topic in self._streams)

    def hand_over(self, resolved_topic: str, take: Callable[[Any], None]) -> None:
        """Give the messages of a topic to another node of this process, in the source's thread, without the middleware.

        They are published as well while somebody subscribes to them. With `rate` 0 the taker counts as one of the
        readers.

        Args:
            resolved_topic: Fully qualified name, one of `local_topics`.
            take: Takes each message; must not raise.
        """
        topic = next(topic for topic in self._streams if self.resolve_topic_name(topic) == resolved_topic)
        assert self._source is not None
        self._takers[topic] = (self._streams[topic].msg_type, take)

    def start(self, before_exit: Callable[[], None] | None = None) -> None:
        """Begin to publish.

        Args:
            before_exit: With `exit_when_done`, called before the process ends, so that other nodes in it can finish.
        """
        self._before_exit = before_exit
        if self._flow is not None and self._takers:
            self._flow.readers_expected = max(0, self._flow.readers_expected - 1)
        if self._source is not None and not self._fault:
            self._thread.start()
        elif self._fault and self.values['exit_when_done']:
            raise SurfaceError(self._fault)

    def health(self) -> Health:
        """Return the present state."""
        flow = self._flow
        return driver_health(
            DriverState(
                fault=self._fault,
                stage=self._stage,
                source=describe_source(self.values),
                warnings=tuple(getattr(self._source, 'warnings', ())),
                messages=self._messages,
                stamp_s=self._stamp_ns * 1e-9,
                lag_s=self._pacer.lag_s(time.monotonic()) if self._stage == PUBLISHING else 0.0,
                due_in_s=self._pacer.due_in_s(time.monotonic()) if self._stage == PUBLISHING else 0.0,
                readers=flow.readers() if flow else (),
                readers_expected=flow.readers_expected if flow else 0,
                uptime_s=self.uptime_s,
                silent_readers=flow.silent() if flow else (),
                gone_readers=flow.gone() if flow else (),
                skipped_topics=tuple(self._skipped),
                device=self._source.health() if self._source is not None else None,
            )
        )

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def close(self) -> None:
        """Stop publishing and close the source."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._source is not None:
            self._source.close()

    def _announce(self, source: CurrentSource) -> None:
        for topic, msgtype in source.topics.items():
            try:
                message_class = ros_message_class(msgtype)
            except SurfaceError as error:
                self._skipped.append(f'topic {topic} is not published: {error}')
                continue
            latched = topic in source.latched_topics
            # A latched topic hands its whole history to a late reader.
            depth = max(1 if latched else STREAM_DEPTH, self.values['in_flight'] if self._flow else 1)
            publisher = self.create_publisher(
                message_class,
                # Relative, so that the node's namespace holds.
                topic.lstrip('/'),
                stream_qos(depth, reliable=True, latched=latched),
                qos_overriding_options=qos_overrides(),
            )
            self._streams[topic] = publisher
            if self._flow is not None:
                self._flow.add(topic, publisher)

    def _run(self) -> None:
        try:
            self._publish_all()
            self._stage = ENDED
        except Exception as error:
            if not self.context.ok():
                return
            self._fail(error)
        if self.values['exit_when_done'] and not self._stopped:
            if self._before_exit is not None:
                self._before_exit()
            self.context.try_shutdown()

    def _publish_all(self) -> None:
        assert self._source is not None
        flow = self._flow
        if flow is not None and not self._wait_until(lambda: flow.ready, WAITING):
            return
        self._stage = PUBLISHING
        playback = self._source.playback
        while not self._stopped and (block := self._source.read_block()) is not None:
            if self._source.playback != playback:
                playback = self._source.playback
                self._pacer.begin_anew()
            if not block:
                self._pause(EMPTY_PAUSE_S)
            for message in block:
                if message.topic in self._streams and not self._publish_in_time(message):
                    return
        self._wait_for_readers()

    def _publish_in_time(self, message: StampedMessage) -> bool:
        """Publish a message when it is due and its readers have room; return False when the node is stopped before."""
        topic, flow = message.topic, self._flow
        while (delay_s := self._pacer.delay_s(message.stamp_ns, time.monotonic())) > 0.0 and not self._stopped:
            self._pause(delay_s)
        if flow is not None and not self._wait_until(lambda: flow.may_send(topic), PUBLISHING):
            return False
        if self._stopped:
            return False
        if self._clock_out is not None:
            stamp = to_time(message.stamp_ns)
            self._clock_out.publish(ClockMessage(clock=Time(sec=stamp.sec, nanosec=stamp.nanosec)))
        self._publish(message)
        if flow is not None:
            flow.count_sent(topic)
        self._messages += 1
        self._stamp_ns = message.stamp_ns
        return True

    def _publish(self, message: StampedMessage) -> None:
        publisher = self._streams[message.topic]
        taker = self._takers.get(message.topic)
        if taker is None:
            publisher.publish(message.cdr)
            return
        message_class, take = taker
        if publisher.get_subscription_count():
            publisher.publish(message.cdr)
        take(deserialize_message(message.cdr, message_class))

    def _wait_for_readers(self) -> None:
        """At the end, wait until what was sent has arrived and, with flow control, is worked off."""
        if self._flow is not None:
            self._wait_until(self._flow.all_done, PUBLISHING)
        elif self.values['exit_when_done']:
            for publisher in self._streams.values():
                publisher.wait_for_all_acked(Duration(seconds=LAST_MESSAGE_TIMEOUT_S))

    def _wait_until(self, condition: Callable[[], bool], stage: str) -> bool:
        """Wait for a condition that progress reports change; return False when the node is stopped before."""
        with self._changed:
            while not condition() and not self._stopped:
                self._stage = stage
                # Some changes, such as a subscription that is found, come without a report.
                self._changed.wait(SUBSCRIPTION_CHECK_S)
            return not self._stopped

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._stopped:
                self._changed.wait(seconds)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        self._fault = str(error) if isinstance(error, SurfaceError) else f'{type(error).__name__}: {error}'
        if self.values['exit_when_done']:
            self.exit_code = 2
        self.report_fault(error)


def main() -> int:
    """Run the node."""

    def make_nodes() -> list[MonitoredNode]:
        node = CurrentDriverNode()
        node.start()
        return [node]

    return run(make_nodes)
