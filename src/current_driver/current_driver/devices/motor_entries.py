# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Entries `NAME=WHAT` of a parameter that binds motors to what a device calls them."""

from __future__ import annotations

from collections.abc import Sequence

from current_driver.errors import SurfaceError


def named_motors(entries: Sequence[str], parameter: str, example: str) -> dict[str, str]:
    """Return what motors are bound to, by their names, from entries `NAME=WHAT`.

    Args:
        entries: The entries.
        parameter: Name of the parameter they come from.
        example: A right entry.

    Raises:
        SurfaceError: There is none, one has no name or nothing it is bound to, or two have the same name.
    """
    motors: dict[str, str] = {}
    for entry in entries:
        name, found, bound = (part.strip() for part in entry.partition('='))
        if not (name and found and bound):
            raise SurfaceError(f'parameter {parameter}: {entry!r} must be NAME=..., such as {example}')
        if name in motors or bound in motors.values():
            raise SurfaceError(f'parameter {parameter}: {entry!r} names something twice')
        motors[name] = bound
    if not motors:
        raise SurfaceError(f'parameter {parameter} is empty; name the motors, such as {example}')
    return motors


def whole_number(text: str, parameter: str, largest: int) -> int:
    """Return a number that an entry is bound to, decimal or as 0x...

    Raises:
        SurfaceError: It is none, or out of range.
    """
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= largest:
        raise SurfaceError(f'parameter {parameter}: {text!r} must be a whole number from 0 to {largest}')
    return number
