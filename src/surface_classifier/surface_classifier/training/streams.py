# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Streams with changes of surface: pieces of recordings joined sample by sample, and how a filter does on them.

Recordings often hold one surface each, so what happens at a change cannot be scored on them. A stream puts pieces of
them one after the other on one time axis and cuts windows anew, those over a joint included, as a robot that drives
from one surface onto the next would see them. Whoever labels the stream is not told of the joints.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.belief import BeliefSettings, filter_sequence
from surface_classifier.signal.config import WindowConfig
from surface_classifier.signal.grid import Grid

NANOSECONDS = 1_000_000_000
LONGEST_PIECE_S = 60.0
ORDERS = 3
TIME_EDGES_S = (0.0, 5.0, 10.0, 20.0, 40.0)

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Stream:
    """Windows of a joined stream.

    Attributes:
        parts: For each part (windows, samples, channels).
        truth: Surface at the end of each window, (windows,).
        stamps_ns: Stamp of each window's last sample, the stream's first sample at 0, (windows,) [ns].
        changes_ns: Stamps of the first samples on another surface than before [ns].
        unlabelled: Windows' strides at the beginning in which there cannot be a window yet.
    """

    parts: Sequence[Values]
    truth: Ids
    stamps_ns: Ids
    changes_ns: tuple[int, ...]
    unlabelled: int


@dataclass(frozen=True)
class _Piece:
    label: int
    parts: list[Values]


def join_recordings(
    dataset: Dataset, windows: Ids, seed: int, *, longest_piece_s: float = LONGEST_PIECE_S
) -> Stream | None:
    """Join recordings in random order.

    Args:
        dataset: The data set.
        windows: Indices of the windows whose recordings are to be joined.
        seed: Seed of the order.
        longest_piece_s: Of each stretch of a recording on one surface, its first so many seconds are taken [s].

    Returns:
        The stream; None if the windows give none, as when no recordings are known.

    Raises:
        SurfaceError: Windows do not overlap or touch, so that the signal between them is not known.
    """
    config = dataset.config
    if config.stride_samples > config.window_samples:
        raise SurfaceError(
            f'{dataset.path}: windows of {config.window_samples} samples start every {config.stride_samples}, so the '
            'signal between them is not known and no stream can be joined; build it with a shorter stride'
        )
    if not dataset.has_recordings:
        return None
    pieces = [_piece(dataset, run, longest_piece_s) for run in _runs(dataset, windows)]
    order = np.random.default_rng(seed).permutation(len(pieces))
    return _cut(config, [pieces[k] for k in order]) if pieces else None


def _runs(dataset: Dataset, windows: Ids) -> list[Ids]:
    """Return the windows as runs that follow each other without a gap on one surface of one recording."""
    recording, labels = np.asarray(dataset.recording)[windows], np.asarray(dataset.labels)[windows]
    start_ns = np.asarray(dataset.start_ns)[windows]
    order = np.lexsort((start_ns, recording))
    chosen = windows[order]
    step_ns = np.diff(start_ns[order])
    stride_ns = dataset.config.stride_s * NANOSECONDS
    follows = (
        (np.diff(recording[order]) == 0)
        & (np.diff(labels[order]) == 0)
        & (np.abs(step_ns - stride_ns) < 0.5 * stride_ns / dataset.config.stride_samples)
    )
    return np.split(chosen, np.flatnonzero(~follows) + 1) if len(chosen) else []


def _piece(dataset: Dataset, run: Ids, longest_s: float) -> _Piece:
    """Return the signal of a run, put together from its windows, NaN where unmeasured."""
    config = dataset.config
    start_ns = np.asarray(dataset.start_ns)
    whole = config.window_samples + (len(run) - 1) * config.stride_samples
    seconds = min(longest_s, whole / config.parts[0].sample_rate_hz)
    parts = []
    for part in config.input_parts:
        grid = Grid(part.sample_rate_hz)
        firsts = [grid.first_at_or_after(int(start_ns[window])) for window in run]
        values = dataset.parts[part.name]
        signal = np.full((firsts[-1] - firsts[0] + values.shape[1], values.shape[2]), np.nan)
        for window, first in zip(run, firsts, strict=True):
            place = first - firsts[0]
            signal[place : place + values.shape[1]] = values[window]
        parts.append(signal[: round(seconds * part.sample_rate_hz)])
    return _Piece(int(dataset.labels[run[0]]), parts)


