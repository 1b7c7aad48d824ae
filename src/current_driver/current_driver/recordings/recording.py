# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A recording: one bag, its name, and which surface the robot stood on when."""

from __future__ import annotations

import itertools
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from current_driver import messages
from current_driver.errors import DamagedMessageError, SurfaceError
from current_driver.files.output_folders import complete_replacement
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.recording_reader import NOT_CLOSED, RecordingReader
from current_driver.recordings.reading.storage_files import (
    check_storage_file,
    is_storage_file,
    ros1_bags,
    without_storage_suffix,
)
from current_driver.recordings.writing.recording_writer import METADATA_FILE, STATE_KEY, STATE_OPEN, STATE_STOPPED

# Of those who set labels these know the moment; people see and press late, or early.
EXACT_ORIGINS = ('simulator', 'import')
# Log times and stamps that are further apart come from two clocks, such as wall time and a simulation's.
SAME_CLOCK_NS = 60 * messages.NANOSECONDS
_FIRST_IS_HEADER = re.compile(r'(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t]*(?:std_msgs/(?:msg/)?)?Header\s')


@dataclass(frozen=True)
class Segment:
    """A span of a recording under one label.

    Attributes:
        start_ns: From this stamp on [ns].
        end_ns: Up to, not including, this stamp [ns]; for the last segment one after the last message, by the
            clock of its stamps.
        surface: Name of the surface; empty: not labelled.
        origin: Who set the label at its start: operator, topic, simulator or import.
    """

    start_ns: int
    end_ns: int
    surface: str
    origin: str = field(default='', compare=False)

    @property
    def seconds(self) -> float:
        """Length of the segment [s]."""
        return (self.end_ns - self.start_ns) / messages.NANOSECONDS


