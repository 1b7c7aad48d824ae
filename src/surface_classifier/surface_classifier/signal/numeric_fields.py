# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Every number inside a message with the field path that leads to it, for messages of rclpy and of rosbags."""

from __future__ import annotations

import array
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from surface_classifier.signal.field_path import field_names, string_arrays, texts, type_name

# Longer arrays are scans, pictures and matrices; deeper messages, and more numbers, are no motor currents.
MOST_ELEMENTS = 32
MOST_DEPTH = 6
MOST_NUMBERS = 400

# What is inside them is no measurement.
_SKIPPED_TYPES = (
    'builtin_interfaces/msg/Duration',
    'builtin_interfaces/msg/Time',
    'std_msgs/msg/Header',
    'std_msgs/msg/MultiArrayLayout',
)
_USABLE_NAME = re.compile(r'[^\[\]\'"]*[^\[\]\'"\d][^\[\]\'"]*')


def numeric_fields(message: Any) -> dict[str, float]:
    """The numbers of a message by field path; truth values, stamps, layouts and long arrays are left out.

    Elements are called by their names where the message bears names, as `FieldReader` finds them, else by index.
    """
    found: dict[str, float] = {}
    for path, value in _numbers(message, '', 0):
        if len(found) >= MOST_NUMBERS:
            break
        found[path] = value
    return found


def only_names(message: Any) -> list[str] | None:
    """The names that a message holds beside no number, such as Keys; None for any other message."""
    arrays = string_arrays(message)
    if len(arrays) != 1:
        return None
    others = [path for path in numeric_fields(message) if path != 'names_version']
    (names,) = arrays.values()
    return None if others else names


def _numbers(message: Any, prefix: str, depth: int) -> Iterator[tuple[str, float]]:
    named = string_arrays(message)
    for field in field_names(message):
        value = getattr(message, field)
        if isinstance(value, (bool, np.bool_, str)) or field.endswith('covariance'):
            continue
        if isinstance(value, (int, float, np.number)):
            yield f'{prefix}{field}', float(value)
        elif isinstance(value, (list, tuple, bytes, array.array, np.ndarray)):
            if 0 < len(value) <= MOST_ELEMENTS:
                yield from _elements(value, f'{prefix}{field}', named, depth)
        elif depth < MOST_DEPTH and field_names(value) and type_name(value) not in _SKIPPED_TYPES:
            yield from _numbers(value, f'{prefix}{field}.', depth + 1)


def _elements(values: Any, path: str, named: dict[str, list[Any]], depth: int) -> Iterator[tuple[str, float]]:
    first = values[0]
    if isinstance(first, (str, bool, np.bool_)):
        return
    labels = _labels(values, named)
    if isinstance(first, (int, float, np.number)):
        for label, value in zip(labels, values, strict=True):
            yield f'{path}[{label}]', float(value)
    elif depth < MOST_DEPTH and type_name(first) not in _SKIPPED_TYPES:
        for label, value in zip(labels, values, strict=True):
            yield from _numbers(value, f'{path}[{label}].', depth + 1)


def _labels(values: Any, named: dict[str, list[Any]]) -> list[str]:
    """What to call the elements of an array: by names beside it, by their own, or by index."""
    for names in named.values():
        if len(names) == len(values) and are_usable(names):
            return names
    own = [texts(value) for value in values]
    for field in own[0]:
        names = [text.get(field, '') for text in own]
        # A name is looked for in the arrays beside it first.
        if are_usable(names) and not any(name in other for other in named.values() for name in names):
            return names
    return [str(index) for index in range(len(values))]


def are_usable(names: Sequence[str]) -> bool:
    """Whether names distinguish elements and can stand in a field path."""
    return len(set(names)) == len(names) and all(_USABLE_NAME.fullmatch(name) for name in names)
