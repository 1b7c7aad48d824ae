# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a data set covers: seconds, recordings and robots of each class, how its samples came, speeds and turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.signal.grid import NANOSECONDS
from surface_classifier.signal.window_config import SPEED_UNIT, TURN_RATE_UNIT, PartConfig

_WINDOWS_AT_ONCE = 512


@dataclass(frozen=True)
class ClassSurvey:
    """What there is of one class.

    Attributes:
        windows: Number of windows.
        recordings: Number of recordings with such windows; 0 where none are known.
        robots: Names of the robots, as noted with the recordings; empty where none was noted.
        seconds: Time that its windows cover together, overlaps counted once [s].
    """

    windows: int
    recordings: int
    robots: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class InputSurvey:
    """How the samples of one part came, over the recordings of which that is known.

    Attributes:
        recordings: How many these are.
        lowest_rate_hz: Lowest mean rate of a recording [Hz]; None where it is not known.
        median_rate_hz: Median of them [Hz]; likewise.
        highest_rate_hz: Highest of them [Hz]; likewise.
        median_jitter_s: Median of the recordings' standard deviations of the interval between samples [s].
        worst_jitter_s: Largest of these standard deviations [s].
        worst_jitter_recording: Where it is; empty where it is not known.
        longest_gap_s: Longest interval between two samples [s].
        longest_gap_recording: Where it is.
        gaps: Intervals too long to be bridged, all recordings together.
        coverage: Measured share of the values in the windows [1].
    """

    recordings: int
    lowest_rate_hz: float | None
    median_rate_hz: float | None
    highest_rate_hz: float | None
    median_jitter_s: float | None
    worst_jitter_s: float | None
    worst_jitter_recording: str
    longest_gap_s: float | None
    longest_gap_recording: str
    gaps: int
    coverage: float


@dataclass(frozen=True)
class MotionSurvey:
    """Speeds and turns of one class, each the mean over a window.

    Attributes:
        slowest: 5th percentile of the speed.
        median: Its median.
        fastest: Its 95th percentile.
        speed_shares: Share of the windows in each third of the range that all classes together span, slow to fast [1].
        left: Share of windows that turn left [1]; None where turns are not known.
        straight: Share that go straight; likewise.
        right: Share that turn right; likewise.
    """

    slowest: float
    median: float
    fastest: float
    speed_shares: tuple[float, float, float]
    left: float | None
    straight: float | None
    right: float | None


