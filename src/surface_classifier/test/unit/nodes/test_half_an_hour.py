# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Half an hour of an irregular stream with gaps of a second, simulated: no node reports what is not so."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from current_driver.node.arrival_watch import ArrivalWatch
from current_driver.node.health import Level
from surface_classifier.nodes.chain_health import (
    ClassifierState,
    PreprocessorState,
    classifier_health,
    preprocessor_health,
)
from surface_classifier.nodes.window_watch import StreamSnapshot, WindowWatch
from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import WindowStream

HALF_AN_HOUR_S = 1800.0
GAPS = 60
CHECK_S = 0.1
CHANNELS = (ChannelConfig('left', 'joints', 'sensor_msgs/msg/JointState', 'effort[left]'),)
WINDOWS = WindowConfig((PartConfig('motor', 6.5, CHANNELS),), 26, 13, gap_limit_s=1.2)


def arrivals_s(seed: int, *, drifts: bool) -> list[float]:
    """Return when messages come: 9 to 17 a second, at random or at a pace that changes every minute, and 60 gaps."""
    rng = np.random.default_rng(seed)
    rates_hz = rng.uniform(9, 17, 30 * 1020)
    if drifts:
        rates_hz = np.repeat(rates_hz[:51], 600) * rng.uniform(0.95, 1.05, 30_600)
    periods_s = 1 / rates_hz
    periods_s[rng.integers(200, 20_000, GAPS)] = 1.0
    stamps_s = np.cumsum(periods_s)
    found: list[float] = stamps_s[stamps_s < HALF_AN_HOUR_S].tolist()
    return found


class Chain:
    """Preprocessor and classifier without ROS, by the clock of the simulation."""

    def __init__(self) -> None:
        self.inputs = ArrivalWatch(2.0)
        self.windows = ArrivalWatch(5.0, minimum=4)
        self.stream = WindowStream(WINDOWS)
        self.watch = WindowWatch(WINDOWS.window_s + WINDOWS.stride_s + self.stream.delay_s, WINDOWS.stride_s)
        self.last_window_s: float | None = None

    def take(self, now_s: float) -> None:
        self.inputs.arrive(now_s)
        samples = TopicSamples('joints', np.array([round(now_s * 1e9)]), np.array([[np.sin(now_s)]]))
        for _ in self.stream.push(samples):
            self.last_window_s = now_s
            self.windows.arrive(now_s)

    def reports(self, now_s: float) -> list[str]:
        counters: dict[str, Any] = asdict(self.stream.counters)
        age_s = self.inputs.age_s(now_s)
        assert age_s is not None
        snapshot = StreamSnapshot(counters, self.stream.void_reasons, counters['last_stamp_ns'])
        preprocessor = PreprocessorState(
            ages_s={'joints': age_s},
            deadlines_s={'joints': self.inputs.deadline_s},
            uptime_s=now_s,
            overdue=self.watch.look(now_s - age_s, snapshot, self.last_window_s),
        )
        classifier = ClassifierState(
            model='model',
            age_s=self.windows.age_s(now_s),
            deadline_s=self.windows.deadline_s,
            uptime_s=now_s,
            first_window_s=WINDOWS.window_s,
        )
        healths = (preprocessor_health(preprocessor), classifier_health(classifier))
        return [health.text for health in healths if health.level is not Level.OK]


@pytest.mark.parametrize('drifts', [False, True])
def test_nothing_false_is_reported(drifts: bool) -> None:
    chain = Chain()
    came = arrivals_s(7, drifts=drifts)
    assert sum(late - early > 0.99 for early, late in pairwise(came)) > GAPS // 2
    found: list[str] = []
    checked_s = came[0]
    for now_s in came:
        while checked_s < now_s:
            checked_s += CHECK_S
            if checked_s < now_s:
                found += chain.reports(checked_s)
        chain.take(now_s)
    assert chain.stream.counters.windows > 800
    # A regular pace teaches a short deadline: the first gap after it is one report, as of a dead sender.
    assert len(set(found)) <= int(drifts), found
    # It is still seen at once when the sender has stopped for good.
    silent = chain.reports(came[-1] + 2.1)
    assert silent
    assert 'nothing was received on joints' in silent[0]
