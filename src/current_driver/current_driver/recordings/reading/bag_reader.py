# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads rosbag2 recordings of both storages, also those whose recorder was killed before it could close them.

Bags of any origin are taken: metadata of every version or none, one file or many, compressed as files or message by
message. Each storage file says itself what it holds; `metadata.yaml` only names the files and what was noted with them.
Intact files are read by rosbags; an MCAP file without its end (the recorder was killed) or without a complete index is
read from the front up to the last whole message.
"""

from __future__ import annotations

import functools
import heapq
import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import zstandard
from mcap.records import Channel, Message, Metadata, Schema
from rosbags.interfaces import (
    MessageDefinition,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.rosbag2.metadata import parse_qos
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError, get_types_from_idl, get_types_from_msg
from rosbags.typesys.store import Typestore

from current_driver import messages
from current_driver.errors import DamagedMessageError, SurfaceError
from current_driver.files.documents import read_yaml
from current_driver.messages import SURFACE_TRUTH, StampedMessage
from current_driver.recordings.message_definitions import message_definition
from current_driver.recordings.reading.file_order import (
    Times,
    bounded_times,
    database_times,
    doubled_spans,
    indexed_times,
    merged_spans,
)
from current_driver.recordings.reading.mcap_scan import McapScan
from current_driver.recordings.reading.mcap_search import is_one_file
from current_driver.recordings.reading.recording_reader import NOT_CLOSED, SIDECAR_FILE, RecordingReader
from current_driver.recordings.reading.storage_files import (
    COMPRESSED_SUFFIX,
    EMPTY,
    ZSTD_MAGIC,
    check_storage_file,
    decompressed,
    has_journal,
    is_storage_file,
    offered_profiles,
    settled,
    storage_files,
    with_profiles,
)

_IDL_SEPARATOR = '=' * 80 + '\n'
_COMPRESSION_OFF = ('', 'none')
_INFORMATION = 'rosbag2_bagfile_information'
# What is read of the metadata.
_METADATA_TYPES: dict[str, tuple[type, str]] = {
    'relative_file_paths': (list, 'a list of names'),
    'custom_data': (dict, 'a mapping'),
    'message_count': (int, 'a whole number'),
    'storage_identifier': (str, 'a text'),
    'compression_mode': (str, 'a text'),
    'compression_format': (str, 'a text'),
}
_DELETE_METADATA = 'delete it to read the storage files alone'
_LAST_STAMP_NS = 2**63 - 1
# Texts of one message whose bytes are replaced where they are no UTF-8.
_MOST_BAD_TEXTS = 64
# A profile of which only the durability is known.
_PROFILE = (
    '- {{history: 3, depth: 0, reliability: 3, durability: {}, deadline: {{sec: 0, nsec: 0}}, lifespan: {{sec: 0, '
    'nsec: 0}}, liveliness: 0, liveliness_lease_duration: {{sec: 0, nsec: 0}}, '
    'avoid_ros_namespace_conventions: false}}\n'
)


@dataclass
class StorageTopic:
    """What one storage file knows about one topic.

    Attributes:
        name: Name of the topic.
        msgtype: Full type name.
        definition: Definition of the type, of the format NONE where the file has none.
        type_hash: RIHS01 hash of the type; empty when it is not known.
        qos: Offered QoS profiles.
        count: Messages in the file.
    """

    name: str
    msgtype: str
    definition: MessageDefinition
    type_hash: str
    qos: list[Qos]
    count: int


class BagStorageFile(Protocol):
    """One file of a bag.

    Attributes:
        topics: Its topics.
        left_out: Topics that are not stored as CDR, with what they are stored as.
        start_ns: Stamp of its first message [ns].
        end_ns: Stamp of its last message [ns].
    """

    topics: list[StorageTopic]
    left_out: dict[str, str]
    start_ns: int
    end_ns: int

    def times(self) -> dict[str, Times]:
        """Return the log times of each topic's messages in the order of the file."""

    def messages(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        """Yield messages in the order of their log time."""


class IndexedFile:
    """A file that rosbags reads."""

    def __init__(self, path: Path, reader: Reader) -> None:
        """Take a storage file and its open reader."""
        self._path = path
        self._reader = reader
        # The statistics of an MCAP file take a first stamp of 0 for none; the index of its chunks does not.
        chunk_starts = [chunk.message_start_time for chunk in getattr(reader.storage, 'chunks', [])]
        self.start_ns = min([reader.start_time, *chunk_starts])
        self.end_ns = reader.end_time - 1  # rosbags gives the first nanosecond after the last message
        self.topics = []
        self.left_out = {}
        for connection in reader.connections:
            serialization = getattr(connection.ext, 'serialization_format', 'cdr')
            if serialization != 'cdr':
                self.left_out[connection.topic] = serialization
                continue
            self.topics.append(
                StorageTopic(
                    connection.topic,
                    ros2_type_name(connection.msgtype),
                    _known_definition(connection.msgtype, connection.msgdef),
                    connection.digest,
                    list(getattr(connection.ext, 'offered_qos_profiles', [])),
                    connection.msgcount,
                )
            )

    def times(self) -> dict[str, Times]:
        """See `BagStorageFile`."""
        storage: Any = self._reader.storage
        chunks = getattr(storage, 'chunks', None)
        if chunks is None:
            return database_times(self._path)
        names = {channel.id: channel.topic for channel in storage.channels.values()}
        return indexed_times(self._path, chunks, names)

    def messages(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        """See `BagStorageFile`."""
        cdr_topics = topics & {topic.name for topic in self.topics}
        connections = [connection for connection in self._reader.connections if connection.topic in cdr_topics]
        if connections:
            for connection, stamp, data in self._reader.messages(connections, start=start_ns):
                yield StampedMessage(
                    connection.topic, ros2_type_name(connection.msgtype), stamp, uncompressed(bytes(data))
                )


class SequentialMcap:
    """An MCAP file that is read from the front: it has no index, or it ends in the middle of a record.

    Attributes:
        scan: What was found to be damaged.
        metadata: Metadata records by name.
    """

    def __init__(self, path: Path, *, keep_damaged: bool = False) -> None:
        """Read the file once, to know what is in it.

        Args:
            path: The file.
            keep_damaged: As in `McapScan`.

        Raises:
            SurfaceError: It is not an MCAP file, or nothing of it can be read.
        """
        self._path = path
        self._sorted = True
        self._keep_damaged = keep_damaged
        self.scan = McapScan(path, keep_damaged=keep_damaged)
        self.metadata: dict[str, dict[str, str]] = {}
        self.start_ns = _LAST_STAMP_NS
        self.end_ns = 0
        self.left_out: dict[str, str] = {}
        by_channel: dict[int, StorageTopic] = {}
        times: dict[str, list[int]] = {}
        previous = 0
        for topic, message in self._records(self.scan, by_channel):
            topic.count += 1
            times.setdefault(topic.name, []).append(message.log_time)
            self._sorted = self._sorted and message.log_time >= previous
            previous = message.log_time
            self.start_ns = min(self.start_ns, message.log_time)
            self.end_ns = max(self.end_ns, message.log_time)
        self._times = {name: bounded_times(found) for name, found in times.items()}
        self.topics = list(by_channel.values())
        if not self.topics and not self.scan.complete and not self.left_out:
            raise SurfaceError(f'{path}: cannot be read as a rosbag2 recording: it ends before its first message')

    def times(self) -> dict[str, Times]:
        """See `BagStorageFile`."""
        return self._times

    def _records(self, scan: McapScan, topics: dict[int, StorageTopic]) -> Iterator[tuple[StorageTopic, Message]]:
        """Yield messages in file order; `topics` is filled with what the channels say, by channel id."""
        schemas: dict[int, Schema] = {}
        for record in scan.records():
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Metadata):
                self.metadata[record.name] = dict(record.metadata)
            elif isinstance(record, Channel):
                if record.message_encoding != 'cdr' or record.schema_id not in schemas:
                    self.left_out[record.topic] = record.message_encoding
                elif record.id not in topics:
                    topics[record.id] = _mcap_topic(record, schemas[record.schema_id])
            elif record.channel_id in topics:
                yield topics[record.channel_id], record

    def messages(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        """See `BagStorageFile`."""
        found = (message for message in self.stored() if message.topic in topics and message.stamp_ns >= start_ns)
        yield from found if self._sorted else sorted(found, key=lambda message: message.stamp_ns)

    def stored(self) -> Iterator[StampedMessage]:
        """Yield every message in the order of the file."""
        for topic, record in self._records(McapScan(self._path, keep_damaged=self._keep_damaged), {}):
            yield StampedMessage(topic.name, topic.msgtype, record.log_time, uncompressed(record.data))


def uncompressed(data: bytes) -> bytes:
    """Return a message of a bag that is compressed message by message; the first byte of any CDR message is 0."""
    if not data.startswith(ZSTD_MAGIC):
        return data
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        raise ReaderError(f'a message cannot be decompressed ({error})') from error


def open_mcap(path: Path, stack: ExitStack) -> BagStorageFile:
    """Open an MCAP file: by its index where that is complete, else from the front.

    Args:
        path: The file.
        stack: Closes it.

    Raises:
        SurfaceError: It is not an MCAP file, or nothing of it can be read.
    """
    reader = Reader(path)
    try:
        reader.open()
    # rosbags lets errors of its parsers through on damaged files: struct.error, TypeError, ...
    except Exception:
        return SequentialMcap(path)  # says what is wrong when it finds nothing either
    # Without chunks there is no index, and rosbags refuses messages that are not in order; it takes a chunk whose
    # messages are not indexed for an empty one.
    chunks = getattr(reader.storage, 'chunks', [])
    indexed = sum(sum(chunk.channel_count.values()) for chunk in chunks)
    if chunks and indexed == reader.message_count and is_one_file(path):
        stack.callback(reader.close)
        return IndexedFile(path, reader)
    reader.close()
    return SequentialMcap(path)


def _broken_profiles(path: Path) -> dict[int, str]:
    """Return what is read of each topic's profiles that rosbags cannot read, as text, by the topic's row."""
    found: dict[int, str] = {}
    for row, text in offered_profiles(path):
        try:
            parse_qos(text)
        # See `_offered_qos`.
        except Exception:  # noqa: PERF203 - one topic's profiles say nothing of another's
            found[row] = ''.join(_PROFILE.format(profile.durability.name.lower()) for profile in _offered_qos(text))
    return found


def open_sqlite(path: Path, stack: ExitStack, shown: Path | None = None) -> BagStorageFile:
    """Open a database.

    Args:
        path: The file, without a journal.
        stack: Closes it.
        shown: What errors call the file, where it is a copy.

    Raises:
        SurfaceError: It is not the database of a bag, or it is damaged.
    """
    try:
        reader = Reader(path)
        reader.open()
        stack.callback(reader.close)
        return IndexedFile(path, reader)
    # rosbags lets errors of its parsers through on damaged files: struct.error, TypeError, apsw.Error, ...
    except Exception as error:
        raise SurfaceError(
            f'{shown or path}: cannot be read as a rosbag2 recording: {error}; `surface recover` may save what is whole'
        ) from error


def read_bag_metadata(path: Path) -> dict[str, Any]:
    """Return what `metadata.yaml` says; nothing where there is none.

    Args:
        path: The file.

    Raises:
        SurfaceError: It cannot be read, or is not the metadata of a bag.
    """
    if not path.exists():
        return {}
    document = read_yaml(path, _DELETE_METADATA)
    info = document.get(_INFORMATION) if isinstance(document, dict) else None
    if not isinstance(info, dict):
        raise SurfaceError(f'{path}: not the metadata of a rosbag2 bag (no {_INFORMATION}); {_DELETE_METADATA}')
    for key, (kind, what) in _METADATA_TYPES.items():
        value = info.get(key)
        # Recorders leave a value out, or empty.
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise SurfaceError(f'{path}: {key} is {str(value)[:40]!r}, not {what}; {_DELETE_METADATA}')
    for name in info.get('relative_file_paths') or []:
        if not isinstance(name, str):
            raise SurfaceError(f'{path}: relative_file_paths holds {str(name)[:40]!r}, not a name; {_DELETE_METADATA}')
    return info


def read_notes(folder: Path, info: dict[str, Any]) -> dict[str, str]:
    """Return what was noted with a bag: the custom data of its metadata, and what the sidecar adds.

    Args:
        folder: Folder of the bag.
        info: What `read_bag_metadata` gave.

    Raises:
        SurfaceError: The sidecar cannot be read.
    """
    notes: dict[str, str] = {}
    sidecar = folder / SIDECAR_FILE
    if sidecar.is_file():
        noted = read_yaml(sidecar, 'correct or delete it') or {}
        if not isinstance(noted, dict):
            raise SurfaceError(f'{sidecar}: not a mapping of what was noted; correct or delete it')
        notes = {str(key): str(value) for key, value in noted.items()}
    return notes | {str(key): str(value) for key, value in (info.get('custom_data') or {}).items()}


def _latched(profiles: list[Qos]) -> bool:
    return any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in profiles)


def _mcap_topic(channel: Channel, schema: Schema) -> StorageTopic:
    formats = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
    definition = MessageDefinition(
        formats.get(schema.encoding, MessageDefinitionFormat.NONE), schema.data.decode(errors='replace')
    )
    qos = channel.metadata.get('offered_qos_profiles', '')
    type_hash = channel.metadata.get('topic_type_hash', '')
    msgtype = ros2_type_name(schema.name)
    return StorageTopic(channel.topic, msgtype, _known_definition(msgtype, definition), type_hash, _offered_qos(qos), 0)


def ros2_type_name(name: str) -> str:
    """Return a type name as ROS 2 writes it; converters from ROS 1 leave out `msg`."""
    package, slash, rest = name.partition('/')
    return f'{package}/msg/{rest}' if slash and '/' not in rest else name


def _known_definition(msgtype: str, definition: MessageDefinition) -> MessageDefinition:
    """Return a definition, or none for one that is empty: the recorder did not find it. Only Empty has no fields."""
    if definition.data.strip() or msgtype.endswith('/Empty'):
        return definition
    return MessageDefinition(MessageDefinitionFormat.NONE, '')


def _offered_qos(text: str) -> list[Qos]:
    """Return the profiles that a topic was offered with, as far as they can be read.

    Only the durability of a profile is used here. Profiles that lack other policies, or that are no list, are read for
    it alone; what is no YAML is left out.
    """
    if not text:
        return []
    try:
        return parse_qos(text)
    # rosbags lets the errors of incomplete profiles through: KeyError, TypeError, AttributeError, ...
    except Exception:
        durabilities = re.findall(r'^[\s-]*durability\s*:\s*[\'"]?(\w+)', text, re.MULTILINE)
    unset = QosTime(0, 0)
    return [
        Qos(
            QosHistory.UNKNOWN,
            0,
            QosReliability.UNKNOWN,
            _durability(durability),
            unset,
            unset,
            QosLiveliness.UNKNOWN,
            unset,
            avoid_ros_namespace_conventions=False,
        )
        for durability in durabilities
    ]


def _durability(text: str) -> QosDurability:
    names = {str(value.value): value for value in QosDurability} | dict(QosDurability.__members__)
    return names.get(text.upper(), QosDurability.UNKNOWN)


def bag_files(folder: Path, info: dict[str, Any]) -> list[Path]:
    """Return the storage files of a bag: those that its metadata names, present or not, then others beside them.

    Args:
        folder: Folder of the bag.
        info: What `read_bag_metadata` gave.
    """
    # The names are relative to the bag, or to its parent in old versions.
    named = [folder / Path(name).name for name in info.get('relative_file_paths') or []]
    # A recorder compresses a file when it is full; one that was killed leaves its last file as it is.
    named = [path.with_suffix('') if path.suffix == COMPRESSED_SUFFIX and not path.exists() else path for path in named]
    # A recorder that was killed has noted neither its last files nor its message counts.
    return named + [path for path in storage_files(folder) if path not in named]


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
        self.left_out = {}
        self.publishers = {}
        self._stack = ExitStack()
        try:
            self._storages = self._open_storages()
            self._collect_topics()
            self._doubled = self._find_doubled_time()
        except BaseException:
            self._stack.close()
            raise

    def _open_storages(self) -> list[BagStorageFile]:
        if self.path.is_file():
            return [self._open_file(self.path)]
        info = read_bag_metadata(self.path / 'metadata.yaml')
        self.metadata = read_notes(self.path, info)
        if str(info.get('compression_mode') or '').lower() not in _COMPRESSION_OFF:
            used = str(info.get('compression_format') or 'none')
            if used != 'zstd':
                raise SurfaceError(f'{self.path}: the bag is compressed as {used!r}; only zstd can be read')
        files = bag_files(self.path, info)
        if not files:
            raise SurfaceError(f'{self.path}: not a recording; there is no .mcap and no .db3 file in this folder')
        for path in files:
            if not path.exists():
                raise SurfaceError(f"{path}: the bag's metadata.yaml names this file, but it is missing; copy it there")
        storages = [self._open_file(path) for path in files if path.stat().st_size]
        if not storages:
            raise SurfaceError(f'{self.path}: {EMPTY}')
        return storages

    def _open_file(self, path: Path) -> BagStorageFile:
        check_storage_file(path)
        if not is_storage_file(path):
            raise SurfaceError(f'{path}: not a recording; give a rosbag2 folder or an .mcap, .db3 or .csv file')
        file = path
        if path.suffix == COMPRESSED_SUFFIX:
            file, whole = decompressed(path, self._temporary_folder())
            if not whole:
                self.warnings.append(f'{path}: the compressed file is cut off; what comes before is read')
        elif has_journal(path):
            file = settled(path, self._temporary_folder())
            self.warnings.append(f'{path}: the file {NOT_CLOSED}; its journal was applied to a temporary copy')
        if file.suffix == '.db3':
            if profiles := _broken_profiles(file):
                file = with_profiles(file, self._temporary_folder(), profiles)
            return open_sqlite(file, self._stack, path)
        try:
            storage = open_mcap(file, self._stack)
        except SurfaceError as error:  # of a temporary copy that is gone when the error is read
            raise SurfaceError(str(error).replace(str(file), str(path))) from error
        except (ReaderError, OSError) as error:
            raise SurfaceError(f'{path}: cannot be read as a rosbag2 recording: {error}') from error
        if isinstance(storage, SequentialMcap) and not storage.scan.complete:
            count = sum(topic.count for topic in storage.topics)
            self.warnings.append(
                f'{path}: the file {NOT_CLOSED}; {count} messages were written before it ends; '
                '`surface recover` repairs it'
            )
        if isinstance(storage, SequentialMcap) and storage.scan.files > 1:
            self.warnings.append(f'{path}: is {storage.scan.files} files that were joined; all of them are read')
        return storage

    def _temporary_folder(self) -> Path:
        return Path(self._stack.enter_context(TemporaryDirectory(prefix='surface_bag_')))

    def _collect_topics(self) -> None:
        """Collect what the storage files say of the topics, and leave out those that cannot be read.

        Raises:
            SurfaceError: There is no message of a topic that can be read.
        """
        self.topics = {}
        self.message_counts = {}
        self._leave_out_topics()
        latched = set()
        definitions: dict[str, MessageDefinition] = {}
        for topic in (topic for storage in self._storages for topic in storage.topics):
            self.publishers[topic.name] = max(len(topic.qos), self.publishers.get(topic.name, 0))
            if topic.name in self.left_out:
                continue
            self.topics[topic.name] = topic.msgtype
            self.message_counts[topic.name] = self.message_counts.get(topic.name, 0) + topic.count
            if _latched(topic.qos) or topic.msgtype == SURFACE_TRUTH:
                latched.add(topic.name)
            if topic.definition.format != MessageDefinitionFormat.NONE:
                definitions.setdefault(topic.msgtype, topic.definition)
        if not sum(self.message_counts.values()):
            if any(storage.left_out for storage in self._storages):
                raise SurfaceError(f'{self.path}: no topic is stored as CDR; record it with the default serialization')
            raise SurfaceError(f'{self.path}: the recording holds no message; record it again')
        self._storages = [storage for storage in self._storages if any(topic.count for topic in storage.topics)]
        self.latched_topics = frozenset(latched)
        self.start_ns = min(storage.start_ns for storage in self._storages)
        self.end_ns = max(storage.end_ns for storage in self._storages)
        self._take_definitions(definitions)

    def _leave_out_topics(self) -> None:
        """Find the topics that cannot be read, and warn of them."""
        types: dict[str, set[str]] = {}
        for topic in (topic for storage in self._storages for topic in storage.topics):
            types.setdefault(topic.name, set()).add(topic.msgtype)
        for name, found in types.items():
            if len(found) > 1:
                self.left_out[name] = f'it has several types, {" and ".join(sorted(found))}'
        for storage in self._storages:
            for name, encoding in storage.left_out.items():
                self.left_out[name] = f'it is stored as {encoding!r}, not as CDR'
        self.warnings += [
            f'{self.path}: topic {name!r} is left out; {reason}' for name, reason in self.left_out.items()
        ]

    def _take_definitions(self, definitions: dict[str, MessageDefinition]) -> None:
        """Make the types of the topics known; the bag's own definitions come first."""
        for msgtype in sorted(set(self.topics.values()) - definitions.keys() - messages.typestore().fielddefs.keys()):
            if (installed := _installed(msgtype)) is not None:
                definitions[msgtype] = MessageDefinition(MessageDefinitionFormat.MSG, installed)
                self.warnings.append(
                    f'{self.path}: does not define the type {msgtype}; the definition that is installed here is used'
                )
        self._typestore, self._unparsed = _typestore_for(tuple(sorted(definitions.items())))
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
            for message in heapq.merge(*streams, key=lambda message: message.stamp_ns):
                spans = self._doubled.get(message.topic)
                if spans is None or not any(begin <= message.stamp_ns <= end for begin, end in spans):
                    yield message
        except ReaderError as error:
            raise SurfaceError(f'{self.path}: cannot be read to its end: {error}') from error

    def _find_doubled_time(self) -> dict[str, list[tuple[int, int]]]:
        """Find where time runs twice in each topic of the recording, and warn of it; latched topics are kept whole."""
        times: dict[str, list[Times]] = {}
        for storage in self._storages:
            for topic, found in storage.times().items():
                if topic in self.topics and topic not in self.latched_topics:
                    times.setdefault(topic, []).append(found)
        doubled = {topic: spans for topic, found in times.items() if (spans := doubled_spans(np.concatenate(found)))}
        for begin, end in merged_spans(span for spans in doubled.values() for span in spans):
            names = sorted(topic for topic, spans in doubled.items() if any(begin <= span[0] <= end for span in spans))
            listed = ', '.join(names[:3]) + (f' and {len(names) - 3} more topics' if len(names) > 3 else '')
            self.warnings.append(
                f'{self.path}: the clock was set back while it was recorded, so that time runs twice over '
                f'{(end - begin) / messages.NANOSECONDS:.3f} s from {begin / messages.NANOSECONDS:.3f} s on; the '
                f'messages of {listed} in that stretch are left out'
            )
        return doubled

    def deserialize(self, message: StampedMessage) -> Any:
        """Return a message of this bag as a rosbags dataclass.

        Raises:
            SurfaceError: The type is unknown and the bag does not define it.
            DamagedMessageError: The bytes do not fit the type.
        """
        try:
            return self._decode(message)
        except KeyError as error:
            if message.msgtype in self._unparsed:
                raise SurfaceError(
                    f'{self.path}: topic {message.topic!r} has the type {message.msgtype}, whose definition in the bag '
                    f'cannot be read: {self._unparsed[message.msgtype]}'
                ) from error
            raise SurfaceError(
                f'{self.path}: topic {message.topic!r} has the type {message.msgtype}, which the bag does not define; '
                'record it as MCAP, which stores definitions, or source a workspace with the package of that type'
            ) from error
        except SerdeError as error:
            raise DamagedMessageError(
                f'{self.path}: topic {message.topic!r} at {message.stamp_ns} ns: {error}',
                f'a message cannot be decoded as {message.msgtype} ({_general(error)}); it was cut short or damaged, '
                'or recorded with another definition of the type',
            ) from error

    def _decode(self, message: StampedMessage) -> Any:
        """Decode a message; bytes of a text that are no UTF-8 become ?, as rclpy replaces them."""
        cdr = bytes(message.cdr)
        for _ in range(_MOST_BAD_TEXTS):
            try:
                return self._typestore.deserialize_cdr(cdr, message.msgtype)
            except SerdeError as error:  # noqa: PERF203 - one bad text after the other
                bad = _bad_text(error)
                begin = -1 if bad is None else self._place_of(bad, cdr, message.msgtype)
                if bad is None or begin < 0:
                    raise
                readable = bad.decode('ascii', errors='replace').replace('\ufffd', '?').encode()
                cdr = cdr[:begin] + readable + cdr[begin + len(bad) :]
        return self._typestore.deserialize_cdr(cdr, message.msgtype)

    def _place_of(self, bad: bytes, cdr: bytes, msgtype: str) -> int:
        """Return where the text that cannot be decoded begins in a message; -1 where that cannot be found.

        A text stands behind its length and before a NUL. Other fields may hold the same bytes, so that each candidate
        is marked in turn: of the text that is decoded first, the mark comes back with the error.
        """
        length = struct.pack('<I' if cdr[1] & 1 else '>I', len(bad) + 1)
        mark = (b'\xff' if bad[:1] != b'\xff' else b'\xfe') * len(bad)
        at = cdr.find(length + bad + b'\0')
        while at >= 0:
            begin = at + len(length)
            try:
                self._typestore.deserialize_cdr(cdr[:begin] + mark + cdr[begin + len(bad) :], msgtype)
            except SerdeError as error:
                if _bad_text(error) == mark:
                    return begin
            at = cdr.find(length + bad + b'\0', at + 1)
        return -1

    def close(self) -> None:
        """Release the files."""
        self._stack.close()


def _bad_text(error: SerdeError) -> bytes | None:
    """Return the bytes of the text that is no UTF-8; None for another error."""
    cause = error.__cause__
    return bytes(cause.object) if isinstance(cause, UnicodeDecodeError) else None


def _general(error: Exception) -> str:
    """Return an error of a parser without its numbers, so that messages of one kind have one reason."""
    return re.sub(r'\d+', 'N', ' '.join(str(error).split()))


def _installed(msgtype: str) -> str | None:
    """Return the definition of a type as it is installed in the sourced workspace, None where it is not."""
    try:
        return message_definition(msgtype)
    except SurfaceError:
        return None


@functools.lru_cache(maxsize=64)
def _typestore_for(
    definitions: tuple[tuple[str, MessageDefinition], ...],
) -> tuple[Typestore, dict[str, str]]:
    """Return a typestore in which a bag's own definitions win over the stock ones.

    Returns:
        The typestore, and for each type whose definition cannot be parsed the reason; other topics do not suffer.
    """
    types: dict[str, Any] = {}
    unparsed: dict[str, str] = {}
    for msgtype, definition in definitions:
        found = _parsed(msgtype, definition)
        if isinstance(found, str):
            unparsed[msgtype] = found
        else:
            types.update(found)
    stock = messages.typestore()
    new = {name: fields for name, fields in types.items() if not _same_fields(stock, name, fields)}
    if not new:
        return stock, unparsed
    store = messages.new_typestore()
    for name in new:
        store.fielddefs.pop(name, None)
        store.types.pop(name, None)
    store.register(new)
    return store, unparsed


def _parsed(msgtype: str, definition: MessageDefinition) -> dict[str, Any] | str:
    """Return the types that a definition holds, or why it cannot be parsed."""
    encoding, text = definition
    types: dict[str, Any] = {}
    try:
        if encoding == MessageDefinitionFormat.MSG:
            types.update(get_types_from_msg(text, msgtype))
        elif text.startswith(f'{_IDL_SEPARATOR}IDL: '):
            for part in text.split(_IDL_SEPARATOR)[1:]:
                types.update(get_types_from_idl(part.split('\n', 1)[1]))
        else:
            types.update(get_types_from_idl(text))
    except TypesysError as error:
        return ' '.join(str(error).split())[:200]
    return types


def _same_fields(store: Typestore, name: str, definition: Any) -> bool:
    known = store.fielddefs.get(name)
    if known is None:
        return False
    return [(field.lower(), kind) for field, kind in known[1]] == [
        (field.lower(), kind) for field, kind in definition[1]
    ]
