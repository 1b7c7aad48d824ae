# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether fast changes were folded into the windows: looks at the recordings before they were decimated."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording
from surface_classifier.data.dataset import Dataset, history_entry
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.dataset_sources import is_edited, source_paths
from surface_classifier.data.editing.dataset_rewrite import Taken, write_windows
from surface_classifier.signal.window_config import LOW_PASS_RATIO, PartConfig, WindowConfig

_MOST_RECORDINGS = 6  # whose spectrum is taken


@dataclass(frozen=True)
class FoldedPower:
    """Power above the Nyquist frequency of the grid, in the recordings of one part.

    Attributes:
        part: Name of the part.
        share: Share of the signal's power, its mean left out, that lies above it [1].
        input_rate_hz: Rate of the samples that came in [Hz].
        frequency_hz: Frequency of the strongest line above it [Hz].
    """

    part: str
    share: float
    input_rate_hz: float
    frequency_hz: float


@dataclass(frozen=True)
class AliasingFindings:
    """What was found.

    Attributes:
        folded: The part with most power above its grid's Nyquist frequency; None when no part can alias.
        why: Why it is unknown; empty when it is known.
        supply: What to supply, so that it can.
    """

    folded: FoldedPower | None = None
    why: str = ''
    supply: str = ''


@dataclass(frozen=True)
class PowerAbove:
    """Power above the Nyquist frequency of the grid, part by part.

    Attributes:
        found: For each part whose samples came faster than its grid.
        why: Why it is unknown; empty when it is known.
    """

    found: tuple[FoldedPower, ...] = ()
    why: str = ''


def power_above_nyquist(dataset: Dataset) -> PowerAbove:
    """Look at the spectrum before decimation of every part that was decimated, with a low-pass or without.

    Raises:
        SurfaceError: A recording cannot be read.
    """
    faster = _faster_parts(dataset)
    sources = source_paths(dataset.history)
    if not faster or sources is None:
        return PowerAbove()
    missing = [source.path for source in sources if not source.path.exists()]
    if missing:
        return PowerAbove(why=f'recordings it was cut from are gone, such as {missing[0]}')
    recordings = [source.open() for source in sources[:_MOST_RECORDINGS]]
    return PowerAbove(tuple(_folded_power(recordings, part, rate, dataset.config) for part, rate in faster))


def find_aliasing(dataset: Dataset) -> AliasingFindings:
    """Look at the spectrum before decimation of every part that was decimated without a low-pass."""
    sources = source_paths(dataset.history)
    if sources is None:
        return AliasingFindings(
            why='the windows were imported as arrays, which do not say how they were sampled',
            supply='the recordings: build the data set from them with `surface dataset build`',
        )
    suspects = [(part, rate) for part, rate in _faster_parts(dataset) if not part.decimates]
    if not suspects:
        return AliasingFindings()
    missing = [source.path for source in sources if not source.path.exists()]
    if missing:
        return AliasingFindings(
            why=f'the recordings the windows were cut from are gone, such as {missing[0]}',
            supply='the recordings at the place where the data set was built from them',
        )
    recordings = [source.open() for source in sources[:_MOST_RECORDINGS]]
    found = [_folded_power(recordings, part, rate, dataset.config) for part, rate in suspects]
    return AliasingFindings(max(found, key=lambda entry: entry.share))


def low_passed(dataset: Dataset, target: Path) -> Dataset:
    """Build the data set again from its recordings, with a low-pass before the decimation.

    Args:
        dataset: A data set in which `find_aliasing` found something.
        target: Folder to make.

    Raises:
        SurfaceError: The recordings cannot be read.
    """
    rates = dataset.counters['highest_observed_rate_hz']
    parts = tuple(
        dataclasses.replace(part, input_rate_hz=float(rates.get(part.name, part.input_rate_hz or part.sample_rate_hz)))
        for part in dataset.config.parts
    )
    config = dataclasses.replace(dataset.config, parts=parts)
    recordings = [source.open() for source in source_paths(dataset.history) or []]
    if not is_edited(dataset.history):
        return build_dataset(recordings, config, target, label_margin_s=_label_margin_s(dataset)).dataset
    with tempfile.TemporaryDirectory(prefix='surface_rebuilt_') as folder:
        rebuilt = build_dataset(
            recordings, config, Path(folder, 'rebuilt'), allow_one_class=True, label_margin_s=0.0
        ).dataset
        return _windows_of(rebuilt, dataset, target)


