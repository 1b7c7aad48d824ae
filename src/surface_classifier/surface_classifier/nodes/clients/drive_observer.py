# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Watches one drive of a running graph and keeps every window, label and true surface of it, for scoring afterwards.

Unlike `surface watch`, which may miss what it cannot draw in time, this subscribes reliably with long queues: what is
missing at the end was never published.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.executors import SingleThreadedExecutor

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from surface_classifier.nodes.clients.watch_node import WatchNode
from surface_classifier.nodes.conversion import to_ns, window_from_message
from surface_classifier.terminal.screen import Screen
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth

QUEUE_DEPTH = 5000
FOUND_TIMEOUT_S = 30.0
SETTLE_S = 1.0
SETTLE_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class LiveLabel:
    """One label as it was published; `probabilities` has shape (classes,), stamps in [ns]."""

    window_index: int
    start_ns: int
    end_ns: int
    surface: str
    known: bool
    confidence: float
    probabilities: npt.NDArray[np.float64]


@dataclass
class Drive:
    """What was published during one drive.

    Attributes:
        class_names: Names of the classes, in the order of the probabilities.
        labels: Labels in the order they came.
        windows: For each window index its parts, each (samples, channels) in SI units.
        truths: When each true surface began [ns], and its name, in the order of time.
        voided: Windows the preprocessor left out for lack of measured samples.
    """

    class_names: tuple[str, ...] = ()
    labels: list[LiveLabel] = field(default_factory=list)
    windows: dict[int, dict[str, npt.NDArray[np.float64]]] = field(default_factory=dict)
    truths: list[tuple[int, str]] = field(default_factory=list)
    voided: int = 0


class DriveObserver(WatchNode):
    """Feeds the terminal view like `WatchNode`, and keeps everything it hears."""

    def __init__(self, **options: Any) -> None:
        """Subscribes at once; options as for `WatchNode`."""
        self.drive = Drive()
        self.changed_s = time.monotonic()
        super().__init__(**options)

    def subscribe(self) -> None:
        """Subscribes reliably, with queues that hold a whole drive."""
        qos = stream_qos(QUEUE_DEPTH, reliable=True)
        self.create_subscription(SurfaceLabel, 'surface_label', self._keep_label, qos)
        self.create_subscription(CurrentWindow, 'current_window', self._keep_window, qos)
        truth_qos = stream_qos(QUEUE_DEPTH, reliable=True, latched=True)
        self.create_subscription(SurfaceTruth, 'surface_truth', self._keep_truth, truth_qos)

    def _keep_label(self, message: SurfaceLabel) -> None:
        self.changed_s = time.monotonic()
        self.drive.class_names = tuple(message.class_names)
        self.drive.labels.append(
            LiveLabel(
                window_index=message.window_index,
                start_ns=to_ns(message.window_start),
                end_ns=to_ns(message.header.stamp),
                surface=message.surface,
                known=message.known,
                confidence=message.confidence,
                probabilities=np.array(message.probabilities, dtype=np.float64),
            )
        )
        self.on_label(message)

    def _keep_window(self, message: CurrentWindow) -> None:
        self.changed_s = time.monotonic()
        window = window_from_message(message)
        # The arrays of a message are views of its buffer, which is one window long: keeping them costs no copy.
        self.drive.windows[window.index] = dict(window.parts)
        self.drive.voided = message.voided
        self.on_window(message)

    def _keep_truth(self, message: SurfaceTruth) -> None:
        self.changed_s = time.monotonic()
        self.drive.truths.append((to_ns(message.header.stamp), message.surface))
        self.on_truth(message)


def observe_drive(
    start_source: Callable[[], None],
    running: Callable[[], bool],
    *,
    screen: Screen,
    column_ns: int,
    picture: Path | None = None,
) -> Drive:
    """Shows and keeps a drive until its source has ended and the last label has come.

    Args:
        start_source: Starts the source; called once, when the nodes that publish labels have been found.
        running: Whether the source still runs; asked often, and may raise when a node has failed.
        screen: Where to show it.
        column_ns: Time that one column of the strips stands for [ns].
        picture: SVG file to write the last view to; None: none.

    Returns:
        Everything that was published.

    Raises:
        SurfaceError: No node that publishes labels was found.
    """
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    node = DriveObserver(column_ns=column_ns, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        deadline_s = time.monotonic() + FOUND_TIMEOUT_S
        while not (node.count_publishers('surface_label') and node.count_publishers('current_window')):
            executor.spin_once(timeout_sec=0.1)
            if time.monotonic() > deadline_s:
                raise SurfaceError(f'no node publishes surface_label and current_window after {FOUND_TIMEOUT_S:g} s')
        start_source()
        ended_s: float | None = None
        while True:
            executor.spin_once(timeout_sec=0.1)
            if ended_s is None:
                node.refresh_notice()
            screen.show(node.state)
            now_s = time.monotonic()
            if ended_s is None and not running():
                ended_s = now_s
            if ended_s is not None:
                complete = len(node.drive.labels) == len(node.drive.windows)
                quiet_s = now_s - max(node.changed_s, ended_s)
                if (complete and quiet_s > SETTLE_S) or now_s - ended_s > SETTLE_TIMEOUT_S:
                    break
        screen.show(node.state, now=True)
        if picture is not None:
            screen.save(node.state, picture)
        node.drive.truths.sort()
        return node.drive
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
