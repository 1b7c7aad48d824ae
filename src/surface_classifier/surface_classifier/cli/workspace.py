# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Lets live verbs and scripts run with nothing sourced: finds the built workspace and enters its environment.

The shared libraries of the messages must be on the loader's path before Python starts, so entering means to start the
same command once more, in the environment that `install/setup.bash` makes.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from current_driver.errors import SurfaceError

_ENTERED = 'SURFACE_WORKSPACE_ENTERED'
_SETUP_FILE = 'setup.bash'


def enter_workspace() -> None:
    """Makes rclpy and the project's messages importable, by starting this process again if they are not.

    Returns at once where the workspace is sourced already. Otherwise it does not return.

    Raises:
        SurfaceError: There is no built workspace, or it does not hold what is needed.
    """
    missing = _missing_module()
    if missing is None:
        return
    setup = find_setup_file()
    if setup is None:
        raise SurfaceError(
            f'the Python module {missing} is not there and no built workspace was found; '
            f'run `make build` in the clone, or source install/{_SETUP_FILE} of your workspace first'
        )
    if os.environ.get(_ENTERED) == str(setup):
        raise SurfaceError(f'{setup} was sourced, but the Python module {missing} is not there; run `make build` again')
    environment = workspace_environment(setup)
    environment[_ENTERED] = str(setup)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def find_setup_file() -> Path | None:
    """Finds `install/setup.bash`: beside this Python environment, above this file, or in the folder one stands in."""
    beside = [Path(sys.prefix).parent, *Path(__file__).resolve().parents, Path.cwd()]
    return next((path / 'install' / _SETUP_FILE for path in beside if (path / 'install' / _SETUP_FILE).is_file()), None)


def workspace_environment(setup: Path) -> dict[str, str]:
    """The environment variables after sourcing a workspace's setup file in the present environment.

    Args:
        setup: Path of `setup.bash`.

    Raises:
        SurfaceError: The file cannot be sourced.
    """
    command = ['bash', '--noprofile', '--norc', '-c', 'source "$1" >&2 && env -0', 'bash', str(setup)]
    try:
        output = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, 'stderr', b'') or b''
        raise SurfaceError(f'{setup} cannot be sourced: {error} {detail.decode(errors="replace").strip()}') from error
    entries = (entry.partition('=') for entry in output.decode().split('\0') if '=' in entry)
    return {name: value for name, _, value in entries}


def _missing_module() -> str | None:
    return next((name for name in ('rclpy', 'surface_msgs') if importlib.util.find_spec(name) is None), None)
