# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Windows that hold values of two publishers of the same joints are voided, however the samples come."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.source_mixture import SPAN_SAMPLES
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import MIXED_SOURCES, WindowStream

PERIOD_NS = 10_000_000
JOINTS = 'sensor_msgs/msg/JointState'
CHANNELS = tuple(ChannelConfig(name, 'joints', JOINTS, f'effort[{name}]') for name in ('left', 'right'))
WINDOWS = WindowConfig((PartConfig('motor', 100.0, CHANNELS),), 100, 50)
# Samples: alone, with a second publisher of zeros, alone again.
ALONE, BOTH = 1000, 2000


def samples() -> TopicSamples:
    rng = np.random.default_rng(3)
    values = rng.normal(2.0, 0.3, (2 * ALONE + BOTH, 2)).round(3)
    values[ALONE : ALONE + BOTH : 2] = 0.0
    return TopicSamples('joints', np.arange(len(values), dtype=np.int64) * PERIOD_NS, values)


def cut(blocks: list[int]) -> tuple[list[int], WindowStream]:
    """Return the numbers of the windows that leave, for samples that come in blocks that end at these places."""
    stream, given = WindowStream(WINDOWS), samples()
    found = []
    for begin, end in pairwise([0, *blocks]):
        found += [window.index for window in stream.push(given.part(begin, end))]
    return found, stream


def test_windows_of_two_publishers_are_voided() -> None:
    found, stream = cut(list(range(1, 2 * ALONE + BOTH + 1)))
    begins, ends = 50 * np.array(found), 50 * np.array(found) + 100
    known = ALONE + 2 * SPAN_SAMPLES + SPAN_SAMPLES
    mixed = (ends > known) & (begins < ALONE + BOTH)
    assert not mixed.any()
    assert (ends <= ALONE).sum() == 19
    assert (begins >= ALONE + BOTH + 2 * SPAN_SAMPLES).any()
    assert stream.void_reasons == {MIXED_SOURCES: stream.voided}


@pytest.mark.parametrize('size', [7, 100, 1024, 4000])
def test_blocks_of_any_size_give_the_same_windows(size: int) -> None:
    one_by_one, stream = cut(list(range(1, 2 * ALONE + BOTH + 1)))
    in_blocks, other = cut([*range(size, 2 * ALONE + BOTH, size), 2 * ALONE + BOTH])
    assert in_blocks == one_by_one
    assert other.counters == stream.counters


def test_a_source_that_alternates_for_a_moment_loses_nothing() -> None:
    given = samples()
    values = np.random.default_rng(3).normal(2.0, 0.3, given.values.shape).round(3)
    values[SPAN_SAMPLES : 2 * SPAN_SAMPLES : 2] = 0.0
    stream = WindowStream(WINDOWS)
    stream.push(given._replace(values=values))
    assert stream.voided == 0


def test_a_coarser_grid_loses_the_same_time() -> None:
    stream = WindowStream(replace(WINDOWS, parts=(PartConfig('motor', 20.0, CHANNELS, input_rate_hz=100.0),)))
    windows = stream.push(samples())
    assert stream.void_reasons[MIXED_SOURCES] == stream.voided > 0
    assert windows
