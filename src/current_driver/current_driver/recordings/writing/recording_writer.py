# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a recording as a rosbag2 bag, live or offline, losing less than a second when the process is killed.

`rosbags.Writer` and rosbag2's own defaults keep seconds of data, or all of it, in memory until the bag is closed. Here
a thread flushes the storage at least every half second, whether messages come or not, and `metadata.yaml` is there from
the first moment on; so a bag whose writer was killed still holds its topics, its label and all but its last moments
(the recording reader takes it as it is). Flushing hands the data to the operating system: it survives the end of the
process, and that of the machine only once the system has written it out.

When the disk is full the storage is closed as it was when it was last flushed, and whoever writes is told. What was
noted with the recording is also kept in a sidecar, because tools that make `metadata.yaml` again drop custom data.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import yaml

from current_driver import messages
from current_driver.errors import RefusedMessageError, SurfaceError
from current_driver.files.result_files import replace_file
from current_driver.messages import NANOSECONDS
from current_driver.recordings.message_definitions import installed_type_hash
from current_driver.recordings.reading.recording_reader import SIDECAR_FILE
from current_driver.recordings.reading.storage_files import STORAGE_SUFFIXES
from current_driver.recordings.writing.bag_storage import STORAGES, BagStorage, choose_storage

if TYPE_CHECKING:
    from rosbags.interfaces import MessageDefinition, Qos

FLUSH_INTERVAL_S = 0.4
METADATA_FILE = 'metadata.yaml'
_METADATA_VERSION = 9  # of rosbag2 since Jazzy: QoS profiles by name

# Log times of both storages: MCAP has no negative ones, sqlite3 and metadata.yaml none above int64.
STAMP_LIMIT_NS = 2**63

STATE_KEY = 'surface_recording_state'
STATE_OPEN = 'open'
STATE_COMPLETE = 'complete'
STATE_STOPPED = 'stopped'  # by an error, such as a full disk
STATE_RECOVERED = 'recovered'


_SIDECAR_HEAD = '# What was noted with this recording; it is read beside metadata.yaml, which goes first.\n'
_DEFINITION_PART = '\nMSG: '


class _PlainDumper(yaml.SafeDumper):
    """Repeats equal values instead of writing YAML anchors, which not every reader of bags resolves."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Say that no value is worth an anchor."""
        return True


_INFINITE = {'sec': 9223372036, 'nsec': 854775807}  # as rosbag2 writes "no deadline"


@dataclass
class _Topic:
    storage_id: int
    msgtype: str
    type_hash: str
    qos: list[dict[str, Any]]
    messages: int = 0


@dataclass
class _Flushed:
    """What was true at the last flush, to which an error goes back."""

    messages: dict[str, int] = field(default_factory=dict)
    start_ns: int | None = None
    end_ns: int | None = None


