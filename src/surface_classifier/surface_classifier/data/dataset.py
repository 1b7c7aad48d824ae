# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A data set: labelled windows cut by one configuration, with the recordings they come from, a digest and a history.

A data set is a folder: `dataset.json` (schema version, window configuration, classes, recordings, counters, history,
digest), one `part_<name>.npy` for each part, and `labels.npy`, `start_ns.npy`, `end_ns.npy`, `recording.npy`. Arrays
are memory mapped when they are read and appended row by row when they are written, so neither needs the whole set in
memory. A half-written data set never appears under its name: it is written beside it and renamed at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, read_json
from current_driver.files.names import check_name
from current_driver.files.output_folders import claim_folder, complete_replacement
from surface_classifier.data.npy_file import NpyAppender
from surface_classifier.signal.window_config import WindowConfig

SCHEMA_VERSION = 1
METADATA_FILE = 'dataset.json'
_INDEX_ARRAYS = ('labels', 'start_ns', 'end_ns', 'recording')
_HASH_CHUNK_BYTES = 1 << 20
_SCRATCH_FOLDER = 'scratch'

_DESCRIPTION_TYPES: dict[str, tuple[type, ...]] = {
    'digest': (str,),
    'windows': (int,),
    'classes': (list,),
    'parts': (list,),
    'has_recordings': (bool,),
    'config': (dict,),
    'recordings': (list,),
    'counters': (dict,),
    'history': (list,),
}
_RECORDING_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(('robot', 'operator', 'place', 'payload', 'battery', 'note'), (str,)),
    'start_ns': (int, type(None)),
    'inputs': (dict,),
    'counts': (dict,),
}

# What this process has verified: by folder the digest, what it covers beside the arrays, and the files as they were.
_verified: dict[str, tuple[str, str, tuple[tuple[str, int, int, int], ...]]] = {}


