# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a whole bag of one that a crash left: everything that can be read, in a new bag; the original is kept.

It takes bags of any recorder: MCAP without its end or with a chunk that was cut off, sqlite3 with a journal or with
damaged pages, compressed files that were cut off, empty files, missing or unreadable metadata.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import ReaderError

from current_driver import messages
from current_driver.errors import RefusedMessageError, SurfaceError
from current_driver.files.output_folders import FolderClaim, claim_folder, complete_replacement
from current_driver.messages import StampedMessage
from current_driver.recordings.reading.bag_reader import (
    SequentialMcap,
    StorageTopic,
    bag_files,
    read_bag_metadata,
    read_notes,
)
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.storage_files import (
    COMPRESSED_SUFFIX,
    JOURNAL_SUFFIXES,
    decompressed,
    has_journal,
    is_storage_file,
    storage_files,
)
from current_driver.recordings.repair.sqlite_salvage import SalvagedSqlite, custom_data_of
from current_driver.recordings.writing.recording_writer import (
    METADATA_FILE,
    STATE_KEY,
    STATE_OPEN,
    STATE_RECOVERED,
    STATE_STOPPED,
    RecordingWriter,
    lock_recording,
)

_PROGRESS_MESSAGES = 1000
# Topic, stamp [ns] and digest of a message.
_MessageKey: TypeAlias = tuple[str, int, bytes]


@dataclass
class RecoveryResult:
    """What became of one bag.

    Attributes:
        bag: The bag.
        whole: Nothing was wrong with it, and nothing was written.
        output: The recovered bag; the bag itself when it was whole.
        original: Where the original is now.
        messages: Messages of every topic in the recovered bag.
        seconds: First to last message [s].
        repaired: What was wrong and is put in order, one sentence each.
        lost: What could not be saved, one sentence each.
        dropped: Messages that were left out because they are damaged: `{'file', 'topic', 'messages', 'start_ns',
            'end_ns'}`; 0 messages where their number is not known.
    """

    bag: Path
    whole: bool = False
    output: Path = field(default_factory=Path)
    original: Path = field(default_factory=Path)
    messages: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    repaired: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            'bag': str(self.bag),
            'whole': self.whole,
            'output': str(self.output),
            'original': str(self.original),
            'messages': dict(self.messages),
            'seconds': self.seconds,
            'repaired': list(self.repaired),
            'lost': list(self.lost),
            'dropped': list(self.dropped),
        }


