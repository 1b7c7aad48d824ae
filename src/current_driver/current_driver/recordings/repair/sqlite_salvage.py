# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads what can be read of a bag's database, also where pages of it are missing or damaged.

sqlite stops at the first damaged page. Here messages are looked up by their number, and those that cannot be had are
stepped over. rosbag2 writes its databases without a journal on disk unless it is told otherwise, so that one that was
killed in the middle of a transaction may leave a database that sqlite refuses.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat, Qos
from rosbags.rosbag2.metadata import parse_qos

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, parse_yaml
from current_driver.messages import StampedMessage
from current_driver.recordings.reading.bag_reader import StorageTopic, uncompressed

_FORMATS = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
_FIRST_ID = -(2**63)
_WIDEST_STEP = 2**40  # no bag has so many messages
_MESSAGES = 'SELECT id, topic_id, timestamp, data FROM messages'

# Number, topic, stamp [ns] and data, as they should be; a damaged page may hold anything.
_Row: TypeAlias = tuple[int, int, Any, Any]


class SalvagedSqlite:
    """One database, open for reading.

    Attributes:
        topics: Its topics; their counts are those of `stored`, once it has been read.
        left_out: Topics that are not stored as CDR, with what they are stored as.
        metadata: The bag's metadata as rosbag2 keeps it inside the file too; empty where there is none.
        lost_messages: Messages whose number is there and that cannot be read.
        damaged: Whether sqlite met a damage.
    """

    def __init__(self, path: Path) -> None:
        """Open a database that may be written to: give a copy.

        Args:
            path: The copy, with its journals beside it.

        Raises:
            SurfaceError: Not even its topics can be read.
        """
        self._path = path
        self.lost_messages = 0
        self.damaged = False
        self.left_out: dict[str, str] = {}
        _drop_half_page(path)
        self._database = sqlite3.connect(path)
        try:
            # Otherwise sqlite refuses a file that is shorter than it says of itself.
            self._database.execute('PRAGMA writable_schema = ON')
            self._topics = self._read_topics()
        except sqlite3.Error as error:
            self._database.close()
            raise SurfaceError(f'{path.name}: nothing can be read of the database ({error})') from error
        self.topics = list(self._topics.values())
        self.metadata = self._read_metadata()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def stored(self) -> Iterator[StampedMessage]:
        """Yield every message that can be read, in the order they were written."""
        for topic in self.topics:
            topic.count = 0
        self.lost_messages = 0
        last = _FIRST_ID
        while True:
            try:
                for row in self._database.execute(f'{_MESSAGES} WHERE id > ? ORDER BY id', (last,)):
                    if row[0] <= last:
                        raise sqlite3.DatabaseError('the numbers of the messages do not rise')
                    last = row[0]
                    yield from self._message(row)
            except sqlite3.DatabaseError:
                self.damaged = True
            else:
                return
            # Python asks for a row before it gives the one before, so that row is asked for once more, alone.
            following = self._next_readable(last)
            if following is None:
                return
            if last != _FIRST_ID:
                self.lost_messages += following[0] - last - 1
            last = following[0]
            yield from self._message(following)

    def _message(self, row: _Row) -> Iterator[StampedMessage]:
        _, topic_id, stamp, data = row
        topic = self._topics.get(topic_id)
        if not isinstance(stamp, int) or not isinstance(data, bytes):
            self.lost_messages += 1
        elif topic is not None:  # else it is left out
            topic.count += 1
            yield StampedMessage(topic.name, topic.msgtype, stamp, uncompressed(bytes(data)))

    def _next_readable(self, last: int) -> _Row | None:
        """Return the first message after a damage, None when there is none."""
        unreadable = 0 if last == _FIRST_ID else last
        step = 1
        readable, found = self._first_from(unreadable + step)
        while not readable and step < _WIDEST_STEP:
            unreadable, step = unreadable + step, 2 * step
            readable, found = self._first_from(unreadable + step)
        if found is None:
            return None
        # The steps became wide; the damage ends somewhere within the last one.
        while found[0] - unreadable > 1:
            middle = (found[0] + unreadable) // 2
            readable, earlier = self._first_from(middle)
            if not readable:
                unreadable = middle
            elif earlier is None or earlier[0] >= found[0]:
                return found
            else:
                found = earlier
        return found

    def _first_from(self, number: int) -> tuple[bool, _Row | None]:
        """Return whether the database can be read from a number on, and the first message there."""
        try:
            row = self._database.execute(f'{_MESSAGES} WHERE id >= ? ORDER BY id LIMIT 1', (number,)).fetchone()
        except sqlite3.DatabaseError:
            return False, None
        return True, row

    def _read_topics(self) -> dict[int, StorageTopic]:
        columns = {row[1] for row in self._database.execute('PRAGMA table_info(topics)')}
        qos, digest = (name if name in columns else "''" for name in ('offered_qos_profiles', 'type_description_hash'))
        definitions = self._read_definitions()
        topics = {}
        rows = self._database.execute(f'SELECT id, name, type, serialization_format, {qos}, {digest} FROM topics')
        for number, name, msgtype, serialization, profiles, type_hash in rows:
            if serialization != 'cdr':
                self.left_out[name] = serialization
                continue
            definition = definitions.get(msgtype, MessageDefinition(MessageDefinitionFormat.NONE, ''))
            topics[number] = StorageTopic(name, msgtype, definition, type_hash, _profiles(profiles), 0)
        return topics

    def _read_definitions(self) -> dict[str, MessageDefinition]:
        with suppress(sqlite3.Error):  # older schemas have none
            rows = self._database.execute(
                'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
            ).fetchall()
            return {
                name: MessageDefinition(_FORMATS[encoding], text)
                for name, encoding, text in rows
                if encoding in _FORMATS
            }
        return {}

    def _read_metadata(self) -> str:
        with suppress(sqlite3.Error):
            row = self._database.execute('SELECT metadata FROM metadata ORDER BY id DESC LIMIT 1').fetchone()
            return '' if row is None else str(row[0])
        return ''


def _drop_half_page(path: Path) -> None:
    """Cut a database at the end of its last whole page; sqlite would take the rest of the page for zeros."""
    with path.open('r+b') as file:
        head = file.read(18)
        page_bytes = int.from_bytes(head[16:18], 'big')
        page_bytes = 65536 if page_bytes == 1 else page_bytes
        size = file.seek(0, 2)
        if page_bytes >= 512 and size > page_bytes:
            file.truncate(size - size % page_bytes)


def _profiles(text: str) -> list[Qos]:
    try:
        return list(parse_qos(text)) if text else []
    # rosbags raises what its parser of YAML does, and KeyError, TypeError, ... on what it does not expect.
    except Exception:
        return []


def custom_data_of(metadata: str) -> dict[str, str]:
    """Return the custom data in a bag's metadata, as a storage file holds it.

    Args:
        metadata: YAML text; what is not such text has no custom data.
    """
    try:
        info = parse_yaml(metadata, 'metadata') or {}
        return {str(key): str(value) for key, value in (info.get('custom_data') or {}).items()}
    except (DocumentError, AttributeError):
        return {}
