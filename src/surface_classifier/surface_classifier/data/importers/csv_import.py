# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Imports recordings kept as CSV files, one folder for each class: each recording becomes one labelled bag.

A file without absolute time starts at 0; recording k of an import starts a day after recording k - 1, on a multiple of
every common window stride (see `recording_base_ns`), so that windows begin at its first sample.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.files.output_folders import claim_folder
from current_driver.recordings.reading.csv_reader import MOTOR_TOPIC, ColumnsConfig
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.recordings.reading.storage_files import APPLE_PREFIX
from current_driver.recordings.writing.recording_writer import RecordingWriter

TRUTH_TOPIC = 'surface_truth'


@dataclass(frozen=True)
class CsvRecording:
    """One recording to import.

    Attributes:
        name: `<class>/<id>`.
        surface: Its class: the name of the folder.
        file: Its CSV file; of a recording with several files, that of the first part in the columns file.
    """

    name: str
    surface: str
    file: Path


@dataclass(frozen=True)
class ImportedRecording:
    """What became of one recording: its name, class, length and number of messages by topic."""

    name: str
    surface: str
    seconds: float
    messages: Mapping[str, int]


@dataclass
class CsvImportResult:
    """What an import wrote.

    Attributes:
        path: Folder of the recordings.
        recordings: The recordings, in the order of their stamps.
        excluded: Folders left out on request.
        warnings: What was left out of the files and why.
    """

    path: Path
    recordings: list[ImportedRecording] = field(default_factory=list)
    excluded: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)


def import_csv(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    columns: str | os.PathLike[str] | None = None,
    label_column: str | None = None,
    exclude: Sequence[str] = (),
    storage: str = 'auto',
    metadata: Mapping[str, str] | None = None,
    progress: Callable[[Sequence[CsvRecording]], Iterable[CsvRecording]] = iter,
) -> CsvImportResult:
    """Import a folder of CSV recordings.

    Either all recordings are imported or none: they appear at `target` when the last one is written.

    Args:
        source: Folder that holds one folder for each class.
        target: Folder to make; it then holds one bag for each recording, `<class>/<id>`.
        columns: Columns file (see `csv_reader`); the columns are guessed by their names when None.
        label_column: Column that holds the surface of each row; the name of the folder is the label when None.
        exclude: Names of folders without labels, which are left out.
        storage: Storage of the bags, `mcap`, `sqlite3`, or `auto` for MCAP where the package mcap is installed.
        metadata: What to note in every bag, such as the robot.
        progress: Wraps the list of recordings, for a progress bar.

    Raises:
        SurfaceError: The folder holds no recording, a file cannot be used, or something is at `target` already.
    """
    root, out = Path(source), Path(target)
    config = None if columns is None else ColumnsConfig.from_yaml(Path(columns))
    if label_column is not None:
        config = dataclasses.replace(config or ColumnsConfig(None), label=label_column)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SurfaceError(f'{out}: exists already; choose another folder for the recordings')
    result = CsvImportResult(out, excluded=tuple(exclude))
    recordings = find_csv_recordings(root, config, exclude, result.warnings)
    with claim_folder(out) as claim:
        partial = claim.begin()
        for index, recording in enumerate(progress(recordings)):
            imported = _import_one(recording, config, index, partial, storage, metadata or {}, result.warnings)
            result.recordings.append(imported)
        result.warnings.extend(_without_motors(result.recordings))
        try:
            if out.exists():
                out.rmdir()
            claim.put_in_place()
        except OSError as error:
            raise SurfaceError(
                f'{out}: the recordings cannot be put there ({error.strerror}); choose another folder'
            ) from error
    return result


