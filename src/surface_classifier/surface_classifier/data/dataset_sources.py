# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What data sets are cut from: bags and labelled CSV files in any mix, and how a data set's history names them.

A CSV file is labelled by the folder it lies in, `<CLASS>/<recording>.csv`, as `surface import csv` has it; cut from
there it gives the windows that it gives once it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from current_driver.recordings.reading.csv_reader import ColumnsConfig
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.recording_reader import RecordingReader, recording_base_ns
from current_driver.recordings.reading.storage_files import (
    APPLE_PREFIX,
    check_storage_file,
    is_storage_file,
    ros1_bags,
)
from current_driver.recordings.recording import Recording, Segment, find_recordings
from current_driver.recordings.writing.recording_writer import METADATA_FILE
from surface_classifier.data.dataset import history_entry
from surface_classifier.data.importers.csv_import import csv_recordings_in

BUILD_ACTION = 'dataset build'
MERGE_ACTION = 'dataset merge'


class LabelledCsv(Recording):
    """A recording that is kept as a CSV file, under one label: the name of its folder.

    Args:
        path: The CSV file.
        name: Name of the recording; folder and file without suffix when None.
        columns: Columns file (see `csv_reader`); the columns are guessed by their names when None.
        number: Where it stands among the CSV files of a data set: files without absolute time are laid a day apart.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        columns: str | os.PathLike[str] | None = None,
        number: int = 0,
    ) -> None:
        """Take the path; `reader` opens the file."""
        file = Path(path)
        self.surface = file.resolve().parent.name
        super().__init__(file, name or f'{self.surface}/{file.stem}')
        self.columns = None if columns is None else Path(columns)
        self.number = number

    def reader(self) -> RecordingReader:
        """Open the file, for a `with` statement.

        Raises:
            SurfaceError: It cannot be read.
        """
        return open_recording(self.path, self.columns, recording_base_ns(self.number))

    def segments(self, reader: RecordingReader | None = None) -> list[Segment]:
        """One segment, as long as the recording; those of the column of labels where the columns file names one."""
        if reader is None:
            with self.reader() as opened:
                return self.segments(opened)
        changes: list[tuple[int, str]] = getattr(reader, 'label_changes', []) or [(reader.start_ns, self.surface)]
        ends = [*(stamp_ns for stamp_ns, _ in changes[1:]), reader.end_ns + 1]
        return [
            Segment(begin_ns, end_ns, surface, 'import')
            for (begin_ns, surface), end_ns in zip(changes, ends, strict=True)
        ]


@dataclass
class Sources:
    """What was found.

    Attributes:
        recordings: The recordings, sorted by name within each of the paths that were given.
        warnings: One sentence for each file that looks like a recording and was left out.
    """

    recordings: list[Recording]
    warnings: list[str] = field(default_factory=list)


def find_sources(
    paths: Iterable[str | os.PathLike[str]],
    *,
    columns: str | os.PathLike[str] | None = None,
    exclude: Sequence[str] = (),
) -> Sources:
    """Find every recording in and below the given paths: bags and CSV files.

    Names are those of `find_recordings`; a CSV file in the folder of its class is called `<CLASS>/<recording>`.

    Args:
        paths: Bags, storage files, CSV files, or folders to search.
        columns: Columns file of the CSV files; their columns are guessed by their names when None.
        exclude: Names of folders that are left out wherever they are.

    Raises:
        SurfaceError: A path does not exist or holds no recording, or a folder to leave out is nowhere.
    """
    config = None if columns is None else ColumnsConfig.from_yaml(Path(columns))
    sources = Sources([])
    csv_files: list[tuple[Path, str]] = []
    excluded: set[str] = set()
    with_bags: list[Path] = []
    for given in paths:
        root = Path(given)
        bags, found = _below(root, config, exclude, excluded, sources.warnings)
        if not bags and not found:
            if root.is_dir() and (old := ros1_bags(root)):
                check_storage_file(old[0])
            raise SurfaceError(
                f'{root}: holds no recording (no bag folder with {METADATA_FILE}, no .mcap, .db3 or .csv file); make '
                'one with `surface simulate`, record one with the trainer node, or lay CSV files out as '
                '<CLASS>/<recording>.csv'
            )
        with_bags.extend(bags if exclude or root.is_file() else [root] if bags else [])
        csv_files.extend(found)
    if unknown := [name for name in exclude if name not in excluded]:
        raise SurfaceError(f'--exclude {unknown[0]}: there is no such folder below {", ".join(map(str, paths))}')
    sources.recordings.extend(find_recordings(with_bags) if with_bags else [])
    taken = [recording.name for recording in sources.recordings]
    names = [name for _, name in csv_files]
    for number, (file, name) in enumerate(dict(csv_files).items()):
        is_single = names.count(name) == 1 and name not in taken
        unique = name if is_single else file.with_suffix('').as_posix()
        sources.recordings.append(LabelledCsv(file, unique, columns, number))
    return sources


def build_entry(recordings: Sequence[Recording], **settings: Any) -> dict[str, Any]:
    """The entry of a data set's history that says what it was cut from, and how; see `source_paths`."""
    details: dict[str, Any] = {
        'recordings': [str(recording.path) for recording in recordings],
        'names': [recording.name for recording in recordings],
    }
    columns = [recording.columns for recording in recordings if isinstance(recording, LabelledCsv)]
    if columns and columns[0] is not None:
        details['columns'] = str(columns[0])
    return history_entry(BUILD_ACTION, **details, **settings)


