# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads an MCAP file from the front, record by record (https://mcap.dev/spec).

Readers by index need the end of the file, which a recorder that was killed never wrote. This one needs nothing but the
beginning. It compares every checksum: of a chunk that does not match its own, no message is given, because any value in
it may be wrong. Behind a damage it searches for the next chunk, message or file; files that were joined by `cat` are
read one after the other. Of a chunk that was cut off it gives the messages before the cut.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TypeAlias

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Message, Metadata, Schema

from current_driver.errors import SurfaceError
from current_driver.recordings.reading.mcap_search import (
    CHUNK_HEAD,
    MAGIC,
    RECORD_HEAD,
    end_of_content,
    file_in,
    next_record,
)

_KNOWN_OPCODES = {int(opcode) for opcode in Opcode}
_PRIVATE_OPCODES = 0x80  # from here on
# Decompressed in pieces, so that what precedes a damage is there when the damage is met.
_PIECE_BYTES = 4096
# Ids are numbers of 16 bits; those of each further file in one are moved on by this.
_IDS_OF_A_FILE = 1 << 16
_TYPE_NAME = re.compile(r'[A-Za-z]\w*(/\w+)*/[A-Za-z]\w*')
_UNKNOWN_TOPIC = '(unknown topic)'

_Record: TypeAlias = Schema | Channel | Message | Metadata


@dataclass
class DroppedMessages:
    """Messages of one topic that are not given, because they are damaged.

    Attributes:
        count: How many; 0 where it is not known.
        start_ns: Log time of the first one [ns].
        end_ns: Log time of the last one [ns].
    """

    count: int
    start_ns: int
    end_ns: int

    def add(self, count: int, start_ns: int, end_ns: int) -> None:
        """Add messages."""
        self.count += count
        self.start_ns, self.end_ns = min(self.start_ns, start_ns), max(self.end_ns, end_ns)


