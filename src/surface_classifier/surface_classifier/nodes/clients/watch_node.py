# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The node behind `surface watch`: feeds the terminal view from windows, labels and, where it is published, the truth.

The current is taken from `current_window`, not from the robot's topic, so that the strip shows what the classifier gets
whatever type and name the input has.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from current_driver.node.qos import stream_qos
from current_driver.node.run_nodes import NodeExecutor
from surface_classifier.model.label import Reason
from surface_classifier.nodes.conversion import NANOSECONDS, to_ns
from surface_classifier.nodes.publishers import publishers_of
from surface_classifier.terminal.record_keys import quit_key
from surface_classifier.terminal.screen import Screen, save_view
from surface_classifier.terminal.watch_view import DEFAULT_COLUMN_NS, WatchState, render
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth

SILENCE_S = 3.0
CHAIN_TOPICS = ('motor_current', 'current_window', 'surface_label')
STATUS_AGE_S = 4.0  # after which a status on /diagnostics, sent every second, no longer holds


@dataclass(frozen=True)
class _Status:
    level: int
    message: str
    received_s: float


class WatchNode(Node):
    """Subscribes to what the view shows and keeps its state."""

    def __init__(
        self, column_ns: int = DEFAULT_COLUMN_NS, namespace: str = '', context: rclpy.Context | None = None
    ) -> None:
        """Subscribes at once; `column_ns` is the time one column of the strips stands for [ns]."""
        super().__init__('surface_watch', namespace=namespace, context=context)
        self.state = WatchState(column_ns=column_ns)
        self._newest_sample_ns = 0
        self._last_label_s = time.monotonic()
        self._statuses: dict[str, _Status] = {}
        self.subscribe()

    def subscribe(self) -> None:
        """Subscribes to what a robot's nodes publish in whatever way; a view may miss what it has no time to draw."""
        # Labels come in bursts when a graph runs faster than real time.
        self.create_subscription(SurfaceLabel, 'surface_label', self.on_label, stream_qos(1000, reliable=False))
        self.create_subscription(CurrentWindow, 'current_window', self.on_window, stream_qos(50, reliable=False))
        truth_qos = stream_qos(100, reliable=True, latched=True)
        self.create_subscription(SurfaceTruth, 'surface_truth', self.on_truth, truth_qos)
        self.create_subscription(DiagnosticArray, '/diagnostics', self.on_diagnostics, 20)

    def refresh_notice(self) -> None:
        """Report that no label has come for a while, and the worst status of the nodes that should lead to it.

        On a steady clock: a stopped one must not hide it.
        """
        now_s = time.monotonic()
        silent_s = now_s - self._last_label_s
        fresh = {name: status for name, status in self._statuses.items() if now_s - status.received_s < STATUS_AGE_S}
        worst = max(fresh.items(), key=lambda item: item[1].level, default=None)
        lines = []
        if silent_s >= SILENCE_S:
            lines.append(f'no message on {self.resolve_topic_name("surface_label")} for {silent_s:.0f} s')
        if worst is not None and worst[1].level > 0:
            lines.append(f'{worst[0]}: {worst[1].message}')
        elif lines and not self.count_publishers('surface_label'):
            lines[0] += ': no classifier runs; start it with ros2 launch surface_classifier bringup.launch.py'
        elif lines:
            lines[0] += (
                ': is the source still running?' if self.state.labels else ', and the classifier reports no fault'
            )
        self.state.notice = '\n'.join(lines)

    def on_diagnostics(self, message: DiagnosticArray) -> None:
        """Keep the status of each node that publishes samples, windows or labels."""
        # Other programs of the robot report on the same topic.
        chain = {name for topic in CHAIN_TOPICS for name in publishers_of(self, topic)}
        for status in message.status:
            name = f'/{status.name}'
            if name in chain:
                level = int.from_bytes(status.level, 'little')
                self._statuses[name] = _Status(level, status.message, time.monotonic())

    def on_label(self, message: SurfaceLabel) -> None:
        """Takes in a label."""
        self._last_label_s = time.monotonic()
        self.state.add_label(
            to_ns(message.header.stamp),
            message.surface,
            message.known,
            message.confidence,
            message.class_names,
            message.probabilities,
            reason='' if message.known else Reason(message.reason).text,
        )

    def on_window(self, message: CurrentWindow) -> None:
        """Takes in what is new in a window."""
        part = message.parts[0]
        samples = np.asarray(part.data, dtype=np.float64).reshape(part.samples, len(part.channel_names))
        # Channels in another unit than the first one would spoil the scale of the strip.
        samples = samples[:, [unit == part.channel_units[0] for unit in part.channel_units]]
        offsets_ns = np.rint(np.arange(part.samples) * (NANOSECONDS / part.sample_rate)).astype(np.int64)
        stamps_ns = to_ns(part.start) + offsets_ns
        if stamps_ns[-1] < self._newest_sample_ns - NANOSECONDS * 60:
            self._newest_sample_ns = 0
        # Windows overlap: only what the last one did not have is new.
        fresh = stamps_ns > self._newest_sample_ns
        self._newest_sample_ns = max(self._newest_sample_ns, int(stamps_ns[-1]))
        self.state.add_current(stamps_ns[fresh], samples[fresh])

    def on_truth(self, message: SurfaceTruth) -> None:
        """Takes in a true surface."""
        self.state.add_truth(to_ns(message.header.stamp), message.surface)


def watch(
    namespace: str = '',
    column_ns: int = DEFAULT_COLUMN_NS,
    plain: bool = False,
    label_count: int | None = None,
    picture: Path | None = None,
) -> WatchState:
    """Show the running graph until the key q, Ctrl-C or `label_count` labels.

    Args:
        namespace: Namespace of the nodes to watch.
        column_ns: Time that one column of the strips stands for [ns].
        plain: Print lines even in a terminal.
        label_count: Number of labels after which to end; None: never.
        picture: SVG file to write the last view to; None: none.

    Returns:
        The state at the end.
    """
    rclpy.init()
    node = WatchNode(column_ns, namespace)
    executor = NodeExecutor()
    executor.add_node(node)
    try:
        with Screen(render, 'surface watch', plain=plain) as screen, quit_key(screen.draws) as quits:
            while not quits() and (label_count is None or node.state.labels < label_count):
                executor.spin_once(timeout_sec=0.1)
                node.refresh_notice()
                screen.show(node.state)
            screen.show(node.state, now=True)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if picture is not None:
            save_view(node.state, picture, 'surface watch', render)
        node.destroy_node()
        rclpy.try_shutdown()
    return node.state