@dataclass(frozen=True)
class RecordingInfo:
    """One recording a data set was cut from.

    Attributes:
        name: Name of the recording, unique in the data set, such as `ASPHALT/00`.
        seconds: Length of the recording, first to last stamp [s]; 0 when it is not known.
        windows: Windows of it in the data set.
        robot: Which robot, as noted by the operator; empty when it was not noted.
        operator: Who drove.
        place: Where.
        payload: What it carried.
        battery: Which battery, or its state.
        note: Anything else.
        start_ns: Stamp at which it begins [ns]; None when it is not known.
        inputs: How its samples came, by part: the fields of `input_timing.InputTiming`; empty when it was not cut from
            a recording.
        counts: What was counted while it was cut: windows `voided`, `unlabelled` and `over_a_change`, samples lost and
            the like.
    """

    name: str
    seconds: float
    windows: int = 0
    robot: str = ''
    operator: str = ''
    place: str = ''
    payload: str = ''
    battery: str = ''
    note: str = ''
    start_ns: int | None = None
    inputs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Labelled windows; see the module's docstring for the folder it is kept in.

    Attributes:
        path: Folder of the data set.
        config: How the windows were cut.
        classes: Names of the classes; label k is `classes[k]`.
        parts: For each part its windows, float64 of shape (n, samples, channels) in the channels' units, read-only
            memory maps. NaN where unmeasured.
        labels: Class of each window, int64 of shape (n,), 0 to `len(classes) - 1`.
        start_ns: Stamp of each window's first sample [ns], int64 of shape (n,).
        end_ns: Stamp of each window's last sample [ns], int64 of shape (n,).
        recording: Index into `recordings` for each window, int64 of shape (n,).
        recordings: The recordings, those without windows included.
        has_recordings: False for bare arrays imported without recording ids: then each window stands for itself, and
            no score by recording can be had.
        counters: What was counted while it was built, such as voided windows.
        history: What was done to get it, oldest first: `{'time', 'action', ...}`.
        digest: SHA-256 over configuration, classes, names of recordings and every array; not over the history.
    """

    path: Path
    config: WindowConfig
    classes: tuple[str, ...]
    parts: Mapping[str, NDArray[np.float64]]
    labels: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    recording: NDArray[np.int64]
    recordings: tuple[RecordingInfo, ...]
    has_recordings: bool
    counters: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    digest: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def recording_names(self) -> tuple[str, ...]:
        """Names of the recordings, in the order of `recordings`."""
        return tuple(info.name for info in self.recordings)

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Windows of each class, int64 of shape (classes,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def inputs(self, windows: NDArray[np.integer] | slice = slice(None)) -> list[NDArray[np.float64]]:
        """Return what a network sees of windows: for each such part (windows, samples, channels), NaN where unmeasured.

        Args:
            windows: Indices of the windows.
        """
        return [np.asarray(self.parts[part.name][windows]) for part in self.config.input_parts]

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, verify: bool = True) -> Dataset:
        """Open a data set.

        Args:
            path: Folder of the data set.
            verify: Read every array and compare the digest, once in a process while the files stay as they are; else
                only shapes and types are checked.

        Raises:
            SurfaceError: No data set is there, it is damaged, or a later version wrote it.
        """
        folder = Path(path)
        complete_replacement(folder)
        description = _read_description(folder)
        try:
            _check_types(description, _DESCRIPTION_TYPES, 'it')
            for entry in description['history']:
                _check_types(entry, {'action': (str,)}, 'an entry of the history')
            config = WindowConfig.from_dict(description['config'])
            classes = tuple(description['classes'])
            recordings = tuple(_recording_info(entry) for entry in description['recordings'])
            count = int(description['windows'])
            arrays = {name: _load_array(folder / f'{name}.npy', np.int64, count, 1) for name in _INDEX_ARRAYS}
            parts = {
                name: _load_array(folder / _part_file(name), np.float64, count, 3) for name in description['parts']
            }
            dataset = cls(
                path=folder,
                config=config,
                classes=classes,
                parts=parts,
                recordings=recordings,
                has_recordings=bool(description['has_recordings']),
                counters=description['counters'],
                history=tuple(description['history']),
                digest=str(description['digest']),
                **arrays,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise SurfaceError(f'{folder / METADATA_FILE}: damaged ({error!r}); build the data set again') from error
        dataset._check_indices()
        if verify:
            dataset.verify()
        return dataset

    @staticmethod
    def save(
        path: str | os.PathLike[str],
        *,
        config: WindowConfig,
        classes: Sequence[str],
        parts: Mapping[str, NDArray[np.float64]],
        labels: NDArray[np.int64],
        start_ns: NDArray[np.int64],
        end_ns: NDArray[np.int64],
        recording: NDArray[np.int64],
        recordings: Sequence[RecordingInfo],
        has_recordings: bool = True,
        counters: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, Any]] = (),
        overwrite: bool = False,
    ) -> Dataset:
        """Write a data set from arrays in memory, and open it.

        Args:
            path: Folder to make.
            config: How the windows were cut.
            classes: Names of the classes, in the order of the labels.
            parts: Windows of each part, (n, samples, channels).
            labels: (n,), 0 to `len(classes) - 1`.
            start_ns: (n,) stamp of the first sample [ns].
            end_ns: (n,) stamp of the last sample [ns].
            recording: (n,) index into `recordings`.
            recordings: The recordings; their `windows` are counted again.
            has_recordings: See the attribute.
            counters: See the attribute.
            history: See the attribute.
            overwrite: Replace a data set that is there already.

        Raises:
            SurfaceError: Something is there already, or nothing can be written there.
        """
        with DatasetWriter(path, config, has_recordings=has_recordings, overwrite=overwrite) as writer:
            ids = np.array([writer.add_recording(info) for info in recordings], dtype=np.int64)
            if len(labels):
                writer.add_windows(
                    parts,
                    labels=[classes[label] for label in labels],
                    start_ns=start_ns,
                    end_ns=end_ns,
                    recordings=ids[recording],
                )
            return writer.finish(classes=classes, counters=counters or {}, history=history)

    def content_digest(self) -> str:
        """Return the digest of what the files hold now; `digest` is what they held when they were written."""
        return _content_digest(self.path, self.config, self.classes, self.recordings, self.has_recordings)

    def verify(self) -> None:
        """Compare the digest with the content.

        Raises:
            SurfaceError: They differ: a file was changed after the data set was made.
        """
        head = f'{self.config.digest} {self.classes} {self.recording_names} {self.has_recordings}'
        state = self.digest, head, _state_of_files(self.path)
        if (key := str(self.path.resolve())) in _verified and _verified[key] == state:
            return
        found = self.content_digest()
        if found == self.digest:
            _verified[key] = state
        else:
            raise SurfaceError(
                f'{self.path}: the content has the digest {found[:12]}…, {METADATA_FILE} says {self.digest[:12]}…: '
                'a file was changed or damaged; build the data set again'
            )

    def _check_indices(self) -> None:
        for name, array, limit in (
            ('labels', self.labels, len(self.classes)),
            ('recording', self.recording, len(self.recordings)),
        ):
            if len(array) and (array.min() < 0 or array.max() >= limit):
                raise SurfaceError(
                    f'{self.path / (name + ".npy")}: holds {array.min()} to {array.max()}, but only 0 to {limit - 1} '
                    'have a name; build the data set again'
                )


@dataclass
class _OpenArrays:
    """Files of a data set that is being written."""

    parts: dict[str, NpyAppender] = field(default_factory=dict)
    index: dict[str, NpyAppender] = field(default_factory=dict)

    def close(self) -> None:
        for appender in (*self.parts.values(), *self.index.values()):
            appender.close()


class DatasetWriter:
    """Writes a data set window by window, in constant memory; a context manager.

    Nothing appears at `path` before `finish`; leaving the context without it removes what was written.

    Args:
        path: Folder to make.
        config: How the windows are cut.
        has_recordings: See `Dataset`.
        overwrite: Replace a data set that is there already (never another folder).

    Raises:
        SurfaceError: Something is there already, or nothing can be written there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: WindowConfig,
        *,
        has_recordings: bool = True,
        overwrite: bool = False,
    ) -> None:
        """Open the files beside the place where the data set will be."""
        self.path = Path(path)
        self.config = config
        self._overwrite = overwrite
        self._has_recordings = has_recordings
        self._recordings: list[RecordingInfo] = []
        self._recording_names: set[str] = set()
        self._windows_of: list[int] = []
        self._windows = 0
        self._class_ids: dict[str, int] = {}
        self._arrays = _OpenArrays()
        check_dataset_target(self.path, overwrite=overwrite)
        with ExitStack() as stack:
            self._claim = stack.enter_context(claim_folder(self.path))
            check_dataset_target(self.path, overwrite=overwrite)
            try:
                self._partial = self._claim.begin()
                for name in _INDEX_ARRAYS:
                    self._arrays.index[name] = NpyAppender(self._partial / f'{name}.npy', (), np.int64)
            except OSError as error:
                raise SurfaceError(f'{self.path}: the data set cannot be written there ({error.strerror})') from error
            self._stack = stack.pop_all()

    @property
    def windows(self) -> int:
        """Windows written so far."""
        return self._windows

    def add_recording(self, info: RecordingInfo) -> int:
        """Add a recording and return its index, for `add_window`.

        Raises:
            SurfaceError: There is one of that name already, or the name holds control characters or is too long.
        """
        check_name(info.name, 'recording')
        if info.name in self._recording_names:
            raise SurfaceError(f'two recordings are called {info.name!r}; rename one, or give one folder above both')
        self._recordings.append(info)
        self._recording_names.add(info.name)
        self._windows_of.append(0)
        return len(self._recordings) - 1

    def replace_recording(self, info: RecordingInfo) -> None:
        """Say more of the recording that was added last; its name stays.

        Raises:
            ValueError: It has another name.
        """
        if not self._recordings or self._recordings[-1].name != info.name:
            raise ValueError(f'{info.name!r} is not the recording that was added last')
        self._recordings[-1] = info

    def add_window(
        self,
        parts: Mapping[str, NDArray[np.float64]],
        *,
        label: str,
        start_ns: int,
        end_ns: int,
        recording: int,
    ) -> None:
        """Append one window.

        Args:
            parts: For each part its samples, (samples, channels).
            label: Name of its class.
            start_ns: Stamp of its first sample [ns].
            end_ns: Stamp of its last sample [ns].
            recording: What `add_recording` returned.
        """
        self.add_windows(
            {name: samples[None] for name, samples in parts.items()},
            labels=[label],
            start_ns=np.array([start_ns]),
            end_ns=np.array([end_ns]),
            recordings=np.array([recording]),
        )

    def add_windows(
        self,
        parts: Mapping[str, NDArray[np.float64]],
        *,
        labels: Sequence[str],
        start_ns: NDArray[np.int64],
        end_ns: NDArray[np.int64],
        recordings: NDArray[np.int64],
    ) -> None:
        """Append n windows.

        Args:
            parts: For each part its samples, (n, samples, channels).
            labels: Name of the class of each.
            start_ns: (n,) stamps of the first samples [ns].
            end_ns: (n,) stamps of the last samples [ns].
            recordings: (n,) what `add_recording` returned.
        """
        if not self._arrays.parts:
            for name, samples in parts.items():
                self._arrays.parts[name] = NpyAppender(self._partial / _part_file(name), samples.shape[1:], np.float64)
        if parts.keys() != self._arrays.parts.keys():
            raise ValueError(f'window with the parts {list(parts)} in a data set of {list(self._arrays.parts)}')
        for name, samples in parts.items():
            self._arrays.parts[name].extend(samples)
        # Classes are numbered as they come; `finish` renumbers them into their final order.
        class_ids = [self._class_ids.setdefault(label, len(self._class_ids)) for label in labels]
        columns: dict[str, ArrayLike] = {
            'labels': class_ids,
            'start_ns': start_ns,
            'end_ns': end_ns,
            'recording': recordings,
        }
        for name, values in columns.items():
            self._arrays.index[name].extend(values)
        for recording in recordings.tolist():
            self._windows_of[recording] += 1
        self._windows += len(class_ids)

    def finish(
        self,
        *,
        counters: Mapping[str, Any],
        history: Sequence[Mapping[str, Any]],
        classes: Sequence[str] | None = None,
    ) -> Dataset:
        """Complete the data set, put it under its name, and open it.

        Args:
            counters: What was counted on the way.
            history: What was done to get it, oldest first; see `history_entry`.
            classes: Names of the classes in the order of the labels, classes without windows included; the labels that
                occurred, sorted by name, when None.

        Raises:
            SurfaceError: There is no window, a class has a name that cannot be used, or something
                has come to stand at `path` meanwhile.
        """
        if self.windows == 0:
            raise SurfaceError(f'{self.path}: a data set without a window is not written')
        names = tuple(check_name(name, 'class') for name in (sorted(self._class_ids) if classes is None else classes))
        self._arrays.close()
        shutil.rmtree(self._partial / _SCRATCH_FOLDER, ignore_errors=True)
        self._renumber_labels(names)
        recordings = tuple(
            _with_windows(info, windows) for info, windows in zip(self._recordings, self._windows_of, strict=True)
        )
        description = {
            'schema_version': SCHEMA_VERSION,
            'digest': _content_digest(self._partial, self.config, names, recordings, self._has_recordings),
            'windows': self.windows,
            'classes': list(names),
            'parts': list(self._arrays.parts),
            'has_recordings': self._has_recordings,
            'config': self.config.to_dict(),
            'recordings': [asdict(info) for info in recordings],
            'counters': dict(counters),
            'history': [dict(entry) for entry in history],
        }
        (self._partial / METADATA_FILE).write_text(json.dumps(description, indent=1) + '\n', encoding='utf-8')
        check_dataset_target(self.path, overwrite=self._overwrite)
        try:
            self._claim.put_in_place()
        except OSError as error:
            raise SurfaceError(f'{self.path}: the data set cannot be put there ({error.strerror})') from error
        return Dataset.load(self.path, verify=False)  # the digest was made of what is there

    def _renumber_labels(self, names: Sequence[str]) -> None:
        order = np.empty(len(self._class_ids), dtype=np.int64)
        for name, class_id in self._class_ids.items():
            order[class_id] = names.index(name)
        labels = np.load(self._partial / 'labels.npy', mmap_mode='r+', allow_pickle=False)
        labels[:] = order[labels]
        labels.flush()

    @property
    def scratch(self) -> Path:
        """A folder for what is needed on the way; it is gone when the data set is complete."""
        folder = self._partial / _SCRATCH_FOLDER
        folder.mkdir(exist_ok=True)
        return folder

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._arrays.close()
        finally:
            self._stack.close()