def _windows_of(rebuilt: Dataset, dataset: Dataset, target: Path) -> Dataset:
    """Those windows of a rebuilt data set that an edited one has, with the labels that they have there.

    Windows begin on absolute multiples of the stride, so recording and stamp identify them.
    """
    names = rebuilt.recording_names
    row_of = {
        (names[recording], start): row
        for row, (recording, start) in enumerate(
            zip(np.asarray(rebuilt.recording).tolist(), np.asarray(rebuilt.start_ns).tolist(), strict=True)
        )
    }
    rows, labels = [], []
    for recording, start, label in zip(
        np.asarray(dataset.recording).tolist(),
        np.asarray(dataset.start_ns).tolist(),
        np.asarray(dataset.labels).tolist(),
        strict=True,
    ):
        row = row_of.get((dataset.recordings[recording].name, start))
        if row is not None:
            rows.append(row)
            labels.append(dataset.classes[label])
    if not rows:
        raise SurfaceError(
            f'{dataset.path}: not one of its windows comes out of the recordings it was cut from; they have changed'
        )
    taken = Taken(rebuilt, np.array(rows, dtype=np.int64), labels)
    return write_windows(target, [taken], classes=dataset.classes, entry=history_entry('low-pass', of=dataset.digest))


def _faster_parts(dataset: Dataset) -> list[tuple[PartConfig, float]]:
    """Parts whose samples came so much faster than their grid that a low-pass is due, with the rate [Hz]."""
    rates = dataset.counters.get('highest_observed_rate_hz', {})
    return [
        (part, float(rates[part.name]))
        for part in dataset.config.input_parts
        if float(rates.get(part.name, 0.0)) > LOW_PASS_RATIO * part.sample_rate_hz
    ]


def _label_margin_s(dataset: Dataset) -> float:
    """What was left out around changes of label when a data set was built [s]."""
    entries = [entry for entry in dataset.history if entry.get('action') == 'dataset build']
    return float(entries[-1].get('label_margin_s', 0.0)) if entries else 0.0


def _folded_power(recordings: list[Recording], part: PartConfig, rate_hz: float, config: WindowConfig) -> FoldedPower:
    # The rate to two digits: the grid shall not be faster than the samples.
    native_hz = float(f'{rate_hz:.2g}')
    seconds = config.window_samples / config.parts[0].sample_rate_hz
    samples = max(16, round(seconds * native_hz))
    native = WindowConfig(
        (dataclasses.replace(part, sample_rate_hz=native_hz, input_rate_hz=native_hz),),
        window_samples=samples,
        stride_samples=samples,
    )
    with tempfile.TemporaryDirectory(prefix='surface_native_') as folder:
        windows = build_dataset(
            recordings, native, Path(folder, 'native'), allow_one_class=True, label_margin_s=0.0
        ).dataset
        values = np.array(windows.parts[part.name])
    power = _power(np.where(np.isfinite(values), values, 0.0))
    frequency = np.fft.rfftfreq(samples, 1.0 / native_hz)
    above = frequency > part.sample_rate_hz / 2
    total = float(power[1:].sum())
    if total <= 0.0 or not above.any():
        return FoldedPower(part.name, 0.0, rate_hz, 0.0)
    strongest = float(frequency[above][power[above].argmax()])
    return FoldedPower(part.name, float(power[above].sum()) / total, rate_hz, strongest)


def _power(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean power spectrum of windows (n, samples, channels), tapered, shape (frequencies,)."""
    centred = values - values.mean(axis=1, keepdims=True)
    tapered = centred * np.hanning(values.shape[1])[None, :, None]
    spectrum: NDArray[np.float64] = (np.abs(np.fft.rfft(tapered, axis=1)) ** 2).mean(axis=(0, 2))
    return spectrum