@dataclass(frozen=True)
class Motion:
    """Speeds and turns of all classes.

    Attributes:
        speed_channels: Channels whose mean is the speed.
        speed_unit: Their unit.
        turn: What turning is read from; empty where nothing measures it.
        turn_unit: Its unit.
        classes: By name of the class.
        warnings: One sentence for each class that lacks what others have.
    """

    speed_channels: tuple[str, ...]
    speed_unit: str
    turn: str
    turn_unit: str
    classes: Mapping[str, MotionSurvey]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What a data set covers.

    Attributes:
        classes: By name.
        imbalance: Windows of the commonest class for one of the rarest [1].
        inputs: By part.
        voided: Windows left out because too little of them was measured, when it was built.
        lost_samples: Samples that the source counted but that never came.
        motion: Speeds and turns; None where no channel measures them.
    """

    classes: Mapping[str, ClassSurvey]
    imbalance: float
    inputs: Mapping[str, InputSurvey]
    voided: int
    lost_samples: int
    motion: Motion | None

    def to_dict(self) -> dict[str, Any]:
        """The survey as JSON types."""
        return asdict(self)


def survey(dataset: Dataset) -> Survey:
    """Look at every window and every recording of a data set, in constant memory."""
    counts = dataset.class_counts[dataset.class_counts > 0]
    return Survey(
        classes=_classes(dataset),
        imbalance=float(counts.max() / counts.min()) if len(counts) else 1.0,
        inputs=_inputs(dataset),
        voided=int(dataset.counters.get('voided', 0)),
        lost_samples=int(dataset.counters.get('lost_samples', 0)),
        motion=_motion(dataset),
    )


def covered_seconds(start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], step_ns: int) -> float:
    """Length of the union of windows of one recording [s].

    Args:
        start_ns: Stamps of their first samples [ns].
        end_ns: Stamps of their last samples [ns].
        step_ns: What the last sample stands for: a period of the grid [ns].
    """
    order = np.argsort(start_ns, kind='stable')
    starts, ends = start_ns[order], np.maximum.accumulate(end_ns[order] + step_ns)
    begun = np.concatenate([starts[:1], np.maximum(starts[1:], ends[:-1])])
    return float(np.maximum(ends - begun, 0).sum()) / NANOSECONDS


def _classes(dataset: Dataset) -> dict[str, ClassSurvey]:
    labels, recording = np.asarray(dataset.labels), np.asarray(dataset.recording)
    start_ns, end_ns = np.asarray(dataset.start_ns), np.asarray(dataset.end_ns)
    step_ns = round(NANOSECONDS / dataset.config.parts[0].sample_rate_hz)
    found = {}
    for label, name in enumerate(dataset.classes):
        rows = np.flatnonzero(labels == label)
        # Sorted by recording, so that 1,000 recordings do not mean 1,000 searches.
        rows = rows[np.argsort(recording[rows], kind='stable')]
        units, firsts = np.unique(recording[rows], return_index=True)
        seconds = sum(
            covered_seconds(start_ns[group], end_ns[group], step_ns)
            for group in np.split(rows, firsts[1:])
            if len(group)
        )
        robots = sorted({dataset.recordings[unit].robot for unit in units.tolist()} - {''})
        found[name] = ClassSurvey(len(rows), len(units) if dataset.has_recordings else 0, tuple(robots), seconds)
    return found


def _inputs(dataset: Dataset) -> dict[str, InputSurvey]:
    return {part.name: _input(dataset, part) for part in dataset.config.parts}


def _input(dataset: Dataset, part: PartConfig) -> InputSurvey:
    known = [(info.name, info.inputs[part.name]) for info in dataset.recordings if part.name in info.inputs]
    rates = [entry['rate_hz'] for _, entry in known if 'rate_hz' in entry]
    jitters = [(entry['jitter_s'], name) for name, entry in known if 'jitter_s' in entry]
    longest = [(entry['longest_s'], name) for name, entry in known if 'longest_s' in entry]
    worst_jitter, worst_longest = max(jitters, default=(None, '')), max(longest, default=(None, ''))
    measured = total = 0
    for rows in _blocks(dataset):
        values = dataset.parts[part.name][rows]
        measured += int(np.isfinite(values).sum())
        total += values.size
    return InputSurvey(
        recordings=len(known),
        lowest_rate_hz=min(rates, default=None),
        median_rate_hz=float(np.median(rates)) if rates else None,
        highest_rate_hz=max(rates, default=None),
        median_jitter_s=float(np.median([jitter for jitter, _ in jitters])) if jitters else None,
        worst_jitter_s=worst_jitter[0],
        worst_jitter_recording=worst_jitter[1],
        longest_gap_s=worst_longest[0],
        longest_gap_recording=worst_longest[1],
        gaps=int(sum(entry.get('gaps', 0) for _, entry in known)),
        coverage=measured / total if total else 1.0,
    )


_TURNING_RAD_S = 0.1  # a mean yaw rate above it is a turn
_TURNING_SHARE = 0.1  # a difference between the sides above this share of the usual speed is a turn
_NARROW_SHARE = 0.5  # a class that spans less than this share of all speeds lacks some
_RARE_SHARE = 0.02  # of the windows: fewer are as good as none


def _motion(dataset: Dataset) -> Motion | None:
    channels = [
        (part.name, column, channel) for part in dataset.config.parts for column, channel in enumerate(part.channels)
    ]
    speeds = [(part, column, channel.name) for part, column, channel in channels if channel.unit == SPEED_UNIT]
    yaws = [
        (part, column, channel.name)
        for part, column, channel in channels
        if channel.unit == TURN_RATE_UNIT
        and ('yaw' in channel.name.lower() or channel.field.endswith(('_velocity.z', 'angular.z')))
    ]
    if not speeds:
        return None
    speed = _means(dataset, [(part, column) for part, column, _ in speeds]).mean(axis=1)
    turn: NDArray[np.float64] | None = None
    what, unit, limit = '', '', 0.0
    if yaws:
        turn = _means(dataset, [(yaws[0][0], yaws[0][1])])[:, 0]
        what, unit, limit = yaws[0][2], TURN_RATE_UNIT, _TURNING_RAD_S
    else:
        sides = [
            [(part, column) for part, column, name in speeds if side in name.lower()] for side in ('left', 'right')
        ]
        if all(sides):
            left, right = (_means(dataset, side).mean(axis=1) for side in sides)
            turn = right - left
            what, unit = 'right wheels less left wheels', SPEED_UNIT
            limit = _TURNING_SHARE * float(np.nanmedian(np.abs(speed)))
    labels = np.asarray(dataset.labels)
    if not np.isfinite(speed).any():
        return None
    low, high = np.nanpercentile(speed, 1), np.nanpercentile(speed, 99)
    classes = {}
    for label, name in enumerate(dataset.classes):
        mine = labels == label
        mine &= np.isfinite(speed)
        if mine.any():
            classes[name] = _motion_of(
                speed[mine], None if turn is None else turn[mine], limit, float(low), float(high)
            )
    names = tuple(name for _, _, name in speeds)
    return Motion(names, SPEED_UNIT, what, unit, classes, tuple(_lacking(classes, float(low), float(high))))


def _motion_of(
    speed: NDArray[np.float64], turn: NDArray[np.float64] | None, limit: float, low: float, high: float
) -> MotionSurvey:
    slow, median, fast = (float(value) for value in np.percentile(speed, (5, 50, 95)))
    thirds = low + (high - low) * np.array([1 / 3, 2 / 3])
    shares = np.bincount(np.searchsorted(thirds, speed), minlength=3) / len(speed)
    left = straight = right = None
    if turn is not None and np.isfinite(turn).any():
        known = turn[np.isfinite(turn)]
        left, right = float((known > limit).mean()), float((known < -limit).mean())
        straight = 1.0 - left - right
    return MotionSurvey(
        slow, median, fast, (float(shares[0]), float(shares[1]), float(shares[2])), left, straight, right
    )


def _lacking(classes: Mapping[str, MotionSurvey], low: float, high: float) -> Iterator[str]:
    for name, entry in classes.items():
        spanned = entry.fastest - entry.slowest
        if high > low and spanned < _NARROW_SHARE * (high - low) and len(classes) > 1:
            yield (
                f'{name} was driven at {entry.slowest:.2g} to {entry.fastest:.2g} {SPEED_UNIT} only, all classes span '
                f'{low:.2g} to {high:.2g}: a model may learn the speed instead of the surface'
            )
    for side in ('left', 'right'):
        turning = {name: getattr(entry, side) for name, entry in classes.items()}
        if any(share is not None and share > 5 * _RARE_SHARE for share in turning.values()):
            for name, share in turning.items():
                if share is not None and share < _RARE_SHARE:
                    yield f'{name} hardly ever turns {side}, others do: drive turns on it too'


def _means(dataset: Dataset, channels: list[tuple[str, int]]) -> NDArray[np.float64]:
    """Mean of each channel over each window, (n, channels); NaN where nothing was measured."""
    means = np.full((len(dataset), len(channels)), np.nan)
    for rows in _blocks(dataset):
        for number, (part, column) in enumerate(channels):
            values = np.asarray(dataset.parts[part][rows, :, column])
            measured = np.isfinite(values)
            count = measured.sum(axis=1)
            total = np.where(measured, values, 0.0).sum(axis=1)
            means[rows, number] = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return means


def _blocks(dataset: Dataset) -> Iterator[slice]:
    for first in range(0, len(dataset), _WINDOWS_AT_ONCE):
        yield slice(first, first + _WINDOWS_AT_ONCE)
