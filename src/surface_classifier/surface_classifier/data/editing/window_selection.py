# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Which windows of a data set are meant: by number, recording, class, time, or as a diagnosis names them."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, read_json
from surface_classifier.data.dataset import Dataset
from surface_classifier.signal.grid import NANOSECONDS

MISLABELLED = 'mislabelled_windows'  # the verdict of `surface diagnose` that lists windows
_LISTED = 8


@dataclass(frozen=True)
class TimeSpan:
    """A stretch of one recording.

    Attributes:
        recording: Name of the recording.
        start_s: Where it begins, from the beginning of the recording [s].
        end_s: Where it ends, likewise [s]; infinity: at the end of the recording.
    """

    recording: str
    start_s: float
    end_s: float

    @classmethod
    def parse(cls, text: str) -> TimeSpan:
        """A stretch as one types it, `RECORDING:FROM-TO`; without TO it goes on to the end.

        Raises:
            SurfaceError: It is none.
        """
        name, _, times = text.rpartition(':')
        first, _, last = times.partition('-')
        try:
            start_s, end_s = float(first or '0'), float(last) if last else float('inf')
        except ValueError:
            start_s = end_s = float('nan')
        if not name or not times or not 0 <= start_s < end_s:
            raise SurfaceError(
                f'{text!r}: is no stretch of a recording; write RECORDING:FROM-TO, as in drive_1:12.5-20'
            )
        return cls(name, start_s, end_s)


@dataclass(frozen=True)
class DoubtedLabel:
    """What a diagnosis says of one window.

    Attributes:
        window: Its number.
        probable: The surface that it looks like.
        probability: Probability of that surface, out of sample [1].
    """

    window: int
    probable: str
    probability: float


@dataclass(frozen=True)
class Selection:
    """Windows of a data set.

    Attributes:
        inside: Whether each window is meant, bool (n,).
        partly: Whether a window lies over the edge of a stretch that is meant, bool (n,).
        probable: For windows named by a diagnosis, by number, the surface each looks like.
        described: What was asked for, for the history.
    """

    inside: NDArray[np.bool_]
    partly: NDArray[np.bool_]
    probable: dict[int, str]
    described: dict[str, Any]


def parse_numbers(text: str) -> list[int]:
    """Numbers as one types them, `3,7,10-20`, ends included.

    Raises:
        SurfaceError: They are none.
    """
    numbers: list[int] = []
    for piece in text.split(','):
        first, dash, last = piece.strip().partition('-')
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise SurfaceError(f'{text!r}: is no list of windows; write their numbers, as in 3,7,10-20')
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def select_windows(
    dataset: Dataset,
    *,
    windows: Sequence[int] | None = None,
    recordings: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    spans: Sequence[TimeSpan] | None = None,
    diagnosis: str | os.PathLike[str] | None = None,
) -> Selection:
    """Find the windows that are meant: those that every given way of naming them names.

    Args:
        dataset: The data set.
        windows: Their numbers, from 0.
        recordings: Names of recordings, with the wildcards of a shell.
        classes: Names of classes.
        spans: Stretches of recordings.
        diagnosis: JSON file of `surface diagnose`, whose verdict `mislabelled_windows` names them.

    Raises:
        SurfaceError: Nothing was said, or what was named is not in the data set.
    """
    count = len(dataset)
    inside, partly = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    probable: dict[int, str] = {}
    described: dict[str, Any] = {}
    if windows is not None:
        inside &= _by_number(dataset, windows)
        described['windows'] = sorted(set(windows))
    if recordings is not None:
        chosen = match_recordings(dataset, recordings)
        inside &= np.isin(dataset.recording, chosen)
        described['recordings'] = [dataset.recordings[index].name for index in chosen]
    if classes is not None:
        inside &= np.isin(dataset.labels, [class_index(dataset, name) for name in classes])
        described['classes'] = list(classes)
    if diagnosis is not None:
        doubted = read_doubted_labels(dataset, diagnosis)
        inside &= _by_number(dataset, [entry.window for entry in doubted])
        probable = {entry.window: entry.probable for entry in doubted}
        described['diagnosis'] = str(diagnosis)
    if spans is not None:
        entirely, touched = _by_time(dataset, spans)
        partly = inside & touched & ~entirely
        inside &= entirely
        described['spans'] = [f'{span.recording}:{span.start_s:g}-{span.end_s:g}' for span in spans]
    if not described:
        raise SurfaceError(
            f'{dataset.path}: say which windows are meant, with --windows, --recordings, --classes, --spans or '
            '--diagnosis'
        )
    if not inside.any() and not partly.any():
        raise SurfaceError(f'{dataset.path}: no window is meant by {_what(described)} together; say less, or otherwise')
    return Selection(inside, partly, probable, described)


