# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks that start nodes share: how they run, print, write JSON, and end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from current_driver.errors import SurfaceError
from surface_classifier.startup.node_processes import interrupted_by_stop_requests

Result = dict[str, Any]


def run_benchmark(
    name: str,
    args: argparse.Namespace,
    run: Callable[[argparse.Namespace, Console], Result],
    print_result: Callable[[Result, Console], None],
) -> tuple[int, Result | None]:
    """Run a benchmark; an interruption ends it with everything that it started.

    Args:
        name: What an error message begins with.
        args: Its arguments; `json` is a path or None.
        run: Measures, and returns the result as JSON types.
        print_result: Prints it.

    Returns:
        The exit status, and the result; None where there is none.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        with interrupted_by_stop_requests():
            result = run(args, console)
    except KeyboardInterrupt:
        console.print('interrupted; every process was stopped')
        return 130, None
    except SurfaceError as error:
        console.print(f'{name}: error: {error}', markup=False, soft_wrap=True)
        return 2, None
    print_result(result, console)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    return 0, result
