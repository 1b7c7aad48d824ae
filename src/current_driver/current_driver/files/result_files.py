# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Result files that appear whole: each is written beside its place and renamed.

A full disk or a killed process leaves the file that was there before, never an empty or half-written one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from pathlib import Path

from current_driver.errors import SurfaceError

_counter = itertools.count()


def write_result(
    path: str | os.PathLike[str], content: str | bytes, what: str = 'result', *, parents: bool = True
) -> None:
    """Put a file under its name, whole; one that is there is replaced.

    A device or a pipe, such as `/dev/stdout`, is written to directly.

    Args:
        path: The file.
        content: Text, written as UTF-8, or bytes.
        what: What it is, for the error.
        parents: Make the folders above it.

    Raises:
        SurfaceError: It cannot be written; what was there before is unchanged.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        place = Path(path).resolve()
        if parents:
            place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_file():
            if place.is_dir():
                raise IsADirectoryError(21, 'it is a folder')
            with open(path, 'wb') as device:  # noqa: PTH123 - the name may be a link to a pipe, which has no place
                device.write(data)
            return
        remove_partial_files(place)
        replace_file(place, data)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SurfaceError(
            f'{path}: the {what} cannot be written there ({reason}); free space, or write elsewhere'
        ) from error


def replace_file(place: Path, data: bytes, *, synchronize: bool = True) -> None:
    """Put a file under its name when it is complete.

    Args:
        place: The file.
        data: Its content.
        synchronize: Wait until it is on the disk, so that it survives the end of the machine.

    Raises:
        OSError: It cannot be written; what was there before is unchanged.
    """
    partial = place.with_name(f'.{place.name}.partial-{os.getpid()}-{next(_counter)}')
    try:
        with partial.open('xb') as file:
            file.write(data)
            file.flush()
            if synchronize:
                os.fsync(file.fileno())
        if place.exists():
            shutil.copymode(place, partial)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(place: Path) -> None:
    """Remove what processes that are dead left beside a file when they were killed while they wrote it.

    Args:
        place: The file, resolved.
    """
    beginning = f'.{place.name}.partial-'
    with contextlib.suppress(OSError):  # leftovers do no harm; the file itself is written all the same
        for path in place.parent.iterdir():
            if path.name.startswith(beginning) and path.is_file():
                pid = path.name.removeprefix(beginning).partition('-')[0]
                if pid.isdecimal() and not is_running(int(pid)):
                    path.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """Return whether there is a process of this id on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
