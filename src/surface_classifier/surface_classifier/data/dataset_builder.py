# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Cuts labelled recordings into a data set of windows, through the same stream that cuts windows live.

A window is taken when it lies entirely inside one labelled segment, and not close to a change of label that a person
made. Recordings are read once, message by message, and windows go straight to disk, so that memory grows neither with
the recordings nor with their number. Several recordings may be cut at once, by an executor; the data set is the same to
the last bit whatever cuts them.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from current_driver import messages
from current_driver.errors import MessageError, SurfaceError
from current_driver.recordings.reading.recording_reader import RecordingReader
from current_driver.recordings.recording import Recording, Segment, leave_margins, surface_of_span
from surface_classifier.data.build_outcome import (
    TimeWatch,
    lost_windows,
    stream_faults,
    void_remedy,
)
from surface_classifier.data.dataset import (
    Dataset,
    DatasetWriter,
    RecordingInfo,
    check_dataset_target,
)
from surface_classifier.data.dataset_sources import build_entry
from surface_classifier.data.executor import Executor, LocalExecutor, check_cancelled
from surface_classifier.data.input_timing import TimingTally
from surface_classifier.data.window_chunks import ChunkWriter, move_chunk
from surface_classifier.signal.rate_check import part_mismatch
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import Window, WindowStream

DEFAULT_SAMPLE_RATE_HZ = 100.0
DEFAULT_WINDOW_SAMPLES = 100
# A person's reaction time, and a robot of a metre that drives over the border at 1 m/s.
DEFAULT_LABEL_MARGIN_S = 1.0

# A few seconds of even a slow robot, and enough for a rate that holds to a per mille.
_RATE_MESSAGES = 500
_RATE_DIGITS = 4
# How far a recording's rate may lie from the one the configuration was made for, as a share of it.
_RATE_TOLERANCE = 0.1

# What is counted of a stream.
_STREAM_COUNTERS = (
    'samples',
    'duplicates',
    'out_of_order',
    'receive_stamped',
    'gaps',
    'lost_samples',
    'clock_jumps',
    'future',
    'second_source',
    'skipped',
    'voided',
)


@dataclass
class BuildResult:
    """A data set and what its user should know about it.

    Attributes:
        dataset: The data set.
        warnings: One sentence for each thing that was left out or looks wrong.
    """

    dataset: Dataset
    warnings: list[str]


@dataclass
class _Cut:
    """What came of one recording, beside its windows.

    Attributes:
        info: The recording, without its number of windows.
        labelled_s: Seconds under each label [s].
        longest_s: Length of the longest stretch under one label [s].
        windows: Windows of each class.
        counters: What the stream counted, and the windows that were left out.
        observed_rate_hz: Mean rate of the samples of each part; NaN where it is unknown [Hz].
        warnings: One sentence for each thing that looks wrong.
        void_reasons: Windows that were voided for each reason.
        publishers: Publishers of each topic, as far as the recording says.
        wraps: Channels whose values are whole numbers that wrap around, with the remedy.
        labels: Names of the classes in its chunk; empty where its windows went straight into the data set.
    """

    info: RecordingInfo
    labelled_s: dict[str, float]
    longest_s: float
    windows: Counter[str]
    counters: dict[str, int]
    observed_rate_hz: dict[str, float]
    warnings: list[str]
    void_reasons: Mapping[str, int] = field(default_factory=dict)
    publishers: Mapping[str, int] = field(default_factory=dict)
    wraps: Mapping[str, str] = field(default_factory=dict)
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class _ChunkTask:
    """One recording to cut into a chunk."""

    recording: Recording
    config: WindowConfig
    label_margin_s: float
    folder: Path


