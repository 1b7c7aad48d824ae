# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Samples that carry one stamp are spread over the time since the stamp before: a source that stamps batches.

A batch is complete when the next stamp comes, so samples come out one batch later. Decisions do not depend on how
samples are split into messages.
"""

from __future__ import annotations

import itertools

import numpy as np

from surface_classifier.signal.channel_map import TopicSamples


class StampSpreader:
    """Spreads the samples of one topic."""

    def __init__(self) -> None:
        """Make one that has seen nothing."""
        self.reset()

    def reset(self) -> None:
        """Forget the batch that is not complete."""
        self._held: list[TopicSamples] = []
        self._before_ns: int | None = None

    def add(self, samples: TopicSamples) -> list[TopicSamples]:
        """The samples of the batches that are complete with these, with stamps of their own."""
        complete = []
        stamps = samples.stamps_ns
        starts = [0, *(np.flatnonzero(np.diff(stamps)) + 1).tolist(), len(stamps)]
        for begin, end in itertools.pairwise(starts):
            if begin == end:
                continue
            if self._held and self._held[0].stamps_ns[0] != stamps[begin]:
                complete += self._finish()
            self._held.append(samples.part(begin, end))
        return complete

    def _finish(self) -> list[TopicSamples]:
        """Spread the batch that is complete; of the first one, which has no stamp before it, the last sample stays."""
        held, self._held = self._held, []
        stamp_ns = int(held[0].stamps_ns[0])
        before_ns, self._before_ns = self._before_ns, stamp_ns
        count = sum(len(piece.stamps_ns) for piece in held)
        if before_ns is None or before_ns >= stamp_ns:
            last = held[-1]
            return [last.part(len(last.stamps_ns) - 1)]
        spread, place = [], 0
        for piece in held:
            places = np.arange(place + 1, place + len(piece.stamps_ns) + 1, dtype=np.int64)
            stamps = before_ns + places * (stamp_ns - before_ns) // count
            spread.append(piece._replace(stamps_ns=stamps))
            place += len(piece.stamps_ns)
        return spread
