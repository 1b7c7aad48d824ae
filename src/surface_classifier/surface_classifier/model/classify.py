# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Offline classification: messages of a recording through the very stream and labeller that the live nodes use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from surface_classifier.model.labeller import Label, Labeller
from surface_classifier.signal.window_stream import WindowStream


def label_messages(
    labeller: Labeller, stream: WindowStream, messages: Iterable[tuple[str, Any, int]]
) -> Iterator[Label]:
    """Label every window that the messages of a recording complete.

    Args:
        labeller: Labels the windows.
        stream: A fresh stream of the model's window configuration.
        messages: For each message its topic as the configuration names it, the message, and when it was received [ns].

    Raises:
        SurfaceError: A message lacks a configured field.
    """
    for topic, message, receive_ns in messages:
        for window in stream.push_message(topic, message, receive_ns):
            yield labeller.label(window)
