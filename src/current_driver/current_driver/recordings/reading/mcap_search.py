# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Searches an MCAP file for the next record behind a damage (https://mcap.dev/spec).

Records carry no marks, so that a record is known by how well its fields fit together: the lengths of a chunk, the
channel and the two times of a message, the beginning of another file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from mcap.opcode import Opcode

MAGIC = b'\x89MCAP0\r\n'
RECORD_HEAD = struct.Struct('<BQ')  # opcode and length of a record
CHUNK_HEAD = struct.Struct('<QQQII')  # start, end, uncompressed size, CRC, length of the compression's name

_MESSAGE_HEAD = struct.Struct('<HIQQ')  # channel, sequence, log time, publish time
_COMPRESSIONS = (b'', b'lz4', b'zstd')
_BLOCK_BYTES = 16 << 20
_FOOTER_BYTES = 20
_OVERLAP_BYTES = 64  # a head lies in one block, whole
_DAY_NS = 24 * 3600 * 10**9
_KNOWN_OPCODES = {int(opcode) for opcode in Opcode}
# Lengths of records in a file are below 2^40, so that the upper bytes of the length are zero.
_ZERO_BYTES = (6, 7, 8)


@dataclass(frozen=True)
class FoundRecord:
    """Where reading can go on.

    Attributes:
        position: First byte of a record, or of a file.
        begins_file: Whether another file begins there.
    """

    position: int
    begins_file: bool


def end_of_content(stream: IO[bytes], size: int) -> int:
    """Return where a file ends without the zeros that fill it up; `size` for one that has its end.

    Args:
        stream: The file.
        size: Its size [bytes].
    """
    stream.seek(max(size - len(MAGIC), 0))
    if stream.read(len(MAGIC)) == MAGIC:
        return size
    end = size
    while end > 0:
        begin = max(end - _BLOCK_BYTES, 0)
        stream.seek(begin)
        block = stream.read(end - begin).rstrip(b'\0')
        if block:
            return begin + len(block)
        end = begin
    return 0


def is_one_file(path: Path) -> bool:
    """Return whether the index at the end of a file is followed by its footer; of files joined by `cat` it is not."""
    size = path.stat().st_size
    footer = size - len(MAGIC) - RECORD_HEAD.size - _FOOTER_BYTES
    if footer < 0:
        return False
    with path.open('rb') as stream:
        stream.seek(footer)
        opcode, length = RECORD_HEAD.unpack(stream.read(RECORD_HEAD.size))
        (position,) = struct.unpack('<Q', stream.read(8))
        if (opcode, length) != (Opcode.FOOTER, _FOOTER_BYTES):
            return False
        while 0 < position < footer:
            stream.seek(position)
            opcode, length = RECORD_HEAD.unpack(stream.read(RECORD_HEAD.size))
            if opcode == Opcode.FOOTER:
                return False
            position += RECORD_HEAD.size + length
    return position in (0, footer)  # 0: there is no index


def next_record(
    stream: IO[bytes],
    begin: int,
    end: int,
    channels: frozenset[int],
    times: Sequence[int],
    *,
    files_only: bool = False,
) -> FoundRecord | None:
    """Search for the next chunk, message, end of the data, or file.

    Args:
        stream: The file.
        begin: Where to begin [bytes].
        end: Where the content of the file ends [bytes].
        channels: Ids of the channels whose messages are searched for; none: messages lie in chunks.
        times: Smallest and largest log time so far [ns]; empty: not known.
        files_only: Search for the beginning of another file alone.
    """
    while begin < end:
        stream.seek(begin)
        block = stream.read(min(_BLOCK_BYTES, end - begin))
        file_at = file_in(block)
        for at in () if files_only else _candidates(block):
            if 0 <= file_at < at:
                break
            if _fits(stream, begin + at, end, channels, times):
                return FoundRecord(begin + at, begins_file=False)
        if file_at >= 0:
            return FoundRecord(begin + file_at, begins_file=True)
        begin += max(len(block) - _OVERLAP_BYTES, 1) if begin + len(block) < end else len(block)
    return None


def file_in(block: bytes) -> int:
    """Return where a file begins: the magic bytes, and a header, which the end of a file has not."""
    at = block.find(MAGIC)
    while at >= 0 and block[at + len(MAGIC) : at + len(MAGIC) + 1] != bytes([Opcode.HEADER]):
        at = block.find(MAGIC, at + 1)
    return at


def _candidates(block: bytes) -> Iterator[int]:
    """Yield where a chunk, a message or the end of the data may begin."""
    values = np.frombuffer(block, np.uint8)
    count = len(values) - RECORD_HEAD.size
    if count <= 0:
        return
    first = values[:count]
    fits = (first == Opcode.CHUNK) | (first == Opcode.MESSAGE) | (first == Opcode.DATA_END)
    for offset in _ZERO_BYTES:
        fits &= values[offset : offset + count] == 0
    yield from np.flatnonzero(fits).tolist()


def _fits(stream: IO[bytes], position: int, end: int, channels: frozenset[int], times: Sequence[int]) -> bool:
    stream.seek(position)
    head = stream.read(RECORD_HEAD.size + CHUNK_HEAD.size + 12)
    opcode, length = RECORD_HEAD.unpack_from(head)
    behind = position + RECORD_HEAD.size + length
    body = head[RECORD_HEAD.size :]
    if opcode == Opcode.CHUNK:
        return _fits_chunk(body, length) and behind <= end
    if opcode == Opcode.DATA_END:
        return length == 4 and _opcode_at(stream, behind) in _KNOWN_OPCODES
    if length < _MESSAGE_HEAD.size or len(body) < _MESSAGE_HEAD.size or behind > end:
        return False
    channel, _, log_ns, publish_ns = _MESSAGE_HEAD.unpack_from(body)
    if channel not in channels or abs(log_ns - publish_ns) > _DAY_NS:
        return False
    if times and not times[0] - _DAY_NS <= log_ns <= times[-1] + _DAY_NS:
        return False
    return behind == end or _opcode_at(stream, behind) in _KNOWN_OPCODES


def _fits_chunk(body: bytes, length: int) -> bool:
    if len(body) < CHUNK_HEAD.size:
        return False
    start_ns, end_ns, size, _, name_length = CHUNK_HEAD.unpack_from(body)
    name_end = CHUNK_HEAD.size + name_length
    name = body[CHUNK_HEAD.size : name_end]
    if name_length > 4 or name not in _COMPRESSIONS or len(body) < name_end + 8 or start_ns > end_ns:
        return False
    (records,) = struct.unpack_from('<Q', body, name_end)
    return name_end + 8 + records == length and (name != b'' or records == size)


def _opcode_at(stream: IO[bytes], position: int) -> int:
    stream.seek(position)
    return (stream.read(1) or b'\0')[0]