@dataclass
class _Tally:
    """What is counted while recordings are cut."""

    counters: Counter[str] = field(default_factory=Counter)
    void_reasons: Counter[str] = field(default_factory=Counter)
    publishers: dict[str, int] = field(default_factory=dict)
    wraps: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    labelled_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    windows: Counter[str] = field(default_factory=Counter)
    longest: tuple[float, str] = (0.0, '')
    lowest_rate_hz: dict[str, float] = field(default_factory=dict)
    highest_rate_hz: dict[str, float] = field(default_factory=dict)

    def add(self, cut: _Cut) -> None:
        self.counters.update(cut.counters)
        self.void_reasons.update(cut.void_reasons)
        for topic, count in cut.publishers.items():
            self.publishers[topic] = max(count, self.publishers.get(topic, 0))
        self.wraps.update(cut.wraps)
        self.warnings.extend(cut.warnings)
        for name, seconds in cut.labelled_s.items():
            self.labelled_s[name] += seconds
        self.windows.update(cut.windows)
        if cut.labelled_s:
            self.longest = max(self.longest, (cut.longest_s, cut.info.name))
        for part, rate in cut.observed_rate_hz.items():
            if not math.isnan(rate):
                self.lowest_rate_hz[part] = min(rate, self.lowest_rate_hz.get(part, rate))
                self.highest_rate_hz[part] = max(rate, self.highest_rate_hz.get(part, rate))


