# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node as a table: name, default, meaning, unit, range and choices, free of ROS.

The node declares its table, the documentation is checked against it, and values are checked here, so that a wrong one
is refused with a sentence that names the value and what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from current_driver.declared_fields import Declaration, FieldError, Kind
from current_driver.errors import SurfaceError

Value = bool | int | float | str | tuple[str, ...]

KINDS: Mapping[type[Any], Kind] = {bool: 'flag', int: 'whole', float: 'number', str: 'text', tuple: 'texts'}


@dataclass(frozen=True)
class NodeParameter:
    """One parameter of a node, read at the start.

    Attributes:
        name: Name, with dots between groups.
        default: Value when none is given; its type is the parameter's type.
        description: What it does, in one sentence.
        unit: Unit of a number; empty when it has none.
        minimum: Smallest value allowed, None for no limit.
        maximum: Largest value allowed, None for no limit.
        choices: Values allowed; empty for any.
        changeable: Whether it can change at run time.
        read_only_because: Why it cannot change; shown with the description where `changeable` is false.
    """

    name: str
    default: Value
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    changeable: bool = False
    read_only_because: str = 'the node makes its publishers, subscriptions, threads and source of it at the start'

    @property
    def ros_description(self) -> str:
        """What `ros2 param describe` shows: the description, the unit, and whether it can change at run time."""
        unit = f' [{self.unit}]' if self.unit else ''
        change = 'Can change at run time.' if self.changeable else f'Read-only: {self.read_only_because}.'
        return f'{self.description}{unit} {change}'

    @property
    def declaration(self) -> Declaration:
        """What the parameter may hold."""
        kind = 'choice' if self.choices else KINDS[type(self.default)]
        return Declaration(kind, self.description, self.unit, self.minimum, self.maximum, choices=self.choices)

    def check(self, value: object) -> Value:
        """Return a value as the parameter's own type; whole numbers pass for numbers.

        Raises:
            SurfaceError: It has the wrong type, is out of range, or is none of the choices.
        """
        given: Any = value
        if isinstance(self.default, tuple) and isinstance(value, Sequence) and not isinstance(value, str | bytes):
            # An empty list cannot be written in a ROS parameter file; [''] stands for it.
            given = tuple(item for item in value if item != '')
        try:
            checked: Value = self.declaration.check(self.name, given)
        except FieldError as error:
            example = list(self.default) or ['a', 'b'] if isinstance(self.default, tuple) else self.default
            such_as = '' if self.choices else f', such as {example!r}'
            rule = error.declaration.rule_with_unit
            raise SurfaceError(f'parameter {self.name} is {value!r}; it must be {rule}{such_as}') from error
        return checked


def check_all(table: Sequence[NodeParameter], values: Mapping[str, object]) -> dict[str, Any]:
    """Return every parameter's checked value by name; those missing in `values` take their defaults.

    Raises:
        SurfaceError: A value is refused.
    """
    return {parameter.name: parameter.check(values.get(parameter.name, parameter.default)) for parameter in table}
