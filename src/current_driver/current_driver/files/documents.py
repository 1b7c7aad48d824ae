# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The one reader of YAML and JSON, with limits, so that no file makes a command hang, crash or run out of memory.

| limit | value | what it stops |
|---|---|---|
| size | 2 MiB of YAML, 256 MiB of JSON | files that are something else |
| depth | 64 levels | recursion errors |
| values | 200,000 in YAML after every alias is followed | aliases of aliases ("billion laughs") |
| whole numbers | 64 bits | numbers that no field can hold |
| decimal numbers | finite, unless written as infinite | `1e999` |

A key that is given twice is refused, because one of the two values would be lost. So is a NUL character in a text: ROS
strings end there.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from current_driver.errors import SurfaceError

MAX_YAML_BYTES = 2 << 20
MAX_JSON_BYTES = 256 << 20
MAX_DEPTH = 64
MAX_YAML_VALUES = 200_000
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_MAX_DIGITS = 20
_SHOWN_CHARACTERS = 40

_TOO_DEEP = f'is nested deeper than {MAX_DEPTH} levels'


class DocumentError(SurfaceError):
    """A YAML or JSON document that cannot be read.

    Attributes:
        origin: Its file, or what it is.
        reason: What is wrong with it.
        advice: What to do.
        missing: Whether there is no such file.
    """

    def __init__(self, origin: object, reason: str, advice: str, *, missing: bool = False) -> None:
        """Describe the error.

        Args:
            origin: Its file, or what it is.
            reason: What is wrong with it; follows the origin in the message.
            advice: What to do.
            missing: Whether there is no such file.
        """
        super().__init__(f'{origin}: {reason}; {advice}')
        self.origin = str(origin)
        self.reason = reason
        self.advice = advice
        self.missing = missing

    def __reduce__(self) -> tuple[type[DocumentError], tuple[str, str, str], dict[str, bool]]:
        """Cross to another process, as errors of workers do."""
        return type(self), (self.origin, self.reason, self.advice), {'missing': self.missing}


class _ProblemError(Exception):
    """What is wrong with a document, before its name is known."""


def read_yaml(path: str | os.PathLike[str], advice: str = 'correct the file') -> Any:
    """Return the content of a YAML file; None for an empty one.

    Args:
        path: The file.
        advice: What to do when it cannot be read, for the error.

    Raises:
        DocumentError: It is missing, not YAML, or beyond a limit.
    """
    return parse_yaml(_text(path, MAX_YAML_BYTES, advice), str(path), advice)


def parse_yaml(text: str, origin: str, advice: str = 'correct it') -> Any:
    """Return the content of YAML text; None for an empty one.

    Args:
        text: The YAML.
        origin: What it is called in an error.
        advice: What to do when it cannot be read, for the error.

    Raises:
        DocumentError: It is not YAML, or beyond a limit.
    """
    try:
        if len(text) > MAX_YAML_BYTES:
            raise _ProblemError(_too_large(len(text), MAX_YAML_BYTES))
        return yaml.load(text, Loader=_LimitedLoader)
    except _ProblemError as problem:
        raise DocumentError(origin, str(problem), advice) from None
    except yaml.YAMLError as error:
        raise DocumentError(origin, f'is not YAML: {_yaml_reason(error)}', advice) from error
    except RecursionError:
        raise DocumentError(origin, _TOO_DEEP, advice) from None


