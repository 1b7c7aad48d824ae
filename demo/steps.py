# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Numbered steps on the terminal, and the `surface` command run as a person would type it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from current_driver.errors import SurfaceError
from surface_classifier.startup.node_processes import interrupted_by_stop_requests


class Steps:
    """Prints what is being done, step by step."""

    def __init__(self, console: Console, total: int, environment: Mapping[str, str]) -> None:
        """Takes where to print, how many steps there are, and the environment variables of the commands."""
        self._console = console
        self._total = total
        self._environment = dict(environment)
        self._done = 0

    def begin(self, text: str) -> None:
        """Prints the heading of the next step."""
        self._done += 1
        self._console.print(f'\n[bold]{self._done}/{self._total}[/bold] {text}', soft_wrap=True)
        self._console.file.flush()

    def surface(self, *arguments: str) -> None:
        """Runs the `surface` command and shows how it was typed.

        Raises:
            SurfaceError: It failed; it has said why.
        """
        self._console.print(f'  $ surface {shlex.join(arguments)}', style='dim', soft_wrap=True, markup=False)
        self._console.file.flush()
        command = [sys.executable, '-m', 'surface_classifier.cli.main', *arguments]
        with subprocess.Popen(command, env=self._environment) as process:
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if status:
            raise SurfaceError(f'`surface {arguments[0]}` ended with exit status {status}')


def shown(path: Path) -> Path:
    """A path as short as it can be typed from where one stands."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def exit_status(program: str, console: Console, run: Callable[[], int]) -> int:
    """Run a program until it ends, is interrupted or reports an error; return its exit status.

    Args:
        program: Its name, which an error begins with.
        console: Where errors are printed.
        run: Runs it and returns the exit status.
    """
    try:
        with interrupted_by_stop_requests():
            return run()
    except KeyboardInterrupt:
        console.print('interrupted; every node was stopped')
        return 130
    except SurfaceError as error:
        console.print(f'{program}: error: {error}', markup=False, soft_wrap=True)
        return 2
