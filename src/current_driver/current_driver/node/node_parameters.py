# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node as a table: name, default, meaning, unit, range and choices, free of ROS.

The node declares its table, the documentation is checked against it, and values are checked here, so that a wrong one
is refused with a sentence that names the value and what would be right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from current_driver.errors import SurfaceError

Value = bool | int | float | str | tuple[str, ...]

TYPE_NAMES = {bool: 'a truth value', int: 'a whole number', float: 'a number', str: 'a text', tuple: 'a list of texts'}


@dataclass(frozen=True)
class NodeParameter:
    """One parameter of a node; all of them are read once, at the start.

    Attributes:
        name: Name, with dots between groups.
        default: Value when none is given; its type is the parameter's type.
        description: What it does, in one sentence.
        unit: Unit of a number; empty when it has none.
        minimum: Smallest value allowed, None for no limit.
        maximum: Largest value allowed, None for no limit.
        choices: Values allowed; empty for any.
    """

    name: str
    default: Value
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: object) -> Value:
        """Return a value as the parameter's own type; whole numbers pass for numbers.

        Raises:
            SurfaceError: It has the wrong type, is out of range, or is none of the choices.
        """
        wanted = type(self.default)
        checked: Any = value
        if wanted is tuple and isinstance(value, Sequence) and not isinstance(value, str | bytes):
            # An empty list cannot be written in a ROS parameter file; [''] stands for it.
            checked = tuple(item for item in value if item != '')
        elif wanted is float and isinstance(value, int) and not isinstance(value, bool):
            checked = float(value)
        if type(checked) is not wanted or not _holds_texts(checked):
            raise SurfaceError(
                f'parameter {self.name} is {value!r}; it must be {TYPE_NAMES[wanted]}, such as {self._example()}'
            )
        if self.choices and checked not in self.choices:
            raise SurfaceError(f'parameter {self.name} is {value!r}; it must be one of {", ".join(self.choices)}')
        if isinstance(checked, int | float) and not isinstance(checked, bool):
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not (math.isfinite(checked) and low <= checked <= high):
                unit = f' {self.unit}' if self.unit else ''
                raise SurfaceError(
                    f'parameter {self.name} is {value!r}; it must lie between {low:g} and {high:g}{unit}'
                )
        return checked

    def _example(self) -> str:
        if isinstance(self.default, tuple):
            return str(list(self.default) or ['a', 'b'])
        return repr(self.default)


def _holds_texts(value: object) -> bool:
    """Whether a value is no tuple, or a tuple of texts."""
    return not isinstance(value, tuple) or all(isinstance(item, str) for item in value)


def check_all(table: Sequence[NodeParameter], values: Mapping[str, object]) -> dict[str, Any]:
    """Return every parameter's checked value by name; those missing in `values` take their defaults.

    Raises:
        SurfaceError: A value is refused.
    """
    return {parameter.name: parameter.check(values.get(parameter.name, parameter.default)) for parameter in table}
