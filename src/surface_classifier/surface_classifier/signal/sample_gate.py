# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Order at the entrance: samples of one topic leave here with strictly increasing stamps.

Duplicates and late samples are dropped and counted, lost ones are seen in the sample numbers of the source, and a clock
that was set back is separated from a late sample. All decisions are taken sample by sample, so that they do not depend
on how the samples are split into messages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.grid import NANOSECONDS

# Samples in rising order that stay older than the newest one for this long are no latecomers: the clock was set back.
CLOCK_JUMP_NS = NANOSECONDS
# Numbers that are counted again twice within this time are those of two sources: no source starts so often.
SECOND_SOURCE_NS = 2 * NANOSECONDS


class OrderedSamples(NamedTuple):
    """Samples with strictly increasing stamps, newer than all before.

    Attributes:
        stamps_ns: Shape (samples,), at least one, int64 [ns].
        values: Shape (samples, channels), float64.
        follows: Nothing is known to be lost between the sample before and the first of these.
        new_stream: The source started again.
    """

    stamps_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    follows: bool = True
    new_stream: bool = False


class SampleGate:
    """Lets the samples of one topic through in order.

    Attributes:
        samples: Samples let through.
        duplicates: Samples dropped because their stamp was that of the newest sample.
        out_of_order: Samples dropped because they were older than the newest sample.
        lost_samples: Samples that the source counted but that never came.
        second_source: Blocks that show that two sources publish: one comes of a stream that had ended, or numbers that
            were counted already come again and again with new stamps.
        newest_ns: Stamp of the newest sample let through [ns]; None before the first.
    """

    def __init__(self) -> None:
        """Make a gate that has seen nothing."""
        self.samples = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.lost_samples = 0
        self.second_source = 0
        self.reset()

    def reset(self) -> None:
        """Forget the newest sample; the counters stay."""
        self.newest_ns: int | None = None
        self._next_sample: int | None = None
        self._stream_id: int | None = None
        self._ended_streams: set[int] = set()
        self._counted_again_ns: int | None = None
        self._broken = False
        self._late_first_ns = 0
        self._late_newest_ns: int | None = None

    def admit(self, samples: TopicSamples) -> tuple[OrderedSamples | None, int | None]:
        """The samples that are newer than all before, in order.

        Returns:
            The samples let through, None where there is none; and the place from which on the samples belong to a clock
            that was set back, None where it was not: reset, then admit them again.
        """
        stamps, values = samples.stamps_ns, samples.values
        count = len(stamps)
        if not count:
            return None, None
        dropped, jump = 0, None
        if (self.newest_ns is not None and stamps[0] <= self.newest_ns) or (
            count > 1 and not np.logical_and.reduce(stamps[1:] > stamps[:-1])
        ):
            keep, count, jump = self._keep(samples)
            if not keep:
                self._number_dropped(samples, count)
                return None, jump
            dropped = keep[0]
            stamps, values = stamps[keep], values[keep]
        self._late_newest_ns = None
        self.newest_ns = int(stamps[-1])
        self.samples += len(stamps)
        if samples.first_sample is None:
            return OrderedSamples(stamps, values), jump
        follows, new_stream = self._number(samples.first_sample, samples.stream_id, count, dropped)
        return OrderedSamples(stamps, values, follows, new_stream), jump

    def _number(self, first: int, stream_id: int, count: int, dropped: int) -> tuple[bool, bool]:
        """Take note of a block's sample numbers; whether its first admitted sample follows, or begins a new stream."""
        expected, old_stream, broken = self._next_sample, self._stream_id, self._broken
        self._next_sample, self._stream_id, self._broken = first + count, stream_id, False
        if expected is None:
            return True, False
        if stream_id != old_stream or expected > first + dropped:
            if old_stream is not None and stream_id != old_stream:
                self._ended_streams.add(old_stream)
            self._watch_sources(stream_id, is_same=stream_id == old_stream)
            return False, True
        if first > expected:
            self.lost_samples += first - expected
            return False, False
        return not broken, False

    def _watch_sources(self, stream_id: int, *, is_same: bool) -> None:
        """Take note of a stream that begins, and whether it shows a second source.

        A source that starts again has another id, or counts again once; of two sources that publish in turn, one that
        had ended comes back, or numbers are counted again with every block.
        """
        assert self.newest_ns is not None
        if not is_same:
            self.second_source += stream_id in self._ended_streams
            return
        again_ns, self._counted_again_ns = self._counted_again_ns, self.newest_ns
        if again_ns is not None and self.newest_ns - again_ns < SECOND_SOURCE_NS:
            self.second_source += 1

    def _number_dropped(self, samples: TopicSamples, count: int) -> None:
        """Take note of the sample numbers of a block of which every sample was dropped: they came, but out of place."""
        first, expected = samples.first_sample, self._next_sample
        if first is None or expected is None or samples.stream_id != self._stream_id or expected > first + count:
            return
        if first > expected:
            self.lost_samples += first - expected
            self._broken = True
        self._next_sample = first + count

    def _keep(self, samples: TopicSamples) -> tuple[list[int], int, int | None]:
        """Places of the samples newer than all before them; how many were looked at; where the clock jumped back."""
        stamps: list[int] = samples.stamps_ns.tolist()
        newest = self.newest_ns
        keep: list[int] = []
        for place, stamp in enumerate(stamps):
            if newest is None or stamp > newest:
                newest = stamp
                keep.append(place)
                self._late_newest_ns = None
            elif stamp == newest:
                self.duplicates += 1
            elif (not keep and self._is_new_stream(samples)) or self._is_clock_jump(stamp):
                return keep, place, place
            else:
                self.out_of_order += 1
        return keep, len(stamps), None

    def _is_new_stream(self, samples: TopicSamples) -> bool:
        """Whether a late sample is the first of a source that starts again at an earlier time (a replay that loops)."""
        return (
            samples.first_sample is not None
            and self._stream_id is not None
            and samples.stream_id != self._stream_id
            and samples.stream_id not in self._ended_streams
        )

    def _is_clock_jump(self, stamp: int) -> bool:
        if self._late_newest_ns is None or stamp < self._late_newest_ns:
            self._late_first_ns = stamp
        self._late_newest_ns = stamp
        return stamp - self._late_first_ns > CLOCK_JUMP_NS
