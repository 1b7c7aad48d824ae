# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fields of configurations, declared once: kind, range or choices, unit, description and default.

Validation, conversion from and to plain values, parameters of nodes, and the reference of keys use the declaration:

    @dataclass(frozen=True)
    class Recipe:
        name: str = field(metadata=declared('text', 'Name of the recipe.', minimum=1))
        epochs: int = whole(40, 'Largest number of passes over the training windows.', minimum=1)

        def __post_init__(self) -> None:
            check_fields(self)
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

Kind = Literal['number', 'whole', 'wholes', 'flag', 'choice', 'text', 'texts', 'configs']

_KEY = 'declaration'
_WIDTH = 100  # of the reference of keys
_Config = TypeVar('_Config')
_KINDS: Mapping[Kind, str] = {
    'number': 'a number',
    'whole': 'a whole number',
    'wholes': 'a list of whole numbers',
    'flag': 'true or false',
    'text': 'a text',
    'texts': 'a list of texts',
    'configs': 'a list',
}


class FieldError(ValueError):
    """A value is not what its declaration allows.

    Attributes:
        name: Name of the field.
        value: The value.
        declaration: The declaration of the field.
    """

    def __init__(self, name: str, value: Any, declaration: Declaration) -> None:
        """Name the field, what it must be, and the value."""
        super().__init__(f'{name} must be {declaration.rule}, not {value!r}')
        self.name = name
        self.value = value
        self.declaration = declaration

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, Any, Declaration]]:
        """Let another process have it."""
        return FieldError, (self.name, self.value, self.declaration)


@dataclass(frozen=True)
class Declaration:
    """What a field may hold.

    Attributes:
        kind: `number`, `whole` (number), `wholes` (a list of them), `flag` (true or false), `choice`, `text`, `texts`
            (a list of them) or `configs` (a list of configurations).
        description: What the field does.
        unit: Unit of a number; empty when it has none.
        minimum: Smallest value allowed, of each item of a list; of a text its smallest length; None: no limit.
        maximum: Largest value allowed; None: no limit.
        above: The minimum itself is not allowed.
        below: The maximum itself is not allowed.
        multiple: Whole numbers must be multiples of it.
        choices: Values allowed for a choice.
        words: Words allowed in place of a number, such as `auto`.
        optional: None is allowed, too.
        key: Name of the field in files; empty: that of the field.
        omitted: The field is left out of plain values while it has its default. A field that is added later needs it,
            so that files of before read and look the same.
        config: Class of the items of a list of configurations.
        item: What one of them is called, such as `a channel`.
    """

    kind: Kind
    description: str
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    below: bool = False
    multiple: int = 1
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    optional: bool = False
    key: str = ''
    omitted: bool = False
    config: type[Any] | None = None
    item: str = ''

    @property
    def rule(self) -> str:
        """What a value must be, such as `a whole number from 1 to 64`."""
        return self._rule('')

    @property
    def rule_with_unit(self) -> str:
        """What a value must be, such as `a number above 0 [s], or null`."""
        return self._rule(f' [{self.unit}]' if self.unit not in ('', '1') else '')

    @property
    def remedy(self) -> str:
        """What to do about another value, such as `give a number above 0 [s]`."""
        return f'choose {" or ".join(self.choices)}' if self.kind == 'choice' else f'give {self.rule_with_unit}'

    def _rule(self, unit: str) -> str:
        if self.kind == 'choice':
            what = f'one of {", ".join(self.choices)}'
        elif self.kind == 'text':
            what = 'a text that is not empty' if self.minimum else 'a text'
        else:
            what = _KINDS[self.kind] + self._range + unit
        return what + ''.join(f', or {word}' for word in (*self.words, *(['null'] if self.optional else [])))

    @property
    def _range(self) -> str:
        low = '' if self.minimum is None else f'{"above" if self.above else "at least"} {self.minimum:g}'
        high = '' if self.maximum is None else f'{"below" if self.below else "at most"} {self.maximum:g}'
        if low and high and not self.above and not self.below:
            found = f' from {self.minimum:g} to {self.maximum:g}'
        elif low or high:
            found = f' {"" if self.above else "of "}' + ' and '.join(limit for limit in (low, high) if limit)
        else:
            found = ''
        if self.multiple > 1:
            found += f', {"each " if self.kind == "wholes" else ""}a multiple of {self.multiple}'
        return found

    def check(self, name: str, value: Any) -> Any:
        """Return a value as the field keeps it: lists become tuples, and numbers of a `number` floats.

        Args:
            name: Name of the field, for the error.
            value: The value.

        Raises:
            FieldError: It is not what the declaration allows.
        """
        if (value is None and self.optional) or (isinstance(value, str) and value in self.words):
            return value
        if self.kind in ('wholes', 'texts', 'configs'):
            good = isinstance(value, list | tuple) and all(map(self._is_item, value))
            value = tuple(value) if good else value
        elif self.kind == 'number':
            good = self._is_number(value, float)
            value = float(value) if good else value
        else:
            good = self._is_item(value)
        if not good:
            raise FieldError(name, value, self)
        return value

    def _is_item(self, value: Any) -> bool:
        """Whether a value is one of the kind, or may be an item of a list of the kind."""
        if self.kind in ('whole', 'wholes'):
            return self._is_number(value, int) and value % self.multiple == 0
        if self.kind == 'flag':
            return type(value) is bool
        if self.kind == 'configs':
            return isinstance(value, self.config or ())
        if self.kind == 'choice':
            return isinstance(value, str) and value in self.choices
        return isinstance(value, str) and len(value) >= (self.minimum or 0)

    def _is_number(self, value: Any, kind: type[float]) -> bool:
        """Whether a value is a number of the range; a whole one where `kind` is int."""
        if isinstance(value, bool) or not isinstance(value, int | kind):
            return False
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False  # a whole number that no float can hold
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return finite and low <= value <= high and not ((self.above and value == low) or (self.below and value == high))


