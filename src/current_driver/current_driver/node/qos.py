# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of data streams, and its overrides by parameters."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions


def stream_qos(depth: int, *, reliable: bool, latched: bool = False) -> QoSProfile:
    """Return the quality of service of a data stream: keep the last messages, reliable or best effort.

    Args:
        depth: Messages kept for a slow reader.
        reliable: Lost messages are sent again. A reliable publisher serves best-effort subscriptions as well, a
            reliable subscription takes nothing from a best-effort publisher.
        latched: A late subscriber gets the last messages (transient local).
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def qos_overrides() -> QoSOverridingOptions:
    """Let the reliability, depth and history of a topic be set by parameters."""
    return QoSOverridingOptions.with_default_policies()
