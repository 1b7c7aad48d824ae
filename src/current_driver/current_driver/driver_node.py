# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The driver node: publishes what a current source delivers, at its pace or as fast as its readers follow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock as ClockMessage

from current_driver.driver_parameters import DRIVER_PARAMETERS, describe_source, make_source
from current_driver.errors import SurfaceError
from current_driver.messages import StampedMessage, to_time
from current_driver.node.base_node import MonitoredNode
from current_driver.node.flow_control import FlowControl
from current_driver.node.health import DriverState, Health, driver_health
from current_driver.node.pacing import Pacer
from current_driver.node.qos import qos_overrides, stream_qos
from current_driver.node.ros_types import ros_message_class
from current_driver.node.run_nodes import run
from current_driver.source import CurrentSource

# Four seconds at 1,000 messages a second: so long may a reader that wants every message be held up.
STREAM_DEPTH = 4096
EMPTY_PAUSE_S = 0.001
SUBSCRIPTION_CHECK_S = 0.05
LAST_MESSAGE_TIMEOUT_S = 2.0

WAITING = 'waiting for readers'
PUBLISHING = 'publishing'
IDLE = 'idle: another node publishes the input'
ENDED = 'ended'


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
        self._takers: dict[str, Callable[[bytes], None]] = {}
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
            if self._source is None:
                self._stage = IDLE
            else:
                if self._source.live:
                    self._pacer = Pacer(0.0)
                self._source.open()
                self._announce(self._source)
        except SurfaceError as error:
            self._fail(error)

    @property
    def local_topics(self) -> frozenset[str]:
        """Fully qualified names of the topics that the source delivers."""
        return frozenset(self._resolved(topic) for topic in self._streams)

    def _resolved(self, topic: str) -> str:
        return str(self.resolve_topic_name(_relative(topic)))

    def hand_over(self, resolved_topic: str, take: Callable[[bytes], None]) -> None:
        """Give the messages of a topic to another node of this process, in the source's thread, without the middleware.

        They are published as well while somebody subscribes to them. With `rate` 0 the taker counts as one of the
        readers.

        Args:
            resolved_topic: Fully qualified name, one of `local_topics`.
            take: Takes each message, serialized; must not raise.
        """
        topic = next(topic for topic in self._streams if self._resolved(topic) == resolved_topic)
        assert self._source is not None
        self._takers[topic] = take

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

    def check_changes(self, changes: Mapping[str, Any]) -> None:
        """Refuse a rate where there is no pace to change, and 0, which needs flow control from the start."""
        if 'rate' not in changes or changes['rate'] == self.values['rate']:
            return
        if self._source is None or self._source.live:
            raise SurfaceError(
                f'parameter rate: source {self.values["source"]} has no pace that this node could change'
            )
        if 0.0 in (changes['rate'], self.values['rate']):
            raise SurfaceError(
                'parameter rate: 0 is chosen at the start alone, because it waits for readers; set a positive rate '
                'instead of another, or start the node again'
            )

    def on_changes(self, changes: Mapping[str, Any]) -> None:
        """Publish at the new rate from the next message on."""
        if 'rate' in changes and changes['rate'] != self._pacer.rate:
            # A new one, not a change of the one that the source's thread is asking.
            self._pacer = Pacer(changes['rate'])
            self._wake()

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
                _relative(topic),
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
        if publisher.get_subscription_count():
            publisher.publish(message.cdr)
        taker(message.cdr)

    def _wait_for_readers(self) -> None:
        """At the end, wait until what was sent has arrived and, with flow control, is processed."""
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


def _relative(topic: str) -> str:
    """Return a topic without its leading slash, so that the node's namespace holds."""
    return topic.lstrip('/')


def main() -> int:
    """Run the node."""

    def make_nodes() -> list[MonitoredNode]:
        node = CurrentDriverNode()
        node.start()
        return [node]

    return run(make_nodes)
