# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of the BorealTC paper, with which published scores were had: optimistic, for comparison with them only.

Recordings are cut into pieces of 5 s, and the pieces are dealt out to five folds, shuffled and stratified: what is
tested was driven seconds before or after what was trained on, by the same robot at the same place. Within each piece
windows of 1.7 s are cut so that all classes have about as many, in training and test alike: they overlap the more the
rarer the class is, and the test set is balanced. (LaRocque et al., "Proprioception is all you need: terrain
classification for boreal forests", IROS 2024.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, DatasetWriter, RecordingInfo, history_entry
from surface_classifier.data.splits import Fold, Folds
from surface_classifier.signal.window_config import WindowConfig

NAME = 'borealtc-paper'
RATE_HZ = 100.0
PIECE_SAMPLES = 500
WINDOW_SAMPLES = 170
MOST_WINDOWS = 33  # of a piece of the rarest class, so that windows begin every 10 samples
FOLDS = 5


@dataclass(frozen=True)
class Slides:
    """How windows are cut from the pieces of one class.

    Attributes:
        windows: Windows of each piece.
        stride_samples: Distance of their beginnings [samples of the first part].
    """

    windows: int
    stride_samples: int


def slides_of_class(pieces: NDArray[np.int64]) -> list[Slides | None]:
    """Return how the pieces of each class are cut; None for a class without pieces.

    Args:
        pieces: Number of pieces of each class.
    """
    fewest = int(pieces[pieces > 0].min())
    counts = [MOST_WINDOWS * fewest // int(count) if count else 0 for count in pieces]
    return [Slides(count, (PIECE_SAMPLES - WINDOW_SAMPLES) // count) if count else None for count in counts]


def cut_pieces(dataset: Dataset, folder: Path) -> Dataset:
    """Write the windows of the protocol; each piece is a recording of its own.

    Args:
        dataset: Pieces of 5 s that do not overlap, the first part at 100 Hz (`config/borealtc_paper_window.yaml`).
        folder: Folder to make.

    Raises:
        SurfaceError: The windows of the data set are no such pieces.
    """
    config = dataset.config
    first = config.parts[0]
    if (first.sample_rate_hz, config.window_samples, config.stride_samples) != (RATE_HZ, PIECE_SAMPLES, PIECE_SAMPLES):
        raise SurfaceError(
            f'{dataset.path}: the protocol {NAME} needs pieces of {PIECE_SAMPLES} samples at {RATE_HZ:g} Hz that do '
            f'not overlap, not {config.window_samples} samples at {first.sample_rate_hz:g} Hz every '
            f'{config.stride_samples}; build the data set with config/borealtc_paper_window.yaml'
        )
    slides = slides_of_class(dataset.class_counts)
    smallest = min(found.stride_samples for found in slides if found is not None)
    cut = replace(config, window_samples=WINDOW_SAMPLES, stride_samples=smallest)
    labels = np.asarray(dataset.labels)
    with DatasetWriter(folder, cut) as writer:
        for piece in range(len(dataset)):
            found = slides[labels[piece]]
            assert found is not None
            begins = np.arange(found.windows) * found.stride_samples
            name = f'{dataset.recording_names[dataset.recording[piece]]} piece {piece}'
            recording = writer.add_recording(RecordingInfo(name, PIECE_SAMPLES / RATE_HZ))
            start_ns = int(dataset.start_ns[piece]) + np.round(begins / RATE_HZ * 1e9).astype(np.int64)
            writer.add_windows(
                _parts(dataset, cut, piece, begins),
                labels=[dataset.classes[labels[piece]]] * found.windows,
                start_ns=start_ns,
                end_ns=start_ns + round((WINDOW_SAMPLES - 1) / RATE_HZ * 1e9),
                recordings=np.full(found.windows, recording),
            )
        entry = history_entry('cut', protocol=NAME, pieces=len(dataset), digest=dataset.digest)
        return writer.finish(counters={}, history=[*dataset.history, entry], classes=dataset.classes)


def _parts(
    dataset: Dataset, cut: WindowConfig, piece: int, begins: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return windows of a piece, for each part (windows, samples, channels).

    Slower parts begin at their sample nearest to the beginning.
    """
    found = {}
    for index, part in enumerate(cut.parts):
        values = np.asarray(dataset.parts[part.name][piece])
        samples = cut.samples_of_part(index)
        firsts = np.round(begins * part.sample_rate_hz / RATE_HZ).astype(np.int64)
        firsts = np.minimum(firsts, len(values) - samples)
        found[part.name] = values[firsts[:, None] + np.arange(samples)]
    return found


def paper_folds(dataset: Dataset, seed: int = 0) -> Folds:
    """Deal the pieces out to five folds, whatever recording they are of.

    Args:
        dataset: What `cut_pieces` gave.
        seed: Seed of the shuffling.

    Raises:
        SurfaceError: A class has fewer pieces than there are folds.
    """
    recording, labels = np.asarray(dataset.recording), np.asarray(dataset.labels)
    pieces, first = np.unique(recording, return_index=True)
    counts = np.bincount(labels[first], minlength=len(dataset.classes))
    few = [name for name, count in zip(dataset.classes, counts, strict=True) if 0 < count < FOLDS]
    if few:
        raise SurfaceError(f'{dataset.path}: {", ".join(few)} has fewer than {FOLDS} pieces of 5 s, one for each fold')
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(pieces, labels[first])
    folds = [
        Fold(
            index,
            np.flatnonzero(np.isin(recording, pieces[train])),
            np.flatnonzero(np.isin(recording, pieces[test])),
            tuple(dataset.recording_names[k] for k in pieces[test]),
        )
        for index, (train, test) in enumerate(split)
    ]
    return Folds(
        tuple(folds),
        f"OPTIMISTIC, the BorealTC paper's protocol: {FOLDS} folds of shuffled pieces of 5 s, so that each drive is "
        f'trained on and tested, seed {seed}; overlapping windows of {WINDOW_SAMPLES / RATE_HZ:g} s, as many of each '
        'class',
        ('these scores say nothing of new drives; they are for comparison with scores of the same protocol',),
    )
