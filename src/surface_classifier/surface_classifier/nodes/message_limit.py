# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes messages, but refuses those that are too large to be meant, and names those that are damaged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from current_driver.errors import DamagedMessageError
from current_driver.node.base_node import MonitoredNode
from current_driver.node.decoding import decode

SHOWN_S = 10.0


class MessageLimit:
    """The largest message that a node takes; larger ones are counted and reported.

    Attributes:
        refused: Messages refused, by topic.
    """

    def __init__(self, node: MonitoredNode, limit_mb: float) -> None:
        """Report refused messages on the node's health.

        Args:
            node: The node that reads.
            limit_mb: Largest serialized size [MB].
        """
        self.refused: dict[str, int] = {}
        self._limit_mb = limit_mb
        self._refused_s: dict[str, float] = {}
        node.add_concern(self._concern, lambda: {f'refused of {topic}': count for topic, count in self.refused.items()})

    def decoding(
        self,
        topic: str,
        message_class: type[Any],
        take: Callable[[Any], None],
        *,
        on_refused: Callable[[], None],
        on_damaged: Callable[[DamagedMessageError], None],
    ) -> Callable[[bytes], None]:
        """Return a callback for serialized messages.

        Args:
            topic: Name of the topic.
            message_class: Class of its messages.
            take: Takes a message.
            on_refused: Called for a message that is too large.
            on_damaged: Called for a message that cannot be decoded.
        """

        def read(cdr: bytes) -> None:
            if len(cdr) > self._limit_mb * 1e6:
                self.refused[topic] = self.refused.get(topic, 0) + 1
                self._refused_s[topic] = time.monotonic()
                on_refused()
                return
            try:
                message = decode(cdr, message_class, topic)
            except DamagedMessageError as error:
                on_damaged(error)
                return
            take(message)

        return read

    def _concern(self) -> str:
        now_s = time.monotonic()
        topics = [topic for topic, at_s in self._refused_s.items() if now_s - at_s < SHOWN_S]
        if not topics:
            return ''
        return (
            f'messages of {", ".join(topics)} have more than {self._limit_mb:g} MB and are refused; '
            'correct their sender, or set a higher max_message_mb'
        )
