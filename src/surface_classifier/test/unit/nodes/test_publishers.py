# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers that have lasted: what a killed process leaves in the graph for 20 s is none of them."""

from __future__ import annotations

import pytest

from surface_classifier.nodes.publishers import LastingPublishers

REQUIRES = ('rclpy',)

OLD, NEW, OTHER = ('1', '/driver'), ('2', '/driver'), ('3', '/other')


def test_a_restarted_node_is_one_publisher() -> None:
    publishers = LastingPublishers()
    assert publishers.update([OLD], 0.0) == ()
    assert publishers.update([OLD], 30.0) == ('/driver',)
    for now_s in (31.0, 40.0, 50.9):  # killed and started again at 31 s; the graph keeps the old one for 20 s
        assert publishers.update([OLD, NEW], now_s) == ('/driver',)
    assert publishers.update([NEW], 51.0) == ()
    assert publishers.update([NEW], 56.0) == ('/driver',)


@pytest.mark.parametrize('period_s', [3.0, 10.0, 19.0])
def test_a_node_that_is_killed_again_and_again_is_never_two(period_s: float) -> None:
    publishers = LastingPublishers()
    for second in range(200):
        started = int(second // period_s)
        present = [(str(number), '/driver') for number in range(started + 1) if second < (number + 1) * period_s + 20.0]
        assert len(publishers.update(present, float(second))) < 2


def test_two_nodes_are_two_after_a_while() -> None:
    publishers = LastingPublishers()
    assert publishers.update([OLD, OTHER], 0.0) == ()
    assert publishers.update([OLD, OTHER], 25.0) == ('/driver', '/other')