class _Source:
    """One storage file, as far as it can be read."""

    def __init__(self, path: Path, stack: ExitStack, result: RecoveryResult, *, keep_damaged: bool) -> None:
        self._result = result
        self._keep_damaged = keep_damaged
        self._name = path.name
        folder = Path(stack.enter_context(TemporaryDirectory(prefix='surface_recover_')))
        file = path
        if path.suffix == COMPRESSED_SUFFIX:
            file, whole = decompressed(path, folder)
            if not whole:
                result.lost.append(f'{path.name}: the compressed file is cut off; what came after is not there')
        self._mcap: SequentialMcap | None = None
        self._sqlite: SalvagedSqlite | None = None
        self.notes: dict[str, str] = {}
        if file.suffix == '.mcap':
            self._mcap = SequentialMcap(file, keep_damaged=keep_damaged)
            self.topics, self.left_out = self._mcap.topics, self._mcap.left_out
            self._judge_mcap(self._mcap)
            self.notes = custom_data_of(self._mcap.metadata.get('rosbag2', {}).get('serialized_metadata', ''))
        else:
            self._sqlite = SalvagedSqlite(_with_journals(file, folder))
            stack.callback(self._sqlite.close)
            self.topics, self.left_out = self._sqlite.topics, self._sqlite.left_out
            if has_journal(path):
                result.repaired.append(f'{path.name}: its journal is applied')
            for _ in self._sqlite.stored():  # counts, and finds damages
                pass
            if self._sqlite.damaged:
                result.repaired.append(f'{path.name}: the database was damaged')
            if self._sqlite.lost_messages:
                result.lost.append(f'{path.name}: {self._sqlite.lost_messages} messages in damaged pages')
            self.notes = custom_data_of(self._sqlite.metadata)
        for topic, encoding in self.left_out.items():
            result.lost.append(f'{path.name}: topic {topic}, which is stored as {encoding!r}, not as CDR')

    def _judge_mcap(self, mcap: SequentialMcap) -> None:
        scan = mcap.scan
        if not scan.complete:
            self._result.repaired.append(f'{self._name}: the file had no end or was damaged; it has an index now')
        if scan.index_damaged:
            self._result.repaired.append(f'{self._name}: the index was damaged; it is made again')
        if scan.files > 1:
            self._result.repaired.append(f'{self._name}: {scan.files} files that were joined are one file now')
        lost = self._result.lost
        if scan.cut_chunks:
            lost.append(f'{self._name}: some messages of {scan.cut_chunks} chunks that were cut off')
        if scan.damaged_chunks:
            fate = 'are kept' if self._keep_damaged else 'are left out (--keep-damaged keeps them)'
            lost.append(
                f'{self._name}: the messages of {scan.damaged_chunks} damaged chunks {fate}; the checksums do not '
                'match, so that any value in them may be wrong'
            )
        self._name_dropped(mcap)
        if scan.lost_bytes:
            lost.append(f'{self._name}: {scan.lost_bytes} bytes, in which there is no whole message')
        if scan.unchecked:
            lost.append(
                f'{self._name}: the checksum of the file does not match and its messages have none of their own: some '
                'values may be wrong, and nothing shows which; compare the file with another copy'
            )
        if scan.attachments and not scan.complete:
            lost.append(f'{self._name}: {scan.attachments} attachments, which are not copied')

    def _name_dropped(self, mcap: SequentialMcap) -> None:
        for topic, dropped in mcap.scan.dropped.items():
            self._result.dropped.append(
                {'file': self._name, 'topic': topic, 'messages': dropped.count}
                | {'start_ns': dropped.start_ns, 'end_ns': dropped.end_ns}
            )
            begin_ns = min(mcap.start_ns, dropped.start_ns)
            begin_s, end_s = ((stamp - begin_ns) / messages.NANOSECONDS for stamp in (dropped.start_ns, dropped.end_ns))
            self._result.lost.append(
                f'{self._name}: {topic}: {dropped.count or "an unknown number of"} messages, {begin_s:.3f} to '
                f'{end_s:.3f} s after the beginning'
            )

    def stored(self) -> Iterator[StampedMessage]:
        source = self._mcap or self._sqlite
        assert source is not None
        return source.stored()


def recover_bag(
    bag: Path,
    output: Path | None = None,
    *,
    keep_damaged: bool = False,
    on_progress: Callable[[float], object] | None = None,
) -> RecoveryResult:
    """Make a whole bag of what can be read of one.

    Args:
        bag: Folder of the bag, or a storage file.
        output: Folder for the recovered bag. None: it takes the place of the original, which is kept beside it under a
            hidden name.
        keep_damaged: Copy the messages of MCAP chunks that do not match their checksums as well.
        on_progress: Called with the messages copied since the last call.

    Returns:
        What was done. Nothing is written where nothing is wrong.

    Raises:
        SurfaceError: Nothing can be read, the bag is being recorded, or there is something at `output` already.
    """
    complete_replacement(bag)
    if not bag.exists():
        raise SurfaceError(f'{bag}: no such recording; give a rosbag2 folder, or an .mcap or .db3 file')
    if bag.is_file() and output is None:
        raise SurfaceError(f'{bag}: say with --output DIR where to put the recovered bag of a single file')
    if output is not None and output.exists():
        raise SurfaceError(f'{output}: exists already; give another --output')
    result = RecoveryResult(bag, original=bag)
    with ExitStack() as stack:
        if bag.is_dir():
            lock = lock_recording(bag)
            if lock is not None:
                stack.callback(os.close, lock)
        info, notes = _described(bag, result)
        sources = [_Source(path, stack, result, keep_damaged=keep_damaged) for path in _files(bag, info, result)]
        _count(sources, info, result)
        for source in sources:
            notes = source.notes | notes
        if bag.is_dir() and not result.repaired and not result.lost:
            result.whole, result.output = True, bag
            return result
        if not sum(result.messages.values()):
            raise SurfaceError(f'{bag}: not one whole message can be read; {"; ".join(result.lost) or "it is empty"}')
        notes.pop(STATE_KEY, None)
        _write(sources, notes, _storage_of(bag, info), output, result, on_progress or (lambda _: None))
    return result


