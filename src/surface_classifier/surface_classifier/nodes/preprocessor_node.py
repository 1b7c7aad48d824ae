# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The preprocessor node: any topic's numbers in, windows on an even time grid out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from current_driver.errors import DamagedMessageError, SurfaceError
from current_driver.node.acknowledgement import Acknowledgement
from current_driver.node.arrival_watch import ArrivalWatch
from current_driver.node.base_node import MonitoredNode
from current_driver.node.flow_control import FlowControl
from current_driver.node.health import Health
from current_driver.node.qos import qos_overrides, stream_qos
from current_driver.node.ros_types import ros_message_class
from current_driver.node.run_nodes import run
from surface_classifier.model.contract import describe_windows
from surface_classifier.nodes.chain_health import FIRST_MESSAGE_S, PreprocessorState, preprocessor_health
from surface_classifier.nodes.conversion import WindowWriter
from surface_classifier.nodes.message_limit import MessageLimit
from surface_classifier.nodes.parameters import PREPROCESSOR_PARAMETERS
from surface_classifier.nodes.progress_reporter import ProgressReporter
from surface_classifier.nodes.publishers import LastingPublishers, OthersBeside, endpoints_of
from surface_classifier.nodes.window_parameters import window_config
from surface_classifier.nodes.window_watch import Overdue, StreamSnapshot, WindowWatch
from surface_classifier.signal.channel_map import header_stamp_ns
from surface_classifier.signal.rate_check import rate_mismatches
from surface_classifier.signal.sample_gate import CLOCK_JUMP_NS
from surface_classifier.signal.skipped_messages import LEAST_MESSAGES
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import Window, WindowStream
from surface_msgs.msg import CurrentWindow

WINDOW_TOPIC = 'current_window'
INPUT_DEPTH = 256
WINDOW_DEPTH = 64
FINISH_CHECK_S = 0.02
MIXTURE_SHOWN_S = 10.0

WindowTaker = Callable[[Window, str], None]


class _Unfinished(NamedTuple):
    """An input message whose windows are not all processed yet."""

    reporter: ProgressReporter
    stamp_ns: int
    windows: int  # windows to publish since the start, its own included


