# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Storage files of a bag as a reader can take them: decompressed, and with the changes a database had not yet taken in.

A compressed file, or a database beside which its recorder left a journal, is copied into a temporary folder and put in
order there. The files of the bag are never changed.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from current_driver.errors import SurfaceError

STORAGE_SUFFIXES = ('.mcap', '.db3')
COMPRESSED_SUFFIX = '.zstd'
# What sqlite leaves beside a database whose writer was killed: what undoes, or what completes, a transaction.
JOURNAL_SUFFIXES = ('-journal', '-wal')
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
EMPTY = 'the recording is empty; record it again'
# Names that macOS gives to files of its own beside each file on disks without extended attributes.
APPLE_PREFIX = '._'
_FOREIGN_FILES = (
    (
        b'version https://git-lfs.github.com/spec/',
        'is a Git LFS pointer, not the file itself; run `git lfs pull` there',
    ),
    (
        b'#ROSBAG V',
        'is a ROS 1 bag; convert it with `rosbags-convert --src FILE.bag --dst FOLDER` (pip install rosbags)',
    ),
    (b'\x00\x05\x16\x07', 'is a file that macOS keeps beside the file of that name without ._; delete it'),
)


def storage_files(folder: Path) -> list[Path]:
    """Return the storage files in a folder, compressed ones included, by name."""
    return sorted(path for path in folder.iterdir() if is_storage_file(path) and path.is_file())


def is_storage_file(path: Path) -> bool:
    """Return whether a name is that of a storage file, such as `drive_0.mcap` or `drive_0.db3.zstd`."""
    if path.name.startswith(APPLE_PREFIX):
        return False
    return (path.with_suffix('') if path.suffix == COMPRESSED_SUFFIX else path).suffix in STORAGE_SUFFIXES


def without_storage_suffix(path: Path) -> Path:
    """Return a path without the suffixes of a storage file: `drive.db3.zstd` becomes `drive`; others are returned."""
    inner = path.with_suffix('') if path.suffix == COMPRESSED_SUFFIX else path
    return inner.with_suffix('') if inner.suffix in STORAGE_SUFFIXES else path


def check_storage_file(path: Path) -> None:
    """Refuse a file that is often taken for a recording, or is empty.

    Raises:
        SurfaceError: It is a Git LFS pointer, a ROS 1 bag, a file of macOS or an empty file; with the remedy.
    """
    with path.open('rb') as stream:
        head = stream.read(64)
    if not head:
        raise SurfaceError(f'{path}: {EMPTY}')
    for magic, text in _FOREIGN_FILES:
        if head.startswith(magic):
            raise SurfaceError(f'{path}: {text}')


def check_storage(path: Path) -> None:
    """Refuse a recording that holds no byte of a bag: `check_storage_file` for a file and for all files of a folder.

    Raises:
        SurfaceError: The file, or every storage file of the folder, is refused.
    """
    files = [path] if path.is_file() else storage_files(path) if path.is_dir() else []
    if files and not any(file.stat().st_size for file in files):
        raise SurfaceError(f'{path}: {EMPTY}')
    for file in files:
        if file.stat().st_size:
            check_storage_file(file)


def ros1_bags(folder: Path) -> list[Path]:
    """Return the ROS 1 bags in a folder."""
    return sorted(file for file in folder.glob('*.bag') if file.is_file() and not file.name.startswith(APPLE_PREFIX))


def has_journal(path: Path) -> bool:
    """Return whether a database has a journal that is not empty."""
    journals = [path.with_name(path.name + suffix) for suffix in JOURNAL_SUFFIXES]
    return path.suffix == '.db3' and any(journal.exists() and journal.stat().st_size for journal in journals)


def decompressed(path: Path, folder: Path) -> tuple[Path, bool]:
    """Decompress a storage file into a folder.

    Args:
        path: The file, `NAME.zstd`.
        folder: Where to write `NAME`.

    Returns:
        The decompressed file, and whether the compressed one was whole; of one that was cut off there is the beginning.

    Raises:
        SurfaceError: It is no zstd file.
    """
    import zstandard

    target = folder / path.stem
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    with path.open('rb') as source, target.open('wb') as sink:
        while piece := source.read(zstandard.DECOMPRESSION_RECOMMENDED_INPUT_SIZE):
            while piece:
                if decompressor.eof:  # a file may be several frames
                    decompressor = zstandard.ZstdDecompressor().decompressobj()
                try:
                    sink.write(decompressor.decompress(piece))
                except zstandard.ZstdError as error:
                    if sink.tell():
                        return target, False
                    raise SurfaceError(f'{path}: cannot be decompressed ({error}); copy the file again') from error
                piece = decompressor.unused_data if decompressor.eof else b''
    return target, bool(decompressor.eof)


def settled(path: Path, folder: Path) -> Path:
    """Copy a database with its journals, and let sqlite undo or complete what its writer had begun.

    Args:
        path: The database.
        folder: Where to put the copy.

    Returns:
        The copy, without journals.

    Raises:
        SurfaceError: sqlite cannot do it.
    """
    target = folder / path.name
    for suffix in ('', *JOURNAL_SUFFIXES):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    try:
        with closing(sqlite3.connect(target)) as database:
            database.execute('SELECT count(*) FROM sqlite_master').fetchone()  # undoes what a journal can undo
            database.execute('PRAGMA journal_mode = DELETE')  # completes what is in a write-ahead log
    except sqlite3.Error as error:
        raise SurfaceError(f'{path}: its journal cannot be applied ({error}); try `surface recover`') from error
    return target


def offered_profiles(path: Path) -> list[tuple[int, str]]:
    """Return the row of each topic of a database with the QoS profiles it was offered with, as text.

    Nothing is returned for a file that is no database of a bag: what opens it next says so.
    """
    try:
        with closing(sqlite3.connect(f'file:{quote(str(path))}?mode=ro', uri=True)) as database:
            return [
                (row, text or '') for row, text in database.execute('SELECT rowid, offered_qos_profiles FROM topics')
            ]
    except sqlite3.Error:
        return []


def with_profiles(path: Path, folder: Path, profiles: Mapping[int, str]) -> Path:
    """Copy a database, with other QoS profiles.

    Args:
        path: The database, without a journal.
        folder: Where to put the copy.
        profiles: The profiles by row of the topic.

    Returns:
        The copy.
    """
    target = folder / path.name
    shutil.copyfile(path, target)
    with closing(sqlite3.connect(target)) as database, database:
        database.executemany(
            'UPDATE topics SET offered_qos_profiles = ? WHERE rowid = ?',
            [(text, row) for row, text in profiles.items()],
        )
    return target
