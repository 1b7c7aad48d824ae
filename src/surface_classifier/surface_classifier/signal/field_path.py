# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Paths to a number inside a message: `a.b[0].c`, `effort[left_wheel]`.

A path is parsed once and walked for every message, never evaluated. It works alike on the message objects of rclpy and
of rosbags. `effort[left_wheel]` means the element of `effort` at the place where a string array beside it (`name`,
`motor_names`, `joint_names`, ...) holds `left_wheel`. Where there is no such array, `drivers[left_wheel].current` means
the element of `drivers` one of whose own texts (`name`, `device_name`, ...) is `left_wheel`. The names of a message's
elements may also come with another message (`read` takes them).

Names and values are checked in every message: as many names as values, and each name once. Otherwise the place of a
name says nothing about the place of its value.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from current_driver.errors import DamagedMessageError, MessageError, SurfaceError

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
        # Where each named element was found last: (name of the string array, index), or the element's own text.
        # Names rarely move between messages.
        self._found: dict[PathStep, tuple[str, int]] = {}
        self._found_inside: dict[PathStep, str] = {}

    def read(self, message: Any, names: Sequence[str] | None = None) -> float:
        """The number at the path.

        Args:
            message: The message.
            names: What the elements are called, in their order, where another message says so.

        Raises:
            SurfaceError: Messages of this type have no such field, or it is not a number; the error lists the fields.
            MessageError: This message lacks the element.
            DamagedMessageError: It does not say which of its values is meant: a name occurs twice, or there are more or
                fewer names than values.
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
            raise self._lacks(f'{step.field!r} holds {len(values)} values, so there is no [{step.element}]')
        return values[index]

    def _index_in(self, names: Sequence[str], values: Any, step: PathStep) -> int:
        if len(names) != len(values):
            text = f'{step.field!r} holds {len(values)} values, but there are {len(names)} names for them'
            raise self._damaged(text) if len(values) else self._lacks(text)
        if step.element not in names:
            raise self._lacks(f'no element is named {step.element!r}; the names are {", ".join(names)}')
        return self._place(names, len(values), step)

    def _index_of_name(self, parent: Any, values: Any, step: PathStep) -> int:
        found = self._found.get(step)
        if found is not None:
            names = getattr(parent, found[0])
            if (
                len(names) == len(values)
                and found[1] < len(names)
                and names[found[1]] == step.element
                and names.count(step.element) == 1
            ):
                return found[1]
        arrays = string_arrays(parent)
        naming = {field: names for field, names in arrays.items() if step.element in names}
        fitting = {field: names for field, names in naming.items() if len(names) == len(values)}
        places = {self._place(names, len(values), step) for names in (fitting or naming).values()}
        if len(places) > 1:
            raise self._damaged(
                f'{" and ".join(map(repr, fitting))} name {step.element!r} at different places; '
                f'give a number, like {step.field}[0]'
            )
        if places:
            (index,) = places
            if len(naming) == 1:  # with a second array of names, each message is compared with both
                self._found[step] = (next(iter(naming)), index)
            return index
        own_index = self._index_by_own_name(values, step)
        if own_index is not None:
            return own_index
        if not arrays:
            own = [name for value in values for name in texts(value).values()]
            if own:
                raise self._lacks(f'no element is named {step.element!r}; the names are {", ".join(own)}')
            raise self._lacks(
                f'{type_name(parent)} holds no array of names beside {step.field!r} to find {step.element!r} in; '
                f'give a number, like {step.field}[0]'
            )
        listed = '; '.join(f'{field}: {", ".join(names)}' for field, names in arrays.items())
        raise self._lacks(f'no element is named {step.element!r}; the names are {listed}')

    def _place(self, names: Sequence[str], values: int, step: PathStep) -> int:
        """Place of the element among names that hold it."""
        if not values:
            raise self._lacks(f'{step.field!r} holds 0 values, although {step.element!r} is named')
        if len(names) != values:
            raise self._damaged(
                f'{step.field!r} holds {values} values for {len(names)} names ({", ".join(names)}), so that it is not '
                f'known which is {step.element!r}; let the publisher fill {step.field!r}, or give a number, like '
                f'{step.field}[0]'
            )
        if names.count(step.element) > 1:
            raise self._damaged(
                f'{step.element!r} is named twice ({", ".join(names)}); give a number, like {step.field}[0]'
            )
        return names.index(step.element)

    def _index_by_own_name(self, values: Any, step: PathStep) -> int | None:
        found = self._found_inside.get(step)
        if found is not None and [getattr(value, found, '') for value in values].count(step.element) == 1:
            return next(index for index, value in enumerate(values) if getattr(value, found, '') == step.element)
        bearers = [
            (index, field)
            for index, value in enumerate(values)
            for field, text in texts(value).items()
            if text == step.element
        ]
        if len({index for index, _ in bearers}) > 1:
            raise self._damaged(
                f'{len(bearers)} elements are named {step.element!r}; give a number, like {step.field}[0]'
            )
        if not bearers:
            return None
        index, self._found_inside[step] = bearers[0]
        return index

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

    def _lacks(self, text: str) -> MessageError:
        return MessageError(f'{self._where}field path {self.path!r}: {text}')

    def _damaged(self, text: str) -> DamagedMessageError:
        return DamagedMessageError(f'{self._where}field path {self.path!r}: {text}')


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