class PreprocessorNode(MonitoredNode):
    """Cuts windows from the messages of the configured topics.

    Attributes:
        config: How windows are cut; None when the parameters do not say so in a usable way.
        local_inputs: For each input (fully qualified) without a subscription: takes its serialized messages.
    """

    def __init__(
        self, *, local_topics: frozenset[str] = frozenset(), local_classifier: bool = False, **options: Any
    ) -> None:
        """Configure the windows and subscribe to their topics.

        Args:
            local_classifier: One of the `readers` of the windows is in this process, see `hand_over`.
            local_topics: Topics (fully qualified) that arrive through `local_inputs` in this process instead of a
                subscription.
            options: Passed on to `rclpy.node.Node`.
        """
        super().__init__('preprocessor', PREPROCESSOR_PARAMETERS, **options)
        self._take_window: WindowTaker | None = None
        self._lossless = bool(self.values['lossless'])
        self._lock = threading.RLock()
        self._fault = ''
        self._frame_id = ''
        self._clock_jumps = 0
        self._last_window_s: float | None = None
        self._old_messages_may_come = False
        self._to_publish = 0
        self._sent = 0
        self._outbox: deque[CurrentWindow] = deque()
        self._unfinished: deque[_Unfinished] = deque()
        self._arrivals: dict[str, ArrivalWatch] = {}
        self._reporters: dict[str, ProgressReporter] = {}
        # Of the inputs that are subscribed: who publishes them, and when their samples were those of two sources.
        self._lasting: dict[str, LastingPublishers] = {}
        self._second_sources: dict[str, int] = {}
        self._mixed_s: dict[str, float] = {}
        self.config: WindowConfig | None = None
        self.local_inputs: dict[str, Callable[[bytes], None]] = {}
        try:
            self.config = window_config(self.values)
            classes = {topic: ros_message_class(msgtype) for topic, msgtype in self.config.topics.items()}
            self._stream = WindowStream(self.config)
            self._watch = WindowWatch(
                self.config.window_s + self.config.stride_s + self._stream.delay_s, self.config.stride_s
            )
        except SurfaceError as error:
            self._fault = str(error)
            return

        self._writer = WindowWriter(self.config)
        limit = MessageLimit(self, self.values['max_message_mb'])
        depth = max(WINDOW_DEPTH, self.values['in_flight'])
        self._publisher = self.create_publisher(
            CurrentWindow, WINDOW_TOPIC, stream_qos(depth, reliable=True), qos_overriding_options=qos_overrides()
        )
        self._beside = OthersBeside(self, WINDOW_TOPIC)
        if self._lossless:
            readers = max(0, self.values['readers'] - local_classifier)
            self._flow = FlowControl(self, self.values['in_flight'], readers, self._pump)
            self._flow.add(WINDOW_TOPIC, self._publisher)
            self._acknowledgement = Acknowledgement(self, self._publisher, self._flow.readers)
            self.add_concern(self._waiting_for_readers)
        for topic, message_class in classes.items():
            self._arrivals[topic] = ArrivalWatch(self.values['input_timeout_s'], learns=not self._lossless)
            take = self.guarded(
                limit.decoding(
                    topic,
                    message_class,
                    partial(self.accept, topic),
                    on_refused=partial(self._pass_over, topic),
                    on_damaged=partial(self._skip, topic),
                )
            )
            resolved = self.resolve_topic_name(topic)
            if resolved in local_topics:
                self.local_inputs[resolved] = take
                continue
            self._lasting[topic] = LastingPublishers()
            if self._lossless:
                self._reporters[topic] = ProgressReporter(self, topic)
            self.create_subscription(
                message_class,
                topic,
                take,
                self._input_qos(topic),
                qos_overriding_options=qos_overrides(),
                raw=True,
            )
        self.report_changes_of(self._silent_topics)
        self._jump_handle = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=self._on_clock_jump,
        )

    def _input_qos(self, topic: str) -> QoSProfile:
        """Quality of service of an input; names of elements are latched: they came before, and come once."""
        assert self.config is not None
        if topic in self.config.names_topics:
            return stream_qos(1, reliable=True, latched=True)
        return stream_qos(INPUT_DEPTH, reliable=self._lossless)

    def hand_over(self, take: WindowTaker) -> None:
        """Give each window, with its frame, to another node of this process.

        Windows are then published only while somebody subscribes to them.

        Args:
            take: Takes a window; may wait, to hold back what comes in.
        """
        self._take_window = take

    def accept(self, topic: str, message: Any) -> None:
        """Take in one message.

        Args:
            topic: The topic as the configuration names it.
            message: The message.
        """
        receive_ns = self.get_clock().now().nanoseconds
        reporter = self._reporters.get(topic)
        with self._lock:
            self._arrivals[topic].arrive(time.monotonic())
            if reporter is not None:
                reporter.take()
            try:
                header = getattr(message, 'header', None)
                if header is not None:
                    self._frame_id = header.frame_id
                if self._old_messages_may_come:
                    self._leave_old_time(header_stamp_ns(message) or receive_ns, receive_ns)
                for window in self._stream.push_message(topic, message, receive_ns):
                    self._give_out(window)
            finally:
                if reporter is not None:
                    self._unfinished.append(
                        _Unfinished(reporter, header_stamp_ns(message) or receive_ns, self._to_publish)
                    )
                if self._lossless:
                    self._pump()

    def _skip(self, topic: str, error: DamagedMessageError) -> None:
        """Count a message that cannot be decoded, as offline."""
        with self._lock:
            self._arrivals[topic].arrive(time.monotonic())
            self._stream.skipped.skip(topic, error)
        self._pass_over(topic)

    def _pass_over(self, topic: str) -> None:
        """Lossless: count a message that is not used as processed."""
        if (reporter := self._reporters.get(topic)) is not None:
            reporter.take()
            reporter.finish(self.get_clock().now().nanoseconds)

    def _waiting_for_readers(self) -> str:
        silent = ', '.join(self._flow.silent())
        return f'{silent} reports no progress any more, and windows wait for it; start it again' if silent else ''

    def finish(self, timeout_s: float) -> None:
        """Wait until every window that was cut has arrived.

        Args:
            timeout_s: Longest time to wait for each of publishing and arriving [s].
        """
        if self.config is None:
            return
        end_s = time.monotonic() + timeout_s
        while self._outbox and time.monotonic() < end_s:
            time.sleep(FINISH_CHECK_S)
        self._publisher.wait_for_all_acked(Duration(seconds=timeout_s))

    def on_changes(self, changes: Mapping[str, Any]) -> None:
        """Warn after another silence from now on."""
        if 'input_timeout_s' in changes:
            for watch in self._arrivals.values():
                watch.set_limit(changes['input_timeout_s'])

    def health(self) -> Health:
        """Return the present state."""
        if self._fault or self.config is None:
            return preprocessor_health(PreprocessorState(fault=self._fault))
        now_s = time.monotonic()
        with self._lock:
            counters = asdict(self._stream.counters)
            void_reasons = dict(self._stream.void_reasons)
            refused = tuple(self._stream.skipped.refusals(LEAST_MESSAGES)) or tuple(self._unusable())
            mixtures, wraps = self._mixtures(now_s), self._stream.wraps
            waiting = len(self._outbox)
        ages_s = {topic: self._age_s(topic, now_s) for topic in self._arrivals}
        endpoints = {topic: endpoints_of(self, topic) for topic in self._lasting}
        return preprocessor_health(
            PreprocessorState(
                topics=self.config.topics,
                ages_s=ages_s,
                deadlines_s={topic: watch.deadline_s for topic, watch in self._arrivals.items()},
                input_timeout_s=self.values['input_timeout_s'],
                uptime_s=self.uptime_s,
                counters=counters,
                void_reasons=void_reasons,
                overdue=self._overdue(now_s, counters, void_reasons, ages_s),
                refused_messages=refused,
                publishers={topic: tuple(name for _, name in found) for topic, found in endpoints.items()},
                lasting={topic: self._lasting[topic].update(found, now_s) for topic, found in endpoints.items()},
                mixtures=mixtures,
                wraps=wraps,
                twins=self._beside.names(),
                window_topic=WINDOW_TOPIC,
                clock_jumps=self._clock_jumps,
                wrong_rates=rate_mismatches(self.config.parts, counters['observed_rate_hz']),
                waiting_windows=waiting,
                settings={'windows': describe_windows(self.config), 'stride [s]': self.config.stride_s},
            )
        )

    def _mixtures(self, now_s: float) -> dict[str, str]:
        """Topics whose newest samples are those of two sources, and how that shows."""
        for topic, count in self._stream.second_sources.items():
            if count > self._second_sources.get(topic, 0):
                self._second_sources[topic] = count
                self._mixed_s[topic] = now_s
        counted = {
            topic: 'their sample numbers are those of two sources'
            for topic, at_s in self._mixed_s.items()
            if now_s - at_s < MIXTURE_SHOWN_S
        }
        return {**self._stream.newest_mixtures, **counted}

    def _unusable(self) -> list[str]:
        """Topics of which not one message could be used so far, one sentence each."""
        return [
            f'topic {topic!r}: {tally.reason}'
            for topic, tally in self._stream.skipped.topics.items()
            if tally.skipped and not tally.used
        ]

    def _overdue(
        self,
        now_s: float,
        counters: Mapping[str, Any],
        void_reasons: Mapping[str, int],
        ages_s: Mapping[str, float | None],
    ) -> Overdue | None:
        """Windows that should have come; None while an input is awaited."""
        if any(age_s is None or age_s > self.values['input_timeout_s'] for age_s in ages_s.values()):
            self._watch.pause()
            return None
        # What was awaited when the last input came is no more overdue when none comes.
        input_s = now_s - max(age_s for age_s in ages_s.values() if age_s is not None)
        return self._watch.look(
            input_s, StreamSnapshot(counters, void_reasons, counters['last_stamp_ns']), self._last_window_s
        )

    def _age_s(self, topic: str, now_s: float) -> float | None:
        """Time since a topic's last message [s]; None when none came. Names, which come once, do not age."""
        assert self.config is not None
        age_s = self._arrivals[topic].age_s(now_s)
        if age_s is None:
            return None
        return 0.0 if topic in self.config.names_topics else age_s

    def _silent_topics(self) -> list[str]:
        """Inputs whose sender has stopped, or was never there."""
        assert self.config is not None
        now_s = time.monotonic()
        late = self.uptime_s > FIRST_MESSAGE_S
        return [
            topic
            for topic, watch in self._arrivals.items()
            if (topic not in self.config.names_topics and watch.is_silent(now_s)) or (late and not watch.has_begun)
        ]

    def _give_out(self, window: Window) -> None:
        self._last_window_s = time.monotonic()
        if self._take_window is not None:
            self._take_window(window, self._frame_id)
            awaited = self._lossless and self._flow.readers_expected > 0
            if not awaited and not self._publisher.get_subscription_count():
                return
        message = self._writer.message(window, self._stream.voided, self._frame_id)
        if self._lossless:
            self._to_publish += 1
            self._outbox.append(message)
        else:
            self._publisher.publish(message)

    def _pump(self) -> None:
        """Lossless: publish what the reader has room for, and report the messages whose windows are processed."""
        with self._lock:
            while self._outbox and self._flow.may_send(WINDOW_TOPIC):
                self._publisher.publish(self._outbox.popleft())
                self._flow.count_sent(WINDOW_TOPIC)
                self._sent += 1
                if self._sent % (WINDOW_DEPTH // 2) == 0:
                    # Not every reader reports its progress; a window must not be overwritten before they all have it.
                    self._acknowledgement.wait()
            while self._unfinished and self._unfinished[0].windows <= self._flow.done(WINDOW_TOPIC):
                finished = self._unfinished.popleft()
                finished.reporter.finish(finished.stamp_ns)

    def _on_clock_jump(self, jump: TimeJump) -> None:
        with self._lock:
            newest_ns = self._stream.counters.last_stamp_ns
            if newest_ns is None or newest_ns <= self.get_clock().now().nanoseconds:
                return  # nothing is buffered that is newer than the clock
            self._stream.reset()
            self._watch.pause()
            self._clock_jumps += 1
            self._old_messages_may_come = True
        step_s = -jump.delta.nanoseconds * 1e-9
        self.get_logger().warning(f'the clock jumped back by {step_s:.3f} s; buffers are cleared')

    def _leave_old_time(self, stamp_ns: int, now_ns: int) -> None:
        """After a jump, clear the buffers again if messages of the time before were still on their way.

        Args:
            stamp_ns: Stamp of a message that has come [ns].
            now_ns: Present time of the node's clock [ns].
        """
        if stamp_ns > now_ns + CLOCK_JUMP_NS:
            return  # one of these
        self._old_messages_may_come = False
        newest_ns = self._stream.counters.last_stamp_ns
        if newest_ns is not None and newest_ns > stamp_ns:
            self._stream.reset()


def main() -> int:
    """Run the node."""
    return run(lambda: [PreprocessorNode()])
