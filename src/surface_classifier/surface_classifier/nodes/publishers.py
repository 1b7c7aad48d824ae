# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Who publishes a topic, by name: several publishers of one input, and a second node beside this one.

A node that was killed stays in the graph for about 20 s. So two publishers are two nodes only where both have been
there for longer than that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from rclpy.node import Node

LASTING_S = 25.0

# Identity of an endpoint in the graph, and the fully qualified name of its node.
Endpoint = tuple[str, str]


def publishers_of(node: Node, topic: str) -> tuple[str, ...]:
    """Return the fully qualified name of the node of each publisher of a topic, sorted; a node may be there twice."""
    return tuple(name for _, name in endpoints_of(node, topic))


def endpoints_of(node: Node, topic: str) -> tuple[Endpoint, ...]:
    """Return each publisher of a topic, sorted by name."""
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    found = [(str(list(info.endpoint_gid)), f'{info.node_namespace.rstrip("/")}/{info.node_name}') for info in infos]
    return tuple(sorted(found, key=lambda endpoint: endpoint[::-1]))


class LastingPublishers:
    """Remembers since when each publisher of one topic has been in the graph."""

    def __init__(self) -> None:
        """Start without publishers."""
        self._since_s: dict[str, float] = {}

    def update(self, endpoints: Iterable[Endpoint], now_s: float) -> tuple[str, ...]:
        """Take note of who publishes now.

        Args:
            endpoints: Publishers of the topic.
            now_s: Time of a steady clock [s].

        Returns:
            Names of those that have been there for so long that none can be left over from a killed process.
        """
        present = tuple(endpoints)
        self._since_s = {identity: self._since_s.get(identity, now_s) for identity, _ in present}
        return tuple(name for identity, name in present if now_s - self._since_s[identity] >= LASTING_S)


class OthersBeside:
    """Finds other lasting publishers of a topic that a node publishes itself."""

    def __init__(self, node: Node, topic: str) -> None:
        """Watch a topic.

        Args:
            node: The node, which publishes the topic once.
            topic: The topic.
        """
        self._node = node
        self._topic = topic
        self._lasting = LastingPublishers()

    def names(self) -> tuple[str, ...]:
        """Return the nodes of the other publishers; called once a second."""
        found = list(self._lasting.update(endpoints_of(self._node, self._topic), time.monotonic()))
        own = self._node.get_fully_qualified_name()
        if own in found:
            found.remove(own)
        return tuple(found)
