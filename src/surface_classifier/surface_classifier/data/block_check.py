# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shows on a recording that the sizes of its blocks do not matter: every way to cut them gives the same windows.

The recording is read once and fed to several streams: message by message as it was recorded, sample by sample, and in
blocks of random sizes. Their windows are compared as they come, to the last bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording
from surface_classifier.signal.channel_map import MessageReaders, TopicSamples
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import Window, WindowStream

# Blocks of one topic must not lag behind those of another for longer than a stream keeps samples.
_LONGEST_BLOCK_NS = messages.NANOSECONDS
_LARGEST_RATIO = 4
_DIFFERENCES_TOLD = 10


@dataclass
class CutSummary:
    """One way of cutting a recording.

    Attributes:
        name: What it is called.
        blocks: Blocks pushed.
        smallest: Samples in the smallest block.
        largest: Samples in the largest block.
    """

    name: str
    blocks: int = 0
    smallest: int = 0
    largest: int = 0

    def add(self, samples: int) -> None:
        """Count a block."""
        self.smallest = min(self.smallest or samples, samples)
        self.largest = max(self.largest, samples)
        self.blocks += 1


@dataclass
class BlockCheck:
    """What comparing the windows of a recording gave.

    Attributes:
        recording: Name of the recording.
        cuts: The ways it was cut, as recorded first.
        windows: Windows that were compared.
        differing: Windows that are not equal in all cuts, or missing in some.
        differences: One sentence each for the first of them.
    """

    recording: str
    cuts: list[CutSummary]
    windows: int = 0
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether all windows are equal to the last bit."""
        return not self.differing


class _Recutter:
    """Cuts the samples of one topic into blocks of other sizes; joins only what a source could have sent as one."""

    def __init__(self, draw_size: Callable[[int], int]) -> None:
        """Draw sizes with a function of the size that was recorded."""
        self._draw_size = draw_size
        self._held: TopicSamples | None = None
        self._size = 0

    def push(self, samples: TopicSamples) -> Iterator[TopicSamples]:
        """Yield the blocks that are complete with these samples."""
        recorded = len(samples.stamps_ns)
        if self._held is not None:
            if _follows(self._held, samples):
                samples = _joined(self._held, samples)
            else:
                yield self._held
        self._held = None
        start = 0
        while start < len(samples.stamps_ns):
            self._size = self._size or self._draw_size(recorded)
            rest = _part(samples, start, start + self._size)
            if len(rest.stamps_ns) < self._size:
                self._held = rest
                return
            yield rest
            start += self._size
            self._size = 0

    def finish(self) -> Iterator[TopicSamples]:
        """Yield what is left."""
        if self._held is not None:
            yield self._held
        self._held = None


class _Cut:
    """One way of cutting, its stream and the windows that wait to be compared."""

    def __init__(self, name: str, config: WindowConfig, draw_size: Callable[[int], int] | None = None) -> None:
        self.summary = CutSummary(name)
        self.windows: deque[Window] = deque()
        self._stream = WindowStream(config)
        self._recutters = {} if draw_size is None else {topic: _Recutter(draw_size) for topic in config.topics}

    def push(self, samples: TopicSamples) -> None:
        recutter = self._recutters.get(samples.topic)
        for block in (samples,) if recutter is None else recutter.push(samples):
            self._push(block)

    def finish(self) -> None:
        for recutter in self._recutters.values():
            for block in recutter.finish():
                self._push(block)

    def _push(self, block: TopicSamples) -> None:
        self.summary.add(len(block.stamps_ns))
        # A copy, as every message has memory of its own.
        self.windows.extend(self._stream.push(block._replace(values=block.values.copy())))


def check_blocks(
    recording: Recording,
    config: WindowConfig,
    *,
    random_cuts: int = 3,
    seed: int = 0,
    on_progress: Callable[[float], object] | None = None,
) -> BlockCheck:
    """Cut a recording in several ways and compare the windows.

    Args:
        recording: The recording; labels do not matter.
        config: How windows are cut.
        random_cuts: How often it is cut in blocks of random sizes.
        seed: Seed of these sizes.
        on_progress: Called with the seconds of recording that were read since the last call.

    Raises:
        SurfaceError: The recording lacks a topic or a field.
    """
    rng = np.random.default_rng(seed)

    def draw_size(recorded: int) -> int:
        return int(rng.integers(1, max(2, _LARGEST_RATIO * recorded), endpoint=True))

    cuts = [_Cut('as recorded', config), _Cut('sample by sample', config, lambda _: 1)]
    cuts += [_Cut(f'random sizes {number + 1}', config, draw_size) for number in range(random_cuts)]
    result = BlockCheck(recording.name, [cut.summary for cut in cuts])
    try:
        with recording.reader() as reader:
            topics = WindowStream(config).resolve_topics(reader.topics)
            message_readers = MessageReaders(config)
            last_ns = reader.start_ns
            decoded = reader.decoded(
                topics, lambda stamped, error: message_readers.skipped.skip(topics[stamped.topic], error)
            )
            for stamped, message in decoded:
                for samples in message_readers.read(topics[stamped.topic], message, stamped.stamp_ns):
                    for cut in cuts:
                        cut.push(samples)
                _compare(cuts, result)
                if on_progress is not None and stamped.stamp_ns - last_ns >= messages.NANOSECONDS:
                    on_progress((stamped.stamp_ns - last_ns) / messages.NANOSECONDS)
                    last_ns = stamped.stamp_ns
            if on_progress is not None:
                on_progress((reader.end_ns - last_ns) / messages.NANOSECONDS)
        message_readers.skipped.check()
    except SurfaceError as error:
        raise SurfaceError(f'{recording.path}: {error}') from error
    for cut in cuts:
        cut.finish()
    _compare(cuts, result)
    for cut in cuts:
        for window in cut.windows:
            _tell(result, f'window {window.index}: comes {cut.summary.name}, but not in every other way')
    return result


def _compare(cuts: Sequence[_Cut], result: BlockCheck) -> None:
    """Compare the windows that every stream has given out by now."""
    while all(cut.windows for cut in cuts):
        first, *others = [cut.windows.popleft() for cut in cuts]
        result.windows += 1
        texts = [
            f'window {first.index}: {text} ({cut.summary.name})'
            for cut, other in zip(cuts[1:], others, strict=True)
            if (text := _difference(first, other))
        ]
        if texts:
            _tell(result, texts[0])


def _tell(result: BlockCheck, text: str) -> None:
    result.differing += 1
    if len(result.differences) < _DIFFERENCES_TOLD:
        result.differences.append(text)


def _difference(one: Window, other: Window) -> str:
    """What differs between two windows; empty when they are equal to the last bit."""
    for name in ('index', 'start_ns', 'end_ns', 'coverage', 'part_starts_ns', 'part_coverage'):
        if getattr(one, name) != getattr(other, name):
            return f'{name} is {getattr(one, name)} as recorded and {getattr(other, name)}'
    for part, values in one.parts.items():
        if values.tobytes() != other.parts[part].tobytes():
            furthest = np.nanmax(np.abs(values - other.parts[part]), initial=0.0)
            return f'part {part} differs by up to {furthest:.3g}'
    return ''


def _follows(held: TopicSamples, samples: TopicSamples) -> bool:
    """Whether samples go on where the held ones end, so that a source could have sent them in one block."""
    if (held.stream_id, held.receive_stamped) != (samples.stream_id, samples.receive_stamped):
        return False
    if not len(samples.stamps_ns) or abs(int(samples.stamps_ns[-1] - held.stamps_ns[0])) > _LONGEST_BLOCK_NS:
        return False
    if held.first_sample is None or samples.first_sample is None:
        return held.first_sample is samples.first_sample
    return held.first_sample + len(held.stamps_ns) == samples.first_sample


def _joined(held: TopicSamples, samples: TopicSamples) -> TopicSamples:
    return held._replace(
        stamps_ns=np.concatenate((held.stamps_ns, samples.stamps_ns)),
        values=np.concatenate((held.values, samples.values)),
    )


def _part(samples: TopicSamples, start: int, end: int) -> TopicSamples:
    return samples._replace(
        stamps_ns=samples.stamps_ns[start:end],
        values=samples.values[start:end],
        first_sample=None if samples.first_sample is None else samples.first_sample + start,
    )