def build_dataset(
    recordings: Sequence[Recording],
    config: WindowConfig,
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    skip_missing: bool = False,
    allow_one_class: bool = False,
    label_margin_s: float = DEFAULT_LABEL_MARGIN_S,
    executor: Executor | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> BuildResult:
    """Cut recordings into a data set.

    Args:
        recordings: The recordings; their names must differ.
        config: How to cut; an `input_rate_hz` that is None is measured on the first recording and stored.
        target: Folder of the data set to make.
        overwrite: Replace a data set that is there already.
        skip_missing: Leave out recordings without one of the configured topics, with a warning, instead of refusing
        them.
        allow_one_class: Accept windows of one class only, which can test a model but not train one.
        label_margin_s: Left out before and after each change of label that a person made [s].
        executor: What cuts the recordings; this process, one after the other, when None.
        on_progress: Called with the seconds of recording that were read since the last call.

    Raises:
        SurfaceError: A recording has no label, lacks a topic or a field, or no window of two classes comes out.
    """
    check_dataset_target(Path(target), overwrite=overwrite)
    tally = _Tally()
    usable = [
        recording for recording in recordings if not skip_missing or _has_topics(recording, config, tally.warnings)
    ]
    if not usable:
        raise SurfaceError(f'not one of {len(recordings)} recordings has the topics {", ".join(config.topics)}')
    config = with_input_rates(config, usable[0])
    with DatasetWriter(target, config, overwrite=overwrite) as writer:
        _cut_all(
            usable, config, writer, tally, label_margin_s, executor or LocalExecutor(1), on_progress or (lambda _: None)
        )
        _check_outcome(config, writer, tally, Path(target), allow_one_class)
        counters: dict[str, Any] = {
            **tally.counters,
            'labelled_seconds': {name: round(seconds, 3) for name, seconds in sorted(tally.labelled_s.items())},
            'lowest_observed_rate_hz': tally.lowest_rate_hz,
            'highest_observed_rate_hz': tally.highest_rate_hz,
        }
        if tally.void_reasons:
            counters['void_reasons'] = dict(tally.void_reasons.most_common())
        if tally.publishers:
            counters['publishers'] = tally.publishers
        if tally.wraps:
            counters['wraps'] = tally.wraps
        dataset = writer.finish(counters=counters, history=[build_entry(usable, label_margin_s=label_margin_s)])
    return BuildResult(dataset, tally.warnings)


def recording_seconds(recordings: Sequence[Recording]) -> float:
    """Length of all recordings together [s]."""
    total = 0
    for recording in recordings:
        with recording.reader() as reader:
            total += reader.end_ns - reader.start_ns
    return total / messages.NANOSECONDS


def motor_window_config(
    recordings: Sequence[Recording],
    *,
    sample_rate_hz: float | None = None,
    window_s: float | None = None,
    stride_s: float | None = None,
) -> WindowConfig:
    """Configuration for the currents of the motors that the recordings hold.

    Args:
        recordings: The recordings; all must hold the same motors.
        sample_rate_hz: Rate of the grid [Hz]; 100 Hz when None, or where that is lower the recordings' own rate to two
            digits, so that every data set of a robot gets the same grid whatever its jitter.
        window_s: Length of a window [s]; 100 samples when None.
        stride_s: Time between the starts of windows [s]; half a window when None.

    Raises:
        SurfaceError: A recording has no motor currents, several topics of them, or other motors than the first one.
    """
    topic, motors = _motors(recordings[0])
    for recording in recordings[1:]:
        other_topic, other_motors = _motors(recording)
        if (other_topic, sorted(other_motors)) != (topic, sorted(motors)):
            raise SurfaceError(
                f'{recording.path}: has the motors {", ".join(other_motors)} in {other_topic!r}, but '
                f'{recordings[0].path} has {", ".join(motors)} in {topic!r}; say with --channels FILE which '
                'channels to use'
            )
    channels = tuple(ChannelConfig(name, topic, messages.MOTOR_CURRENT, f'current[{name}]') for name in motors)
    # The rate of the grid does not matter for counting the samples that come in.
    counted = WindowConfig((PartConfig('motor', DEFAULT_SAMPLE_RATE_HZ, channels),))
    native_hz = _input_rates(counted, recordings[0])['motor']
    rate = sample_rate_hz or min(DEFAULT_SAMPLE_RATE_HZ, float(f'{native_hz:.2g}'))
    samples = DEFAULT_WINDOW_SAMPLES if window_s is None else samples_in(window_s, rate, '--window-seconds')
    stride = max(1, samples // 2) if stride_s is None else samples_in(stride_s, rate, '--stride-seconds')
    part = PartConfig('motor', rate, channels, native_hz)
    return WindowConfig((part,), window_samples=samples, stride_samples=stride)


def override_window_config(
    config: WindowConfig,
    *,
    sample_rate_hz: float | None = None,
    window_s: float | None = None,
    stride_s: float | None = None,
) -> WindowConfig:
    """A configuration with some of its settings replaced; None leaves one as it is.

    Args:
        config: The configuration.
        sample_rate_hz: Rate of the grid [Hz]; only where there is one part. The number of samples in a window stays.
        window_s: Length of a window [s].
        stride_s: Time between the starts of windows [s].

    Raises:
        SurfaceError: The rate is given for several parts, or a length is below one sample.
    """
    first = config.parts[0]
    if sample_rate_hz is not None:
        if len(config.parts) > 1:
            names = ', '.join(part.name for part in config.parts)
            raise SurfaceError(
                f'--sample-rate {sample_rate_hz:g}: the windows have several parts, {names}; set their rates in the '
                'channels file'
            )
        first = dataclasses.replace(first, sample_rate_hz=sample_rate_hz)
        config = dataclasses.replace(config, parts=(first,))
    changes: dict[str, int] = {}
    if window_s is not None:
        changes['window_samples'] = samples_in(window_s, first.sample_rate_hz, '--window-seconds')
    if stride_s is not None:
        changes['stride_samples'] = samples_in(stride_s, first.sample_rate_hz, '--stride-seconds')
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def samples_in(seconds: float, rate_hz: float, what: str) -> int:
    """Whole number of samples in a time.

    Raises:
        SurfaceError: It is less than one sample; `what` names the setting.
    """
    samples = round(seconds * rate_hz)
    if samples < 1:
        raise SurfaceError(
            f'{what} {seconds:g}: is shorter than one sample at {rate_hz:g} Hz; give at least {1 / rate_hz:g}'
        )
    return samples


def with_input_rates(config: WindowConfig, recording: Recording) -> WindowConfig:
    """The configuration with each `input_rate_hz` that is None measured on a recording."""
    if all(part.input_rate_hz is not None for part in config.input_parts):
        return config
    rates = _input_rates(config, recording)
    parts = tuple(
        part
        if part.input_rate_hz is not None or part.role == 'motion'
        else dataclasses.replace(part, input_rate_hz=rates.get(part.name))
        for part in config.parts
    )
    return dataclasses.replace(config, parts=parts)


def _input_rates(config: WindowConfig, recording: Recording) -> dict[str, float]:
    stream = WindowStream(config)
    with recording.reader() as reader:
        topics = _resolve(recording, reader, stream)
        for actual, configured in topics.items():
            decoded = reader.decoded([actual], lambda stamped, error: stream.skipped.skip(topics[stamped.topic], error))
            for stamped, message in decoded:
                _push(recording, stream, configured, message, stamped.stamp_ns)
                # Of the messages that are used: others, however many come first, say nothing of the rate.
                if stream.skipped.used(configured) >= _RATE_MESSAGES:
                    break
    rates = {}
    for part, rate in stream.counters.observed_rate_hz.items():
        if math.isnan(rate):
            _check_skipped(recording, stream)
            raise SurfaceError(
                f'{recording.path}: the rate of part {part!r} cannot be measured, there are too few samples; give its '
                'input_rate_hz in the channels file'
            )
        rates[part] = float(f'{rate:.{_RATE_DIGITS}g}')
    return rates


def _cut_all(
    recordings: Sequence[Recording],
    config: WindowConfig,
    writer: DatasetWriter,
    tally: _Tally,
    label_margin_s: float,
    executor: Executor,
    on_progress: Callable[[float], object],
) -> None:
    """Cut recordings and add them, in their order, to the data set."""
    if executor.jobs == 1 and isinstance(executor, LocalExecutor):
        for recording in recordings:
            _add_recording(recording, config, writer, tally, label_margin_s, on_progress)
        return
    tasks = [
        _ChunkTask(recording, config, label_margin_s, writer.scratch.resolve() / f'{index:06d}')
        for index, recording in enumerate(recordings)
    ]
    done: dict[int, _Cut] = {}
    added = 0
    with closing(executor.map_completed(_cut_chunk, tasks)) as results:
        for index, cut in results:
            done[index] = cut
            on_progress(cut.info.seconds)
            while added in done:
                following = done.pop(added)
                tally.add(following)
                move_chunk(tasks[added].folder, following.labels, writer, writer.add_recording(following.info))
                added += 1


def _cut_chunk(task: _ChunkTask) -> _Cut:
    """Cut one recording into a chunk: the work of one task, in whatever process."""
    # A task that is done again, because its worker was lost, begins again.
    shutil.rmtree(task.folder, ignore_errors=True)
    with ChunkWriter(task.folder) as chunk:
        cut = _cut(
            task.recording,
            task.config,
            task.label_margin_s,
            lambda _: chunk.add_window,
            lambda _: check_cancelled(),
        )
        cut.labels = tuple(chunk.labels)
        return cut


def _add_recording(
    recording: Recording,
    config: WindowConfig,
    writer: DatasetWriter,
    tally: _Tally,
    label_margin_s: float,
    on_progress: Callable[[float], object],
) -> None:
    """Cut one recording straight into the data set."""

    def begin(info: RecordingInfo) -> _AddWindow:
        index = writer.add_recording(info)

        def add_window(parts: Mapping[str, Any], label: str, start_ns: int, end_ns: int) -> None:
            writer.add_window(parts, label=label, start_ns=start_ns, end_ns=end_ns, recording=index)

        return add_window

    cut = _cut(recording, config, label_margin_s, begin, on_progress)
    writer.replace_recording(cut.info)
    tally.add(cut)


_CAUSES_SHOWN = 3  # warnings of recordings that stand in an error
_AddWindow = Callable[[Mapping[str, Any], str, int, int], object]


def _cut(
    recording: Recording,
    config: WindowConfig,
    label_margin_s: float,
    begin: Callable[[RecordingInfo], _AddWindow],
    on_progress: Callable[[float], object],
) -> _Cut:
    """Cut one recording.

    Args:
        recording: The recording.
        config: How to cut.
        label_margin_s: See `build_dataset`.
        begin: Called with the recording before its first window; gives what each window goes to.
        on_progress: Called with the seconds that were read since the last call.
    """
    with recording.reader() as reader:
        segments = recording.segments(reader)
        trusted = leave_margins(segments, round(label_margin_s * messages.NANOSECONDS), reader.start_ns)
        warnings = recording.warnings(reader)
        info = _info(recording, reader)
        add_window = begin(info)
        stream = WindowStream(config)
        timing = TimingTally(config)
        topics = _resolve(recording, reader, stream)
        windows: Counter[str] = Counter()
        left_out = dict.fromkeys(('over_a_change', 'label_margin', 'unlabelled', 'time_runs_twice', 'clock_set'), 0)
        last_ns = reader.start_ns
        watch = TimeWatch(stream)
        labels = _LabelClock(recording, reader, config)
        decoded = reader.decoded(topics, lambda stamped, error: stream.skipped.skip(topics[stamped.topic], error))
        for stamped, message in decoded:
            for window in _push(recording, stream, topics[stamped.topic], message, stamped.stamp_ns, timing):
                surface = surface_of_span(trusted, window.start_ns, window.end_ns)
                why = _why_left_out(window, surface, segments, trusted, watch, labels.ahead_ns(watch))
                if surface is None or why:
                    left_out[why] += 1
                    continue
                add_window(window.parts, surface, window.start_ns, window.end_ns)
                windows[surface] += 1
            watch.look(stamped.stamp_ns)
            if stamped.stamp_ns - last_ns >= messages.NANOSECONDS:
                on_progress((stamped.stamp_ns - last_ns) / messages.NANOSECONDS)
                last_ns = stamped.stamp_ns
        publishers = {topics[actual]: reader.publishers.get(actual, 0) for actual in topics}
        on_progress((reader.end_ns - last_ns) / messages.NANOSECONDS)
    _check_skipped(recording, stream)
    warnings.extend(f'{recording.path}: {text}' for text in stream.skipped.warnings())
    counters = stream.counters
    try:
        faults = stream_faults(
            config,
            stream,
            watch,
            segments,
            publishers,
            any_window=bool(windows),
            clock_set=left_out['clock_set'],
        )
    except SurfaceError as error:
        raise SurfaceError(f'{recording.path}: {error}') from error
    warnings.extend(f'{recording.path}: {text}' for text in faults)
    warnings.extend(_other_rates(config, recording, counters.observed_rate_hz))
    if not windows:
        why = _why_none(config, info, stream, left_out)
        warnings.append(f'{recording.path}: gives no window ({why})')
    labelled = [segment for segment in segments if segment.surface]
    labelled_s: defaultdict[str, float] = defaultdict(float)
    for segment in labelled:
        labelled_s[segment.surface] += segment.seconds
    counts = {**{key: getattr(counters, key) for key in _STREAM_COUNTERS}, **left_out}
    inputs = {name: entry.to_dict() for name, entry in timing.by_part().items()}
    return _Cut(
        dataclasses.replace(info, inputs=inputs, counts={key: count for key, count in counts.items() if count}),
        dict(labelled_s),
        max((segment.seconds for segment in labelled), default=0.0),
        windows,
        counts,
        counters.observed_rate_hz,
        warnings,
        dict(stream.void_reasons),
        {topic: count for topic, count in publishers.items() if count},
        stream.wraps,
    )


def _why_left_out(
    window: Window,
    surface: str | None,
    segments: Sequence[Segment],
    trusted: Sequence[Segment],
    watch: TimeWatch,
    behind_ns: int,
) -> str:
    """Return the counter of a window that no data set can hold; empty for one that it can.

    Args:
        window: The window.
        surface: Its label; empty or None: it has none.
        segments: All labelled spans.
        trusted: The spans without their margins.
        watch: The stamps so far.
        behind_ns: By how much the labels' clock may be ahead of the samples' [ns].
    """
    if watch.runs_twice(window):
        return 'time_runs_twice'
    if not surface:
        return _why_unlabelled(surface_of_span(segments, window.start_ns, window.end_ns))
    if behind_ns and surface != surface_of_span(trusted, window.start_ns + behind_ns, window.end_ns + behind_ns):
        return 'clock_set'
    return ''


class _LabelClock:
    """How far the clock of a recording's labels is ahead of that of its stamps, where the latter is set on the way."""

    def __init__(self, recording: Recording, reader: RecordingReader, config: WindowConfig) -> None:
        self._recording = recording
        self._reader = reader
        self._config = config
        self._delay_ns: int | None = None
        self._is_known = False
        self._will_be_set: bool | None = None

    def ahead_ns(self, watch: TimeWatch) -> int:
        """How far the clock of the labels is ahead now; 0 in recordings whose clock is never set [ns]."""
        if not self._is_known:
            self._delay_ns = self._recording.label_delay_ns(self._reader, watch.spans.log_first_ns)
            self._is_known = True
        ahead_ns = watch.behind_labels_ns(self._delay_ns)
        if not ahead_ns or watch.clock_set:
            return ahead_ns
        if self._will_be_set is None:
            self._will_be_set = self._is_set_later()
        return ahead_ns if self._will_be_set else 0

    def _is_set_later(self) -> bool:
        """Read the recording once more, to know whether its clock is corrected behind the windows at its beginning."""
        stream = WindowStream(self._config)
        watch = TimeWatch(stream)
        topics = _resolve(self._recording, self._reader, stream)
        decoded = self._reader.decoded(topics, lambda stamped, error: stream.skipped.skip(topics[stamped.topic], error))
        for stamped, message in decoded:
            _push(self._recording, stream, topics[stamped.topic], message, stamped.stamp_ns)
            watch.look(stamped.stamp_ns)
            if watch.clock_set:
                return True
        return False


def _why_unlabelled(surface: str | None) -> str:
    """Name of the counter for a window that has no label, from what would be its label without a margin."""
    if surface:
        return 'label_margin'
    return 'over_a_change' if surface is None else 'unlabelled'


def _other_rates(config: WindowConfig, recording: Recording, observed_rate_hz: Mapping[str, float]) -> list[str]:
    """A warning for each part whose samples come at another rate in this recording than the filters were made for."""
    texts = []
    for part in config.parts:
        observed_hz, stated_hz = observed_rate_hz[part.name], part.input_rate_hz
        text = part_mismatch(part, observed_hz)
        if not text and stated_hz is not None and abs(observed_hz - stated_hz) > _RATE_TOLERANCE * stated_hz:
            text = (
                f'part {part.name}: samples come at {observed_hz:.4g} Hz, the data set is cut for an input of '
                f'{stated_hz:.4g} Hz; build recordings of other rates apart, or give the highest rate as '
                'input_rate_hz in the channels file'
            )
        if text:
            texts.append(f'{recording.path}: {text}')
    return texts


def _push(
    recording: Recording,
    stream: WindowStream,
    topic: str,
    message: Any,
    receive_ns: int,
    timing: TimingTally | None = None,
) -> list[Window]:
    try:
        windows: list[Window] = []
        for samples in stream.read_message(topic, message, receive_ns):
            if timing is not None:
                timing.add(samples)
            windows += stream.push(samples)
        return windows
    except SurfaceError as error:
        raise SurfaceError(f'{recording.path}: {error}') from error


def _check_skipped(recording: Recording, stream: WindowStream) -> None:
    """Refuse a recording of which no message of a topic can be used, or too many are damaged."""
    try:
        stream.skipped.check()
    except SurfaceError as error:
        raise SurfaceError(f'{recording.path}: {error}') from error


def _resolve(recording: Recording, reader: RecordingReader, stream: WindowStream) -> dict[str, str]:
    """Configured name of each topic of the recording that is read."""
    try:
        topics = stream.resolve_topics(reader.topics)
    except SurfaceError as error:
        why = ''.join(f'; topic {topic!r} was left out: {reason}' for topic, reason in reader.left_out.items())
        raise SurfaceError(
            f'{recording.path}: {error}{why}; correct the channels file, or leave such recordings out with '
            '--skip-missing'
        ) from error
    for actual, configured in topics.items():
        wanted = stream.config.topics[configured]
        if reader.topics[actual] != wanted:
            raise SurfaceError(
                f'{recording.path}: topic {actual!r} is of type {reader.topics[actual]}, configured as {wanted}; '
                'correct the type in the channels file'
            )
    return topics


def _has_topics(recording: Recording, config: WindowConfig, warnings: list[str]) -> bool:
    with recording.reader() as reader:
        try:
            _resolve(recording, reader, WindowStream(config))
        except SurfaceError:
            warnings.append(
                f'{recording.path}: left out, its topics are {", ".join(sorted(reader.topics))}, not all of '
                f'{", ".join(config.topics)}'
            )
            return False
    return True


def _motors(recording: Recording) -> tuple[str, tuple[str, ...]]:
    with recording.reader() as reader:
        topics = [topic for topic, msgtype in reader.topics.items() if msgtype == messages.MOTOR_CURRENT]
        if len(topics) != 1:
            listed = ', '.join(sorted(reader.topics))
            what = 'has no topic' if not topics else f'has several topics ({", ".join(sorted(topics))})'
            raise SurfaceError(
                f'{recording.path}: {what} of type {messages.MOTOR_CURRENT} (its topics: {listed}); say '
                'with --channels FILE which channels to use'
            )
        damaged: list[MessageError] = []
        first = next(reader.decoded(topics, lambda _, error: damaged.append(error)), None)
        if first is None:
            why = f'no message that can be used: {damaged[0].reason}' if damaged else 'no message'
            raise SurfaceError(f'{recording.path}: topic {topics[0]!r} holds {why}; leave the recording out')
        return topics[0].rpartition('/')[2], tuple(first[1].motor_names)


def _info(recording: Recording, reader: RecordingReader) -> RecordingInfo:
    noted: Mapping[str, str] = reader.metadata
    seconds = (reader.end_ns - reader.start_ns) / messages.NANOSECONDS
    return RecordingInfo(
        recording.name,
        seconds,
        robot=noted.get('robot', ''),
        operator=noted.get('operator', ''),
        place=noted.get('place', ''),
        payload=noted.get('payload', ''),
        battery=noted.get('battery', ''),
        note=noted.get('note', ''),
        start_ns=reader.start_ns,
    )


def _why_none(config: WindowConfig, info: RecordingInfo, stream: WindowStream, left_out: Mapping[str, int]) -> str:
    if lost := lost_windows(stream.void_reasons, left_out):
        rates = f'; {_void_reason(config, stream.counters.observed_rate_hz)}' if stream.counters.voided else ''
        return f'windows lost: {", ".join(lost)}{rates}'
    return f'a window lasts {config.window_s:g} s, the recording {info.seconds:.1f} s'


def _void_reason(config: WindowConfig, observed_hz: Mapping[str, float]) -> str:
    texts = []
    for index, part in enumerate(config.parts):
        rate = observed_hz.get(part.name, part.input_rate_hz)
        texts.append(
            f'part {part.name!r} has samples at {rate:.4g} Hz on a grid of {part.sample_rate_hz:g} Hz, and intervals '
            f'over {config.gap_limit_of_part_s(index):.3g} s are not bridged'
        )
    return '; '.join(texts)


def _check_outcome(
    config: WindowConfig, writer: DatasetWriter, tally: _Tally, target: Path, allow_one_class: bool
) -> None:
    if not tally.labelled_s:
        raise SurfaceError(f'{target}: no recording has a stretch with a label; set the surface while recording')
    if not writer.windows:
        longest_s, name = tally.longest
        if (config.window_samples - 1) / config.parts[0].sample_rate_hz > longest_s:
            raise SurfaceError(
                f'windows of {config.window_s:g} s are longer than every recording under one label (the longest is '
                f'{longest_s:.2f} s, in {name}); make them shorter with --window-seconds'
            )
        lost = lost_windows(tally.void_reasons, tally.counters)
        if tally.counters['voided']:
            worst = tally.void_reasons.most_common(1)[0][0]
            labelled = 'all' if len(lost) == len(tally.void_reasons) else 'no window is left;'
            raise SurfaceError(
                f'{labelled} {tally.counters["voided"]} windows were voided: '
                f'{void_remedy(worst, _void_reason(config, tally.lowest_rate_hz))}; windows lost: {", ".join(lost)}'
            )
        raise SurfaceError(
            f'windows lost: {", ".join(lost) or "none came out"}; no window of {config.window_s:g} s lies under '
            f'one label (the longest stretch is '
            f'{longest_s:.2f} s, in {name}, and {tally.counters["label_margin"]} windows lie close to a change that a '
            'person made); make them shorter with --window-seconds or --stride-seconds, or lower --label-margin'
        )
    empty = [name for name in tally.labelled_s if not tally.windows[name]]
    if empty:
        tally.warnings.append(f'no window of {", ".join(sorted(empty))}: its stretches are too short, or have gaps')
    if len(tally.windows) == 1:
        only = next(iter(tally.windows))
        if not allow_one_class:
            text = f'{target}: all {writer.windows} windows are of one class, {only!r}'
            if lost := lost_windows(tally.void_reasons, tally.counters):
                # Perhaps the others were lost; what the recordings are warned of says why.
                text += f'; windows lost: {", ".join(lost)}'
                text += ''.join(f'; {warning}' for warning in tally.warnings[:_CAUSES_SHOWN])
            raise SurfaceError(
                f'{text}; add recordings of another surface, or give --allow-one-class if the data set is to test a '
                'model'
            )
