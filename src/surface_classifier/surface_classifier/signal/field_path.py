# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Paths to a number inside a message: `a.b[0].c`, `effort[left_wheel]`.

A path is parsed once and walked for every message, never evaluated. It works alike on the message objects of rclpy and
of rosbags. `effort[left_wheel]` means the element of `effort` at the place where a string array beside it (`name`,
`motor_names`, `joint_names`, ...) holds `left_wheel`. Where there is no such array, `drivers[left_wheel].current` means
the element of `drivers` one of whose own texts (`name`, `device_name`, ...) is `left_wheel`. The names of a message's
elements may also come with another message (`read` takes them).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from current_driver.errors import SurfaceError

_STEP = re.compile(r'([A-Za-z]\w*)((?:\[[^\[\]]+\])?)')


@dataclass(frozen=True)
class PathStep:
    """One step of a path: a field, and optionally which of its elements.

    Attributes:
        field: Name of the field.
        element: Index of the element, or the name that a sibling string array holds at its place, or that the element
            bears itself; None: the field itself.
    """

    field: str
    element: int | str | None = None


@cache
def parse_field_path(text: str) -> tuple[PathStep, ...]:
    """The steps of a field path.

    Raises:
        SurfaceError: The text is not a path.
    """
    steps = []
    position = 0
    while True:
        match = _STEP.match(text, position)
        if match is None:
            break
        field, element = match.group(1), match.group(2)[1:-1].strip().strip('\'"')
        if not element:
            steps.append(PathStep(field))
        else:
            steps.append(PathStep(field, int(element) if element.isdecimal() else element))
        position = match.end()
        if position == len(text):
            return tuple(steps)
        if text[position] != '.':
            break
        position += 1
    raise SurfaceError(
        f'field path {text!r} cannot be read at character {position + 1}; '
        'write it like effort[left_wheel], current[0] or wrench.force.x'
    )


