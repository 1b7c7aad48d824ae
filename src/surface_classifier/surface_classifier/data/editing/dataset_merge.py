# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Puts several data sets into one, if their windows are of one kind and no recording is there twice."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, RecordingInfo, history_entry
from surface_classifier.data.dataset_sources import MERGE_ACTION
from surface_classifier.data.editing.dataset_rewrite import Taken, write_windows
from surface_classifier.signal.window_config import WindowConfig


@dataclass(frozen=True)
class MergeResult:
    """A merged data set.

    Attributes:
        dataset: The new data set.
        warnings: What its user should know: settings that differ, recordings that got another name.
    """

    dataset: Dataset
    warnings: tuple[str, ...]


def merge(datasets: Sequence[Dataset], target: str | os.PathLike[str], *, overwrite: bool = False) -> MergeResult:
    """Merge data sets.

    Recordings that have one name but are different drives get the name of their data set's folder in front.

    Args:
        datasets: At least two data sets.
        target: Folder of the new data set.
        overwrite: Replace a data set that is at `target` already.

    Raises:
        SurfaceError: Their windows differ in kind, a recording is in two of them, or nothing can be written.
    """
    if len(datasets) < 2:
        raise SurfaceError('a merge takes at least two data sets')
    first = datasets[0]
    warnings: list[str] = []
    for other in datasets[1:]:
        _check_same_kind(first, other)
        warnings += _other_settings(first, other)
    _check_no_recording_twice(datasets)
    names = [_new_names(dataset, datasets) for dataset in datasets]
    for dataset, renamed in zip(datasets, names, strict=True):
        warnings += [f'{dataset.path}: recording {old!r} is called {new!r} now' for old, new in renamed.items()]
    classes = list(dict.fromkeys(name for dataset in datasets for name in dataset.classes))
    if all(list(dataset.classes) == sorted(dataset.classes) for dataset in datasets):
        classes.sort()
    sources = [
        {
            'path': str(dataset.path),
            'digest': dataset.digest,
            'windows': len(dataset),
            'renamed': renamed,
            'history': [dict(entry) for entry in dataset.history],
        }
        for dataset, renamed in zip(datasets, names, strict=True)
    ]
    taken = [
        Taken(dataset, np.arange(len(dataset), dtype=np.int64), None, _renamed(dataset.recordings, renamed))
        for dataset, renamed in zip(datasets, names, strict=True)
    ]
    written = write_windows(
        target,
        taken,
        classes=classes,
        entry=history_entry(MERGE_ACTION, sources=sources),
        history=(),
        counters=_summed([dataset.counters for dataset in datasets]),
        overwrite=overwrite,
    )
    return MergeResult(written, tuple(warnings))


def difference(first: WindowConfig, second: WindowConfig) -> str:
    """In what two kinds of windows differ, as `... here, ... there`; empty where they are of one kind."""
    if first.digest == second.digest:
        return ''
    names = [', '.join(part.name for part in config.parts) for config in (first, second)]
    if names[0] != names[1]:
        return f'the parts {names[0]} here, {names[1]} there'
    for one, other in zip(first.parts, second.parts, strict=True):
        channels = [', '.join(f'{channel.name} [{channel.unit}]' for channel in part.channels) for part in (one, other)]
        if channels[0] != channels[1]:
            return f'part {one.name} of {channels[0]} here, of {channels[1]} there'
        if one.role != other.role:
            return f'part {one.name} as {one.role} here, as {other.role} there'
        if one.sample_rate_hz != other.sample_rate_hz:
            return f'part {one.name} at {one.sample_rate_hz:g} Hz here, at {other.sample_rate_hz:g} Hz there'
    return f'windows of {first.window_samples} samples here, of {second.window_samples} there'


def _check_same_kind(first: Dataset, other: Dataset) -> None:
    if text := difference(first.config, other.config):
        raise SurfaceError(
            f'{first.path} and {other.path} hold windows of two kinds: {text}; build both with one channels file, or '
            'leave channels out with `surface dataset drop --channels`'
        )
    if first.has_recordings != other.has_recordings:
        without = other if first.has_recordings else first
        raise SurfaceError(
            f'{first.path} and {other.path} cannot be merged: no recordings are known of {without.path}, so '
            'no split of the whole could keep them apart; import its arrays with --groups'
        )


def _other_settings(first: Dataset, other: Dataset) -> list[str]:
    """Settings that do not change what kind the windows are of, but that the merged data set states only once."""
    texts = []
    for what, values in (
        ('a stride of {:g} s', (first.config.stride_s, other.config.stride_s)),
        ('a least coverage of {:g}', (first.config.min_coverage, other.config.min_coverage)),
    ):
        if values[0] != values[1]:
            texts.append(
                f'{first.path} has {what.format(values[0])}, {other.path} {what.format(values[1])}; the '
                'merged data set states the first'
            )
    return texts


def _check_no_recording_twice(datasets: Sequence[Dataset]) -> None:
    """Compare the first window of recordings that begin at one time; equal ones would be on both sides of a split."""
    if not datasets[0].has_recordings:
        return
    seen: dict[tuple[int, bytes], tuple[Dataset, str]] = {}
    for dataset in datasets:
        part = dataset.parts[dataset.config.parts[0].name]
        found, rows = np.unique(dataset.recording, return_index=True)
        for index, row in zip(found.tolist(), rows.tolist(), strict=True):
            name = dataset.recordings[index].name
            key = int(dataset.start_ns[row]), np.asarray(part[row]).tobytes()
            other = seen.setdefault(key, (dataset, name))
            if other[0] is not dataset:
                raise SurfaceError(
                    f'{other[0].path} and {dataset.path} hold one recording, {other[1]!r} and {name!r}: its windows '
                    f'would be there twice; leave it out first: surface dataset drop {dataset.path} --recordings {name}'
                )


def _new_names(dataset: Dataset, datasets: Sequence[Dataset]) -> dict[str, str]:
    """New names for those recordings of a data set whose name another data set has too."""
    counts = Counter(name for each in datasets for name in each.recording_names)
    folder = dataset.path.resolve().name
    renamed = {name: f'{folder}/{name}' for name in dataset.recording_names if counts[name] > 1}
    folders = [each.path.resolve().name for each in datasets]
    if renamed and folders.count(folder) > 1:
        renamed = {name: f'{dataset.path.as_posix()}/{name}' for name in renamed}
    return renamed


def _renamed(recordings: Sequence[RecordingInfo], names: Mapping[str, str]) -> list[RecordingInfo | None]:
    return [dataclasses.replace(info, name=names.get(info.name, info.name)) for info in recordings]


def _summed(counters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counters together: numbers are added, but of rates the lowest and the highest count."""
    total: dict[str, Any] = {}
    for each in counters:
        for key, value in each.items():
            if isinstance(value, Mapping):
                choose = {'lowest': min, 'highest': max}.get(key.partition('_')[0], sum)
                mine = total.setdefault(key, {})
                for name, number in value.items():
                    mine[name] = choose([mine[name], number]) if name in mine else number
            elif isinstance(value, (int, float)):
                total[key] = total.get(key, 0) + value
            else:
                total.setdefault(key, value)
    return total
