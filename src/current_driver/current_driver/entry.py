# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Start of a node's process: from its start Ctrl-C and a stop request end it quietly, with exit status 0.

SIGHUP, which a terminal sends when its ssh connection is lost, is a stop request like SIGTERM, except where the process
was started with `nohup`.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def start(module: str) -> NoReturn:
    """Import a node's module and leave with the status of its `main()`.

    Importing takes a good part of a second, and nothing is open yet: a signal then ends the process at once. `main()`
    replaces these handlers by orderly ones.

    Args:
        module: Name of a module with a function `main() -> int`.
    """
    for number in stop_signals():
        signal.signal(number, _leave)
    sys.exit(importlib.import_module(module).main())


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a node's process in order; SIGHUP only where `nohup` does not ignore it."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return tuple(numbers)


def driver_node() -> NoReturn:
    """Run `current_driver_node`."""
    start('current_driver.driver_node')


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(0)
