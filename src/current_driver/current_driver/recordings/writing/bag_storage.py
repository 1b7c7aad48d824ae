# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The two storage files of a rosbag2 bag, written so that what was flushed survives the end of the process.

MCAP is written in small compressed chunks, each complete in the file after `flush`
(https://mcap.dev/spec). sqlite3 is written with the schema of rosbag2_storage_sqlite3, version 4, one
transaction for each flush.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sqlite3
from pathlib import Path
from typing import Protocol

from current_driver.errors import SurfaceError
from current_driver.optional_packages import environment_remedy, install_command

_SQLITE_SCHEMA = """
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, serialization_format TEXT NOT NULL,
    offered_qos_profiles TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(
    id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
    encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE messages(
    id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""
_SQLITE_SCHEMA_VERSION = 4


class BagStorage(Protocol):
    """One storage file of a bag that is being written."""

    suffix: str

    def add_topic(self, topic: str, msgtype: str, encoding: str, definition: str, type_hash: str, qos: str) -> int:
        """Add a topic and return its number, for `write`.

        Args:
            topic: Name of the topic.
            msgtype: Full type name.
            encoding: What the definition is written in: ros2msg or ros2idl; empty where there is none.
            definition: Text of the message definition with its dependencies.
            type_hash: RIHS01 hash of the type; empty when it is not known.
            qos: Offered QoS profiles as YAML.
        """

    def write(self, topic_id: int, stamp_ns: int, cdr: bytes) -> None:
        """Append one message."""

    def flush(self) -> None:
        """Hand everything written so far to the operating system, in a form that can be read."""

    def close(self, metadata_version: int, metadata: str) -> None:
        """Complete and close the file.

        Args:
            metadata_version: Version of the bag's metadata.
            metadata: The bag's metadata as YAML, which rosbag2 keeps inside the file too.
        """

    def abandon(self) -> None:
        """Close the file as it was at the last `flush`, after an error such as a full disk; raises nothing more."""


class McapStorage:
    """An MCAP file with the ros2 profile."""

    suffix = '.mcap'

    def __init__(self, path: Path) -> None:
        """Create the file."""
        from mcap.well_known import Profile
        from mcap.writer import Writer as McapFileWriter

        self._raw = path.open('wb', buffering=0)
        self._file = io.BufferedWriter(self._raw)
        self._writer = McapFileWriter(self._file)
        self._writer.start(profile=Profile.ROS2)
        self._flushed_bytes = 0
        self._schema_ids: dict[str, int] = {}

    def add_topic(self, topic: str, msgtype: str, encoding: str, definition: str, type_hash: str, qos: str) -> int:
        """See `BagStorage`."""
        if msgtype not in self._schema_ids:
            self._schema_ids[msgtype] = self._writer.register_schema(msgtype, encoding, definition.encode())
        return self._writer.register_channel(
            topic,
            'cdr',
            self._schema_ids[msgtype],
            {'offered_qos_profiles': qos, 'topic_type_hash': type_hash},
        )

    def write(self, topic_id: int, stamp_ns: int, cdr: bytes) -> None:
        """See `BagStorage`."""
        self._writer.add_message(topic_id, log_time=stamp_ns, data=cdr, publish_time=stamp_ns)

    def flush(self) -> None:
        """See `BagStorage`."""
        self._writer.flush()
        self._file.flush()
        self._flushed_bytes = self._file.tell()

    def close(self, metadata_version: int, metadata: str) -> None:  # noqa: ARG002 - MCAP notes the version inside
        """See `BagStorage`."""
        self._writer.flush()
        self._writer.add_metadata('rosbag2', {'serialized_metadata': metadata})
        self._writer.finish()
        self._file.close()

    def abandon(self) -> None:
        """See `BagStorage`."""
        if self._file.closed:
            return
        os.ftruncate(self._raw.fileno(), self._flushed_bytes)
        # What is still in the buffer must not follow it: closing writes the buffer, to where nothing is kept.
        with open(os.devnull, 'wb') as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self._raw.fileno())
        self._file.close()


class SqliteStorage:
    """A database in the layout of rosbag2_storage_sqlite3."""

    suffix = '.db3'

    def __init__(self, path: Path) -> None:
        """Create the database."""
        # The writer's lock keeps threads apart; the connection may then be used from all of them.
        self._database = sqlite3.connect(path, check_same_thread=False)
        # Without it a long transaction reaches the file before its commit, and a kill leaves half of it there.
        self._database.execute('PRAGMA cache_spill = OFF')
        self._database.executescript(_SQLITE_SCHEMA)
        distro = os.environ.get('ROS_DISTRO', 'unknown')
        self._database.execute('INSERT INTO schema VALUES (?, ?)', (_SQLITE_SCHEMA_VERSION, distro))
        self._database.commit()
        self._types: set[str] = set()

    def add_topic(self, topic: str, msgtype: str, encoding: str, definition: str, type_hash: str, qos: str) -> int:
        """See `BagStorage`."""
        if encoding and msgtype not in self._types:
            self._types.add(msgtype)
            self._database.execute(
                'INSERT INTO message_definitions VALUES (NULL, ?, ?, ?, ?)', (msgtype, encoding, definition, type_hash)
            )
        cursor = self._database.execute(
            'INSERT INTO topics VALUES (NULL, ?, ?, ?, ?, ?)', (topic, msgtype, 'cdr', qos, type_hash)
        )
        self._database.commit()
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def write(self, topic_id: int, stamp_ns: int, cdr: bytes) -> None:
        """See `BagStorage`."""
        self._database.execute('INSERT INTO messages VALUES (NULL, ?, ?, ?)', (topic_id, stamp_ns, cdr))

    def flush(self) -> None:
        """See `BagStorage`."""
        self._database.commit()

    def close(self, metadata_version: int, metadata: str) -> None:
        """See `BagStorage`."""
        self._database.execute('INSERT INTO metadata VALUES (NULL, ?, ?)', (metadata_version, metadata))
        self._database.commit()
        self._database.close()

    def abandon(self) -> None:
        """See `BagStorage`."""
        with contextlib.suppress(sqlite3.Error):
            self._database.rollback()
        with contextlib.suppress(sqlite3.Error):
            self._database.close()


AUTO = 'auto'
STORAGES: dict[str, type[McapStorage] | type[SqliteStorage]] = {'mcap': McapStorage, 'sqlite3': SqliteStorage}


def choose_storage(storage: str) -> str:
    """Return the storage that a name asks for: `auto` is MCAP where the package mcap is installed, else sqlite3.

    Raises:
        SurfaceError: The name is not known, or its package is not installed.
    """
    has_mcap = importlib.util.find_spec('mcap') is not None
    if storage == AUTO:
        return 'mcap' if has_mcap else 'sqlite3'
    if storage not in STORAGES:
        raise SurfaceError(f'storage {storage!r} is not known; choose one of {", ".join([AUTO, *STORAGES])}')
    if storage == 'mcap' and not has_mcap:
        raise SurfaceError(
            "storage 'mcap' needs the package mcap, which is not installed; choose sqlite3 or auto, or "
            f'{environment_remedy(install_command(["mcap"]))}'
        )
    return storage