def class_index(dataset: Dataset, name: str) -> int:
    """Number of a class.

    Raises:
        SurfaceError: There is none of that name.
    """
    if name not in dataset.classes:
        raise SurfaceError(f'{dataset.path}: has no class {name!r}; its classes are {", ".join(dataset.classes)}')
    return dataset.classes.index(name)


def match_recordings(dataset: Dataset, patterns: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the recordings whose names match, ascending.

    Raises:
        SurfaceError: A pattern matches none, or no recordings are known.
    """
    if not dataset.has_recordings:
        raise SurfaceError(f'{dataset.path}: no recordings are known; say which windows are meant in another way')
    names = dataset.recording_names
    chosen: set[int] = set()
    for pattern in patterns:
        matching = [index for index, name in enumerate(names) if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            raise SurfaceError(f'{dataset.path}: has no recording {pattern!r}; it has {_listed(names)}')
        chosen.update(matching)
    return np.array(sorted(chosen), dtype=np.int64)


def read_doubted_labels(dataset: Dataset, file: str | os.PathLike[str]) -> list[DoubtedLabel]:
    """Windows that the JSON of `surface diagnose` holds for mislabelled.

    Raises:
        SurfaceError: The file is none of a diagnosis, is of another data set, or holds no window for mislabelled.
    """
    path = Path(file)
    try:
        content = read_json(path, 'write it with `surface diagnose DATASET --json FILE`')
        verdicts = {str(verdict['id']): verdict for verdict in content['verdicts']}
        suspected = {
            int(entry['window']): DoubtedLabel(
                int(entry['window']), str(entry['probable']), float(entry['probability'])
            )
            for entry in content['suspected']
        }
        digest = str(content['dataset']['digest'])
        of = content['dataset'].get('path', 'another data set')
    except DocumentError as error:
        if not error.missing:
            raise
        raise SurfaceError(f'{path}: no such file; write one with `surface diagnose DATASET --json FILE`') from None
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise SurfaceError(
            f'{path}: is not the JSON of `surface diagnose` ({error!r}); write it with '
            '`surface diagnose DATASET --json FILE`'
        ) from error
    if digest != dataset.digest:
        raise SurfaceError(
            f'{path}: is the diagnosis of {of} (digest {digest[:12]}…), not of {dataset.path} (digest '
            f'{dataset.digest[:12]}…), so its windows have other numbers; run `surface diagnose {dataset.path}` again'
        )
    if MISLABELLED not in verdicts:
        raise SurfaceError(
            f'{path}: the diagnosis holds no windows for mislabelled (it says {", ".join(verdicts)}); nothing is to be '
            'done'
        )
    windows = [int(window) for window in verdicts[MISLABELLED]['windows']]
    missing = [window for window in windows if window not in suspected]
    if missing:
        raise SurfaceError(f'{path}: damaged, it does not say what window {missing[0]} looks like; diagnose again')
    return [suspected[window] for window in windows]


def span_origin_ns(dataset: Dataset, recording: int) -> int:
    """Stamp from which the times of a recording are counted: its beginning, else its first window [ns]."""
    start_ns = dataset.recordings[recording].start_ns
    return int(np.min(dataset.start_ns[dataset.recording == recording])) if start_ns is None else start_ns


def _by_number(dataset: Dataset, windows: Sequence[int]) -> NDArray[np.bool_]:
    mask = np.zeros(len(dataset), dtype=bool)
    for window in windows:
        if not 0 <= window < len(dataset):
            raise SurfaceError(f'{dataset.path}: has no window {window}; its windows are 0 to {len(dataset) - 1}')
        mask[window] = True
    return mask


def _by_time(dataset: Dataset, spans: Sequence[TimeSpan]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Windows that lie entirely inside one of the stretches, and windows that any of them touches."""
    entirely, touched = np.zeros(len(dataset), dtype=bool), np.zeros(len(dataset), dtype=bool)
    recording, start_ns, end_ns = (np.asarray(a) for a in (dataset.recording, dataset.start_ns, dataset.end_ns))
    for span in spans:
        for index in match_recordings(dataset, [span.recording]).tolist():
            mine = recording == index
            if not mine.any():
                continue
            origin_ns = span_origin_ns(dataset, index)
            begin = origin_ns + round(span.start_s * NANOSECONDS)
            end = np.iinfo(np.int64).max if np.isinf(span.end_s) else origin_ns + round(span.end_s * NANOSECONDS)
            entirely |= mine & (start_ns >= begin) & (end_ns < end)
            touched |= mine & (end_ns >= begin) & (start_ns < end)
    return entirely, touched


def _what(described: dict[str, Any]) -> str:
    return ' and '.join(f'--{key}' for key in described)


def _listed(names: Sequence[str]) -> str:
    text = ', '.join(names[:_LISTED])
    return text if len(names) <= _LISTED else f'{text} and {len(names) - _LISTED} more'