class FieldReader:
    """Reads the number at one field path from messages of one type."""

    def __init__(self, path: str, where: str = '') -> None:
        """Make a reader.

        Args:
            path: The field path.
            where: What an error calls the channel and its topic.

        Raises:
            SurfaceError: The text is not a path.
        """
        self.path = path
        self._where = f'{where}: ' if where else ''
        self._steps = parse_field_path(path)
        # Where each named element was found last: (name of the string array, or of the element's own text, index).
        # Names rarely move between messages.
        self._found: dict[PathStep, tuple[str, int]] = {}
        self._found_inside: dict[PathStep, tuple[str, int]] = {}

    def read(self, message: Any, names: Sequence[str] | None = None) -> float:
        """The number at the path.

        Args:
            message: The message.
            names: What the elements are called, in their order, where another message says so.

        Raises:
            SurfaceError: The message has no such field or element, or it is not a number; the error says which exist.
        """
        value = message
        for step in self._steps:
            parent = value
            try:
                value = getattr(parent, step.field)
            except AttributeError:
                raise self._error(
                    f'there is no field {step.field!r} in {type_name(parent)}; '
                    f'its fields are {", ".join(field_names(parent)) or "none"}'
                ) from None
            if step.element is not None:
                value = self._element(parent, value, step, names)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise self._error(f'{self._describe(value)}, not a number') from None

    def _element(self, parent: Any, values: Any, step: PathStep, names: Sequence[str] | None) -> Any:
        if isinstance(values, (str, bytes)) or not hasattr(values, '__getitem__'):
            raise self._error(f'{step.field!r} of {type_name(parent)} is not an array; leave out [{step.element}]')
        if isinstance(step.element, int):
            index = step.element
        elif names is not None:
            index = self._index_in(names, values, step)
        else:
            index = self._index_of_name(parent, values, step)
        if index >= len(values):
            raise self._error(f'{step.field!r} holds {len(values)} values, so there is no [{step.element}]')
        return values[index]

    def _index_in(self, names: Sequence[str], values: Any, step: PathStep) -> int:
        if len(names) != len(values):
            raise self._error(f'{step.field!r} holds {len(values)} values, but there are {len(names)} names for them')
        if step.element not in names:
            raise self._error(f'no element is named {step.element!r}; the names are {", ".join(names)}')
        return names.index(step.element)

    def _index_of_name(self, parent: Any, values: Any, step: PathStep) -> int:
        found = self._found.get(step)
        if found is not None:
            names = getattr(parent, found[0])
            if found[1] < len(names) and names[found[1]] == step.element:
                return found[1]
        arrays = string_arrays(parent)
        for field, names in arrays.items():
            if step.element in names:
                index = names.index(step.element)
                self._found[step] = (field, index)
                return index
        own_index = self._index_by_own_name(values, step)
        if own_index is not None:
            return own_index
        if not arrays:
            own = [name for value in values for name in texts(value).values()]
            if own:
                raise self._error(f'no element is named {step.element!r}; the names are {", ".join(own)}')
            raise self._error(
                f'{type_name(parent)} holds no array of names beside {step.field!r} to find {step.element!r} in; '
                f'give a number, like {step.field}[0]'
            )
        listed = '; '.join(f'{field}: {", ".join(names)}' for field, names in arrays.items())
        raise self._error(f'no element is named {step.element!r}; the names are {listed}')

    def _index_by_own_name(self, values: Any, step: PathStep) -> int | None:
        found = self._found_inside.get(step)
        if found is not None:
            field, index = found
            if index < len(values) and getattr(values[index], field) == step.element:
                return index
        for index, value in enumerate(values):
            for field, text in texts(value).items():
                if text == step.element:
                    self._found_inside[step] = (field, index)
                    return index
        return None

    def _describe(self, value: Any) -> str:
        fields = field_names(value)
        if fields:
            return f'it leads to a {type_name(value)} with the fields {", ".join(fields)}'
        if isinstance(value, str):
            return f'it leads to the text {value!r}'
        if hasattr(value, '__len__'):
            return f'it leads to an array of {len(value)} values; say which one, like {self.path}[0]'
        return f'it leads to {value!r}'

    def _error(self, text: str) -> SurfaceError:
        return SurfaceError(f'{self._where}field path {self.path!r}: {text}')


def field_names(message: Any) -> tuple[str, ...]:
    """Names of a message's fields; empty for anything that is not a message. Works for rclpy and for rosbags."""
    kind = type(message)
    names = _field_names.get(kind)
    if names is None:
        names = _field_names[kind] = _field_names_of(kind)
    return names


_field_names: dict[type[Any], tuple[str, ...]] = {}


def _field_names_of(kind: type[Any]) -> tuple[str, ...]:
    if hasattr(kind, 'get_fields_and_field_types'):
        return tuple(kind.get_fields_and_field_types())
    if not dataclasses.is_dataclass(kind):
        return ()
    # rosbags keeps constants (upper case) and `__msgtype__` among the fields; names of fields begin in lower case.
    return tuple(item.name for item in dataclasses.fields(kind) if item.name[0].islower())


def type_name(message: Any) -> str:
    """Name of a message's type, such as `sensor_msgs/msg/JointState`. Works for rclpy and for rosbags."""
    name = getattr(message, '__msgtype__', None)
    if isinstance(name, str):
        return name
    module = type(message).__module__.split('.')
    if len(module) >= 2 and module[1] == 'msg':
        return f'{module[0]}/msg/{type(message).__name__}'
    return type(message).__name__


def string_arrays(message: Any) -> dict[str, list[Any]]:
    """The fields of a message that are non-empty arrays of strings, by name."""
    arrays = {}
    for field in field_names(message):
        values = getattr(message, field)
        if isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values) and values:
            arrays[field] = list(values)
    return arrays


def texts(message: Any) -> dict[str, str]:
    """The fields of a message that are texts and not empty, by name; empty for anything that is not a message."""
    values = ((field, getattr(message, field)) for field in field_names(message))
    return {field: value for field, value in values if isinstance(value, str) and value}
