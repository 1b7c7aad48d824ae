# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Imports windows that are NumPy arrays already: X of shape (windows, steps, channels), Y as ids or one-hot.

Such arrays carry no time, so the windows are laid one after another, and no way to read the channels from a topic: the
configuration says `current[i]` of `motor_current`, so that a model trained on them serves a robot whose motors come in
the same order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.recordings.reading.recording_reader import recording_base_ns
from surface_classifier.data.dataset import Dataset, DatasetWriter, RecordingInfo, check_dataset_target, history_entry
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig

_NANOSECONDS = 1_000_000_000


def import_arrays(
    windows_file: str | os.PathLike[str],
    labels_file: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    groups_file: str | os.PathLike[str] | None = None,
    sample_rate_hz: float = 100.0,
    class_names: Sequence[str] | None = None,
    channel_names: Sequence[str] | None = None,
    unit: str = 'A',
    overwrite: bool = False,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Dataset:
    """Turn arrays into a data set.

    Args:
        windows_file: `.npy` of shape (windows, steps, channels), or (windows, steps) for one channel; any real numbers.
        labels_file: `.npy` with one label for each window: ids or names of shape (windows,) or (windows, 1), or one-hot
            of shape (windows, classes).
        target: Folder of the data set to make.
        groups_file: `.npy` of shape (windows,): which recording each window comes from, as ids or names. Without it no
            score by recording can be had.
        sample_rate_hz: Rate at which the steps were sampled [Hz].
        class_names: Name for each class, in ascending order of the ids or in the order of the one-hot columns;
            `class_<id>` when None, or the labels themselves when they are texts.
        channel_names: Name for each channel; `motor_<i>` when None.
        unit: Unit of every channel.
        overwrite: Replace a data set that is there already.
        progress: Wraps the numbers of the windows, for a progress bar.

    Raises:
        SurfaceError: An array has another shape, is not numeric, or holds NaN or infinite values.
    """
    check_dataset_target(Path(target), overwrite=overwrite)
    x_file, y_file = Path(windows_file), Path(labels_file)
    x = _windows(x_file)
    count, steps, channels = x.shape
    labels, classes = _labels(y_file, count, class_names)
    groups, group_names = _groups(Path(groups_file) if groups_file is not None else None, count, x_file.stem)
    config = _config(steps, channels, sample_rate_hz, channel_names, unit)
    window_ns = round(steps / sample_rate_hz * _NANOSECONDS)
    last_sample_ns = round((steps - 1) / sample_rate_hz * _NANOSECONDS)

    with DatasetWriter(target, config, has_recordings=groups_file is not None, overwrite=overwrite) as writer:
        lengths = np.bincount(groups, minlength=len(group_names)) * (window_ns / _NANOSECONDS)
        ids = [
            writer.add_recording(RecordingInfo(name, float(length)))
            for name, length in zip(group_names, lengths, strict=True)
        ]
        next_ns = [recording_base_ns(index) for index in range(len(ids))]
        for row in progress(range(count)):
            samples = np.asarray(x[row], dtype=np.float64)
            if not np.isfinite(samples).all():
                step, channel = np.argwhere(~np.isfinite(samples))[0]
                raise SurfaceError(
                    f'{x_file}: window {row}, step {step}, channel {channel} is {samples[step, channel]}; leave this '
                    'window out, or fill the gap'
                )
            group = int(groups[row])
            writer.add_window(
                {config.parts[0].name: samples},
                label=classes[int(labels[row])],
                start_ns=next_ns[group],
                end_ns=next_ns[group] + last_sample_ns,
                recording=ids[group],
            )
            next_ns[group] += window_ns
        files = [str(file) for file in (x_file, y_file, groups_file) if file is not None]
        history = [history_entry('import arrays', files=files, sample_rate_hz=sample_rate_hz)]
        return writer.finish(classes=classes, counters={'windows': count}, history=history)


def _load(file: Path) -> NDArray[Any]:
    try:
        array = np.load(file, mmap_mode='r', allow_pickle=False)
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError('it is an archive of several arrays')
        return array
    except FileNotFoundError:
        raise SurfaceError(f'{file}: no such file') from None
    except (OSError, ValueError, EOFError) as error:
        if _holds_objects(file):
            raise SurfaceError(
                f'{file}: holds Python objects, such as windows of unequal length; cut all windows to one length, and '
                'save them as one array of numbers, windows x samples x channels'
            ) from error
        raise SurfaceError(f'{file}: is not a .npy file of numbers ({error}); write it with numpy.save') from error


def _holds_objects(file: Path) -> bool:
    """Whether the head of a `.npy` file says that it holds objects, which are never loaded."""
    try:
        with file.open('rb') as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            dtype: np.dtype[Any] = read(stream)[2]
    except (OSError, ValueError):
        return False
    return dtype.hasobject


def _windows(file: Path) -> NDArray[Any]:
    x = _load(file)
    if x.dtype.kind not in 'fiub':
        raise SurfaceError(f'{file}: holds {x.dtype}, expected real numbers')
    if x.ndim == 2:
        x = x[:, :, np.newaxis]
    if x.ndim != 3 or 0 in x.shape:
        raise SurfaceError(f'{file}: has the shape {x.shape}, expected (windows, steps, channels)')
    return x


def _labels(file: Path, count: int, names: Sequence[str] | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Index of each window's class, and the names of the classes that occur."""
    y = _load(file)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or y.shape[0] != count:
        raise SurfaceError(
            f'{file}: has the shape {y.shape}, expected ({count},) with an id for each window, or ({count}, classes) '
            'one-hot'
        )
    if y.dtype.kind not in 'fiubU':
        raise SurfaceError(f'{file}: holds {y.dtype}, expected whole numbers or texts')
    if y.ndim == 2:
        return _one_hot_labels(file, y, names)
    if y.dtype.kind == 'f' and not (np.isfinite(y) & (y == np.round(y))).all():
        row = np.flatnonzero(~(np.isfinite(y) & (y == np.round(y))))[0]
        raise SurfaceError(f'{file}: window {row} has the label {y[row]}; labels are whole numbers')
    if y.dtype.kind == 'U' and not np.char.strip(y).astype(bool).all():
        row = np.flatnonzero(~np.char.strip(y).astype(bool))[0]
        raise SurfaceError(f'{file}: window {row} has an empty label; name its class, or leave the window out')
    values, labels = np.unique(y if y.dtype.kind == 'U' else y.astype(np.int64), return_inverse=True)
    default = [str(value) if y.dtype.kind == 'U' else f'class_{value}' for value in values]
    return labels.reshape(-1).astype(np.int64), _class_names(file, default, names)


def _one_hot_labels(
    file: Path, y: NDArray[Any], names: Sequence[str] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if y.dtype.kind == 'U':
        raise SurfaceError(f'{file}: has the shape {y.shape}; labels that are texts have the shape ({len(y)},)')
    valid = ((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1)
    if not valid.all():
        row = np.flatnonzero(~valid)[0]
        raise SurfaceError(f'{file}: row {row} is {y[row].tolist()}; a one-hot row holds a single 1 and else 0')
    all_names = _class_names(file, [f'class_{column}' for column in range(y.shape[1])], names)
    used, labels = np.unique(y.argmax(axis=1), return_inverse=True)
    return labels.reshape(-1).astype(np.int64), tuple(all_names[column] for column in used)


def _class_names(file: Path, default: list[str], names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(default)
    if len(names) != len(default) or len(set(names)) != len(names):
        raise SurfaceError(
            f'{file}: has {len(default)} classes ({", ".join(default)}), but the names given are {", ".join(names)}; '
            'give one name for each, all different'
        )
    return tuple(names)


def _groups(file: Path | None, count: int, default: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if file is None:
        return np.zeros(count, dtype=np.int64), (default,)
    values = _load(file)
    if values.shape not in ((count,), (count, 1)) or values.dtype.kind not in 'iuU':
        raise SurfaceError(
            f'{file}: holds {values.dtype} of the shape {values.shape}, expected ({count},) whole numbers or texts, '
            'the recording of each window'
        )
    names, groups = np.unique(values.reshape(-1), return_inverse=True)
    return groups.reshape(-1).astype(np.int64), tuple(
        str(name) if names.dtype.kind == 'U' else f'recording_{name}' for name in names
    )


def _config(steps: int, channels: int, sample_rate_hz: float, names: Sequence[str] | None, unit: str) -> WindowConfig:
    if names is None:
        names = [f'motor_{index}' for index in range(channels)]
    if len(names) != channels:
        raise SurfaceError(
            f'{len(names)} channel names ({", ".join(names)}) for {channels} channels; give one for each'
        )
    part = PartConfig(
        'motor',
        sample_rate_hz,
        tuple(
            ChannelConfig(name, 'motor_current', MOTOR_CURRENT_TYPE, f'current[{index}]', unit)
            for index, name in enumerate(names)
        ),
    )
    return WindowConfig((part,), window_samples=steps, stride_samples=steps)