class Recording:
    """One labelled bag.

    Args:
        path: Folder of a rosbag2 bag, or its storage file alone.
        name: Name of the recording; that of the folder or file when None.

    Raises:
        SurfaceError: Nothing is there.
    """

    def __init__(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Take the path; `reader` opens the bag."""
        self.path = Path(path)
        complete_replacement(self.path)
        if not self.path.exists():
            raise SurfaceError(f'{self.path}: no such recording')
        self.name = name or _own_name(self.path)

    def reader(self) -> RecordingReader:
        """Open the bag, for a `with` statement; one whose writer was killed gives what was written before.

        Raises:
            SurfaceError: It cannot be read.
        """
        return open_recording(self.path)

    def notes(self, reader: RecordingReader) -> dict[str, str]:
        """What was noted with the recording: operator, robot, place and the like, without what the writer keeps there.

        Args:
            reader: The open bag.
        """
        return {key: value for key, value in reader.metadata.items() if key != STATE_KEY}

    def warnings(self, reader: RecordingReader) -> list[str]:
        """What was left out on reading, and whether the recording was never closed, one sentence each.

        Args:
            reader: The open bag.
        """
        state = reader.metadata.get(STATE_KEY)
        texts = list(reader.warnings)
        if state == STATE_OPEN and not any(NOT_CLOSED in text for text in texts):
            texts.insert(0, f'{self.path}: was not closed; its last moments may be missing')
        elif state == STATE_STOPPED:
            text = 'an error, such as a full disk, ended the recording; what came after is missing'
            texts.insert(0, f'{self.path}: {text}')
        return texts

    def is_labelled(self, reader: RecordingReader) -> bool:
        """Whether the bag has a topic of labels.

        Args:
            reader: The open bag.
        """
        return messages.SURFACE_TRUTH in reader.topics.values()

    def segments(self, reader: RecordingReader | None = None) -> list[Segment]:
        """Which surface the robot stood on when, from the latched label topic, in the order of time.

        Neighbouring segments have different surfaces; stretches without a label are segments with an empty name.

        Args:
            reader: The open bag; it is opened again when None.

        Raises:
            SurfaceError: The bag has no label topic, or more than one.
        """
        if reader is None:
            with self.reader() as opened:
                return self.segments(opened)
        topic = _truth_topic(self.path, reader.topics)
        changes = []
        for stamped in reader.messages(topics=[topic]):
            truth = reader.deserialize(stamped)
            # A stamp of 0 was never set (a label published by hand): it holds from when it was recorded.
            stamp_ns = messages.stamp_ns(truth.header.stamp) or stamped.stamp_ns
            changes.append((stamp_ns, str(truth.surface), str(truth.origin)))
        # An operator may set a label for a moment that has passed; of two for one moment the later word counts.
        changes.sort(key=lambda change: change[0])
        segments: list[Segment] = []
        data_end_ns = _end_by_stamps(reader, topic)
        for index, (start_ns, surface, origin) in enumerate(changes):
            last = index + 1 == len(changes)
            end_ns = max(data_end_ns + 1, start_ns) if last else changes[index + 1][0]
            if segments and segments[-1].surface == surface:
                segments[-1] = Segment(segments[-1].start_ns, end_ns, surface, segments[-1].origin)
            elif end_ns > start_ns or last:
                segments.append(Segment(start_ns, end_ns, surface, origin))
        return segments

    def label_delay_ns(self, reader: RecordingReader, data_begin_ns: int) -> int | None:
        """Return the time from the stamp of a label to its log time, where it is the same for all of them [ns].

        None where it differs, as for labels that were set for a moment that had passed, and where labels have no stamp
        or were not logged with the data.

        Args:
            reader: The open bag.
            data_begin_ns: Log time of the first message of the data [ns].
        """
        if not self.is_labelled(reader):
            return None
        delays = []
        for stamped in reader.messages(topics=[_truth_topic(self.path, reader.topics)]):
            stamp_ns = messages.stamp_ns(reader.deserialize(stamped).header.stamp)
            if not stamp_ns or stamped.stamp_ns < data_begin_ns - SAME_CLOCK_NS:
                return None
            delays.append(stamped.stamp_ns - stamp_ns)
        if not delays or max(delays) - min(delays) > messages.NANOSECONDS:
            return None
        return min(delays)


def _end_by_stamps(reader: RecordingReader, truth_topic: str) -> int:
    """Return the last moment of the data by the clock of its stamps, which need not be that of the log times [ns]."""
    topics = [
        topic
        for topic, msgtype in reader.topics.items()
        if topic != truth_topic and begins_with_header(reader.definitions.get(msgtype, ''))
    ]
    stamped = ((stamp_ns, message) for message in reader.messages(topics=topics) if (stamp_ns := _header_ns(message)))
    first = next(stamped, None)
    if first is None or abs(first[0] - first[1].stamp_ns) < SAME_CLOCK_NS:
        return reader.end_ns
    end_ns, last = max(itertools.chain([first], stamped), key=lambda item: item[0])
    if last.msgtype == messages.MOTOR_CURRENT:
        end_ns += int(max(reader.deserialize(last).offsets_ns, default=0))
    return end_ns


def begins_with_header(definition: str) -> bool:
    """Return whether the first field of a message is a header, by the text of its definition."""
    return _FIRST_IS_HEADER.match(definition) is not None


def _header_ns(message: messages.StampedMessage) -> int:
    """Return the stamp of a message that begins with a header; 0 when none was set, or it is cut short [ns]."""
    try:
        return messages.header_stamp_ns(message.cdr)
    except DamagedMessageError:
        return 0


def surface_of_span(segments: Sequence[Segment], start_ns: int, end_ns: int) -> str | None:
    """Surface that holds during a whole span, such as a window.

    The last segment holds until the data end: stamps of samples may lie after the last log time of a bag whose log
    times are those of another clock.

    Args:
        segments: As `Recording.segments` gives them.
        start_ns: First stamp of the span [ns].
        end_ns: Last stamp of the span, included [ns].

    Returns:
        The surface; empty when it is not labelled; None when the span lies before the first label or over a change.
    """
    index = bisect_right(segments, start_ns, key=lambda segment: segment.start_ns) - 1
    if index < 0:
        return None
    inside = index == len(segments) - 1 or end_ns < segments[index].end_ns
    return segments[index].surface if inside else None


def leave_margins(segments: Sequence[Segment], margin_ns: int, first_ns: int) -> list[Segment]:
    """Take the label from what lies close to a change of label that a person made.

    A person says where the surface changes when the robot is not yet, or no longer, there. The simulator and importers
    know it exactly. A label that was there before the recording's first message is not a change.

    Args:
        segments: As `Recording.segments` gives them.
        margin_ns: How much before, and after, such a change is not labelled [ns].
        first_ns: Stamp of the recording's first message [ns].

    Returns:
        The segments, with stretches that are not labelled put in where they are cut.
    """
    changes = [
        segment.start_ns
        for index, segment in enumerate(segments)
        if segment.origin not in EXACT_ORIGINS and (index or segment.start_ns > first_ns)
    ]
    if not margin_ns or not changes:
        return list(segments)
    found: list[Segment] = []
    for index, segment in enumerate(segments):
        last = index + 1 == len(segments)  # it holds until the data end, whatever its own end
        near = bisect_right(changes, segment.start_ns)
        before = [change for change in changes[max(0, near - 1) : near] if change + margin_ns > segment.start_ns]
        after = [] if last else [change for change in changes[near : near + 1] if change - margin_ns < segment.end_ns]
        start_ns = max([segment.start_ns, *(change + margin_ns for change in before)])
        end_ns = min([segment.end_ns, *(change - margin_ns for change in after)])
        if start_ns >= end_ns and not last:
            found.append(Segment(segment.start_ns, segment.end_ns, '', segment.origin))
            continue
        if start_ns > segment.start_ns:
            found.append(Segment(segment.start_ns, start_ns, '', segment.origin))
        found.append(Segment(start_ns, max(start_ns, end_ns), segment.surface, segment.origin))
        if end_ns < segment.end_ns and not last:
            found.append(Segment(end_ns, segment.end_ns, '', segment.origin))
    return found


def find_recordings(paths: Iterable[str | os.PathLike[str]]) -> list[Recording]:
    """Find every recording in and below the given folders.

    A recording's name is its path below the folder that was given, without suffix, such as `ASPHALT/00`; that of a bag
    that was given itself is its folder's name. Where two would have one name, they get the given path in front.

    Args:
        paths: Folders to search, bags, or storage files.

    Returns:
        The recordings, sorted by name within each of the paths.

    Raises:
        SurfaceError: A path does not exist or holds no recording.
    """
    found: list[tuple[Path, str, str]] = []
    seen: set[Path] = set()
    for given in paths:
        root = Path(given)
        bags = _bags_below(root)
        if not bags:
            if root.is_dir() and (old := ros1_bags(root)):
                check_storage_file(old[0])
            raise SurfaceError(
                f'{root}: holds no recording (no bag folder with {METADATA_FILE}, no .mcap or .db3 file); make one '
                'with `surface simulate`, from CSV files with `surface import csv`, or record one with the trainer node'
            )
        for bag in bags:
            if bag.resolve() not in seen:
                seen.add(bag.resolve())
                short = _own_name(bag) if bag == root else _name(bag.relative_to(root))
                found.append((bag, short, _name(bag)))
    names = [short for _, short, _ in found]
    return [Recording(bag, short if names.count(short) == 1 else long) for bag, short, long in found]


def _bags_below(root: Path) -> list[Path]:
    if not root.exists():
        raise SurfaceError(f'{root}: no such file or folder')
    if root.is_file():
        check_storage_file(root)
        return [root] if is_storage_file(root) else []
    bags: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith('.'))
        storage = [file for file in files if is_storage_file(Path(file))]
        if METADATA_FILE in files:
            bags.append(Path(folder))
            subfolders.clear()
        else:
            bags.extend(Path(folder) / file for file in sorted(storage))
    return sorted(bags)


def _own_name(path: Path) -> str:
    return _name(Path(path.resolve().name))


def _name(path: Path) -> str:
    return without_storage_suffix(path).as_posix()


def _truth_topic(path: Path, topics: Mapping[str, str]) -> str:
    labels = [topic for topic, msgtype in topics.items() if msgtype == messages.SURFACE_TRUTH]
    if len(labels) == 1:
        return labels[0]
    listed = ', '.join(sorted(topics)) or 'none'
    if not labels:
        raise SurfaceError(
            f'{path}: has no label, a topic of type {messages.SURFACE_TRUTH} (its topics: {listed}); record it with '
            'the trainer node, or import it with `surface import csv`'
        )
    raise SurfaceError(f'{path}: has several labels, {", ".join(labels)}; keep one of these topics in the bag')