class RecordingWriter:
    """Writes one bag; a context manager; thread-safe.

    Attributes:
        path: Folder of the bag.
        refused: Messages that could not be stored, by topic.

    Args:
        path: Folder to make for the bag; its name becomes the name of the recording.
        storage: `mcap`, `sqlite3`, or `auto`: MCAP where the package mcap is installed, else sqlite3.
        metadata: What to note in the bag's custom data, such as operator, robot, place, payload, battery, note. Empty
            values are left out.
        flush_interval_s: Longest time that a message stays in this process's memory [s]; None for offline writing,
            where only `close` and a full chunk write.
        name: Name of the storage file, without number and suffix; empty: that of the folder.

    Raises:
        SurfaceError: Something is at `path` already, the storage is not known, or nothing can be written there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        storage: str = 'auto',
        *,
        metadata: Mapping[str, str] | None = None,
        flush_interval_s: float | None = FLUSH_INTERVAL_S,
        name: str = '',
    ) -> None:
        """Make the folder with an empty storage file and its metadata."""
        self.path = Path(path)
        storage = choose_storage(storage)
        kind = STORAGES[storage]
        if self.path.exists():
            raise SurfaceError(f'{self.path}: exists already; choose another name for the recording')
        if self.path.suffix in STORAGE_SUFFIXES:
            raise SurfaceError(f'{self.path}: a recording is a folder; leave out {self.path.suffix!r}')
        self._custom_data = {key: str(value) for key, value in (metadata or {}).items() if value}
        self._flushed = _Flushed()
        self._storage_name = storage
        self._file_name = f'{name or self.path.name}_0{kind.suffix}'
        self._topics: dict[str, _Topic] = {}
        self.refused: dict[str, int] = {}
        self._start_ns: int | None = None
        self._end_ns: int | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failure: Exception | None = None
        try:
            self.path.mkdir(parents=True)
        except OSError as error:
            raise SurfaceError(f'{self.path}: the recording cannot be written there ({error.strerror})') from error
        self._lock_file = lock_recording(self.path)
        try:
            self._storage: BagStorage = kind(self.path / self._file_name)
            self._write_sidecar()
            self._write_metadata(STATE_OPEN)
        except (OSError, sqlite3.Error) as error:
            self._unlock()
            shutil.rmtree(self.path, ignore_errors=True)
            reason = getattr(error, 'strerror', None) or error
            raise SurfaceError(f'{self.path}: the recording cannot be written there ({reason})') from error
        self._flusher: threading.Thread | None = None
        if flush_interval_s is not None:
            self._flusher = threading.Thread(
                target=self._flush_regularly, args=(flush_interval_s,), name=f'flush {self.path.name}', daemon=True
            )
            self._flusher.start()

    @property
    def topics(self) -> dict[str, str]:
        """Full type name of each topic added so far."""
        return {name: topic.msgtype for name, topic in self._topics.items()}

    @property
    def message_count(self) -> int:
        """Messages written so far."""
        return sum(topic.messages for topic in self._topics.values())

    @property
    def start_ns(self) -> int | None:
        """Earliest stamp written so far [ns]; None before the first message."""
        return self._start_ns

    @property
    def end_ns(self) -> int | None:
        """Latest stamp written so far [ns]; None before the first message."""
        return self._end_ns

    @property
    def failure(self) -> str:
        """Why the recording has ended before it was closed; empty when it has not."""
        return '' if self._failure is None else self._failure_text()

    def add_topic(self, topic: str, msgtype: str, definition: str | None = None, *, latched: bool = False) -> None:
        """Add a topic under its absolute name, as ROS records it; the same topic and type again changes nothing.

        Args:
            topic: Name of the topic, absolute or relative to the root namespace.
            msgtype: Full type name, such as `sensor_msgs/msg/JointState`.
            definition: Text of the message definition with its dependencies (ros2msg); None for the stock ROS 2 types
                and those of surface_msgs, which are known.
            latched: Whether the topic is published transient local, so that a replay does so too.

        Raises:
            SurfaceError: The topic is there with another type, or its type is not known and no definition is given.
        """
        topic = absolute_name(topic)
        with self._lock:
            self._check_open()
            if self._is_known(topic, msgtype):
                return
        text, type_hash = _definition(msgtype, definition)
        self._store_topic(topic, msgtype, ('ros2msg', text), type_hash, [_qos(latched)])

    def add_defined_topic(
        self, topic: str, msgtype: str, definition: MessageDefinition, type_hash: str, qos: list[Qos]
    ) -> None:
        """Add a topic as another bag describes it; the same topic and type again changes nothing.

        Args:
            topic: Name of the topic.
            msgtype: Full type name.
            definition: Its definition with its dependencies, or none.
            type_hash: RIHS01 hash of the type; empty when it is not known.
            qos: Offered QoS profiles.

        Raises:
            SurfaceError: The topic is there with another type, or nothing can be stored any more.
        """
        from rosbags.interfaces import MessageDefinitionFormat
        from rosbags.rosbag2.metadata import dump_qos_v9

        encodings = {
            MessageDefinitionFormat.NONE: '',
            MessageDefinitionFormat.MSG: 'ros2msg',
            MessageDefinitionFormat.IDL: 'ros2idl',
        }
        text = (encodings[definition.format], definition.data)
        self._store_topic(topic, msgtype, text, type_hash, [dict(profile) for profile in dump_qos_v9(qos)])

    def _store_topic(
        self, topic: str, msgtype: str, definition: tuple[str, str], type_hash: str, qos: list[dict[str, Any]]
    ) -> None:
        """Add a topic; `definition` is its encoding and its text, `qos` the profiles as rosbag2 writes them."""
        with self._lock:
            self._check_open()
            if self._is_known(topic, msgtype):
                return
            qos_yaml = _to_yaml(qos).strip()
            with self._storing():
                storage_id = self._storage.add_topic(topic, msgtype, *definition, type_hash, qos_yaml)
                self._topics[topic] = _Topic(storage_id, msgtype, type_hash, qos)
                self._write_metadata(STATE_OPEN)

    def write(self, topic: str, stamp_ns: int, cdr: bytes) -> None:
        """Append one message.

        Args:
            topic: A topic that was added; absolute or relative to the root namespace.
            stamp_ns: When it was received, or for a block when its newest sample was measured [ns].
            cdr: The message as CDR bytes, encapsulation header included.

        Raises:
            RefusedMessageError: The stamp cannot be stored; the message is counted in `refused` and left out.
            SurfaceError: What was written before could not be stored, as when the disk is full.
        """
        with self._lock:
            self._check_open()
            entry = self._topics.get(topic) or self._topics[absolute_name(topic)]
            if not 0 <= stamp_ns < STAMP_LIMIT_NS:
                # A storage that fails halfway would lose the messages around this one as well.
                self.refused[topic] = self.refused.get(topic, 0) + 1
                raise RefusedMessageError(
                    f'topic {topic}: a message with the stamp {stamp_ns * 1e-9:.9g} s is not recorded; stamps must lie '
                    f'between 0 and {STAMP_LIMIT_NS / NANOSECONDS:.4g} s: correct the clock of its sender'
                )
            with self._storing():
                self._storage.write(entry.storage_id, stamp_ns, cdr)
            entry.messages += 1
            self._start_ns = stamp_ns if self._start_ns is None else min(self._start_ns, stamp_ns)
            self._end_ns = stamp_ns if self._end_ns is None else max(self._end_ns, stamp_ns)

    def write_message(self, topic: str, message: Any, stamp_ns: int, *, latched: bool = False) -> None:
        """Append a rosbags message of a known type, adding its topic if it is new."""
        if absolute_name(topic) not in self._topics:
            self.add_topic(topic, message.__msgtype__, latched=latched)
        self.write(topic, stamp_ns, messages.serialize(message))

    def flush(self) -> None:
        """Hand everything written so far to the operating system.

        Raises:
            SurfaceError: It cannot be stored, as when the disk is full.
        """
        with self._lock:
            self._check_open()
            with self._storing():
                self._flush()

    def close(self, state: str = STATE_COMPLETE) -> None:
        """Complete the bag; closing twice, or after a failure, does nothing.

        Args:
            state: What to note as the state of the recording.

        Raises:
            SurfaceError: The end of the recording cannot be stored, as when the disk is full; what was written before
                the last flush can be read.
        """
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            try:
                if self._failure is None:
                    text = _to_yaml(self._metadata(state)['rosbag2_bagfile_information'])
                    with self._storing():
                        self._flush()
                        self._storage.close(_METADATA_VERSION, text)
                        self._write_metadata(state)
            finally:
                self._unlock()
        if self._flusher is not None:
            self._flusher.join()

    def discard(self) -> None:
        """Close the bag and delete it."""
        with suppress(SurfaceError):
            self.close()
        shutil.rmtree(self.path)

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ValueError(f'the recording {self.path} is closed')
        if self._failure is not None:
            raise SurfaceError(self._failure_text())

    def _is_known(self, topic: str, msgtype: str) -> bool:
        """Return whether the topic is there.

        Raises:
            SurfaceError: It is there with another type.
        """
        known = self._topics.get(topic)
        if known is not None and known.msgtype != msgtype:
            raise SurfaceError(
                f'{self.path}: topic {topic!r} is recorded as {known.msgtype}, not as {msgtype}; '
                'one recording holds one type for each topic'
            )
        return known is not None

    def _failure_text(self) -> str:
        error = self._failure
        if isinstance(error, OSError | sqlite3.Error):
            return f'{self.path}: the recording cannot be stored ({error}); free space on the disk'
        return f'{self.path}: the recording cannot be stored ({type(error).__name__}: {error}); report this as a fault'

    def _flush(self) -> None:
        self._storage.flush()
        counts = {name: topic.messages for name, topic in self._topics.items()}
        self._flushed = _Flushed(counts, self._start_ns, self._end_ns)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Go back to the last flush when something cannot be stored, and end the recording there.

        Raises:
            SurfaceError: It could not.
        """
        try:
            yield
        except Exception as error:  # whatever it is: a thread that ended silently would lose all that comes
            self._fail(error)
            raise SurfaceError(self._failure_text()) from error

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._storage.abandon()
        self._start_ns, self._end_ns = self._flushed.start_ns, self._flushed.end_ns
        for name, topic in self._topics.items():
            topic.messages = self._flushed.messages.get(name, 0)
        with suppress(OSError):  # there may be no room for this either; readers do without
            self._write_metadata(STATE_STOPPED)

    def _flush_regularly(self, interval_s: float) -> None:
        while not self._closed.wait(interval_s):
            with self._lock:
                if self._closed.is_set() or self._failure is not None:
                    return
                # The next writer is told.
                with suppress(SurfaceError), self._storing():
                    self._flush()

    def _metadata(self, state: str) -> dict[str, Any]:
        start = {'nanoseconds_since_epoch': self._start_ns or 0}
        duration = {'nanoseconds': (self._end_ns or 0) - (self._start_ns or 0)}
        return {
            'rosbag2_bagfile_information': {
                'version': _METADATA_VERSION,
                'storage_identifier': self._storage_name,
                'duration': duration,
                'starting_time': start,
                'message_count': self.message_count,
                'topics_with_message_count': [
                    {
                        'topic_metadata': {
                            'name': name,
                            'type': topic.msgtype,
                            'serialization_format': 'cdr',
                            'offered_qos_profiles': topic.qos,
                            'type_description_hash': topic.type_hash,
                        },
                        'message_count': topic.messages,
                    }
                    for name, topic in self._topics.items()
                ],
                'compression_format': '',
                'compression_mode': '',
                'relative_file_paths': [self._file_name],
                'files': [
                    {
                        'path': self._file_name,
                        'starting_time': start,
                        'duration': duration,
                        'message_count': self.message_count,
                    }
                ],
                'custom_data': {**self._custom_data, STATE_KEY: state},
                'ros_distro': os.environ.get('ROS_DISTRO', 'unknown'),
            }
        }

    def _write_metadata(self, state: str) -> None:
        self._write_whole(METADATA_FILE, _to_yaml(self._metadata(state)))

    def _write_sidecar(self) -> None:
        if self._custom_data:
            self._write_whole(SIDECAR_FILE, _SIDECAR_HEAD + _to_yaml(self._custom_data))

    def _write_whole(self, name: str, text: str) -> None:
        """Put a file under its name when it is complete; a recording does not wait for the disk."""
        replace_file(self.path / name, text.encode(), synchronize=False)

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def absolute_name(topic: str) -> str:
    """Return a topic's name from the root namespace; `ros2 bag play --topics` finds no other in a bag."""
    return topic if topic.startswith('/') else f'/{topic}'


