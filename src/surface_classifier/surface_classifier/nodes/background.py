# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Slow work for a service or an action, outside the executor's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar, cast

from rclpy.node import Node
from rclpy.task import Future

Result = TypeVar('Result')


async def in_thread(node: Node, work: Callable[[], Result]) -> Result:
    """Run a function in a thread of its own while the node's executor serves other callbacks.

    Await it from a callback that is a coroutine.

    Args:
        node: The node the callback belongs to.
        work: The function.

    Returns:
        What the function returns; an exception of the function is raised here.
    """
    future = Future()

    def call() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)
        # A waiting executor looks at its tasks only after it was woken.
        if node.executor is not None:
            node.executor.wake()

    threading.Thread(target=call, daemon=True).start()
    return cast(Result, await future)
