# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks for tests of executors: worker processes import them by name."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from surface_classifier.data.executor import CancelledTaskError, check_cancelled


def square(value: int) -> int:
    """Give the square."""
    return value * value


def refuse_three(value: int) -> int:
    """Refuse 3, and give everything else back."""
    if value == 3:
        raise SurfaceError('three is refused')
    return value


def run_until_cancelled(file: str) -> int:
    """Say on a file's second line that the task was cancelled; give the process of the worker for an empty name."""
    if not file:
        return os.getpid()
    Path(file).write_text('begun\n')
    deadline = time.monotonic() + 60.0
    try:
        while time.monotonic() < deadline:
            check_cancelled()
            time.sleep(0.01)
    except CancelledTaskError:
        with Path(file).open('a') as stream:
            stream.write('cancelled\n')
        raise
    return os.getpid()


def node_and_sum(item: tuple[int, Any]) -> tuple[int, str, bool]:
    """Give the number of a task, the sum of its array, and whether the array may be written to."""
    time.sleep(0.2)
    return item[0], str(item[1].sum()), item[1].flags.writeable


def end_process(_: int) -> None:
    """End the worker's process, as the kernel does when memory runs out."""
    os._exit(9)