def lock_recording(path: Path) -> int | None:
    """Lock the folder of a recording until the descriptor is closed, or the process ends, however it does.

    Args:
        path: The folder.

    Returns:
        The descriptor; None where the file system knows no locks.

    Raises:
        SurfaceError: Somebody else holds the lock: the recording is being written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SurfaceError(f'{path}: is being recorded; stop the recording first') from None
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _definition(msgtype: str, definition: str | None) -> tuple[str, str]:
    """Definition text and RIHS01 hash of a type."""
    store = messages.typestore()
    if definition is None:
        try:
            return messages.definition(msgtype), store.hash_rihs01(msgtype)
        except KeyError:
            raise SurfaceError(
                f'type {msgtype!r}: is neither a stock ROS 2 type nor one of surface_msgs; give its message definition'
            ) from None
    if not messages.rosbags_is_installed():
        return definition, installed_type_hash(msgtype)
    from rosbags.typesys import get_types_from_msg
    from rosbags.typesys.base import TypesysError

    own_store = messages.new_typestore()
    try:
        given = get_types_from_msg(definition, msgtype)
        own_store.register(given)
        complete = own_store.generate_msgdef(msgtype, ros_version=2)[0]
        # Readers of bags know no stock types; a text without them is made complete, which costs its comments.
        if complete.count(_DEFINITION_PART) > len(given) - 1:
            definition = complete
        return definition, own_store.hash_rihs01(msgtype)
    except (TypesysError, KeyError) as error:
        raise SurfaceError(f'type {msgtype!r}: its message definition cannot be parsed ({error})') from error


def _to_yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_PlainDumper, sort_keys=False)


def _qos(latched: bool) -> dict[str, Any]:
    """Return a profile as rosbag2 writes it since version 9 of the metadata."""
    return {
        'history': 'keep_last',
        'depth': 1 if latched else 10,
        'reliability': 'reliable',
        'durability': 'transient_local' if latched else 'volatile',
        'deadline': _INFINITE,
        'lifespan': _INFINITE,
        'liveliness': 'automatic',
        'liveliness_lease_duration': _INFINITE,
        'avoid_ros_namespace_conventions': False,
    }
