# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Flow control: publishers that wait for their slowest reader, so that no message is lost."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection

from rclpy.node import NodeNameNonExistentError
from rclpy.publisher import Publisher

from current_driver.node.base_node import MonitoredNode
from current_driver.node.pacing import FlowWindow
from current_driver.node.qos import stream_qos
from surface_msgs.msg import StreamProgress

GRAPH_CHECK_PERIOD_S = 1.0
SILENCE_S = 5.0
# Every node publishes these; a tool that only watches publishes nothing else.
NODE_TOPICS = ('/rosout', '/parameter_events', '/diagnostics')


def progress_topic(resolved_topic: str) -> str:
    """Return the topic on which readers of a topic (fully qualified) report how far they have come."""
    return f'{resolved_topic}/progress'


class FlowControl:
    """Keeps a node's publishers no further ahead of their readers than they can follow; used by one thread at a time.

    Readers report on `TOPIC/progress` (`surface_msgs/msg/StreamProgress`). Topics without reports are not held
    back. One that a reader has named in a report on another topic waits for its report there: the publisher may not
    have found its subscription before. A reader that messages wait for and that is silent for 5 s is no longer waited
    for, in the graph or not, as long as another one is there; it is named on `/diagnostics`. Where readers are missing
    at the start, a node that subscribes and publishes but reports nothing, such as a classifier that was started
    without `lossless`, is named as well, and counts as a reader that is not waited for after 5 s.
    """

    def __init__(self, node: MonitoredNode, in_flight: int, readers: int, on_progress: Callable[[], None]) -> None:
        """Set the limits.

        Args:
            node: The publishing node.
            in_flight: Messages of one topic that may be sent and not yet processed.
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
        # Silent readers, and whether the graph has held their names; since when one is awaited on a topic it has named.
        self._left_behind: dict[str, bool] = {}
        self._awaited_s: dict[tuple[str, str], float] = {}
        self._mute: frozenset[str] = frozenset()
        self._missing_s: float | None = None
        node.add_concern(self._concern)
        node.create_timer(GRAPH_CHECK_PERIOD_S, node.guarded(self._forget_gone), clock=node.steady_clock)

    def add(self, topic: str, publisher: Publisher) -> None:
        """Hold back a topic.

        Args:
            topic: Name of the topic.
            publisher: Its publisher, reliable and at least `in_flight` messages deep.
        """
        self._windows[topic] = FlowWindow(self._in_flight, readers=0, silence_s=SILENCE_S)
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
            if not self._has_readers():
                self._missing_s = self._missing_s or time.monotonic()
            found = self._publishers[topic].get_subscription_count() >= len(heard)
            return found and window.may_send and self._has_readers() and not self._awaited(topic, heard)

    def count_sent(self, topic: str) -> None:
        """Count a message that was published."""
        with self._lock:
            self._begun = True
            self._windows[topic].on_sent()

    def done(self, topic: str) -> int:
        """Return how many of a topic's messages all its readers have processed."""
        with self._lock:
            return self._windows[topic].sent - self._windows[topic].unacknowledged

    def all_done(self) -> bool:
        """Return whether everything that was sent is processed."""
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

    def _concern(self) -> str:
        now_s = time.monotonic()
        with self._lock:
            names = ', '.join(sorted(self._left_behind))
            half = sorted(
                f'{reader} on {topic}'
                for (reader, topic), since_s in self._awaited_s.items()
                if reader in self._announced and now_s - since_s >= SILENCE_S
            )
        texts = [f'{names} has reported no progress for {SILENCE_S:g} s and is no longer waited for'] if names else []
        if self._missing_s is not None and self._mute:
            texts.append(
                f'{", ".join(sorted(self._mute))} reports no progress and is waited for {SILENCE_S:g} s; '
                'start it with lossless true'
            )
        texts.extend(f'{text} has never reported progress and is not waited for' for text in half)
        return '; '.join(texts)

    def _awaited(self, topic: str, heard: Collection[str]) -> bool:
        """Whether a reader that has named a topic is still to be heard on it, for 5 s at most."""
        name, now_s = self._publishers[topic].topic_name, time.monotonic()
        awaited = False
        for reader, topics in self._announced.items():
            if name not in topics or reader in heard:
                self._awaited_s.pop((reader, name), None)
            elif now_s - self._awaited_s.setdefault((reader, name), now_s) < SILENCE_S:
                awaited = True
        return awaited

    def _has_readers(self) -> bool:
        """Whether as many readers are there as are waited for: all to begin with, then those that have not left."""
        needed = self.readers_expected
        if self._missing_s is not None and time.monotonic() - self._missing_s > SILENCE_S:
            needed = max(0, needed - len(self._mute))
        if self._begun and self._gone:
            needed = max(min(needed, 1), needed - len(self._gone))
        if self._begun and self._left_behind:
            needed = max(min(needed, 1), needed - len(self._left_behind.keys() - self._gone))
        return len(self._readers()) >= needed

    def _forget_gone(self) -> None:
        # The graph is asked without the lock, which the publishing thread needs.
        present = {topic: self._reporters(publisher.topic_name) for topic, publisher in self._publishers.items()}
        mute = self._mute_nodes() if self._missing_s is not None else frozenset()
        now_s = time.monotonic()
        gone: set[str] = set()
        with self._lock:
            for topic, names in present.items():
                window = self._windows[topic]
                # A reader that reports under another name than its node's is there as long as none is missing.
                if len(names) < len(window.readers()):
                    gone.update(window.forget_gone(names, now_s))
            here = {name for names in present.values() for name in names}
            left = {name for name, was_here in self._left_behind.items() if was_here and name not in here}
            for name in left:
                del self._left_behind[name]
            gone |= left
            self._leave_behind(here, now_s)
            self._mute = mute - self._readers()
            self._gone |= gone - self._readers()
            for reader in self._gone:
                self._announced.pop(reader, None)
            left_behind = bool(self._left_behind)
        if gone or left_behind or mute:
            self._on_progress()

    def _mute_nodes(self) -> frozenset[str]:
        """Return the nodes that subscribe to a topic, publish something of their own and report no progress."""
        found = set()
        for publisher in self._publishers.values():
            reporters = self._reporters(publisher.topic_name)
            for info in self._node.get_subscriptions_info_by_topic(publisher.topic_name):
                name = f'{info.node_namespace.rstrip("/")}/{info.node_name}'
                if name in reporters:
                    continue
                try:
                    published = self._node.get_publisher_names_and_types_by_node(info.node_name, info.node_namespace)
                except NodeNameNonExistentError:
                    continue  # it has left the graph since
                if any(other not in NODE_TOPICS for other, _ in published):
                    found.add(name)
        return frozenset(found)

    def _leave_behind(self, here: Collection[str], now_s: float) -> None:
        """No longer wait for silent readers that are in the graph, unless there is no other."""
        silent = {name for window in self._windows.values() for name in window.silent(now_s)}
        if silent and self._readers() - silent:
            for window in self._windows.values():
                for name in silent:
                    window.forget(name)
            for name in silent:
                self._announced.pop(name, None)
                self._left_behind[name] = name in here

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
            self._left_behind.pop(message.reader, None)
        self._on_progress()