def _described(bag: Path, result: RecoveryResult) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the metadata and the notes of a bag, as far as they can be read."""
    if bag.is_file():
        return {}, {}
    info: dict[str, Any] = {}
    notes: dict[str, str] = {}
    if not (bag / METADATA_FILE).exists():
        result.repaired.append(f'{METADATA_FILE}: was missing and is made again')
    else:
        try:
            info = read_bag_metadata(bag / METADATA_FILE)
        except SurfaceError:
            result.repaired.append(f'{METADATA_FILE}: could not be read and is made again')
    try:
        notes = read_notes(bag, info)
    except SurfaceError as error:
        notes = {str(key): str(value) for key, value in (info.get('custom_data') or {}).items()}
        result.lost.append(str(error))
    state = notes.get(STATE_KEY)
    if state in (STATE_OPEN, STATE_STOPPED):
        what = 'was not closed' if state == STATE_OPEN else 'was ended by an error, such as a full disk'
        result.repaired.append(f'{METADATA_FILE}: the recording {what}; it is complete now')
    return info, notes


def _files(bag: Path, info: dict[str, Any], result: RecoveryResult) -> list[Path]:
    """Return the storage files that are there and not empty.

    Raises:
        SurfaceError: There is none.
    """
    if bag.is_file():
        if not is_storage_file(bag):
            raise SurfaceError(f'{bag}: not a storage file of a bag; give an .mcap or .db3 file, or a folder with some')
        files = [bag]
    else:
        if not storage_files(bag):
            raise SurfaceError(f'{bag}: not a recording; there is no .mcap and no .db3 file in this folder')
        files = bag_files(bag, info)
        noted = {Path(name).name for name in info.get('relative_file_paths') or []}
        extra = [path.name for path in files if path.name not in noted]
        if noted and extra:
            result.repaired.append(f'{METADATA_FILE}: did not know of {", ".join(extra)}')
    usable = []
    for path in files:
        if not path.exists():
            result.lost.append(f'{path.name}: is missing')
        elif not path.stat().st_size:
            result.lost.append(f'{path.name}: is empty')
        else:
            usable.append(path)
    return usable


def _count(sources: list[_Source], info: dict[str, Any], result: RecoveryResult) -> None:
    for topic in (topic for source in sources for topic in source.topics):
        result.messages[topic.name] = result.messages.get(topic.name, 0) + topic.count
    found, noted = sum(result.messages.values()), int(info.get('message_count') or 0)
    if found < noted:
        result.lost.append(f'{noted - found} of the {noted} messages that {METADATA_FILE} counts')
    elif info and found > noted:
        result.repaired.append(f'{METADATA_FILE}: counted {noted} of {found} messages')


def _storage_of(bag: Path, info: dict[str, Any]) -> str:
    known = str(info.get('storage_identifier') or '')
    if known in ('mcap', 'sqlite3'):
        return known
    names = [bag.name] if bag.is_file() else [path.name for path in storage_files(bag)]
    return 'mcap' if any('.mcap' in name for name in names) else 'sqlite3'


def _write(
    sources: list[_Source],
    notes: dict[str, str],
    storage: str,
    output: Path | None,
    result: RecoveryResult,
    on_progress: Callable[[float], object],
) -> None:
    """Write the new bag beside its place, and put it there when it is complete.

    Raises:
        SurfaceError: Nothing can be written there, or another process writes there.
    """
    target = (result.bag if output is None else output).absolute()
    with claim_folder(target) as claim:
        try:
            written = _write_bag(claim, sources, storage, notes, on_progress, result.lost)
            misfits = _verify(claim.partial, written, result)
            if misfits:
                shutil.rmtree(claim.partial)
                written = _write_bag(claim, sources, storage, notes, lambda _: None, [], misfits)
                if _verify(claim.partial, written, result):
                    raise RuntimeError(f'{target}: messages that do not fit their type are still there')
            result.messages = written
            if output is None:
                result.original = claim.put_in_place_and_keep()
            else:
                claim.put_in_place()
            result.output = target if output is not None else result.bag
        except SurfaceError as error:
            # The temporary folder will be gone when the message is read.
            raise SurfaceError(str(error).replace(str(claim.partial), str(target))) from error
        except OSError as error:
            raise SurfaceError(f'{target}: the recovered bag cannot be put there ({error.strerror})') from error


def _write_bag(
    claim: FolderClaim,
    sources: list[_Source],
    storage: str,
    notes: dict[str, str],
    on_progress: Callable[[float], object],
    lost: list[str],
    misfits: frozenset[_MessageKey] = frozenset(),
) -> dict[str, int]:
    """Write a bag of all messages but some; return how many each topic has, and append what is not stored to `lost`."""
    counts: dict[str, int] = {}
    with RecordingWriter(
        claim.partial, storage, metadata=notes, flush_interval_s=None, name=claim.place.name
    ) as writer:
        for source in sources:
            for topic in source.topics:
                definition, type_hash = _definition(topic)
                writer.add_defined_topic(topic.name, topic.msgtype, definition, type_hash, topic.qos)
                counts.setdefault(topic.name, 0)
            _copy(source, writer, on_progress, counts, misfits)
        writer.close(STATE_RECOVERED)
    lost += [
        f'{count} messages of topic {name}, whose stamps cannot be stored' for name, count in writer.refused.items()
    ]
    return counts


def _verify(bag: Path, written: dict[str, int], result: RecoveryResult) -> frozenset[_MessageKey]:
    """Read a recovered bag to its end.

    Returns:
        The messages that do not fit the type of their topic where most messages of it do; they are named in the result.

    Raises:
        RuntimeError: Not every message that was written is there.
    """
    misfits: dict[str, list[_MessageKey]] = {}
    found = dict.fromkeys(written, 0)
    with open_recording(bag) as reader:
        result.seconds = (reader.end_ns - reader.start_ns) / messages.NANOSECONDS
        for message in reader.messages():
            found[message.topic] += 1
            try:
                reader.deserialize(message)
            # On damaged bytes rosbags raises what its parsers do: SerdeError, struct.error, UnicodeDecodeError, ...
            except Exception:
                misfits.setdefault(message.topic, []).append(_key(message))
    if found != written:
        raise RuntimeError(f'{bag}: {found} messages were read, {written} were written')
    bad = {topic: some for topic, some in misfits.items() if 2 * len(some) < found[topic]}
    for topic, some in bad.items():
        stamps = [stamp_ns for _, stamp_ns, _ in some]
        result.dropped.append(
            {'file': '', 'topic': topic, 'messages': len(some)} | {'start_ns': min(stamps), 'end_ns': max(stamps)}
        )
        result.lost.append(f'{topic}: {len(some)} messages that do not fit their type')
    return frozenset(key for some in bad.values() for key in some)


def _key(message: StampedMessage) -> _MessageKey:
    return message.topic, message.stamp_ns, hashlib.sha256(message.cdr).digest()


def _copy(
    source: _Source,
    writer: RecordingWriter,
    on_progress: Callable[[float], object],
    counts: dict[str, int],
    misfits: frozenset[_MessageKey],
) -> None:
    copied = 0
    try:
        for message in source.stored():
            if misfits and _key(message) in misfits:
                continue
            try:
                writer.write(message.topic, message.stamp_ns, message.cdr)
            except RefusedMessageError:
                continue  # counted by the writer
            counts[message.topic] += 1
            copied += 1
            if copied % _PROGRESS_MESSAGES == 0:
                on_progress(_PROGRESS_MESSAGES)
    except ReaderError as error:
        raise SurfaceError(f'a message cannot be copied: {error}') from error
    on_progress(copied % _PROGRESS_MESSAGES)


def _definition(topic: StorageTopic) -> tuple[MessageDefinition, str]:
    """Return the definition of a topic's type, that of the stock type where the file has none."""
    if topic.definition.format == MessageDefinitionFormat.NONE and topic.msgtype in messages.typestore().fielddefs:
        text = messages.definition(topic.msgtype)
        type_hash = topic.type_hash or messages.typestore().hash_rihs01(topic.msgtype)
        return MessageDefinition(MessageDefinitionFormat.MSG, text), type_hash
    return topic.definition, topic.type_hash


def _with_journals(path: Path, folder: Path) -> Path:
    """Copy a database with its journals, so that sqlite puts the copy in order and not the original."""
    target = folder / path.name
    for suffix in ('', *JOURNAL_SUFFIXES):
        source = path.with_name(path.name + suffix)
        if source.exists() and source != target:
            shutil.copyfile(source, target.with_name(target.name + suffix))
    return target
