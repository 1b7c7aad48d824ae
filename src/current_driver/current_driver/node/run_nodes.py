# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Run nodes in a process until Ctrl-C, a stop request, or the end of their work."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation

from current_driver.entry import stop_signals
from current_driver.errors import SurfaceError
from current_driver.node.base_node import MonitoredNode

# Python lets a computing thread keep the interpreter for 5 ms, which a sample in another thread's hands would wait.
THREAD_SWITCH_INTERVAL_S = 0.0005


class NodeExecutor(SingleThreadedExecutor):
    """An executor that a shutdown may interrupt while it is being made."""

    # rclpy's `__del__` reads it even when `__init__` has not come so far, and prints a traceback without it.
    _sigint_gc = None

    def __del__(self) -> None:
        """Release the executor; a shutdown may have destroyed its guard condition before."""
        release = getattr(super(), '__del__', None)
        if release is not None:
            with contextlib.suppress(rclpy_implementation.InvalidHandle):
                release()


def run(make_nodes: Callable[[], Sequence[MonitoredNode]], args: Sequence[str] | None = None) -> int:
    """Run nodes in this process until Ctrl-C, a stop request, or the end of their work.

    Args:
        make_nodes: Makes the nodes; called after ROS is up.
        args: Command line, None for this process's own.

    Returns:
        Exit status: 0, 2 for bad parameters, or what a node asks for.
    """
    # rclpy's own handlers, installed next, shut ROS down and then call these. rclpy knows no SIGHUP.
    stopping = stop_signals()
    for number in stopping:
        signal.signal(number, _terminate if number == signal.SIGHUP else _do_nothing)
    sys.setswitchinterval(THREAD_SWITCH_INTERVAL_S)
    rclpy.init(args=None if args is None else list(args))
    nodes: Sequence[MonitoredNode] = ()
    exit_code = 0
    try:
        nodes = make_nodes()
        executor = NodeExecutor()
        for node in nodes:
            executor.add_node(node)
        executor.spin()
    except ExternalShutdownException:
        pass
    except SurfaceError as error:
        print(f'{sys.argv[0].rsplit("/", 1)[-1]}: error: {error}', file=sys.stderr)
        exit_code = 2
    except Exception:
        if rclpy.ok():
            raise
        # A shutdown in the middle of work: what was being waited for or published is gone.
    finally:
        for node in nodes:
            node.close()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
        # Ctrl-C reaches a process from the terminal and again from `ros2 launch`; the second must not kill the
        # interpreter while it ends.
        for number in stopping:
            signal.signal(number, signal.SIG_IGN)
    return max([exit_code, *(node.exit_code for node in nodes)])


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let rclpy's handler do the work."""


def _terminate(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGHUP as SIGTERM; runs when the executor next wakes up, at the latest with the next health report."""
    signal.raise_signal(signal.SIGTERM)
