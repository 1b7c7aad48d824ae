# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Listens to topics of the running graph for a while, for `surface inspect`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.node.ros_types import ros_message_class
from surface_classifier.data.inspection.topic_log import TopicLog, name_elements

# How long topics are looked for before it is said that they are not there.
DISCOVERY_S = 3.0
LOOK_PERIOD_S = 0.2
INPUT_DEPTH = 256
# What every node publishes of itself.
_OWN_TOPICS = ('/rosout', '/parameter_events')


class InspectNode(Node):
    """Subscribes to topics as it finds them, and logs their messages.

    Attributes:
        logs: The log of each topic.
        warnings: Topics that cannot be read, and why, one sentence each.
    """

    def __init__(self, topics: Sequence[str], **options: Any) -> None:
        """Begin to look.

        Args:
            topics: Absolute names of the topics; none: all.
            options: Passed on to `rclpy.node.Node`.
        """
        super().__init__('surface_inspect', **options)
        self.logs: dict[str, TopicLog] = {}
        self.warnings: list[str] = []
        self._wanted = frozenset(topics)
        self._left_out: set[str] = set()
        self.create_timer(LOOK_PERIOD_S, self.look)

    def look(self) -> None:
        """Subscribe to the topics that are new."""
        for topic, types in self.get_topic_names_and_types():
            wanted = topic in self._wanted if self._wanted else topic not in _OWN_TOPICS
            if wanted and topic not in self.logs and topic not in self._left_out:
                self._subscribe(topic, types)

    def _subscribe(self, topic: str, types: Sequence[str]) -> None:
        offers = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
        if not offers:
            return  # a reader without a publisher
        try:
            if len(types) != 1:
                raise SurfaceError(f'it is published as {" and as ".join(types)}')
            message_class = ros_message_class(types[0])
        except SurfaceError as error:
            self._left_out.add(topic)
            self.warnings.append(f'{topic}: {error}')
            return
        log = self.logs[topic] = TopicLog(topic, types[0])
        qos = stream_qos(
            INPUT_DEPTH,
            reliable=all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers),
            latched=all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers),
        )
        self.create_subscription(message_class, topic, partial(self._take, log), qos)

    def _take(self, log: TopicLog, message: Any) -> None:
        log.add(message, self.get_clock().now().nanoseconds)


def listen(topics: Sequence[str], seconds: float, context: rclpy.Context | None = None) -> list[TopicLog]:
    """Listen to topics of the running graph.

    Args:
        topics: Absolute names; none: all topics of the graph.
        seconds: How long [s].
        context: ROS context that is up; None: one of its own.

    Raises:
        SurfaceError: A topic is not published.
    """
    own = context is None
    context = context or rclpy.Context()
    if own:
        rclpy.init(context=context, args=[])
    node = InspectNode(topics, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        print(f'listening for {seconds:g} s', file=sys.stderr)
        start_s = time.monotonic()
        while (now_s := time.monotonic()) < start_s + max(seconds, 0.0):
            executor.spin_once(timeout_sec=min(LOOK_PERIOD_S, start_s + seconds - now_s))
            if now_s > start_s + DISCOVERY_S:
                _check_found(node, topics)
        _check_found(node, topics)
    finally:
        executor.shutdown()
        node.destroy_node()
        if own:
            context.try_shutdown()
    for warning in node.warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)
    found = sorted(node.logs.values(), key=lambda log: log.topic)
    name_elements(found)
    return found


def _check_found(node: InspectNode, topics: Sequence[str]) -> None:
    missing = [topic for topic in topics if topic not in node.logs]
    if missing and not node.warnings:
        there = ', '.join(sorted(topic for topic, _ in node.get_topic_names_and_types())) or 'none'
        raise SurfaceError(f'no node publishes {", ".join(missing)}; the topics of the graph are {there}')
    if not topics and not node.logs:
        raise SurfaceError('no node publishes anything; start the robot, or check ROS_DOMAIN_ID')