def _cut(config: WindowConfig, pieces: Sequence[_Piece]) -> Stream | None:
    """Join pieces and cut windows of the configuration."""
    signals = [np.concatenate([piece.parts[k] for piece in pieces]) for k in range(len(config.input_parts))]
    lengths = [len(piece.parts[0]) for piece in pieces]
    ends = np.cumsum(lengths)
    rate_hz = config.parts[0].sample_rate_hz
    starts = np.arange(0, int(ends[-1]) - config.window_samples + 1, config.stride_samples)
    parts = []
    for k, part in enumerate(config.input_parts):
        samples = config.samples_of_part(k)
        firsts = np.round(starts / rate_hz * part.sample_rate_hz).astype(np.int64)
        firsts = firsts[firsts + samples <= len(signals[k])]
        starts = starts[: len(firsts)]
        parts.append((firsts, samples))
    if len(starts) == 0:
        return None
    last = starts + config.window_samples - 1
    labels = np.array([piece.label for piece in pieces], dtype=np.int64)
    changed = [int(end) for end, before, after in zip(ends, labels, labels[1:], strict=False) if before != after]
    return Stream(
        parts=[
            signals[k][firsts[: len(starts), None] + np.arange(samples)] for k, (firsts, samples) in enumerate(parts)
        ],
        truth=labels[np.searchsorted(ends, last, side='right')],
        stamps_ns=np.round(last / rate_hz * NANOSECONDS).astype(np.int64),
        changes_ns=tuple(round(first / rate_hz * NANOSECONDS) for first in changed),
        unlabelled=-(-config.window_samples // config.stride_samples) - 1,
    )


@dataclass(frozen=True)
class StreamLabels:
    """The labels of one stream.

    Attributes:
        truth: Surface at the end of each window, (windows,).
        stamps_ns: Stamp of each window's last sample, (windows,) [ns].
        changes_ns: Stamps of the first samples on another surface than before [ns].
        unlabelled: Strides at the beginning in which there cannot be a window yet.
        raw: The likeliest class of each window by itself, (windows,).
        filtered: Label of the belief filter, (windows,).
    """

    truth: Ids
    stamps_ns: Ids
    changes_ns: tuple[int, ...]
    unlabelled: int
    raw: Ids
    filtered: Ids

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        arrays = {name: getattr(self, name).tolist() for name in ('truth', 'stamps_ns', 'raw', 'filtered')}
        return {**arrays, 'changes_ns': list(self.changes_ns), 'unlabelled': self.unlabelled}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StreamLabels:
        """Return the labels that `to_json` gave."""
        arrays = {name: np.array(values[name], dtype=np.int64) for name in ('truth', 'stamps_ns', 'raw', 'filtered')}
        return cls(**arrays, changes_ns=tuple(values['changes_ns']), unlabelled=values['unlabelled'])


def label_streams(
    dataset: Dataset,
    windows: Ids,
    answer: Callable[[Stream], Values],
    belief: BeliefSettings,
    orders: int = ORDERS,
) -> list[StreamLabels]:
    """Join the recordings of windows in random orders, and label the streams with the filter.

    Args:
        dataset: The data set.
        windows: Indices of the windows.
        answer: Returns calibrated probabilities of a stream's windows, (windows, classes).
        belief: The filter.
        orders: Number of orders.
    """
    found = []
    for seed in range(orders):
        stream = join_recordings(dataset, windows, seed)
        if stream is not None:
            given = answer(stream)
            _, filtered = filter_sequence(belief, given, stream.stamps_ns.tolist())
            raw = given.argmax(axis=1)
            found.append(
                StreamLabels(stream.truth, stream.stamps_ns, stream.changes_ns, stream.unlabelled, raw, filtered)
            )
    return found


def score_labelled_streams(streams: Sequence[StreamLabels]) -> dict[str, Any]:
    """Score the labels of streams, `raw` (each window by itself) and `filtered`; at least one stream."""
    return {kind: score_streams(streams, [getattr(stream, kind) for stream in streams]) for kind in ('raw', 'filtered')}


def score_streams(streams: Sequence[StreamLabels | Stream], labels: Sequence[Ids]) -> dict[str, Any]:
    """Score the labels of streams with changes of surface.

    Args:
        streams: At least one stream.
        labels: Label of each window of each stream.

    Returns:
        `accuracy`: share of the steps whose label is that of the surface at the end of the window, steps before the
        first window counting as wrong; `median_delay_s`: from a change of surface to the first right label, a change
        that is not noticed before the next one counting as infinitely late; `missed`: share of such changes;
        `by_time_on_surface`: `accuracy` and number of `steps` after so long on a surface, such as `5 to 10 s`;
        `false_changes_per_minute`: how often the label changes to a surface that the robot is not on; `changes` of
        surface and `minutes` of all streams.
    """
    right = steps = false_changes = 0
    delays: list[float] = []
    on_surface_s: list[Values] = []
    agrees: list[NDArray[np.bool_]] = []
    seconds = 0.0
    for stream, found in zip(streams, labels, strict=True):
        right += int((found == stream.truth).sum())
        steps += len(found) + stream.unlabelled
        false_changes += int(((found[1:] != found[:-1]) & (found[1:] != stream.truth[1:])).sum())
        seconds += float(stream.stamps_ns[-1]) / NANOSECONDS
        begins_ns = np.array([0, *stream.changes_ns], dtype=np.int64)
        last_change = begins_ns[np.searchsorted(begins_ns, stream.stamps_ns, side='right') - 1]
        on_surface_s.append((stream.stamps_ns - last_change) / NANOSECONDS)
        agrees.append(found == stream.truth)
        ends = (*stream.changes_ns[1:], int(stream.stamps_ns[-1]) + 1)
        for begin, end in zip(stream.changes_ns, ends, strict=True):
            noticed = (stream.stamps_ns >= begin) & (stream.stamps_ns < end) & (found == stream.truth)
            first = stream.stamps_ns[noticed]
            delays.append((int(first[0]) - begin) / NANOSECONDS if len(first) else np.inf)
    return {
        'accuracy': right / steps,
        'median_delay_s': float(np.median(delays)) if delays else float('nan'),
        'missed': float(np.mean(np.isinf(delays))) if delays else float('nan'),
        'false_changes_per_minute': false_changes / (seconds / 60.0),
        'by_time_on_surface': _by_time(np.concatenate(on_surface_s), np.concatenate(agrees)),
        'changes': len(delays),
        'minutes': seconds / 60.0,
    }


def _by_time(on_surface_s: Values, right: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    found = {}
    for low, high in itertools.pairwise((*TIME_EDGES_S, np.inf)):
        chosen = right[(on_surface_s >= low) & (on_surface_s < high)]
        if len(chosen):
            name = f'{low:g} to {high:g} s' if np.isfinite(high) else f'{low:g} s and more'
            found[name] = {'accuracy': float(chosen.mean()), 'steps': len(chosen)}
    return found
