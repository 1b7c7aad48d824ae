# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Edits a data set: other labels for some windows, or without some windows, recordings, classes or channels.

Every change writes a new data set, whose history lists it; the recordings are never touched.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, history_entry
from surface_classifier.data.editing.dataset_rewrite import Taken, remaining_recordings, write_windows
from surface_classifier.data.editing.window_selection import Selection
from surface_classifier.signal.window_config import WindowConfig

# So many changes are listed one by one in the history.
_LISTED_CHANGES = 10_000


@dataclass(frozen=True)
class EditResult:
    """An edited data set.

    Attributes:
        dataset: The new data set.
        relabelled: Windows with another label than before.
        left_out: Windows that are no longer there.
    """

    dataset: Dataset
    relabelled: int = 0
    left_out: int = 0


def relabel(
    dataset: Dataset,
    target: str | os.PathLike[str],
    selection: Selection,
    surface: str | None = None,
    *,
    overwrite: bool = False,
    in_place: bool = False,
) -> EditResult:
    """Give windows another label.

    A window that lies over the edge of a stretch would be of two surfaces; it is left out, unless it carries the new
    label already.

    Args:
        dataset: The data set.
        target: Folder of the new data set.
        selection: The windows.
        surface: The new label; None: what the diagnosis of the selection says each window looks like.
        overwrite: Replace a data set that is at `target` already.
        in_place: Replace the data set itself; `target` is its folder.

    Raises:
        SurfaceError: Nothing would change, there is no label to give, or nothing can be written.
    """
    if surface is None and not selection.probable:
        raise SurfaceError(
            f'{dataset.path}: say the new label with --to SURFACE, or name windows with --diagnosis FILE'
        )
    if surface is not None and not surface.strip():
        raise SurfaceError('--to: the label is empty; give the name of a surface, or leave windows out with drop')
    old = [dataset.classes[label] for label in np.asarray(dataset.labels).tolist()]
    new = list(old)
    for window in np.flatnonzero(selection.inside).tolist():
        new[window] = selection.probable[window] if surface is None else surface
    changed = [window for window, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
    over_edge = [window for window in np.flatnonzero(selection.partly).tolist() if old[window] != surface]
    if not changed and not over_edge:
        raise SurfaceError(
            f'{dataset.path}: the windows that are meant carry that label already; nothing is to be done'
        )
    kept = np.ones(len(dataset), dtype=bool)
    kept[over_edge] = False
    rows = np.flatnonzero(kept).astype(np.int64)
    entry = history_entry(
        'dataset relabel',
        of=dataset.digest,
        selection=selection.described,
        to=surface,
        relabelled=len(changed),
        left_out=len(over_edge),
        changes=[[window, old[window], new[window]] for window in changed[:_LISTED_CHANGES]],
    )
    labels = [new[window] for window in rows.tolist()]
    written = write_windows(
        target,
        [Taken(dataset, rows, labels, remaining_recordings(dataset, rows))],
        classes=_classes(dataset, labels),
        entry=entry,
        overwrite=overwrite,
        in_place=in_place,
    )
    return EditResult(written, len(changed), len(over_edge))


def drop(
    dataset: Dataset,
    target: str | os.PathLike[str],
    selection: Selection | None = None,
    channels: Sequence[str] = (),
    *,
    overwrite: bool = False,
    in_place: bool = False,
) -> EditResult:
    """Leave windows, channels, or both out; a window that a stretch only touches goes too.

    Args:
        dataset: The data set.
        target: Folder of the new data set.
        selection: The windows; None: every window stays.
        channels: Channels to leave out, `name` or, where several parts have one of that name, `part.name`.
        overwrite: Replace a data set that is at `target` already.
        in_place: Replace the data set itself; `target` is its folder.

    Raises:
        SurfaceError: Nothing would be left, a channel is not there, or nothing can be written.
    """
    if selection is None and not channels:
        raise SurfaceError(f'{dataset.path}: say what to leave out: windows, recordings, classes, spans or channels')
    gone = np.zeros(len(dataset), dtype=bool) if selection is None else selection.inside | selection.partly
    rows = np.flatnonzero(~gone).astype(np.int64)
    if not len(rows):
        raise SurfaceError(f'{dataset.path}: no window would be left; nothing is written')
    config, columns = without_channels(dataset, channels)
    details: dict[str, Any] = {'of': dataset.digest, 'left_out': int(gone.sum())}
    if selection is not None:
        details['selection'] = selection.described
    if channels:
        details['channels'] = list(channels)
    left = set(np.unique(dataset.labels[rows]).tolist())
    before = set(np.unique(dataset.labels).tolist())
    written = write_windows(
        target,
        [Taken(dataset, rows, None, remaining_recordings(dataset, rows), columns)],
        classes=[name for label, name in enumerate(dataset.classes) if label in left or label not in before],
        entry=history_entry('dataset drop', **details),
        config=config,
        overwrite=overwrite,
        in_place=in_place,
    )
    return EditResult(written, left_out=int(gone.sum()))


def without_channels(dataset: Dataset, channels: Sequence[str]) -> tuple[WindowConfig, dict[str, NDArray[np.int64]]]:
    """The configuration without some channels, and the columns of each part that stay.

    Raises:
        SurfaceError: A channel is not there or is there twice, or the first part would have none left.
    """
    gone: set[tuple[str, str]] = set()
    known = [(part.name, name) for part in dataset.config.parts for name in part.channel_names]
    for text in channels:
        meant = [key for key in known if text in (key[1], '.'.join(key))]
        if len(meant) != 1:
            what = 'has no channel' if not meant else 'has several channels'
            listed = ', '.join('.'.join(key) for key in (meant or known))
            raise SurfaceError(f'{dataset.path}: {what} {text!r}; name one of {listed}')
        gone.update(meant)
    parts, columns = [], {}
    for index, part in enumerate(dataset.config.parts):
        kept = [column for column, name in enumerate(part.channel_names) if (part.name, name) not in gone]
        if not kept:
            if index == 0:
                raise SurfaceError(
                    f'{dataset.path}: part {part.name!r} would have no channel left, and it gives the windows their '
                    'span; keep one of its channels, or build the data set again with another channels file'
                )
            continue
        parts.append(dataclasses.replace(part, channels=tuple(part.channels[column] for column in kept)))
        columns[part.name] = np.array(kept, dtype=np.int64)
    return dataclasses.replace(dataset.config, parts=tuple(parts)), columns


def _classes(dataset: Dataset, labels: Sequence[str]) -> list[str]:
    """Classes of the new data set: new names in their place where classes are sorted by name, else at the end."""
    used = set(labels)
    had = set(np.unique(dataset.labels).tolist())
    kept = [name for label, name in enumerate(dataset.classes) if name in used or label not in had]
    names = kept + sorted(used - set(kept))
    return sorted(names) if list(dataset.classes) == sorted(dataset.classes) else names
