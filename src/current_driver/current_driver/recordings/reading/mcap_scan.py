# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reads an MCAP file from the front, record by record, as far as its bytes make sense (https://mcap.dev/spec).

Readers by index need the end of the file, which a recorder that was killed never wrote. This one needs nothing but the
beginning. Of a chunk that was cut off or damaged it takes the messages that can still be decompressed.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Message, Metadata, Schema

from current_driver.errors import SurfaceError

MAGIC = b'\x89MCAP0\r\n'

_HEADER = struct.Struct('<BQ')  # opcode and length of a record
_CHUNK = struct.Struct('<QQQII')  # start, end, uncompressed size, CRC, length of the compression's name
_KNOWN_OPCODES = {int(opcode) for opcode in Opcode}
_PRIVATE_OPCODES = 0x80  # from here on
# Decompressed in pieces, so that what precedes a damage is there when the damage is met.
_PIECE_BYTES = 4096


class McapScan:
    """One MCAP file; iterate `records` and then look at what was found.

    Attributes:
        lost_bytes: Bytes at the end of the file, before its index, of which nothing could be made [bytes].
        damaged_chunks: Chunks that were cut off or do not match their checksum; some of their messages may be read.
    """

    def __init__(self, path: Path) -> None:
        """Take the path; `records` opens it."""
        self._path = path
        self._reset()

    def _reset(self) -> None:
        self._ended = False
        self._data_ended = False
        self.lost_bytes = 0
        self.damaged_chunks = 0

    @property
    def complete(self) -> bool:
        """Whether the file has its end, and nothing in it is damaged."""
        return self._ended and not self.damaged_chunks and not self.lost_bytes

    def records(self) -> Iterator[Schema | Channel | Message | Metadata]:
        """Yield schemas, channels, messages and metadata in the order of the file.

        Raises:
            SurfaceError: It is not an MCAP file.
        """
        self._reset()
        size = self._path.stat().st_size
        with self._path.open('rb') as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise SurfaceError(
                    f'{self._path}: cannot be read as a rosbag2 recording: it does not begin as an MCAP file'
                )
            yield from self._walk(stream, size)

    def _walk(self, stream: IO[bytes], size: int) -> Iterator[Schema | Channel | Message | Metadata]:
        while True:
            position = stream.tell()
            head = stream.read(_HEADER.size)
            opcode, length = _HEADER.unpack(head) if len(head) == _HEADER.size else (0, 0)
            if opcode not in _KNOWN_OPCODES and opcode < _PRIVATE_OPCODES:
                self._lose(size - position)
                return
            content = stream.read(min(length, size - stream.tell()))
            whole = len(content) == length
            if opcode == Opcode.CHUNK:
                yield from self._chunk(content)
                if not whole:
                    return
            elif not whole:
                self._lose(size - position)
                return
            elif opcode == Opcode.DATA_END:
                self._data_ended = True
            elif opcode == Opcode.FOOTER:
                self._ended = stream.read(len(MAGIC)) == MAGIC
                return
            elif (record := _parse(opcode, content)) is not None:
                yield record

    def _lose(self, size: int) -> None:
        """Count bytes that could not be read, unless nothing but the index is left."""
        if not self._data_ended:
            self.lost_bytes = size

    def _chunk(self, content: bytes) -> Iterator[Schema | Channel | Message | Metadata]:
        """Yield the records of a chunk, or of as much of it as is there."""
        if len(content) < _CHUNK.size:
            self.damaged_chunks += 1
            return
        _, _, uncompressed_size, crc, name_length = _CHUNK.unpack_from(content)
        begin = _CHUNK.size + name_length + 8  # the length of the records lies between
        name = content[_CHUNK.size : _CHUNK.size + name_length].decode(errors='replace')
        records = _decompress(name, content[begin:])
        if len(records) != uncompressed_size or (crc and zlib.crc32(records) != crc):
            self.damaged_chunks += 1
        position = 0
        while position + _HEADER.size <= len(records):
            opcode, length = _HEADER.unpack_from(records, position)
            position += _HEADER.size
            if opcode not in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE) or position + length > len(records):
                return  # the rest was cut off, or damaged
            record = _parse(opcode, records[position : position + length])
            position += length
            if record is not None:
                yield record


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
