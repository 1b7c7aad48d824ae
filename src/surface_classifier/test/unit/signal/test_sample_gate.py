# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Order at the entrance: what passes, what is counted, and when a stream or a clock has begun again."""

from __future__ import annotations

import numpy as np

from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.sample_gate import CLOCK_JUMP_NS, OrderedSamples, SampleGate


def samples(stamps_ns: list[int], first_sample: int | None = None, stream_id: int = 0) -> TopicSamples:
    stamps = np.array(stamps_ns, dtype=np.int64)
    return TopicSamples('t', stamps, stamps[:, np.newaxis] / 2, first_sample, stream_id)


def admitted(gate: SampleGate, given: TopicSamples) -> OrderedSamples:
    ordered, jump = gate.admit(given)
    assert jump is None
    assert ordered is not None
    assert np.array_equal(ordered.values[:, 0], ordered.stamps_ns / 2)
    return ordered


def test_an_empty_message_changes_nothing() -> None:
    gate = SampleGate()
    assert gate.admit(samples([], 0)) == (None, None)
    assert gate.newest_ns is None


def test_numbers_that_go_on_follow_and_a_step_is_a_loss() -> None:
    gate = SampleGate()
    assert admitted(gate, samples([10, 20], 5)).follows
    assert admitted(gate, samples([30, 40], 7)).follows
    after_loss = admitted(gate, samples([70], 11))
    assert (after_loss.follows, after_loss.new_stream, gate.lost_samples) == (False, False, 2)
    assert admitted(gate, samples([80], 12)).follows


def test_a_loss_is_remembered_over_samples_that_are_dropped() -> None:
    gate = SampleGate()
    admitted(gate, samples([10, 20], 0))
    # Samples 2 and 3 are lost, 4 comes with a stamp that is of no use.
    assert gate.admit(samples([20], 4)) == (None, None)
    after = admitted(gate, samples([60], 5))
    assert (after.follows, gate.lost_samples, gate.duplicates) == (False, 2, 1)


def test_a_dropped_sample_is_no_loss() -> None:
    gate = SampleGate()
    admitted(gate, samples([10, 20], 0))
    assert gate.admit(samples([20], 2)) == (None, None)
    assert admitted(gate, samples([40], 3)).follows
    inside = admitted(gate, samples([50, 50, 45, 60], 4))
    assert inside.stamps_ns.tolist() == [50, 60]
    assert (gate.lost_samples, gate.duplicates, gate.out_of_order) == (0, 2, 1)


def test_another_stream_or_numbers_that_go_back_restart() -> None:
    gate = SampleGate()
    admitted(gate, samples([10, 20], 0, stream_id=1))
    other = admitted(gate, samples([30, 40], 0, stream_id=2))
    assert (other.follows, other.new_stream) == (False, True)
    again = admitted(gate, samples([50], 0, stream_id=2))
    assert (again.follows, again.new_stream) == (False, True)
    assert gate.lost_samples == 0


def test_a_new_stream_at_an_earlier_time_is_a_jump_but_latecomers_of_the_old_one_are_not() -> None:
    gate = SampleGate()
    admitted(gate, samples([100, 110], 0, stream_id=1))
    admitted(gate, samples([120, 130], 0, stream_id=2))
    assert gate.admit(samples([105], 2, stream_id=1)) == (None, None)
    assert gate.admit(samples([20, 30], 0, stream_id=3)) == (None, 0)
    assert gate.out_of_order == 1


def test_late_samples_in_rising_order_for_a_second_are_a_jump() -> None:
    gate = SampleGate()
    newest = 10 * CLOCK_JUMP_NS
    admitted(gate, samples([newest]))
    quarter = CLOCK_JUMP_NS // 4
    late = [quarter * step for step in range(6)]
    assert gate.admit(samples(late)) == (None, 5)
    assert gate.out_of_order == 5


def test_late_samples_among_new_ones_are_no_jump() -> None:
    gate = SampleGate()
    for step in range(1, 40):
        stamp = 100 * CLOCK_JUMP_NS + step * CLOCK_JUMP_NS // 4
        assert gate.admit(samples([stamp]))[1] is None
        assert gate.admit(samples([stamp - 50 * CLOCK_JUMP_NS])) == (None, None)
    assert (gate.samples, gate.out_of_order) == (39, 39)


def test_samples_before_a_jump_in_the_same_message_pass() -> None:
    gate = SampleGate()
    newest = 10 * CLOCK_JUMP_NS
    ordered, jump = gate.admit(samples([newest, newest + 1, 0, CLOCK_JUMP_NS, CLOCK_JUMP_NS + 1, CLOCK_JUMP_NS + 2]))
    assert ordered is not None
    assert ordered.stamps_ns.tolist() == [newest, newest + 1]
    assert jump == 4