class McapScan:
    """One MCAP file; iterate `records` and then look at what was found.

    Attributes:
        lost_bytes: Bytes before the index of which nothing could be made [bytes].
        damaged_chunks: Chunks that do not match their checksum; none of their messages is given.
        cut_chunks: Chunks that were cut off; the messages before the cut are given.
        dropped: Messages that are not given, by topic.
        files: Files that were joined to one.
        unchecked: Whether the data do not match the checksum over all of them, and the messages have none of their own:
            values may be wrong, and nothing shows which.
        index_damaged: Whether the checksum of the index does not match; messages do not depend on it.
        attachments: Attachments, which are not given.
    """

    def __init__(self, path: Path, *, keep_damaged: bool = False) -> None:
        """Take the path; `records` opens it.

        Args:
            path: The file.
            keep_damaged: Give the messages of damaged chunks as well, any value of which may be wrong.
        """
        self._path = path
        self._keep_damaged = keep_damaged
        self._reset()

    def _reset(self) -> None:
        self._ended = False
        self.lost_bytes = 0
        self.damaged_chunks = 0
        self.cut_chunks = 0
        self.dropped: dict[str, DroppedMessages] = {}
        self.files = 0
        self.unchecked = False
        self.index_damaged = False
        self.attachments = 0
        self._times: list[int] = []  # smallest and largest log time so far [ns]
        self._begin_file()

    def _begin_file(self) -> None:
        """Forget what holds for one file of several."""
        self._ended = False
        self._data_ended = False
        self._has_chunks = False
        self._crc = zlib.crc32(MAGIC)  # of the data, then of the index
        self._continuous = True  # no damage was met since the beginning of the file
        self._all_checked = True  # every message had a checksum
        self._topics: dict[int, str] = {}
        # Of a chunk that is left out: what its records, and then its index, say of its messages.
        self._guess: dict[str, DroppedMessages] = {}
        self._indexed = False

    @property
    def complete(self) -> bool:
        """Whether the file has its end, and nothing in it is damaged."""
        return self._ended and not (self.damaged_chunks or self.cut_chunks or self.lost_bytes) and not self.unchecked

    def records(self) -> Iterator[_Record]:
        """Yield schemas, channels, messages and metadata in the order of the file.

        Ids of channels and schemas differ between files that were joined.

        Raises:
            SurfaceError: It is not an MCAP file.
        """
        self._reset()
        with self._path.open('rb') as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise SurfaceError(
                    f'{self._path}: cannot be read as a rosbag2 recording: it does not begin as an MCAP file'
                )
            size = self._path.stat().st_size
            whole_size, content_end = size, end_of_content(stream, size)
            position: int | None = 0
            while position is not None:
                self.files += 1
                offset = _IDS_OF_A_FILE * (self.files - 1)
                self._begin_file()
                for record in self._walk(stream, position + len(MAGIC), whole_size, content_end):
                    yield record if self.files == 1 else _moved(record, offset)
                self._count_guess()
                position = self._next_file

    def _walk(self, stream: IO[bytes], position: int, size: int, content_end: int) -> Iterator[_Record]:
        """Yield the records of one of the files; leaves the begin of the next one in `_next_file`."""
        self._next_file: int | None = None
        while position < size:
            stream.seek(position)
            head = stream.read(RECORD_HEAD.size)
            opcode, length = RECORD_HEAD.unpack(head) if len(head) == RECORD_HEAD.size else (0, 0)
            end = position + RECORD_HEAD.size + length
            # A record that ends within the zeros at the end of the file was cut off before it was filled up.
            whole = len(head) == RECORD_HEAD.size and (end <= content_end or end == size)
            if not whole or (opcode not in _KNOWN_OPCODES and opcode < _PRIVATE_OPCODES):
                following = yield from self._step_over(stream, position, opcode, size, content_end)
                if following is None:
                    return
                position = following
                continue
            content = stream.read(length)
            if opcode == Opcode.FOOTER:
                self._check_footer(head, content)
                self._end_file(stream, end, size)
                return
            if (inside := _file_within(stream, opcode, content, end)) is not None:
                # The file was cut off in this record, and another one was joined to it.
                self._continuous = False
                if opcode == Opcode.CHUNK:
                    yield from self._cut_chunk(content[:inside])
                else:
                    self.lost_bytes += inside
                self._next_file = position + RECORD_HEAD.size + inside
                return
            yield from self._record(stream, opcode, content, end)
            self._crc = zlib.crc32(content, zlib.crc32(head, self._crc))
            if opcode == Opcode.DATA_END:
                self._crc = 0
            position = end

    def _record(self, stream: IO[bytes], opcode: int, content: bytes, end: int) -> Iterator[_Record]:
        """Yield what a whole record gives."""
        if opcode == Opcode.CHUNK:
            self._count_guess()
            self._has_chunks = True
            yield from self._chunk(stream, content, end)
        elif opcode == Opcode.MESSAGE_INDEX:
            self._take_index(content)
        elif opcode == Opcode.DATA_END:
            self._count_guess()
            self._data_ended = True
            (stated,) = struct.unpack('<I', content[:4]) if len(content) >= 4 else (0,)
            if stated and self._continuous and stated != self._crc:
                # Chunks have checksums of their own, so that the damage is beside them.
                self.index_damaged = self.index_damaged or self._all_checked
                self.unchecked = self.unchecked or not self._all_checked
        elif opcode == Opcode.ATTACHMENT:
            self.attachments += 1
        elif (record := _parse(opcode, content)) is not None:
            if isinstance(record, Message):
                self._all_checked = False
            yield from self._known(record)
        elif opcode in (Opcode.MESSAGE, Opcode.SCHEMA, Opcode.CHANNEL) and not self._data_ended:
            self.lost_bytes += len(content)

    def _known(self, record: _Record) -> Iterator[_Record]:
        """Yield a record, unless it is a message of a channel of which nothing is known."""
        if isinstance(record, Channel):
            self._topics.setdefault(record.id, record.topic)
        elif isinstance(record, Message):
            if record.channel_id not in self._topics:
                self._drop(_UNKNOWN_TOPIC, 1, record.log_time, record.log_time)
                return
            self._times = [min([*self._times[:1], record.log_time]), max([*self._times[1:], record.log_time])]
        yield record

    def _step_over(
        self, stream: IO[bytes], position: int, opcode: int, size: int, content_end: int
    ) -> Generator[_Record, None, int | None]:
        """Step over bytes that are no record; return where the next record begins, None where nothing follows."""
        self._continuous = False
        is_chunk = opcode == Opcode.CHUNK
        channels = frozenset() if is_chunk or self._has_chunks else frozenset(self._topics)
        found = next_record(stream, position + 1, content_end, channels, self._times)
        if is_chunk:
            stop = content_end if found is None else found.position
            stream.seek(position + RECORD_HEAD.size)
            content = stream.read(max(stop - position - RECORD_HEAD.size, 0))
            self._count_guess()
            self._has_chunks = True
            if found is None or found.begins_file:
                yield from self._cut_chunk(content)
            else:
                start_ns, end_ns, _, _, name, begin = _chunk_head(content) or (0, 0, 0, 0, '', len(content))
                yield from self._damage(stream, _decompress(name, content[begin:]), start_ns, end_ns, stop)
        elif not self._data_ended:
            self.lost_bytes += (size if found is None else found.position) - position
        if found is None:
            return None
        if found.begins_file:
            self._next_file = found.position
            return None
        # What was stepped over may have described channels.
        for record in list(_definitions_behind(stream, found.position)):
            yield from self._known(record)
        return found.position

    def _end_file(self, stream: IO[bytes], end: int, size: int) -> None:
        """Look at what follows a footer: the end of the file, or another file."""
        stream.seek(end)
        self._ended = stream.read(len(MAGIC)) == MAGIC
        behind = end + len(MAGIC)
        if behind < size:
            found = next_record(stream, behind, size, frozenset(), [], files_only=True)
            if found is not None:
                self._next_file = found.position

    def _check_footer(self, head: bytes, content: bytes) -> None:
        if len(content) >= 20 and self._data_ended and self._continuous:
            (stated,) = struct.unpack('<I', content[16:20])
            actual = zlib.crc32(content[:16], zlib.crc32(head, self._crc))
            self.index_damaged = self.index_damaged or stated not in (0, actual)

    def _chunk(self, stream: IO[bytes], content: bytes, end: int) -> Iterator[_Record]:
        """Yield the records of a whole chunk; of one that does not match its checksum, none."""
        head = _chunk_head(content)
        if head is None:
            yield from self._damage(stream, b'', 0, 0, end)
            return
        start_ns, end_ns, size, crc, name, begin = head
        records = _decompress(name, content[begin:])
        if len(records) != size or (crc and zlib.crc32(records) != crc):
            yield from self._damage(stream, records, start_ns, end_ns, end)
            return
        if not crc:
            self._all_checked = False
        parts = list(_split(records))
        rest = len(records) - sum(RECORD_HEAD.size + len(part) for _, part in parts)
        if rest:
            self.lost_bytes += rest
            # Where zeros stand for what was never written, they may begin within the record before.
            if parts and not records[-rest] and parts[-1][1].endswith(b'\0'):
                self.lost_bytes += len(parts.pop()[1])
        yield from self._parsed(parts)

    def _cut_chunk(self, content: bytes) -> Iterator[_Record]:
        """Yield the records before the cut."""
        self.cut_chunks += 1
        head = _chunk_head(content)
        if head is not None:
            # Zeros at the end may stand for what was cut off.
            yield from self._parsed(_split(_decompress(head[4], content[head[5] :])))

    def _parsed(self, records: Iterable[tuple[int, bytes]]) -> Iterator[_Record]:
        for opcode, content in records:
            record = _parse(opcode, content)
            if record is not None:
                yield from self._known(record)
            elif opcode == Opcode.MESSAGE:
                self.lost_bytes += len(content)

    def _damage(self, stream: IO[bytes], records: bytes, start_ns: int, end_ns: int, end: int) -> Iterator[_Record]:
        """Leave out a chunk: note what it seems to hold, and yield the channels that only it describes."""
        self.damaged_chunks += 1
        self._continuous = False
        definitions = list(_definitions_behind(stream, end)) or _plausible(records)
        for record in definitions:
            yield from self._known(record)
        if self._keep_damaged:
            yield from self._parsed(_split(records))
            return
        for opcode, content in _split(records):
            message = _parse(opcode, content) if opcode == Opcode.MESSAGE else None
            if isinstance(message, Message):
                topic = self._topics.get(message.channel_id, _UNKNOWN_TOPIC)
                self._guess.setdefault(topic, DroppedMessages(0, start_ns, end_ns)).count += 1
        if not self._guess:
            self._guess[_UNKNOWN_TOPIC] = DroppedMessages(0, start_ns, end_ns)
        self._indexed = False

    def _take_index(self, content: bytes) -> None:
        """Count the messages of a chunk that was left out by the index behind it."""
        if not self._guess or len(content) < 6:
            return
        channel, size = struct.unpack_from('<HI', content)
        times = [time for time, _ in struct.iter_unpack('<QQ', content[6 : 6 + size // 16 * 16])] if size else []
        if len(content) < 6 + size or not times:
            return
        if not self._indexed:
            self._guess, self._indexed = {}, True
        topic = self._topics.get(channel, _UNKNOWN_TOPIC)
        entry = self._guess.setdefault(topic, DroppedMessages(0, min(times), max(times)))
        entry.add(len(times), min(times), max(times))

    def _count_guess(self) -> None:
        """Add what is known of the last chunk that was left out."""
        for topic, messages in self._guess.items():
            self._drop(topic, messages.count, messages.start_ns, messages.end_ns)
        self._guess = {}

    def _drop(self, topic: str, count: int, start_ns: int, end_ns: int) -> None:
        self.dropped.setdefault(topic, DroppedMessages(0, start_ns, end_ns)).add(count, start_ns, end_ns)


def _moved(record: _Record, offset: int) -> _Record:
    """Return a record of a further file with ids that no earlier file has."""
    if isinstance(record, Schema):
        return replace(record, id=record.id + offset)
    if isinstance(record, Channel):
        return replace(record, id=record.id + offset, schema_id=record.schema_id + offset if record.schema_id else 0)
    if isinstance(record, Message):
        return replace(record, channel_id=record.channel_id + offset)
    return record


def _chunk_head(content: bytes) -> tuple[int, int, int, int, str, int] | None:
    """Return start [ns], end [ns], uncompressed size, CRC, compression, and where the compressed records begin."""
    if len(content) < CHUNK_HEAD.size:
        return None
    start_ns, end_ns, size, crc, name_length = CHUNK_HEAD.unpack_from(content)
    begin = CHUNK_HEAD.size + name_length
    name = content[CHUNK_HEAD.size : begin].decode(errors='replace')
    return start_ns, end_ns, size, crc, name, begin + 8  # the length of the records lies between


def _file_within(stream: IO[bytes], opcode: int, content: bytes, end: int) -> int | None:
    """Return where another file begins within a record whose end is not that of a record."""
    if opcode not in (Opcode.CHUNK, Opcode.MESSAGE) or (at := file_in(content)) < 0:
        return None
    stream.seek(end)
    following = stream.read(1)
    return None if following and following[0] in _KNOWN_OPCODES and not _is_damaged(opcode, content) else at


def _is_damaged(opcode: int, content: bytes) -> bool:
    head = _chunk_head(content) if opcode == Opcode.CHUNK else None
    if head is None:
        return False
    records = _decompress(head[4], content[head[5] :])
    return len(records) != head[2] or bool(head[3] and zlib.crc32(records) != head[3])


def _split(records: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the records of a chunk, as far as they are whole."""
    position = 0
    while position + RECORD_HEAD.size <= len(records):
        opcode, length = RECORD_HEAD.unpack_from(records, position)
        position += RECORD_HEAD.size
        if opcode not in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE) or position + length > len(records):
            return  # the rest was cut off, or damaged
        yield opcode, records[position : position + length]
        position += length


def _definitions_behind(stream: IO[bytes], position: int) -> Iterator[Schema | Channel]:
    """Yield the schemas and channels that the index at the end of a file repeats."""
    size = stream.seek(0, io.SEEK_END)
    in_index = False
    while position < size:
        stream.seek(position)
        head = stream.read(RECORD_HEAD.size)
        if len(head) < RECORD_HEAD.size:
            break
        opcode, length = RECORD_HEAD.unpack(head)
        if opcode == Opcode.FOOTER or opcode not in _KNOWN_OPCODES:
            break
        in_index = in_index or opcode == Opcode.DATA_END
        if in_index and opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            record = _parse(opcode, stream.read(length))
            if isinstance(record, Schema | Channel):
                yield record
        position += RECORD_HEAD.size + length


def _plausible(records: bytes) -> list[Schema | Channel]:
    """Return the schemas and channels of a damaged chunk that look whole."""
    found: list[Schema | Channel] = []
    for opcode, content in _split(records):
        record = _parse(opcode, content)
        if isinstance(record, Schema):
            if _TYPE_NAME.fullmatch(record.name) and _is_text(record.data):
                found.append(record)
        elif isinstance(record, Channel) and record.topic.isprintable() and record.message_encoding.isprintable():
            found.append(record)
    return found


def _is_text(data: bytes) -> bool:
    try:
        return '\0' not in data.decode()
    except UnicodeDecodeError:
        return False


def _parse(opcode: int, content: bytes) -> Schema | Channel | Message | Metadata | None:
    """Return a record that matters here, None for others and for one that is damaged."""
    stream = ReadDataStream(io.BytesIO(content))
    try:
        if opcode == Opcode.MESSAGE:
            return Message.read(stream, len(content))
        if opcode == Opcode.SCHEMA:
            return Schema.read(stream)
        if opcode == Opcode.CHANNEL:
            return Channel.read(stream)
        if opcode == Opcode.METADATA:
            return Metadata.read(stream)
    # On damaged bytes the package raises struct.error, EndOfFile, UnicodeDecodeError, ...
    except Exception:
        return None
    return None


def _decompress(name: str, data: bytes) -> bytes:
    """Decompress as much as can be; nothing of an unknown compression."""
    if name == '':
        return data
    if name not in ('zstd', 'lz4'):
        return b''
    decompressor = zstandard.ZstdDecompressor().decompressobj() if name == 'zstd' else lz4.frame.LZ4FrameDecompressor()
    found = []
    # Each package has an error class of its own; an end of the stream before that of the data is one, too.
    with contextlib.suppress(Exception):
        for begin in range(0, len(data), _PIECE_BYTES):
            found.append(decompressor.decompress(data[begin : begin + _PIECE_BYTES]))  # noqa: PERF401 - kept on errors
    return b''.join(found)
