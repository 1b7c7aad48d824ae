# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Readings become numbered blocks: a loss is a step of the first sample, however it is noticed, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver.devices.readings import LinkTiming, Reading
from current_driver.devices.sample_stream import SampleStream
from current_driver.messages import NANOSECONDS, CurrentBlock

START_NS = 1_700_000_000 * NANOSECONDS
PERIOD_NS = 1_000_000
NUMBERED = LinkTiming(sequence_modulus=2**16, device_modulus_ns=2**32 * 1000)
TIMED = LinkTiming(device_modulus_ns=2**32 * 1000, watch_gaps=True)
MICROSECONDS_WRAP_NS = 2**32 * 1000


def stream(timing: LinkTiming, block_samples: int = 10) -> SampleStream:
    return SampleStream(('left', 'right'), timing, block_samples, opened_ns=START_NS)


def reading(
    number: int, *, first_sequence: int = 0, device_start_ns: int = 0, current_a: float | None = None
) -> Reading:
    own_ns = (device_start_ns + number * PERIOD_NS) % MICROSECONDS_WRAP_NS
    value = float(number) if current_a is None else current_a
    return Reading((value, -value), START_NS + number * PERIOD_NS, (first_sequence + number) % 2**16, own_ns)


def numbers(blocks: Sequence[CurrentBlock]) -> list[int]:
    """Return the number of every sample."""
    return [block.first_sample + offset for block in blocks for offset in range(len(block))]


def values(blocks: Sequence[CurrentBlock]) -> list[int]:
    """Return what was measured, which in these tests is the true number of the sample."""
    return [int(value) for block in blocks for value in block.current_a[:, 0]]


@settings(deadline=None)
@given(
    st.sets(st.integers(1, 399), max_size=60),
    st.integers(0, 2**16 - 1),
    st.integers(1, 40),
    st.integers(1, 50),
)
def test_by_the_counter_every_sample_has_its_number(
    missing: set[int], first_sequence: int, block_samples: int, chunk: int
) -> None:
    sent = [number for number in range(400) if number not in missing]
    subject = stream(NUMBERED, block_samples)
    readings = [reading(number, first_sequence=first_sequence, device_start_ns=4_294_900_000_000) for number in sent]
    blocks = [
        block for start in range(0, len(readings), chunk) for block in subject.add(readings[start : start + chunk])
    ]
    blocks += subject.flush()
    assert numbers(blocks) == values(blocks) == sent
    assert subject.lost == sent[-1] + 1 - len(sent)
    assert subject.samples == len(sent)
    assert len({block.stream_id for block in blocks}) == 1
    assert all(len(block) <= block_samples for block in blocks)
    stamps_ns = np.concatenate([block.stamps_ns for block in blocks])
    assert (np.diff(stamps_ns) > 0).all()


@pytest.mark.parametrize('missing', [[], [150], [150, 151, 152], [140, 190], [198]])
def test_by_gaps_in_time_every_sample_has_its_number(missing: list[int]) -> None:
    sent = [number for number in range(200) if number not in missing]
    subject = stream(TIMED)
    blocks = subject.add([reading(number)._replace(sequence=None) for number in sent]) + subject.flush()
    assert numbers(blocks) == values(blocks) == sent
    assert subject.lost == len(missing)


@pytest.mark.parametrize('held_up', [2, 12, 150])
def test_a_sender_that_was_held_up_and_catches_up_has_lost_nothing(held_up: int) -> None:
    times_ns = [number * PERIOD_NS for number in range(600)]
    end = 200 + held_up
    times_ns[200:end] = [(end - 1) * PERIOD_NS + offset * 20_000 for offset in range(held_up)]
    subject = stream(LinkTiming(watch_gaps=True))
    blocks = subject.add(Reading((float(number), 0.0), START_NS + own) for number, own in enumerate(times_ns))
    blocks += subject.flush()
    assert numbers(blocks) == values(blocks) == list(range(600))
    assert (subject.lost, subject.stalls) == (0, 1)


def test_a_sender_that_is_late_again_and_again_has_lost_nothing() -> None:
    rng = np.random.default_rng(7)
    late = rng.exponential(0.3, 3000)
    late[np.flatnonzero(rng.random(3000) < 0.01)[3:]] += 30.0  # not before the period is known
    times_ns = np.maximum.accumulate((np.arange(3000) + late) * PERIOD_NS) + np.arange(3000) * 5_000
    subject = stream(LinkTiming(watch_gaps=True))
    blocks = subject.add(Reading((float(number), 0.0), START_NS + int(own)) for number, own in enumerate(times_ns))
    blocks += subject.flush()
    assert numbers(blocks) == values(blocks) == list(range(3000))
    assert subject.stalls > 10