def number(
    default: Any,
    description: str,
    *,
    unit: str = '',
    minimum: float | None = None,
    maximum: float | None = None,
    **limits: Any,
) -> Any:
    """Declare a field that holds a finite number; see `Declaration` for `limits`."""
    return field(default=default, metadata=declared('number', description, unit, minimum, maximum, **limits))


def whole(
    default: Any,
    description: str,
    *,
    unit: str = '',
    minimum: int | None = None,
    maximum: int | None = None,
    **limits: Any,
) -> Any:
    """Declare a field that holds a whole number; see `Declaration` for `limits`."""
    return field(default=default, metadata=declared('whole', description, unit, minimum, maximum, **limits))


def wholes(default: tuple[int, ...], description: str, *, unit: str = '', minimum: int = 0, multiple: int = 1) -> Any:
    """Declare a field that holds a list of whole numbers, which may be empty; see `Declaration`."""
    return field(default=default, metadata=declared('wholes', description, unit, minimum, multiple=multiple))


def flag(default: bool, description: str) -> Any:
    """Declare a field that is true or false."""
    return field(default=default, metadata=declared('flag', description))


def choice(default: str, choices: tuple[str, ...], description: str, *, omitted: bool = False) -> Any:
    """Declare a field that holds one of some words."""
    return field(default=default, metadata=declared('choice', description, choices=choices, omitted=omitted))


def text(default: str, description: str, *, minimum: int = 0, omitted: bool = False) -> Any:
    """Declare a field that holds a text of a smallest length."""
    return field(default=default, metadata=declared('text', description, minimum=minimum, omitted=omitted))


def declared(kind: Kind, description: str, *limits: Any, **further: Any) -> Mapping[str, Declaration]:
    """Return the metadata of a field, for one without a default: `field(metadata=declared('text', 'Its name.'))`.

    Args:
        kind: Kind of the field.
        description: What it does.
        limits: Further attributes of `Declaration`, in their order.
        further: Further attributes by name.
    """
    return {_KEY: Declaration(kind, description, *limits, **further)}


def declarations(config: type[Any]) -> dict[str, Declaration]:
    """Return the declared fields of a configuration class by name."""
    return {item.name: item.metadata[_KEY] for item in fields(config) if _KEY in item.metadata}


def check_fields(config: Any) -> None:
    """Check every declared field of a frozen dataclass, for its `__post_init__`.

    Raises:
        FieldError: The message names the field, what it must be, and the value.
    """
    for name, declaration in declarations(type(config)).items():
        object.__setattr__(config, name, declaration.check(name, getattr(config, name)))