def read_json(path: str | os.PathLike[str], advice: str = 'write the file again', *, not_finite: bool = False) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        advice: What to do when it cannot be read, for the error.
        not_finite: Accept NaN and Infinity, which are not JSON, but which Python writes.

    Raises:
        DocumentError: It is missing, not JSON, or beyond a limit.
    """
    return parse_json(_text(path, MAX_JSON_BYTES, advice), str(path), advice, not_finite=not_finite)


def parse_json(text: str, origin: str, advice: str = 'correct it', *, not_finite: bool = False) -> Any:
    """Return the content of JSON text.

    Args:
        text: The JSON.
        origin: What it is called in an error.
        advice: What to do when it cannot be read, for the error.
        not_finite: Accept NaN and Infinity, which are not JSON, but which Python writes.

    Raises:
        DocumentError: It is not JSON, or beyond a limit.
    """
    try:
        value = json.loads(
            text,
            parse_int=_whole_number,
            parse_float=_decimal_number,
            parse_constant=None if not_finite else _refuse_constant,
            object_pairs_hook=_mapping,
        )
        _check_tree(value)
    except _ProblemError as problem:
        raise DocumentError(origin, str(problem), advice) from None
    except RecursionError:
        raise DocumentError(origin, _TOO_DEEP, advice) from None
    except ValueError as error:
        raise DocumentError(origin, f'is not JSON: {error}', advice) from error
    return value


def _text(path: str | os.PathLike[str], largest: int, advice: str) -> str:
    try:
        with Path(path).open('rb') as file:
            content = file.read(largest + 1)
    except FileNotFoundError as error:
        raise DocumentError(path, 'cannot be read (no such file)', 'check the path', missing=True) from error
    except OSError as error:
        remedy = 'give a file' if isinstance(error, IsADirectoryError) else 'check its permissions'
        raise DocumentError(path, f'cannot be read ({error.strerror})', remedy) from error
    except ValueError as error:  # a NUL in the name
        raise DocumentError(repr(path), f'is not the name of a file ({error})', 'check the path') from error
    if len(content) > largest:
        raise DocumentError(path, _too_large(Path(path).stat().st_size, largest), advice)
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise DocumentError(path, f'is not text in UTF-8 (byte {error.start})', advice) from error


def _too_large(size: int, largest: int) -> str:
    return f'has {size / 2**20:.1f} MiB, more than the {largest / 2**20:.0f} MiB that are read'


def _yaml_reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark
        where = '' if mark is None else f'line {mark.line + 1}, column {mark.column + 1}: '
        return f'{where}{error.problem}'
    return ' '.join(str(error).split())


def _whole_number(text: str) -> int:
    if len(text.lstrip('-')) <= _MAX_DIGITS and _SMALLEST <= (value := int(text)) <= _LARGEST:
        return value
    raise _ProblemError(f'holds the whole number {_shortened(text)}, which does not fit into 64 bits')


def _decimal_number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _ProblemError(f'holds the number {_shortened(text)}, which is too large for a double')
    return value


def _refuse_constant(text: str) -> float:
    raise _ProblemError(f'holds {text}, which is not JSON')


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _ProblemError(f'gives the key {_shortened(twice)!r} twice')
    if any('\0' in name for name in values):
        raise _ProblemError('holds a NUL character in a key')
    return values


def _check_tree(value: Any) -> None:
    """Check depth and text of what JSON gave, without recursion."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise _ProblemError(_TOO_DEEP)
        following: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if '\0' in item:
                    raise _ProblemError(f'holds a NUL character in the text {_shortened(item)!r}')
            elif isinstance(item, dict):
                following.extend(item.values())
            elif isinstance(item, list):
                following.extend(item)
        level = following


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f'{text[:_SHOWN_CHARACTERS]}…'


class _LimitedLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the limits of the module."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        # Of each complete node: its values, and its levels, with every alias in it followed.
        self._sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, and add up its size."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            target: yaml.Node | None = super().compose_node(parent, index)
            if id(target) not in self._sizes:
                raise _ProblemError(f'line {mark.line + 1}: holds an alias of what it is a part of')
            return target
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _ProblemError(_TOO_DEEP)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys([key for key, _ in node.value])
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        sizes = [self._sizes[id(child)] for child in children]
        values, levels = 1 + sum(size[0] for size in sizes), 1 + max((size[1] for size in sizes), default=0)
        if values > MAX_YAML_VALUES:
            raise _ProblemError(f'holds more than {MAX_YAML_VALUES} values when its aliases are followed')
        if levels > MAX_DEPTH:
            raise _ProblemError(_TOO_DEEP)
        self._sizes[id(node)] = values, levels
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value; errors of Python's own types name the line."""
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, ArithmeticError, TypeError, AttributeError, LookupError) as error:
            raise _ProblemError(
                f'line {node.start_mark.line + 1}: {_shortened(str(node.value))} cannot be read as '
                f'{_tag_name(node.tag)} ({error}); put text into quotation marks'
            ) from error
        if isinstance(value, str) and '\0' in value:
            raise _ProblemError(f'line {node.start_mark.line + 1}: holds a NUL character')
        return value

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Make a whole number of at most 64 bits."""
        text = str(self.construct_scalar(node))
        value: int | None = None
        if len(text) <= 80:  # 64 binary digits, with `_` between some
            value = super().construct_yaml_int(node)
        if value is None or not _SMALLEST <= value <= _LARGEST:
            raise _ProblemError(
                f'line {node.start_mark.line + 1}: holds the whole number {_shortened(text)}, which does not fit into '
                '64 bits'
            )
        return value

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Make a decimal number; an infinite one must be written as such."""
        text = str(self.construct_scalar(node))
        value: float = super().construct_yaml_float(node)
        if math.isinf(value) and 'inf' not in text.lower():
            raise _ProblemError(
                f'line {node.start_mark.line + 1}: holds the number {_shortened(text)}, which is too large for a double'
            )
        return value


def _check_keys(keys: list[yaml.Node]) -> None:
    """Refuse a mapping that gives a key twice; what `<<` merges may be overridden."""
    seen: set[tuple[str, str]] = set()
    for key in keys:
        if not isinstance(key, yaml.ScalarNode) or key.tag == 'tag:yaml.org,2002:merge':
            continue
        name = (key.tag, str(key.value))
        if name in seen:
            raise _ProblemError(f'line {key.start_mark.line + 1}: gives the key {_shortened(key.value)!r} twice')
        seen.add(name)


def _tag_name(tag: str) -> str:
    return tag.rpartition(':')[2]


def _constructor(name: str) -> Callable[[_LimitedLoader, yaml.Node], Any]:
    return lambda loader, node: getattr(loader, name)(node)


_LimitedLoader.add_constructor('tag:yaml.org,2002:int', _constructor('construct_yaml_int'))
_LimitedLoader.add_constructor('tag:yaml.org,2002:float', _constructor('construct_yaml_float'))
