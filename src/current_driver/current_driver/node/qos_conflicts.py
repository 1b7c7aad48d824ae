# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions of one topic that never exchange a message, because their types or policies differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from current_driver.node.decoding import type_name

_OWN_TOPICS = ('/rosout', '/parameter_events')


def qos_conflicts(node: Node) -> str:
    """Say which other endpoints in the graph do not match those of a node, with the policy and the remedy.

    Args:
        node: The node.

    Returns:
        One sentence; empty where all match.
    """
    texts = [*_of_subscriptions(node), *_of_publishers(node)]
    return '; '.join(dict.fromkeys(texts))


def _of_subscriptions(node: Node) -> Iterator[str]:
    for subscription in node.subscriptions:
        topic = subscription.topic_name
        for other in node.get_publishers_info_by_topic(topic):
            peer = _name(other)
            if other.topic_type != (own := type_name(subscription.msg_type)):
                yield f'topic {topic}: {peer} publishes {other.topic_type}, this node reads {own}; correct one of them'
                continue
            for policy, offered, asked in _differences(other.qos_profile, subscription.qos_profile):
                yield (
                    f'topic {topic}: {peer} offers {policy} {offered}, this node asks for {asked}, so that nothing '
                    f'arrives; publish it with {policy} {asked}, or set '
                    f'qos_overrides.{topic}.subscription.{policy} to {offered}'
                )


def _of_publishers(node: Node) -> Iterator[str]:
    for publisher in node.publishers:
        topic = publisher.topic_name
        if topic in _OWN_TOPICS:
            continue
        for other in node.get_subscriptions_info_by_topic(topic):
            if other.topic_type != (own := type_name(publisher.msg_type)):
                yield (
                    f'topic {topic}: {_name(other)} reads {other.topic_type}, this node publishes {own}; correct one '
                    'of them'
                )
                continue
            for policy, offered, asked in _differences(publisher.qos_profile, other.qos_profile):
                yield (
                    f'topic {topic}: {_name(other)} asks for {policy} {asked}, this node offers {offered}, so that it '
                    f'receives nothing; let it subscribe with {policy} {offered}'
                )


def _differences(offered: Any, asked: Any) -> list[tuple[str, str, str]]:
    """Return policy, offer and request where a subscription cannot take what a publisher offers."""
    found = []
    for policy, strict in (('reliability', 'reliable'), ('durability', 'transient_local')):
        offer, request = (getattr(profile, policy).short_key for profile in (offered, asked))
        if request == strict and offer != strict:
            found.append((policy, offer, request))
    return found


def _name(info: TopicEndpointInfo) -> str:
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'