def check_dataset_target(path: Path, *, overwrite: bool) -> None:
    """Refuse to write a data set over something else, before any work is done.

    Raises:
        SurfaceError: Something is at `path` that must not be replaced.
    """
    if not path.exists():
        return
    if path.is_dir() and not any(path.iterdir()):
        if path.resolve() == Path.cwd():
            raise SurfaceError(f'{path}: is the folder that the command runs in; name a new one')
        return
    if not (path / METADATA_FILE).is_file():
        raise SurfaceError(f'{path}: exists and is not a data set; choose another name')
    if not overwrite:
        raise SurfaceError(f'{path}: a data set is there already; choose another name, or replace it with --overwrite')


def history_entry(action: str, **details: Any) -> dict[str, Any]:
    """One entry of a data set's history: the present time (UTC, ISO 8601), what was done, and with what."""
    return {'time': datetime.now(timezone.utc).isoformat(timespec='seconds'), 'action': action, **details}


def _part_file(name: str) -> str:
    return f'part_{name}.npy'


def _check_types(values: Any, types: Mapping[str, tuple[type, ...]], what: str) -> None:
    """Compare the values of a mapping with the types that they must have.

    Raises:
        TypeError: One is missing, or of another type.
    """
    if not isinstance(values, dict):
        raise TypeError(f'{what} is no mapping')
    for key, allowed in types.items():
        if not isinstance(values.get(key), allowed) or (isinstance(values.get(key), bool) and bool not in allowed):
            raise TypeError(f'{key} of {what} is of another type')
    for key in ('classes', 'parts'):
        if key in types and not all(isinstance(name, str) for name in values[key]):
            raise TypeError(f'{key} of {what} holds something other than names')


