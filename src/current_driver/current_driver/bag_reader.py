# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads rosbag2 recordings of both storages, also those whose recorder was killed before it could close them.

Intact files are read by rosbags. An MCAP file without its end (the recorder was killed) or without an index is read
record by record with the mcap package up to the last whole message.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat, Qos, QosDurability
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.rosbag2.metadata import parse_qos
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError, get_types_from_idl, get_types_from_msg
from rosbags.typesys.store import Typestore

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import SURFACE_TRUTH, StampedMessage
from current_driver.recording_reader import RecordingReader

_IDL_SEPARATOR = '=' * 80 + '\n'
_COMPRESSION_OFF = ('', 'none')


@dataclass
class _Topic:
    """What one storage file knows about one topic."""

    name: str
    msgtype: str
    definition: MessageDefinition
    latched: bool
    count: int


class _Storage(Protocol):
    """One file of a bag."""

    topics: list[_Topic]
    start_ns: int
    end_ns: int

    def messages(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        """Yield messages in the order of their log time."""


class _IndexedStorage:
    """A file, or a compressed bag as a whole, that rosbags reads."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.start_ns = reader.start_time
        self.end_ns = reader.end_time - 1  # rosbags gives the first nanosecond after the last message
        self.topics = []
        for connection in reader.connections:
            serialization = getattr(connection.ext, 'serialization_format', 'cdr')
            if serialization != 'cdr':
                raise ReaderError(f'topic {connection.topic!r} is stored as {serialization!r}, not as CDR')
            profiles = getattr(connection.ext, 'offered_qos_profiles', [])
            self.topics.append(
                _Topic(connection.topic, connection.msgtype, connection.msgdef, _latched(profiles), connection.msgcount)
            )

    def messages(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if connections:
            for connection, stamp, data in self._reader.messages(connections, start=start_ns):
                yield StampedMessage(connection.topic, connection.msgtype, stamp, bytes(data))


class _SequentialMcap:
    """An MCAP file that is read from the front: it has no index, or it ends in the middle of a record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sorted = True
        self.complete = True
        self.start_ns = 2**63 - 1
        self.end_ns = 0
        self.topics = []
        by_channel: dict[int, _Topic] = {}
        previous = 0
        for topic, message in self._records(by_channel):
            topic.count += 1
            self._sorted = self._sorted and message.log_time >= previous
            previous = message.log_time
            self.start_ns = min(self.start_ns, message.log_time)
            self.end_ns = max(self.end_ns, message.log_time)
        self.topics = list(by_channel.values())

    def _records(self, topics: dict[int, _Topic]) -> Iterator[tuple[_Topic, Message]]:
        """Yield messages in file order; `topics` is filled with what the channels say, by channel id."""
        schemas: dict[int, Schema] = {}
        with self._path.open('rb') as stream:
            records = StreamReader(stream).records
            while True:
                try:
                    record = next(records)
                except StopIteration:
                    return
                # On cut or damaged bytes the parser raises struct.error, EndOfFile, errors of the decompressors, ...
                except Exception as error:
                    if not topics:
                        raise ReaderError(f'not a readable MCAP file ({error or type(error).__name__})') from error
                    self.complete = False
                    return
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel) and record.id not in topics:
                    topics[record.id] = _mcap_topic(record, schemas.get(record.schema_id))
                elif isinstance(record, Message):
                    yield topics[record.channel_id], record

    def messages(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        found = (
            StampedMessage(topic.name, topic.msgtype, record.log_time, record.data)
            for topic, record in self._records({})
            if topic.name in topics and record.log_time >= start_ns
        )
        yield from found if self._sorted else sorted(found, key=lambda message: message.stamp_ns)


def _latched(profiles: list[Qos]) -> bool:
    return any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in profiles)


def _mcap_topic(channel: Channel, schema: Schema | None) -> _Topic:
    if channel.message_encoding != 'cdr' or schema is None:
        raise ReaderError(
            f'topic {channel.topic!r} is stored as {channel.message_encoding!r}, not as CDR with a schema'
        )
    formats = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
    definition = MessageDefinition(formats.get(schema.encoding, MessageDefinitionFormat.NONE), schema.data.decode())
    qos = channel.metadata.get('offered_qos_profiles', '')
    return _Topic(channel.topic, schema.name, definition, _latched(parse_qos(qos) if qos else []), 0)


