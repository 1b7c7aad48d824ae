# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a data set holds, for machines and for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.survey.dataset_survey import ClassSurvey


def dataset_summary(dataset: Dataset) -> dict[str, Any]:
    """What a data set holds, for machines."""
    classes = {
        name: {
            'windows': int(windows),
            'recordings': len(set(dataset.recording[dataset.labels == label].tolist())),
        }
        for label, (name, windows) in enumerate(zip(dataset.classes, dataset.class_counts, strict=True))
    }
    return {
        'path': str(dataset.path),
        'windows': len(dataset),
        'classes': classes,
        'has_recordings': dataset.has_recordings,
        'recordings': [
            {'name': info.name, 'seconds': info.seconds, 'windows': info.windows} for info in dataset.recordings
        ],
        'config': dataset.config.to_dict(),
        'config_digest': dataset.config.digest,
        'counters': dict(dataset.counters),
        'history': [dict(entry) for entry in dataset.history],
        'digest': dataset.digest,
    }


def print_dataset(dataset: Dataset, covered: Mapping[str, ClassSurvey] | None = None) -> None:
    """Print what a data set holds, for a person; with what each class covers, where it was looked at."""
    summary = dataset_summary(dataset)
    config = dataset.config
    print(f'{len(dataset)} windows of {config.window_s:g} s, every {config.stride_s:g} s')
    for index, part in enumerate(config.parts):
        names = ', '.join(f'{channel.name} [{channel.unit}]' for channel in part.channels)
        motion = ', which measure the motion' if part.role == 'motion' else ''
        print(
            f'  {part.name}: {config.samples_of_part(index)} samples at {part.sample_rate_hz:g} Hz of {names}{motion}'
        )
    width = max(len(name) for name in dataset.classes)
    for name, entry in summary['classes'].items():
        of = f'  {entry["recordings"]:4d} recordings' if dataset.has_recordings else ''
        line = f'{name:<{width}}  {entry["windows"]:7d} windows{of}'
        if covered is not None:
            line += f'  {covered[name].seconds:9.1f} s  {", ".join(covered[name].robots)}'
        print(line.rstrip())
    if not dataset.has_recordings:
        print('no recordings are known: a score would be of shuffled windows, which is too good')
    publishers, wraps = (dataset.counters.get(name) for name in ('publishers', 'wraps'))
    if isinstance(publishers, dict) and publishers:
        listed = ', '.join(f'{topic} {count}' for topic, count in publishers.items())
        print(f'publishers of each topic when it was recorded: {listed}')
    if isinstance(wraps, dict) and covered is None:
        for name, text in wraps.items():
            print(f'topic {name}: {text}')
    voided = dataset.counters.get('voided', 0)
    if voided:
        print(f'{voided} windows left out for gaps in the measurement')
    near = dataset.counters.get('label_margin', 0)
    if near:
        print(f'{near} windows left out close to a change of label that a person made')
    if dataset.history:
        print('history')
        for entry in dataset.history:
            print(f'  {_history_line(entry)}'.rstrip())
    print(f'digest {dataset.digest[:16]}  {dataset.path}')


def _history_line(entry: Mapping[str, Any]) -> str:
    """One step of a history: when, what, and with which numbers and names; long lists are counted."""
    details = []
    for key, value in entry.items():
        if key in ('time', 'action', 'of', 'names', 'selection', 'changes') or value in ('', None, [], {}):
            continue
        if isinstance(value, (list, dict)):
            details.append(counted(len(value), key.removesuffix('s').replace('_', ' ')))
        else:
            details.append(f'{key.replace("_", " ")} {value}')
    return f'{entry.get("time", "")}  {entry.get("action", "")}  {", ".join(details)}'


def counted(count: int, what: str) -> str:
    """A number with its noun, in the plural where there is not one of it."""
    return f'{count} {what}' if count == 1 else f'{count} {what}s'