@dataclass(frozen=True)
class SourcePath:
    """A recording as a history names it.

    Attributes:
        path: Where it was.
        name: What it is called in the data set.
        columns: Columns file of a CSV file; None where there is none.
        number: Where it stands among the CSV files of its data set.
    """

    path: Path
    name: str
    columns: str | None = None
    number: int = 0

    def open(self) -> Recording:
        """The recording.

        Raises:
            SurfaceError: It is no longer there.
        """
        if self.path.suffix.lower() == '.csv':
            return LabelledCsv(self.path, self.name, self.columns, self.number)
        return Recording(self.path, self.name)


def source_paths(history: Sequence[Mapping[str, Any]]) -> list[SourcePath] | None:
    """What a data set with this history was cut from; None where it was not cut from recordings alone."""
    found: list[SourcePath] | None = None
    for entry in history:
        if entry.get('action') == BUILD_ACTION:
            found = _built_from(entry)
        elif entry.get('action') == MERGE_ACTION:
            found = []
            for merged in entry['sources']:
                below = source_paths(merged['history'])
                if below is None:
                    return None
                renamed = merged.get('renamed', {})
                found += [
                    SourcePath(source.path, renamed.get(source.name, source.name), source.columns, source.number)
                    for source in below
                ]
    return found


def is_edited(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether windows or labels were changed since the data set was cut."""
    return bool(history) and history[-1].get('action') != BUILD_ACTION


def _built_from(entry: Mapping[str, Any]) -> list[SourcePath]:
    paths = [Path(path) for path in entry['recordings']]
    names = entry.get('names')
    if names is None:  # written before names were kept
        names = [path.as_posix() for path in paths]
    numbers = {path: number for number, path in enumerate(p for p in paths if p.suffix.lower() == '.csv')}
    return [
        SourcePath(path, name, entry.get('columns') if path in numbers else None, numbers.get(path, 0))
        for path, name in zip(paths, names, strict=True)
    ]


def _below(
    root: Path, columns: ColumnsConfig | None, exclude: Sequence[str], excluded: set[str], warnings: list[str]
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Bags below a path, and CSV files with the names of their recordings."""
    if not root.exists():
        raise SurfaceError(f'{root}: no such file or folder')
    if root.is_file():
        if root.suffix.lower() == '.csv':
            return [], [(root, f'{root.resolve().parent.name}/{root.stem}')]
        check_storage_file(root)
        return ([root] if is_storage_file(root) else []), []
    bags: list[Path] = []
    found: list[tuple[Path, str]] = []
    loose: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        here = Path(folder)
        excluded.update(name for name in subfolders if name in exclude)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith('.') and name not in exclude)
        if METADATA_FILE in files:
            bags.append(here)
            subfolders.clear()
            continue
        bags.extend(here / file for file in sorted(files) if is_storage_file(Path(file)))
        if not any(file.lower().endswith('.csv') and not file.startswith(APPLE_PREFIX) for file in files):
            continue
        if subfolders:
            loose.append(here)
            continue
        above = here.relative_to(root).parent.as_posix() if here != root else '.'
        prefix = '' if above == '.' else f'{above}/'
        found.extend(
            (entry.file, f'{prefix}{here.resolve().name}/{entry.name.rpartition("/")[2]}')
            for entry in csv_recordings_in(here, columns, warnings)
        )
    for folder_path in loose:
        files_there = sorted(file for file in folder_path.glob('*.csv') if not file.name.startswith(APPLE_PREFIX))
        warnings.append(
            f'{folder_path}: {len(files_there)} CSV files beside the folders were left out, such as '
            f'{files_there[0].name if files_there else ""}; a recording lies in the folder of its class'
        )
    return sorted(bags), found
