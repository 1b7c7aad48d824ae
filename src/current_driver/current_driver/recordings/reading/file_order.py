# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Stretches of a recording in which time runs twice, because the recorder's clock was set back: file order shows them.

Messages are read in the order of their log times, so those of two times would be interleaved there. Files whose
messages are in no order at all (merged, written from several threads) are another matter: reading by time puts them
right.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from current_driver.messages import NANOSECONDS

# A step back of less is the jitter of a recorder's threads.
LEAST_STEP_NS = NANOSECONDS
# A file with more steps back is in no order.
MOST_STEPS = 8
# Messages of a topic that go on in order after a step back.
LEAST_MESSAGES = 10
# Messages of each of the two times in a span in which time runs twice.
LEAST_DOUBLED = 3

_INDEX_HEADER = struct.Struct('<BQHI')
_INDEX_OPCODE = 0x07

Times = NDArray[np.int64]


def doubled_spans(times: Times) -> list[tuple[int, int]]:
    """Find the spans in which the time of one topic runs twice.

    Args:
        times: Log times of the topic's messages in the order of the file, shape (messages,) [ns].

    Returns:
        First and last time of each span, disjoint and in order [ns].
    """
    steps = np.flatnonzero(np.diff(times) < -LEAST_STEP_NS) + 1
    if not len(steps) or len(steps) > MOST_STEPS:
        return []
    found: list[tuple[int, int]] = []
    pieces = [piece for piece in np.split(times, steps) if len(piece) >= LEAST_MESSAGES]
    for index, piece in enumerate(pieces):
        for other in pieces[:index]:
            begin, end = max(int(piece.min()), int(other.min())), min(int(piece.max()), int(other.max()))
            # Of a file that was put together from parts, one may fill a hole of the other.
            inside = [int(((times >= begin) & (times <= end)).sum()) for times in (piece, other)]
            if min(inside) >= LEAST_DOUBLED:
                found.append((begin, end))
    return merged_spans(found)


def merged_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans of time [ns], those that overlap as one, in order."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def bounded_times(times: Sequence[int] | NDArray[np.uint64]) -> Times:
    """Return log times as int64; MCAP stores unsigned ones, and the largest stand for those above [ns].

    Args:
        times: Log times, at least 0, shape (messages,) [ns].
    """
    return np.minimum(np.asarray(times, dtype=np.uint64), np.uint64(2**63 - 1)).astype(np.int64)


def indexed_times(path: Path, chunks: Iterable[Any], topics: Mapping[int, str]) -> dict[str, Times]:
    """Return the log times of an MCAP file's topics in the order of the file, from the index behind each chunk.

    Args:
        path: The file.
        chunks: Its chunks, with the offsets of their indexes (`message_index_offsets`).
        topics: Topic of each channel.
    """
    found: dict[str, list[Times]] = {}
    with path.open('rb') as stream:
        for chunk in sorted(chunks, key=lambda chunk: chunk.chunk_start_offset):
            entries: dict[str, list[NDArray[np.uint64]]] = {}
            for channel, offset in chunk.message_index_offsets.items():
                if channel not in topics:
                    continue
                stream.seek(offset)
                opcode, _, _, size = _INDEX_HEADER.unpack(stream.read(_INDEX_HEADER.size))
                if opcode != _INDEX_OPCODE:
                    return {}
                entries.setdefault(topics[channel], []).append(
                    np.frombuffer(stream.read(size), dtype='<u8').reshape(-1, 2)
                )
            # A topic may have several channels; the offset of a message in the chunk gives the order of the file.
            for topic, pieces in entries.items():
                joined = np.concatenate(pieces)
                order = np.argsort(joined[:, 1], kind='stable')
                found.setdefault(topic, []).append(bounded_times(joined[order, 0]))
    return {topic: np.concatenate(times) for topic, times in found.items()}


def database_times(path: Path) -> dict[str, Times]:
    """Return the log times of a database's topics in the order in which they were written."""
    with closing(sqlite3.connect(f'file:{quote(str(path))}?mode=ro', uri=True)) as database:
        rows = database.execute(
            'SELECT topics.name, messages.timestamp FROM messages JOIN topics ON topics.id = messages.topic_id '
            'ORDER BY messages.id'
        )
        found: dict[str, list[int]] = {}
        for topic, time in rows:
            found.setdefault(topic, []).append(time)
    return {topic: np.array(times, dtype=np.int64) for topic, times in found.items()}
