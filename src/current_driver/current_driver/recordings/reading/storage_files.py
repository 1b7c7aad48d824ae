# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Storage files of a bag as a reader can take them: decompressed, and with the changes a database had not yet taken in.

A compressed file, or a database beside which its recorder left a journal, is copied into a temporary folder and put in
order there. The files of the bag are never changed.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import zstandard

from current_driver.errors import SurfaceError

STORAGE_SUFFIXES = ('.mcap', '.db3')
COMPRESSED_SUFFIX = '.zstd'
# What sqlite leaves beside a database whose writer was killed: what undoes, or what completes, a transaction.
JOURNAL_SUFFIXES = ('-journal', '-wal')
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'


def storage_files(folder: Path) -> list[Path]:
    """Return the storage files in a folder, compressed ones included, by name."""
    return sorted(path for path in folder.iterdir() if is_storage_file(path) and path.is_file())


def is_storage_file(path: Path) -> bool:
    """Return whether a name is that of a storage file, such as `drive_0.mcap` or `drive_0.db3.zstd`."""
    return (path.with_suffix('') if path.suffix == COMPRESSED_SUFFIX else path).suffix in STORAGE_SUFFIXES


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
                    raise SurfaceError(f'{path}: cannot be decompressed ({error}); copy the file anew') from error
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