def _recording_info(entry: Mapping[str, Any]) -> RecordingInfo:
    _check_types(entry, {'name': (str,), 'seconds': (int, float), 'windows': (int,)}, 'a recording')
    optional = {key: types for key, types in _RECORDING_TYPES.items() if key in entry}
    _check_types(entry, optional, 'a recording')
    known = {item.name for item in fields(RecordingInfo)}
    return RecordingInfo(**{key: value for key, value in entry.items() if key in known})


def _with_windows(info: RecordingInfo, windows: int) -> RecordingInfo:
    return RecordingInfo(**{**asdict(info), 'windows': windows})


def _read_description(folder: Path) -> dict[str, Any]:
    file = folder / METADATA_FILE
    try:
        description = read_json(file, 'build the data set again', not_finite=True)
    except DocumentError as error:
        if not error.missing:
            raise
        what = 'holds no dataset.json' if folder.is_dir() else 'is not there'
        raise SurfaceError(f'{folder}: {what}; make a data set with `surface dataset build`') from None
    if not isinstance(description, dict) or 'schema_version' not in description:
        raise SurfaceError(f'{file}: is not the description of a data set; build the data set again')
    if description['schema_version'] != SCHEMA_VERSION:
        raise SurfaceError(
            f'{file}: has schema version {description["schema_version"]!r}, this program reads {SCHEMA_VERSION}; '
            'build the data set again with this program'
        )
    return description


