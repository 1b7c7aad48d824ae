# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of configurations, declared once: kind, range or choices, unit, description and default.

Validation, conversion from and to plain values, and reference pages use the declaration:

    @dataclass(frozen=True)
    class Recipe:
        epochs: int = whole(40, 'Largest number of passes over the training windows.', minimum=1)

        def __post_init__(self) -> None:
            check_fields(self)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

Kind = Literal['number', 'whole', 'wholes', 'flag', 'choice']

_KEY = 'declaration'
_Config = TypeVar('_Config')


@dataclass(frozen=True)
class Declaration:
    """What a field may hold.

    Attributes:
        kind: `number`, `whole` (number), `wholes` (a list of them), `flag` (true or false) or `choice`.
        description: What the field does.
        unit: Unit of a number; empty when it has none.
        minimum: Smallest value allowed, of each item of a list; None: no limit.
        maximum: Largest value allowed; None: no limit.
        below: The maximum itself is not allowed.
        multiple: Whole numbers must be multiples of it.
        choices: Values allowed for a choice.
        words: Words allowed in place of a number, such as `auto`.
    """

    kind: Kind
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    below: bool = False
    multiple: int = 1
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """What a value must be, such as `a whole number from 1 to 64`."""
        if self.kind == 'flag':
            return 'true or false'
        if self.kind == 'choice':
            return f'one of {", ".join(self.choices)}'
        what = {'number': 'a number', 'whole': 'a whole number', 'wholes': 'a list of whole numbers'}[self.kind]
        if self.multiple > 1:
            what += f' that {self.multiple} divides'
        return what + self._range + ''.join(f', or {word}' for word in self.words)

    @property
    def _range(self) -> str:
        if self.minimum is None or self.maximum is None:
            return '' if self.minimum is None else f' of at least {self.minimum:g}'
        if self.below:
            return f' of at least {self.minimum:g} and below {self.maximum:g}'
        return f' from {self.minimum:g} to {self.maximum:g}'

    def check(self, name: str, value: Any) -> Any:
        """Return a value as the field keeps it: lists become tuples.

        Args:
            name: Name of the field, for the error.
            value: The value.

        Raises:
            ValueError: It is not what the declaration allows.
        """
        if isinstance(value, str) and value in self.words:
            return value
        if self.kind == 'flag':
            good = type(value) is bool
        elif self.kind == 'choice':
            good = isinstance(value, str) and value in self.choices
        elif self.kind == 'wholes':
            good = isinstance(value, list | tuple) and all(self._is_number(item, whole=True) for item in value)
            value = tuple(value) if good else value
        else:
            good = self._is_number(value, whole=self.kind == 'whole')
        if not good:
            raise ValueError(f'{name} must be {self.rule}, not {value!r}')
        return value

    def _is_number(self, value: Any, *, whole: bool) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or math.isnan(value):
            return False
        if whole and value % self.multiple:
            return False
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= value < high if self.below or self.maximum is None else low <= value <= high


def number(
    default: Any,
    description: str,
    *,
    unit: str = '',
    minimum: float | None = None,
    maximum: float | None = None,
    below: bool = False,
    words: tuple[str, ...] = (),
) -> Any:
    """Declare a finite number; see `Declaration`."""
    return _declare(default, Declaration('number', description, unit, minimum, maximum, below, words=words))


def whole(
    default: Any,
    description: str,
    *,
    unit: str = '',
    minimum: int | None = None,
    maximum: int | None = None,
    words: tuple[str, ...] = (),
) -> Any:
    """Declare a whole number; see `Declaration`."""
    return _declare(default, Declaration('whole', description, unit, minimum, maximum, words=words))


def wholes(default: tuple[int, ...], description: str, *, unit: str = '', minimum: int = 0, multiple: int = 1) -> Any:
    """Declare a list of whole numbers, which may be empty; see `Declaration`."""
    return _declare(default, Declaration('wholes', description, unit, minimum, multiple=multiple))


def flag(default: bool, description: str) -> Any:
    """Declare a field that is true or false."""
    return _declare(default, Declaration('flag', description))


def choice(default: str, choices: tuple[str, ...], description: str) -> Any:
    """Declare a field that holds one of some words."""
    return _declare(default, Declaration('choice', description, choices=choices))


def _declare(default: Any, declaration: Declaration) -> Any:
    return field(default=default, metadata={_KEY: declaration})


def declarations(config: type[Any]) -> dict[str, Declaration]:
    """Return the declared fields of a configuration class by name."""
    return {item.name: item.metadata[_KEY] for item in fields(config) if _KEY in item.metadata}


def check_fields(config: Any) -> None:
    """Check every declared field of a frozen dataclass, for its `__post_init__`.

    Raises:
        ValueError: The message names the field, what it must be, and the value.
    """
    for name, declaration in declarations(type(config)).items():
        object.__setattr__(config, name, declaration.check(name, getattr(config, name)))


def check_keys(config: type[Any], values: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
    """Refuse keys that a configuration class does not have.

    Args:
        config: The class.
        values: Values by key.
        renamed: New name of each key that an earlier version had.

    Raises:
        ValueError: The message names the key, and its new name or all known ones.
    """
    known = [item.name for item in fields(config)]
    for key in values:
        if key not in known and key in renamed:
            raise ValueError(f'{key} is called {renamed[key]} now; rename the key')
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise ValueError(f'unknown {", ".join(unknown)}; known are {", ".join(known)}')


def with_values(config: _Config, values: Mapping[str, Any], renamed: Mapping[str, str]) -> _Config:
    """Return a configuration with some fields replaced by plain values, as YAML gives them.

    Args:
        config: The configuration.
        values: New values by key. A number that YAML reads as text, such as 2e-3, is taken as a number.
        renamed: New name of each key that an earlier version had.

    Raises:
        ValueError: A key is unknown, or a value is not what its declaration allows.
    """
    check_keys(type(config), values, renamed)
    return replace(config, **{key: _number_in(value) for key, value in values.items()})  # type: ignore[type-var]


def plain_values(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration as JSON types, nested configurations included."""
    return {item.name: _plain(getattr(config, item.name)) for item in fields(config)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return plain_values(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _number_in(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
