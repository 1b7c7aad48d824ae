# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Names that messages, files and terminals can carry: of surfaces, recordings and robots."""

from __future__ import annotations

from current_driver.errors import SurfaceError
from current_driver.files.plain_text import plain_text

MAX_NAME_CHARACTERS = 200


def check_name(name: str, what: str) -> str:
    """Return a name that messages, files and terminals can carry.

    Args:
        name: Such as a class, a robot or a topic.
        what: What it is the name of, for the error, such as `surface`.

    Raises:
        SurfaceError: It holds control characters, or is longer than `MAX_NAME_CHARACTERS`.
    """
    if '\0' in name:
        raise SurfaceError(f'{what} {name!r}: holds a NUL character, at which ROS strings end; write it without')
    if name != plain_text(name) or '\n' in name or '\t' in name:
        raise SurfaceError(f'{what} {name!r}: holds control characters; write it without them')
    if len(name) > MAX_NAME_CHARACTERS:
        raise SurfaceError(
            f'{what} {name[:40]!r}…: has {len(name)} characters; a name has at most {MAX_NAME_CHARACTERS}'
        )
    return name