def _load_array(file: Path, dtype: Any, count: int, dimensions: int) -> NDArray[Any]:
    try:
        array = np.load(file, mmap_mode='r' if count else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SurfaceError(f'{file}: cannot be read ({error}); build the data set again') from error
    if array.dtype != dtype or array.ndim != dimensions or len(array) != count:
        raise SurfaceError(
            f'{file}: holds {array.dtype} of shape {array.shape}, expected {np.dtype(dtype)} with {count} rows and '
            f'{dimensions} dimensions; build the data set again'
        )
    return array


def _state_of_files(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Name, size, time of the last change [ns] and inode of each array."""
    states = [(file.name, file.stat()) for file in sorted(folder.glob('*.npy'))]
    return tuple((name, state.st_size, state.st_mtime_ns, state.st_ino) for name, state in states)


def _content_digest(
    folder: Path,
    config: WindowConfig,
    classes: Sequence[str],
    recordings: Sequence[RecordingInfo],
    has_recordings: bool,
) -> str:
    """SHA-256 over what the windows are: not over paths, history or notes, which say where they came from."""
    head = {
        'schema_version': SCHEMA_VERSION,
        'config': config.digest,
        'classes': list(classes),
        'recordings': [info.name for info in recordings],
        'has_recordings': has_recordings,
    }
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for file in sorted(folder.glob('*.npy')):
        digest.update(file.name.encode())
        # The header is left out: its padding differs between versions of NumPy.
        array = np.load(file, mmap_mode='r', allow_pickle=False)
        digest.update(f'{array.dtype.str} {array.shape}'.encode())
        with file.open('rb') as stream:
            stream.seek(file.stat().st_size - array.nbytes)
            while chunk := stream.read(_HASH_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
