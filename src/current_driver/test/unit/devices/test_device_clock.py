# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A device's clock against the host's: counters that start over, drift, late arrivals, and clocks that are set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver.devices.device_clock import CounterUnwrapper, DeviceClock
from current_driver.messages import NANOSECONDS

HOST_START_NS = 1_700_000_000 * NANOSECONDS
MIN_DELAY_NS = 300_000


def received(times_s: np.ndarray, drift: float, delays_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return device times, true host times and times of receipt [ns] of samples measured at host times [s]."""
    true_ns = HOST_START_NS + np.round(times_s * 1e9).astype(np.int64)
    device_ns = 5_000_000 + np.round(times_s * (1.0 - drift) * 1e9).astype(np.int64)
    # What is sent first arrives first.
    receive_ns = np.maximum.accumulate(true_ns + MIN_DELAY_NS + np.round(delays_s * 1e9).astype(np.int64))
    return device_ns, true_ns, receive_ns


@given(
    st.lists(st.integers(0, 2**15 - 1), min_size=1, max_size=50),
    st.integers(0, 2**16 - 1),
)
def test_a_counter_goes_on_where_it_starts_over(steps: list[int], start: int) -> None:
    unwrap = CounterUnwrapper(2**16)
    counts = start + np.concatenate([[0], np.cumsum(steps)])
    unwrapped = [unwrap.unwrap(int(count) % 2**16) for count in counts]
    assert [value - unwrapped[0] for value in unwrapped] == [int(count) - start for count in counts]


def test_a_step_back_of_a_counter_stays_one() -> None:
    unwrap = CounterUnwrapper(2**16)
    assert [unwrap.unwrap(value) for value in (65_530, 4, 1, 5)] == [65_530, 65_540, 65_537, 65_541]


@settings(max_examples=8, deadline=None)
@given(st.floats(-5e-3, 5e-3), st.floats(1e-4, 4e-3), st.integers(0, 2**32 - 1))
def test_stamps_follow_the_measurement_whatever_drift_and_delays(drift: float, delay_s: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times_s = np.arange(0.0, 30.0, 0.01)
    delays_s = rng.exponential(delay_s, len(times_s))
    delays_s[rng.random(len(times_s)) < 0.01] += 0.05  # and now and then the host is busy
    device_ns, true_ns, receive_ns = received(times_s, drift, delays_s)
    clock = DeviceClock()
    stamps_ns = np.array([clock.stamp(int(own), int(came)) for own, came in zip(device_ns, receive_ns, strict=True)])
    assert (np.diff(stamps_ns) > 0).all()
    settled = times_s > 5.0
    errors_s = (stamps_ns - true_ns - MIN_DELAY_NS)[settled] * 1e-9
    # The smallest delay is in every stamp; what is left is far below the jitter of the arrivals.
    assert np.abs(errors_s).max() < 0.1 * delay_s + 5e-5
    assert (receive_ns - true_ns - MIN_DELAY_NS).std() * 1e-9 > 5 * errors_s.std()
    assert clock.drift == pytest.approx(drift / (1.0 - drift), abs=3e-5 + 0.02 * delay_s)


def test_stamps_from_the_first_second_are_never_worse_than_the_time_of_receipt() -> None:
    rng = np.random.default_rng(1)
    times_s = np.arange(0.0, 1.0, 0.001)
    device_ns, true_ns, receive_ns = received(times_s, 5e-3, rng.exponential(2e-3, len(times_s)))
    clock = DeviceClock()
    stamps_ns = np.array([clock.stamp(int(own), int(came)) for own, came in zip(device_ns, receive_ns, strict=True)])
    assert np.abs(stamps_ns - true_ns).max() <= np.abs(receive_ns - true_ns).max()
    assert np.diff(stamps_ns).std() < 0.5 * np.diff(receive_ns).std()


def test_a_host_clock_that_is_set_is_followed() -> None:
    times_s = np.arange(0.0, 40.0, 0.01)
    device_ns, _, receive_ns = received(times_s, 0.0, np.full(len(times_s), 1e-3))
    receive_ns[2000:] += 2 * NANOSECONDS
    clock = DeviceClock()
    stamps_ns = np.array([clock.stamp(int(own), int(came)) for own, came in zip(device_ns, receive_ns, strict=True)])
    assert clock.steps == 1
    assert (np.diff(stamps_ns) > 0).all()
    assert np.abs(stamps_ns - receive_ns)[-100:].max() < 1_000_000
