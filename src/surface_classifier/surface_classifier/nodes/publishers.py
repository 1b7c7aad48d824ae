# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Who publishes a topic, by name: several publishers of one input, and a second node beside this one."""

from __future__ import annotations

from rclpy.node import Node


def publishers_of(node: Node, topic: str) -> tuple[str, ...]:
    """Return the fully qualified name of the node of each publisher of a topic, sorted; a node may be there twice."""
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return tuple(sorted(f'{info.node_namespace.rstrip("/")}/{info.node_name}' for info in infos))


def others_beside(node: Node, topic: str) -> tuple[str, ...]:
    """Return the other publishers of a topic that a node publishes itself.

    Args:
        node: The node, which publishes the topic once.
        topic: The topic.
    """
    found = list(publishers_of(node, topic))
    own = node.get_fully_qualified_name()
    if own in found:
        found.remove(own)
    return tuple(found)
