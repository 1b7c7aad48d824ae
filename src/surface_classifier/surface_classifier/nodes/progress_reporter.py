# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of a reader's progress to a replay, so that nothing is lost at any speed."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from std_msgs.msg import Header

from current_driver.node.base_node import MonitoredNode
from current_driver.node.flow_control import progress_topic
from current_driver.node.qos import stream_qos
from surface_classifier.nodes.conversion import to_time
from surface_msgs.msg import StreamProgress

REPEAT_PERIOD_S = 0.2
# A report for each message would cost as much as the message; a replay's window is at least twice as wide.
REPORTED_TOGETHER = 8


# The topics (fully qualified) that each node reports on. A replay of several topics must not begin with one of them
# before it has found the node's subscription to it, and so every report names them all.
_reported_topics: WeakKeyDictionary[MonitoredNode, list[str]] = WeakKeyDictionary()


class ProgressReporter:
    """Reports on `TOPIC/progress` how many messages of a topic a node has taken in and processed.

    The last report is repeated while a node listens: a replay that starts later must find its readers, and the first
    reports of a new publisher go out before everybody has found it. Reports may come from any thread.

    Attributes:
        received: Messages taken in.
        done: Messages processed.
    """

    def __init__(self, node: MonitoredNode, topic: str) -> None:
        """Report for a node.

        Args:
            node: The reading node.
            topic: The topic it reads.
        """
        self.received = 0
        self.done = 0
        self._reported = 0
        self._reader = node.get_fully_qualified_name()
        self._stamp_ns = 0
        self._lock = threading.Lock()
        resolved = node.resolve_topic_name(topic)
        self._topics = _reported_topics.setdefault(node, [])
        self._topics.append(resolved)
        self._publisher = node.create_publisher(StreamProgress, progress_topic(resolved), stream_qos(10, reliable=True))
        node.create_timer(REPEAT_PERIOD_S, node.guarded(self.publish), clock=node.steady_clock)

    def take(self) -> None:
        """Count a message that came in."""
        self.received += 1

    def finish(self, stamp_ns: int, *, at_once: bool = False) -> None:
        """Count a message that is processed; several are reported together.

        Args:
            stamp_ns: Stamp of the message [ns].
            at_once: Report now, because no other message is waiting to be processed.
        """
        with self._lock:
            self.done += 1
            self._stamp_ns = stamp_ns
            due = at_once or self.done - self._reported >= REPORTED_TOGETHER
        if due:
            self.publish()

    def publish(self) -> None:
        """Send the present state to all that listen."""
        self._reported = self.done
        if not self._publisher.get_subscription_count():
            return
        with self._lock:
            message = StreamProgress(
                header=Header(stamp=to_time(self._stamp_ns)),
                reader=self._reader,
                received=self.received,
                done=self.done,
                topics=list(self._topics),
            )
            self._publisher.publish(message)