def find_csv_recordings(
    root: Path, columns: ColumnsConfig | None, exclude: Sequence[str], warnings: list[str]
) -> list[CsvRecording]:
    """Find the recordings of an import, sorted by class and name.

    Args:
        root: Folder that holds one folder for each class.
        columns: Which files make up a recording; each CSV file is one when None.
        exclude: Names of folders to leave out.
        warnings: Gets a sentence for each file that belongs to no recording.

    Raises:
        SurfaceError: There is no such folder, no class in it, or a class without a recording.
    """
    if not root.is_dir():
        raise SurfaceError(f'{root}: no such folder; give the folder that holds one folder for each class')
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith('.'))
    unknown = [name for name in exclude if name not in {folder.name for folder in folders}]
    if unknown:
        listed = ', '.join(folder.name for folder in folders) or 'none'
        raise SurfaceError(f'--exclude {unknown[0]}: no such folder in {root}; its folders are: {listed}')
    classes = [folder for folder in folders if folder.name not in exclude]
    if not classes:
        loose = ' (the CSV files in it must lie in a folder named after their class)' if any(root.glob('*.csv')) else ''
        raise SurfaceError(
            f'{root}: holds no folder of a class{loose}; expected {root}/<CLASS>/<recording>.csv, as in '
            f'{root}/gravel/01.csv'
        )
    if beside := sorted(file.name for file in root.iterdir() if _is_csv(file)):
        warnings.append(
            f'{root}: {len(beside)} CSV files beside the folders were left out, such as {beside[0]}; a recording lies '
            'in the folder of its class'
        )
    recordings: list[CsvRecording] = []
    for folder in classes:
        found = csv_recordings_in(folder, columns, warnings)
        if not found:
            pattern = next(iter(columns.files.values())) if columns is not None and columns.files else '*.csv'
            raise SurfaceError(
                f'{folder}: holds no recording ({pattern}); add one, or leave the folder out with '
                f'--exclude {folder.name}'
            )
        recordings.extend(found)
    return recordings


def csv_recordings_in(folder: Path, columns: ColumnsConfig | None, warnings: list[str]) -> list[CsvRecording]:
    """The recordings in the folder of one class, sorted by name; the arguments are those of `find_csv_recordings`."""
    files = sorted(entry for entry in folder.iterdir() if _is_csv(entry))
    if columns is None or not columns.files:
        return [CsvRecording(f'{folder.name}/{file.stem}', folder.name, file) for file in files]
    patterns = {part: _id_pattern(name) for part, name in columns.files.items()}
    main_part, main_pattern = next(iter(patterns.items()))
    found = {match['id']: file for file in files if (match := main_pattern.fullmatch(file.name))}
    for file in files:
        ids = [match['id'] for pattern in patterns.values() if (match := pattern.fullmatch(file.name))]
        if not ids:
            warnings.append(f'{file}: left out, its name matches none of {", ".join(columns.files.values())}')
        elif not any(recording_id in found for recording_id in ids):
            warnings.append(f'{file}: left out, the recording has no {main_part} file beside it')
    return [CsvRecording(f'{folder.name}/{key}', folder.name, file) for key, file in sorted(found.items())]


def _is_csv(path: Path) -> bool:
    """Whether a path is a CSV file, and none of those that macOS leaves beside them."""
    return path.suffix.lower() == '.csv' and path.is_file() and not path.name.startswith(APPLE_PREFIX)


def _id_pattern(name: str) -> re.Pattern[str]:
    before, _, after = name.partition('{id}')
    return re.compile(f'{re.escape(before)}(?P<id>.+){re.escape(after)}')


def _without_motors(recordings: Sequence[ImportedRecording]) -> list[str]:
    without = [item.name for item in recordings if MOTOR_TOPIC not in item.messages]
    if not without:
        return []
    warning = (
        f'{len(without)} of {len(recordings)} recordings hold no motor current, such as {without[0]}; if their files '
        'belong to other recordings, say so with a columns file (--columns, files: {motor: ..., imu: ...})'
    )
    return [warning]


def _import_one(
    recording: CsvRecording,
    columns: ColumnsConfig | None,
    index: int,
    target: Path,
    storage: str,
    metadata: Mapping[str, str],
    warnings: list[str],
) -> ImportedRecording:
    with open_recording(recording.file, columns, base_ns=recording_base_ns(index)) as reader:
        path = target / recording.name
        with RecordingWriter(path, storage, metadata=metadata, flush_interval_s=None) as writer:
            labels = getattr(reader, 'label_changes', []) or [(reader.start_ns, recording.surface)]
            for stamp_ns, surface in labels:
                truth = messages.truth_message(stamp_ns, surface, 'import')
                writer.write_message(TRUTH_TOPIC, truth, stamp_ns, latched=True)
            for topic, msgtype in reader.topics.items():
                writer.add_topic(topic, msgtype, reader.definitions[msgtype])
            for stamped in reader.messages():
                writer.write(stamped.topic, stamped.stamp_ns, stamped.cdr)
        warnings.extend(reader.warnings)
        seconds = (reader.end_ns - reader.start_ns) / messages.NANOSECONDS
        return ImportedRecording(recording.name, recording.surface, seconds, dict(reader.message_counts))
