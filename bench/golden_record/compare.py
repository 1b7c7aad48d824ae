# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of two golden records: equal text, equal keys, and numbers equal to a tolerance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TOLERANCE = 1e-6

# Keys that have another name in the later tree: the name of before, the name of now.
RENAMED_KEYS: Mapping[str, str] = {}
# Keys whose values differ between two runs of one tree: durations, times of day, files.
VOLATILE = re.compile(r'(^|_)(seconds|time|created|date|path|file|command|commands|history)$')


def flatten(value: Any, path: str = '', *, skip: re.Pattern[str] | None = None) -> Iterator[tuple[str, Any]]:
    """List the leaves of a JSON value with their paths.

    Args:
        value: The JSON value.
        path: Path of the value itself.
        skip: Keys that match are left out, with everything below them.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if skip is None or not skip.search(str(key)):
                yield from flatten(item, f'{path}/{key}', skip=skip)
    elif isinstance(value, list):
        yield f'{path}/length', len(value)
        for index, item in enumerate(value):
            yield from flatten(item, f'{path}/{index}', skip=skip)
    else:
        yield path, value


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a record with its keys under their new names, also where a key is a path of keys such as `.scores[].f1`.

    Args:
        value: Record of the earlier tree.
        names: New name of each renamed key.
    """
    if isinstance(value, Mapping):
        return {_renamed_path(key, names): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return value


def differences(before: Any, now: Any, *, skip: re.Pattern[str] | None = VOLATILE) -> list[str]:
    """List what differs between the records of one stage, one line each.

    Args:
        before: Record of the commit that is compared against.
        now: Record of the working tree.
        skip: Keys that are not compared.
    """
    old, new = dict(flatten(renamed(before, RENAMED_KEYS), skip=skip)), dict(flatten(now, skip=skip))
    found = [f'{path}: only before ({old[path]!r})' for path in old if path not in new]
    found += [f'{path}: only now ({new[path]!r})' for path in new if path not in old]
    both = [path for path in old if path in new]
    found += [f'{path}: {old[path]!r} before, {new[path]!r} now' for path in both if not _equal(old[path], new[path])]
    return sorted(found)


def _renamed_path(key: str, names: Mapping[str, str]) -> str:
    return re.sub(r'[^.\[\]]+', lambda part: names.get(part.group(), part.group()), key)


def _equal(before: Any, now: Any) -> bool:
    if _is_number(before) and _is_number(now):
        return bool(abs(before - now) <= TOLERANCE * max(1.0, abs(before)))
    return type(before) is type(now) and bool(before == now)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
