# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Scores the labels of a live drive against what was really there; free of ROS.

A window that lies entirely on one surface has one right answer. A window over a change of surface has none: those are
counted separately, as right when the label is one of the surfaces under the window.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segment:
    """One stretch on one surface, from `start_ns` on and before `end_ns` [ns]."""

    start_ns: int
    end_ns: int
    surface: str


@dataclass(frozen=True)
class DriveScore:
    """Labels of a drive, divided by what was under their windows.

    Attributes:
        steady: Positions (in the list of labels) of the windows entirely on one surface.
        truth: True class ids of those windows.
        predicted: Labelled class ids of those windows; -1 for unknown.
        changing: Positions of the windows over a change of surface.
        changing_right: How many of these were labelled as one of the surfaces under them.
        segments: The stretches of the drive.
        segment_of: For each steady window the position of its segment.
    """

    steady: Ids
    truth: Ids
    predicted: Ids
    changing: Ids
    changing_right: int
    segments: tuple[Segment, ...]
    segment_of: Ids


def segments_of(truths: Sequence[tuple[int, str]], end_ns: int) -> tuple[Segment, ...]:
    """Stretches of a drive.

    Args:
        truths: When each surface began [ns], and its name, in the order of time; an empty name means not labelled.
        end_ns: End of the last one [ns].
    """
    ends_ns = [start_ns for start_ns, _ in truths[1:]] + [end_ns]
    return tuple(
        Segment(start_ns, stop_ns, surface)
        for (start_ns, surface), stop_ns in zip(truths, ends_ns, strict=True)
        if surface and stop_ns > start_ns
    )


def score_drive(
    spans_ns: Sequence[tuple[int, int]], surfaces: Sequence[str], segments: Sequence[Segment], classes: Sequence[str]
) -> DriveScore:
    """Compares labels with the truth.

    Args:
        spans_ns: First and last sample's stamp of every labelled window [ns].
        surfaces: Label of every window.
        segments: Stretches of the drive, in the order of time.
        classes: Class names.

    Returns:
        The comparison; windows that touch no stretch at all are left out.
    """
    starts_ns = [segment.start_ns for segment in segments]
    ids = {name: index for index, name in enumerate(classes)}
    steady, truth, predicted, segment_of, changing = [], [], [], [], []
    changing_right = 0
    for position, ((start_ns, end_ns), surface) in enumerate(zip(spans_ns, surfaces, strict=True)):
        first = max(0, bisect.bisect_right(starts_ns, start_ns) - 1)
        last = max(0, bisect.bisect_right(starts_ns, end_ns) - 1)
        under = [
            segment
            for segment in segments[first : last + 1]
            if segment.start_ns <= end_ns and segment.end_ns > start_ns
        ]
        if not under:
            continue
        if len(under) == 1 and under[0].start_ns <= start_ns and end_ns < under[0].end_ns:
            steady.append(position)
            truth.append(ids[under[0].surface])
            predicted.append(ids.get(surface, -1))
            segment_of.append(first)
        else:
            changing.append(position)
            changing_right += surface in {segment.surface for segment in under}
    return DriveScore(
        steady=np.array(steady, dtype=np.int64),
        truth=np.array(truth, dtype=np.int64),
        predicted=np.array(predicted, dtype=np.int64),
        changing=np.array(changing, dtype=np.int64),
        changing_right=changing_right,
        segments=tuple(segments),
        segment_of=np.array(segment_of, dtype=np.int64),
    )


def balanced_accuracy(truth: Ids, predicted: Ids) -> float:
    """Mean recall of the classes that occur in `truth`; NaN without windows."""
    recalls = [float(np.mean(predicted[truth == label] == label)) for label in np.unique(truth)]
    return float(np.mean(recalls)) if recalls else float('nan')
