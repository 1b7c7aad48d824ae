# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Waits for the readers of a topic to have received it, but not for one that receives nothing any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from rclpy.duration import Duration
from rclpy.publisher import Publisher

from current_driver.node.base_node import MonitoredNode

WAIT_S = 1.0
PATIENCE_S = 5.0


class Acknowledgement:
    """The wait for a publisher's reliable readers, whether they report progress or not.

    A reader that acknowledges nothing for 5 s, such as a stopped process, is named on `/diagnostics` and no longer
    waited for until it acknowledges again.
    """

    def __init__(self, node: MonitoredNode, publisher: Publisher, known: Callable[[], Collection[str]] = tuple) -> None:
        """Watch a publisher.

        Args:
            node: Its node.
            publisher: The publisher.
            known: Names of readers that report their progress, and so are not meant.
        """
        self._node = node
        self._publisher = publisher
        self._known = known
        self._waited_s = 0.0
        node.add_concern(self._concern)

    def wait(self) -> None:
        """Wait until everything has arrived, at most a second."""
        given_up = self._waited_s >= PATIENCE_S
        began_s = time.monotonic()
        if self._publisher.wait_for_all_acked(Duration(seconds=0.0 if given_up else WAIT_S)):
            self._waited_s = 0.0
        elif not given_up:
            self._waited_s += time.monotonic() - began_s

    def _concern(self) -> str:
        if self._waited_s < PATIENCE_S:
            return ''
        topic = self._publisher.topic_name
        known = {*self._known(), self._node.get_fully_qualified_name()}
        names = [
            f'{info.node_namespace.rstrip("/")}/{info.node_name}'
            for info in self._node.get_subscriptions_info_by_topic(topic)
        ]
        suspects = sorted({name for name in names if name not in known}) or ['a reader']
        return (
            f'{" or ".join(suspects)} has received nothing of {topic} for {PATIENCE_S:g} s and is no longer waited '
            'for; end it or start it again'
        )