def test_losses_between_stalls_are_found() -> None:
    missing = {300, 700, 701, 702, 1500}
    late = np.zeros(2000)
    late[900:930] = np.arange(30, 0, -1) - 0.98 * np.arange(30) / 30
    times_ns = np.maximum.accumulate((np.arange(2000) + late) * PERIOD_NS)
    subject = stream(LinkTiming(watch_gaps=True))
    sent = [number for number in range(2000) if number not in missing]
    blocks = subject.add(Reading((float(number), 0.0), START_NS + int(times_ns[number])) for number in sent)
    blocks += subject.flush()
    assert numbers(blocks) == values(blocks) == sent
    assert (subject.lost, subject.stalls) == (5, 1)


def test_another_rate_is_no_loss_for_long() -> None:
    times_ns = np.concatenate([np.arange(500), 500 + 2 * np.arange(1000)]) * PERIOD_NS
    subject = stream(LinkTiming(watch_gaps=True))
    subject.add(Reading((0.0, 0.0), START_NS + int(own)) for own in times_ns)
    assert subject.lost < 20


def test_damaged_data_count_as_lost_samples() -> None:
    subject = stream(LinkTiming())
    readings = [
        Reading((0.0, 0.0), START_NS + number * PERIOD_NS, lost_before=3 * (number == 5)) for number in range(10)
    ]
    blocks = subject.add(readings) + subject.flush()
    assert numbers(blocks) == [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]
    assert subject.lost == 3


def test_samples_that_come_twice_or_late_are_left_out_and_counted() -> None:
    subject = stream(NUMBERED)
    blocks = subject.add([reading(number) for number in (0, 1, 2, 2, 4, 3, 5)]) + subject.flush()
    assert numbers(blocks) == values(blocks) == [0, 1, 2, 4, 5]
    assert (subject.lost, subject.duplicates) == (1, 2)


@pytest.mark.parametrize('uptime_s', [30, 3000])
@pytest.mark.parametrize('timing', [NUMBERED, TIMED])
def test_a_device_that_starts_again_is_another_stream(timing: LinkTiming, uptime_s: int) -> None:
    before = [reading(number, first_sequence=60_000, device_start_ns=uptime_s * NANOSECONDS) for number in range(40)]
    after = [
        Reading((float(number), 0.0), START_NS + (number + 1500) * PERIOD_NS, number, number * PERIOD_NS)
        for number in range(40)
    ]
    if timing is TIMED:
        before, after = ([item._replace(sequence=None) for item in items] for items in (before, after))
    subject = stream(timing)
    blocks = subject.add(before + after) + subject.flush()
    assert subject.restarts == 1
    assert subject.lost == 0
    ids = list(dict.fromkeys(block.stream_id for block in blocks))
    assert len(ids) == 2
    for stream_id in ids:
        assert numbers([block for block in blocks if block.stream_id == stream_id]) == list(range(40))
    stamps_ns = np.concatenate([block.stamps_ns for block in blocks])
    assert (np.diff(stamps_ns) > 0).all()


def test_a_block_does_not_wait_for_a_slow_device() -> None:
    subject = stream(LinkTiming(), block_samples=100)
    readings = [Reading((0.0, 0.0), START_NS + number * NANOSECONDS // 20) for number in range(20)]
    assert [len(block) for item in readings for block in subject.add([item])] == [5, 5, 5, 5]


def test_rate_and_jitter_are_measured_and_a_loss_does_not_change_the_rate() -> None:
    rng = np.random.default_rng(3)
    subject = stream(LinkTiming(sequence_modulus=2**16))
    for number in range(2000):
        if number % 10 != 7:
            late_ns = round(rng.normal(0.0, 50_000))
            subject.add([Reading((0.0, 0.0), START_NS + number * PERIOD_NS + late_ns, number)])
    timing = subject.timing.timing()
    assert timing.rate_hz == pytest.approx(1000.0, rel=1e-3)
    # The difference of two arrivals, each late by 50 us.
    assert timing.arrival_jitter_ms == pytest.approx(0.05 * np.sqrt(2.0), rel=0.15)


def test_ids_of_two_connections_differ() -> None:
    first, second = (SampleStream(('m',), LinkTiming(), 1, opened_ns) for opened_ns in (START_NS, START_NS + 1))
    blocks = [subject.add([Reading((0.0,), START_NS)])[0] for subject in (first, second)]
    assert all(one.stream_id != other.stream_id for one, other in pairwise(blocks))