def check_keys(config: type[Any], values: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
    """Refuse keys that a configuration class does not have.

    Args:
        config: The class.
        values: Values by key.
        renamed: New name of each key that an earlier version had. `key: value` stands for one value of a key, and is
            followed by the key and the value of now.

    Raises:
        ValueError: The message names the key, and its new name or all known ones.
    """
    known = [item.name for item in fields(config)]
    for key, value in values.items():
        check_renamed(str(key), value, renamed, known)
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise ValueError(f'unknown {", ".join(unknown)}; known are {", ".join(known)}')


def check_renamed(key: str, value: Any, renamed: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse a key, or a value of a key, that has another name now.

    Args:
        key: The key.
        value: Its value, as YAML gives it.
        renamed: As in `check_keys`.
        known: Keys of now.

    Raises:
        ValueError: The message names what to write.
    """
    pair = f'{key}: {str(value).lower() if isinstance(value, bool) else value}'
    if pair in renamed:
        raise ValueError(f'`{pair}` is written `{renamed[pair]}` now')
    if key not in known and key in renamed:
        raise ValueError(f'{key} is called {renamed[key]} now; rename the key')


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
    known = declarations(type(config))
    return replace(config, **{key: _number_in(known.get(key), value) for key, value in values.items()})  # type: ignore[type-var]


def check_layout(values: Any, what: str, required: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse what is no mapping of some keys.

    Args:
        values: What was given.
        what: What it is called, such as `a channel`.
        required: Keys that it must have.
        optional: Keys that it may have.

    Raises:
        ValueError: It is no mapping, has an unknown key, or lacks a required one.
    """
    known = ', '.join([*required, *optional])
    if not isinstance(values, Mapping):
        raise ValueError(f'{what} is {values!r}; give a mapping with the keys {known}')
    unknown = [str(key) for key in values if key not in required and key not in optional]
    if unknown:
        raise ValueError(f'unknown key {", ".join(unknown)} in {what}; known keys: {known}')
    missing = [key for key in required if key not in values]
    if missing:
        raise ValueError(f'{what} lacks the key {", ".join(missing)}')


def from_values(config: type[_Config], values: Any, what: str, **others: Any) -> _Config:
    """Return a configuration of plain values, as YAML gives them; nested ones are read, too.

    Args:
        config: Class of the configuration.
        values: Values by key.
        what: What the mapping is called, such as `a channel`.
        others: Values of fields that are not in the mapping, by name.

    Raises:
        ValueError: `values` is no mapping, a key is unknown or missing, or a value is not what its declaration allows.
    """
    names = {declared.key or name: name for name, declared in declarations(config).items() if name not in others}
    needed = {item.name for item in fields(config) if _default(item) is MISSING}  # type: ignore[arg-type]
    required = [key for key, name in names.items() if name in needed]
    check_layout(values, what, required, [key for key in names if key not in required])
    known = declarations(config)
    found = {names[key]: read_value(known[names[key]], names[key], value) for key, value in values.items()}
    return config(**found, **others)


def read_value(declaration: Declaration, name: str, value: Any) -> Any:
    """Return a plain value as its field takes it: configurations of their values, and numbers of texts such as 2e-3.

    Args:
        declaration: The declaration of the field.
        name: Name of the field, for the error.
        value: The value.

    Raises:
        ValueError: The items of a list of configurations cannot be read.
    """
    if declaration.config is None:
        return _number_in(declaration, value)
    if not isinstance(value, list | tuple):
        raise FieldError(name, value, declaration)
    return tuple(from_values(declaration.config, item, declaration.item) for item in value)


def plain_values(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration as JSON types, by their names in files.

    Lists of configurations come after the others, and behind them what is written only where it is not the default.
    """
    known = declarations(type(config))
    plain: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for item in fields(config):
        if not item.init:
            continue
        value = getattr(config, item.name)
        declaration = known.get(item.name)
        if declaration is None:
            plain[item.name] = _plain(value)
        elif not declaration.omitted or value != _default(item):
            place = added if declaration.omitted else lists if declaration.kind == 'configs' else plain
            place[declaration.key or item.name] = _plain(value)
    return plain | lists | added


def key_reference(config: type[Any], defaults: Any = None, *, leave_out: Sequence[str] = ()) -> str:
    """Return a reference of the keys of a configuration: default, what a value must be, unit and description.

    Args:
        config: The class.
        defaults: An object whose attributes are the defaults; None: those of the class.
        leave_out: Names of fields that are not listed.
    """
    blocks = []
    for item in fields(config):
        if item.name in leave_out or (declaration := item.metadata.get(_KEY)) is None:
            continue
        default = _default(item) if defaults is None else getattr(defaults, item.name)
        shown = 'required' if default is MISSING else json.dumps(_plain(default)).strip('"') or "''"
        blocks.append(f'{declaration.key or item.name} ({shown}): {declaration.rule_with_unit}')
        blocks += textwrap.wrap(
            declaration.description,
            _WIDTH,
            initial_indent='    ',
            subsequent_indent='    ',
            break_on_hyphens=False,
        )
    return '\n'.join(blocks)


def _default(item: Field[Any]) -> Any:
    """Return the default of a field, `MISSING` where it has none."""
    return item.default if item.default_factory is MISSING else item.default_factory()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return plain_values(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _number_in(declaration: Declaration | None, value: Any) -> Any:
    """Return the number that a text holds where a number is declared: YAML reads 2e-3 as a text."""
    try:
        return float(value) if isinstance(value, str) and declaration and declaration.kind == 'number' else value
    except ValueError:
        return value
