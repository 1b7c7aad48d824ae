# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The node behind `surface watch`: feeds the terminal view from windows, labels and, where somebody says it, the truth.

The current is taken from `current_window`, not from the robot's topic, so that the strip shows what the classifier gets
whatever type and name the input has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, TypeVar

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rich.console import Console, RenderableType
from rich.live import Live

from current_driver.node.qos import stream_qos
from current_driver.node.run_nodes import NodeExecutor
from surface_classifier.model.labeller import Reason
from surface_classifier.nodes.conversion import NANOSECONDS, to_ns
from surface_classifier.terminal.plain_console import terminal_console
from surface_classifier.terminal.watch_view import DEFAULT_COLUMN_NS, WatchState, render, save_view
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth

SILENCE_S = 3.0
FRAMES_PER_S = 8.0
LINE_PERIOD_S = 1.0

ShownType = TypeVar('ShownType', bound='Shown')


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
        self.subscribe()

    def subscribe(self) -> None:
        """Subscribes to what a robot's nodes publish in whatever way; a view may miss what it has no time to draw."""
        # Labels come in bursts when a graph runs faster than real time.
        self.create_subscription(SurfaceLabel, 'surface_label', self.on_label, stream_qos(1000, reliable=False))
        self.create_subscription(CurrentWindow, 'current_window', self.on_window, stream_qos(50, reliable=False))
        truth_qos = stream_qos(100, reliable=True, latched=True)
        self.create_subscription(SurfaceTruth, 'surface_truth', self.on_truth, truth_qos)

    def refresh_notice(self) -> None:
        """Says so when no label has come for a while, on a steady clock: a stopped one must not hide it."""
        silent_s = time.monotonic() - self._last_label_s
        self.state.notice = ''
        if silent_s >= SILENCE_S:
            topic = self.resolve_topic_name('surface_label')
            doubt = 'is the source still running?' if self.state.labels else 'is the classifier running?'
            self.state.notice = f'no message on {topic} for {silent_s:.0f} s: {doubt}'

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
            reason='' if message.known else Reason(message.reason).name.lower().replace('_', ' '),
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


class Shown(Protocol):
    """What a screen shows."""

    def line(self) -> str:
        """The state in one plain line."""


class Screen(Generic[ShownType]):
    """Shows a state: as a picture that is redrawn in a terminal, as a plain line now and then elsewhere."""

    def __init__(
        self,
        draw: Callable[[ShownType, int, str], RenderableType],
        console: Console | None = None,
        plain: bool = False,
        title: str = 'surface watch',
    ) -> None:
        """Decides once how to show.

        Args:
            draw: Draws a state for a width [characters] and a title.
            console: Where to; standard output when None.
            plain: Draw nothing even in a terminal.
            title: Heading of the picture.
        """
        self.console = console or terminal_console()
        self._draw = draw
        self._title = title
        self._live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal and not plain else None
        self._period_s = 1.0 / FRAMES_PER_S if self._live else LINE_PERIOD_S
        self._next_s = 0.0
        self._last_line = ''

    def __enter__(self) -> Screen:
        """Takes the terminal."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the terminal back, with the last picture on it."""
        if self._live:
            self._live.stop()

    def save(self, state: ShownType, path: Path) -> None:
        """Writes the view as an SVG picture."""
        save_view(state, path, self._title, draw=self._draw)

    def show(self, state: ShownType, now: bool = False) -> None:
        """Shows the state if it is time for a frame or a line, or at once when `now`."""
        if not now and time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._period_s
        if self._live:
            self._live.update(self._draw(state, self.console.width, self._title), refresh=True)
        else:
            line = state.line()
            if line != self._last_line:
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)
                self.console.file.flush()
            self._last_line = line


def watch(
    namespace: str = '',
    column_ns: int = DEFAULT_COLUMN_NS,
    plain: bool = False,
    label_count: int | None = None,
    picture: Path | None = None,
) -> WatchState:
    """Shows the running graph until Ctrl-C or `label_count` labels.

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
        with Screen(render, plain=plain) as screen:
            while label_count is None or node.state.labels < label_count:
                executor.spin_once(timeout_sec=0.1)
                node.refresh_notice()
                screen.show(node.state)
            screen.show(node.state, now=True)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if picture is not None:
            save_view(node.state, picture)
        node.destroy_node()
        rclpy.try_shutdown()
    return node.state
