# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Streams with changes of surface: pieces of recordings joined sample by sample.

Recordings often hold one surface each, so what happens at a change cannot be scored on them. A stream puts pieces of
them one after the other on one time axis and cuts windows again, those over a joint included, as a robot that drives
from one surface onto the next would see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.signal.grid import Grid
from surface_classifier.signal.window_config import WindowConfig

NANOSECONDS = 1_000_000_000
LONGEST_PIECE_S = 60.0
ORDERS = 3

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
