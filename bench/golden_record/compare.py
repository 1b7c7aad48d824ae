# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of two golden records: equal text, keys and whole numbers, and other numbers equal to a tolerance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TOLERANCE = 1e-6

# What has another name in the later tree: a pattern in the path of a value, and what replaces it, one after the other.
_NETWORK = r'((?:network|architecture|members(?:/\d+|\[\]))[/.])'
RENAMED_PATHS: tuple[tuple[str, str], ...] = (
    (r'\bothers\b', 'members'),
    (r'\bmixing\b', 'mixup_alpha'),
    (r'\bsharpness\b', 'logit_scale'),
    (r'\bdiscriminant_start\b', 'discriminant_init'),
    (r'\bshare_weight\b', 'bin_scale'),
    (r'\bresting\b', 'idle_fractions'),
    (_NETWORK + r'levels\b', r'\1quantile_bins'),
    (r'\.wrong_told\b', '.incorrect_flagged'),
    (r'\.told(_by_motion)?$', r'.flagged\1'),
    (r'\.wholly_wrong\b', '.zero_accuracy'),
    # Bags have absolute topic names.
    (r'(?<!^/import_csv/\.recordings\[\]\.)\b(topics|messages)\.(motor_current|surface_truth)\b', r'\1./\2'),
)
# What the later tree adds: patterns of a whole path.
ADDED_PATHS = (
    r'/\w+/(\.\w+(\[\])?)*\.counters\.(future|publishers|second_source|skipped|time_runs_twice|clock_set)((\.|\[\]).*)?',
    r'/info_model/\.engine',
    r'/recover/\.bags\[\]\.dropped',
    r'/\w+/\.?accuracy_of_known',
    r'/\w+/(\.\w+(\[\])?)*\.curve_sha256',
)
# What differs because a format has changed: the end of the path.
CHANGED_ENDS = ('/model_digest',)
# Values that have another name: the end of the path, the value of before and that of now.
RENAMED_VALUES: tuple[tuple[str, str, str], ...] = (('/inputs', 'levels', 'soft_bins'),)
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


def renamed(path: str, value: Any) -> tuple[str, Any]:
    """Return a leaf of the earlier record under its name of now.

    Args:
        path: Path of the leaf.
        value: Its value.
    """
    for end, old, new in RENAMED_VALUES:
        if path.endswith(end) and value == old:
            value = new
    for pattern, replacement in RENAMED_PATHS:
        path = re.sub(pattern, replacement, path)
    return path, value


def differences(before: Any, now: Any, *, skip: re.Pattern[str] | None = VOLATILE) -> list[str]:
    """List what differs between the records of one stage, one line each.

    Args:
        before: Record of the commit that is compared against.
        now: Record of the working tree.
        skip: Keys that are not compared.
    """
    old = dict(renamed(path, value) for path, value in flatten(before, skip=skip))
    new = dict(flatten(now, skip=skip))
    found = [f'{path}: only before ({old[path]!r})' for path in old if path not in new]
    added = [path for path in new if path not in old and not any(re.fullmatch(added, path) for added in ADDED_PATHS)]
    found += [f'{path}: only now ({new[path]!r})' for path in added]
    both = [path for path in old if path in new and not path.endswith(CHANGED_ENDS)]
    found += [f'{path}: {old[path]!r} before, {new[path]!r} now' for path in both if not _equal(old[path], new[path])]
    return sorted(found)


def _equal(before: Any, now: Any) -> bool:
    if type(before) is int and type(now) is int:
        return before == now
    if _is_number(before) and _is_number(now):
        return bool(abs(before - now) <= TOLERANCE * max(1.0, abs(before)))
    return type(before) is type(now) and bool(before == now)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