class BagReader(RecordingReader):
    """A rosbag2 recording: a folder, or a single storage file."""

    def __init__(self, path: Path) -> None:
        """Open the bag.

        Args:
            path: Folder of the bag, or an `.mcap` or `.db3` file.

        Raises:
            SurfaceError: It is not a bag, it cannot be read or it holds no message.
        """
        self.path = path
        self.metadata = {}
        self.warnings = []
        self._stack = ExitStack()
        try:
            self._storages = self._open_storages()
            self._collect_topics()
        except BaseException:
            self._stack.close()
            raise

    def _open_storages(self) -> list[_Storage]:
        if self.path.is_file():
            return [self._open_file(self.path)]
        info = self._read_metadata()
        self.metadata = {str(key): str(value) for key, value in (info.get('custom_data') or {}).items()}
        if str(info.get('compression_mode') or '').lower() not in _COMPRESSION_OFF:
            return [self._open_indexed(self.path)]
        # The file names in the metadata are relative to the bag, or to its parent in old versions.
        named = [self.path / Path(name).name for name in info.get('relative_file_paths') or []]
        on_disk = sorted([*self.path.glob('*.mcap'), *self.path.glob('*.db3')])
        for path in named:
            if not path.exists():
                raise SurfaceError(f"{path}: the bag's metadata.yaml names this file, but it is missing; copy it there")
        # A recorder that was killed has noted neither its last files nor its message counts.
        files = named + [path for path in on_disk if path not in named]
        if not files:
            raise SurfaceError(f'{self.path}: not a recording; there is no .mcap and no .db3 file in this folder')
        storages = [self._open_file(path) for path in files if path.stat().st_size]
        if not storages:
            raise SurfaceError(f'{self.path}: the recording is empty; record it again')
        return storages

    def _read_metadata(self) -> dict[str, Any]:
        path = self.path / 'metadata.yaml'
        if not path.exists():
            return {}
        try:
            info = yaml.safe_load(path.read_text(encoding='utf-8'))['rosbag2_bagfile_information']
            return dict(info)
        except OSError as error:
            raise SurfaceError(f'{path}: cannot be read ({error.strerror}); check its permissions') from error
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise SurfaceError(
                f'{path}: not the metadata of a rosbag2 bag ({error}); delete it to read the storage files alone'
            ) from error

    def _open_indexed(self, path: Path) -> _Storage:
        try:
            reader = Reader(path)
            reader.open()
            self._stack.callback(reader.close)
            return _IndexedStorage(reader)
        # rosbags lets errors of its parsers through on damaged files: struct.error, TypeError, apsw.Error, ...
        except Exception as error:
            raise SurfaceError(f'{path}: cannot be read as a rosbag2 recording: {error}') from error

    def _open_file(self, path: Path) -> _Storage:
        if path.suffix == '.db3':
            return self._open_indexed(path)
        if path.suffix != '.mcap':
            raise SurfaceError(f'{path}: not a recording; give a rosbag2 folder or an .mcap, .db3 or .csv file')
        reader = Reader(path)
        try:
            reader.open()
        except Exception:
            pass  # without its end; the sequential reader says what is wrong when it finds nothing either
        else:
            # Without chunks there is no index, and rosbags refuses messages that are not in order.
            if getattr(reader.storage, 'chunks', None):
                self._stack.callback(reader.close)
                return self._indexed(path, reader)
            reader.close()
        try:
            storage = _SequentialMcap(path)
        except (ReaderError, OSError) as error:
            raise SurfaceError(f'{path}: cannot be read as a rosbag2 recording: {error}') from error
        if not storage.complete:
            count = sum(topic.count for topic in storage.topics)
            self.warnings.append(f'{path}: the file was not closed; {count} messages were written before it ends')
        return storage

    def _indexed(self, path: Path, reader: Reader) -> _Storage:
        try:
            return _IndexedStorage(reader)
        except ReaderError as error:
            raise SurfaceError(f'{path}: {error}') from error

    def _collect_topics(self) -> None:
        self.topics = {}
        self.message_counts = {}
        latched = set()
        definitions: dict[str, MessageDefinition] = {}
        for topic in (topic for storage in self._storages for topic in storage.topics):
            known = self.topics.setdefault(topic.name, topic.msgtype)
            if known != topic.msgtype:
                raise SurfaceError(f'{self.path}: topic {topic.name!r} has two types, {known} and {topic.msgtype}')
            self.message_counts[topic.name] = self.message_counts.get(topic.name, 0) + topic.count
            if topic.latched or topic.msgtype == SURFACE_TRUTH:
                latched.add(topic.name)
            if topic.definition.format != MessageDefinitionFormat.NONE:
                definitions.setdefault(topic.msgtype, topic.definition)
        if not sum(self.message_counts.values()):
            raise SurfaceError(f'{self.path}: the recording holds no message; record it again')
        self._storages = [storage for storage in self._storages if any(topic.count for topic in storage.topics)]
        self.latched_topics = frozenset(latched)
        self.start_ns = min(storage.start_ns for storage in self._storages)
        self.end_ns = max(storage.end_ns for storage in self._storages)
        try:
            self._typestore = _typestore_for(tuple(sorted(definitions.items())))
        except TypesysError as error:
            raise SurfaceError(f'{self.path}: the message definitions in the bag cannot be read: {error}') from error
        self.definitions = {}
        for msgtype in set(self.topics.values()):
            embedded = definitions.get(msgtype)
            if embedded is not None and embedded.format == MessageDefinitionFormat.MSG:
                self.definitions[msgtype] = embedded.data
            elif msgtype in self._typestore.fielddefs:
                self.definitions[msgtype] = self._typestore.generate_msgdef(msgtype, ros_version=2)[0]

    def _read(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        streams = [storage.messages(topics, start_ns) for storage in self._storages]
        try:
            yield from heapq.merge(*streams, key=lambda message: message.stamp_ns)
        except ReaderError as error:
            raise SurfaceError(f'{self.path}: cannot be read to its end: {error}') from error

    def deserialize(self, message: StampedMessage) -> Any:
        """Return a message of this bag as a rosbags dataclass.

        Raises:
            SurfaceError: The type is unknown and the bag does not define it, or the bytes do not fit it.
        """
        try:
            return self._typestore.deserialize_cdr(message.cdr, message.msgtype)
        except KeyError as error:
            raise SurfaceError(
                f'{self.path}: topic {message.topic!r} has the type {message.msgtype}, which the bag does not define; '
                'record it as MCAP, which stores definitions'
            ) from error
        except SerdeError as error:
            raise SurfaceError(f'{self.path}: topic {message.topic!r} at {message.stamp_ns} ns: {error}') from error

    def close(self) -> None:
        """Release the files."""
        self._stack.close()


@functools.lru_cache(maxsize=64)
def _typestore_for(definitions: tuple[tuple[str, MessageDefinition], ...]) -> Typestore:
    """Return a typestore in which a bag's own definitions win over the stock ones."""
    types: dict[str, Any] = {}
    for msgtype, (encoding, text) in definitions:
        if encoding == MessageDefinitionFormat.MSG:
            types.update(get_types_from_msg(text, msgtype))
        elif text.startswith(f'{_IDL_SEPARATOR}IDL: '):
            for part in text.split(_IDL_SEPARATOR)[1:]:
                types.update(get_types_from_idl(part.split('\n', 1)[1]))
        else:
            types.update(get_types_from_idl(text))
    stock = messages.typestore()
    new = {name: fields for name, fields in types.items() if not _same_fields(stock, name, fields)}
    if not new:
        return stock
    store = messages.new_typestore()
    for name in new:
        store.fielddefs.pop(name, None)
        store.types.pop(name, None)
    store.register(new)
    return store


def _same_fields(store: Typestore, name: str, definition: Any) -> bool:
    known = store.fielddefs.get(name)
    if known is None:
        return False
    return [(field.lower(), kind) for field, kind in known[1]] == [
        (field.lower(), kind) for field, kind in definition[1]
    ]
