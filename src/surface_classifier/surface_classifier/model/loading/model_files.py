# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads files of a model folder in bounded time and memory: regular ones of a plausible size, inside the folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from current_driver.errors import SurfaceError

_AGAIN = 'copy the whole model folder again'


class MissingMemberError(SurfaceError):
    """A file that a model folder does not hold."""


def read_member(file: Path, largest: int) -> bytes:
    """Return the bytes of a file of a model folder.

    Args:
        file: The file; its parent is the model's folder.
        largest: Bytes that it may have.

    Raises:
        MissingMemberError: There is no such file.
        SurfaceError: It is a pipe, a device or a folder, lies outside the model's folder, is too large or cannot be
            read.
    """
    try:
        place = file.resolve(strict=True)
        if not place.is_relative_to(file.parent.resolve()):
            raise SurfaceError(f'{file} is a link to {place}, outside the model folder; {_AGAIN}')
        _check_status(file, os.stat(place, follow_symlinks=False), largest)  # noqa: PTH116 - before it is opened
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, 'rb') as stream:
            status = os.fstat(descriptor)
            _check_status(file, status, largest)
            content = stream.read(status.st_size + 1)
    except FileNotFoundError as error:
        raise MissingMemberError(f'{file} cannot be read ({error.strerror}); {_AGAIN}') from error
    except OSError as error:
        raise SurfaceError(f'{file} cannot be read ({error.strerror}); {_AGAIN}') from error
    except (ValueError, RuntimeError) as error:  # a NUL in its name, a link to itself
        raise SurfaceError(f'{str(file)!r} cannot be read ({error}); {_AGAIN}') from error
    if len(content) != status.st_size:
        raise SurfaceError(f'{file} has changed its size while it was read; {_AGAIN}')
    return content


def _check_status(file: Path, status: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SurfaceError(f'{file} is not a regular file; {_AGAIN}')
    if status.st_size > largest:
        raise SurfaceError(
            f'{file} has {status.st_size / 2**20:.0f} MB, more than the {largest / 2**20:.0f} MB that it can have; '
            f'{_AGAIN}'
        )
