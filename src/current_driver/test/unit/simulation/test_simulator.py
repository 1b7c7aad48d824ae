# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot: repeatable, independent of block sizes, and physics with the right signs and sizes."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import MOTOR_CURRENT, SURFACE_TRUTH, CurrentBlock
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.simulation.drive_plan import PlanParameters, SurfaceSchedule
from current_driver.simulation.simulator import MOTOR_NAMES, RobotParameters, Simulator, SimulatorConfig
from current_driver.simulation.simulator_source import SimulatorSource
from current_driver.simulation.surfaces import SURFACES

# A robot and a drive without anything random, so that the physics can be checked.
PLAIN_ROBOT = RobotParameters(
    lean_max=0.0,
    gain_mismatch=0.0,
    offset_a=0.0,
    friction_range=(1.0, 1.0),
    brush_noise=0.0,
    commutation_ripple=0.0,
    pwm_ripple_a_per_v=0.0,
    sensor_noise_a=0.0,
    quantum_a=1e-9,
)
STEADY_PLAN = PlanParameters(
    speed_range_mps=(0.6, 0.6), slope_max_rad=0.0, arc_probability=0.0, spin_probability=0.0, stop_probability=0.0
)


def plain(**changes: Any) -> SimulatorConfig:
    """Return a drive straight ahead at 0.6 m/s with an ideal sensor."""
    return SimulatorConfig(
        **{
            'robot': PLAIN_ROBOT,
            'plan': STEADY_PLAN,
            'payload_kg': 0.0,
            'sensor_gain': 1.0,
            'surfaces': ('concrete',),
            **changes,
        }
    )


def mean_current(config: SimulatorConfig) -> float:
    """Return the mean current of all motors once the robot drives steadily."""
    return float(Simulator(config).step(6000).current_a[1000:].mean())


def same(one: CurrentBlock, other: CurrentBlock) -> bool:
    """Return whether two blocks hold the same bits."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ('stamps_ns', 'current_a', 'wheel_speed_mps', 'voltage_v')
    )


def test_same_seed_same_samples_other_seed_other_samples() -> None:
    block = Simulator(SimulatorConfig(seed=7)).step(1500)
    assert same(block, Simulator(SimulatorConfig(seed=7)).step(1500))
    assert not same(block, Simulator(SimulatorConfig(seed=8)).step(1500))


@settings(max_examples=12, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=12),
    rate=st.sampled_from([6.5, 100.0, 333.3]),
    motors=st.sampled_from([1, 2, 4]),
)
def test_block_sizes_do_not_change_the_samples(sizes: list[int], rate: float, motors: int) -> None:
    config = SimulatorConfig(seed=3, sample_rate_hz=rate, motors=motors, seconds_per_surface=2.0)
    whole = Simulator(config).step(sum(sizes))
    simulator = Simulator(config)
    blocks = [simulator.step(size) for size in sizes]
    assert [block.first_sample for block in blocks] == list(itertools.accumulate([0, *sizes[:-1]]))
    for name in ('stamps_ns', 'current_a', 'wheel_speed_mps', 'voltage_v'):
        joined = np.concatenate([getattr(block, name) for block in blocks])
        np.testing.assert_array_equal(joined, getattr(whole, name))


@pytest.mark.parametrize('motors', [1, 2, 4])
@pytest.mark.parametrize('rate', [6.5, 50.0, 1000.0])
def test_any_rate_and_number_of_motors(motors: int, rate: float) -> None:
    block = Simulator(SimulatorConfig(sample_rate_hz=rate, motors=motors)).step(round(30 * rate))
    assert block.motor_names == MOTOR_NAMES[motors]
    assert block.current_a.shape == (round(30 * rate), motors)
    assert np.isfinite(block.current_a).all()
    assert np.abs(block.current_a).max() < 20.0
    assert block.wheel_speed_mps is not None
    assert np.abs(block.wheel_speed_mps).max() < 1.3
    assert block.voltage_v is not None
    assert 15.0 < block.voltage_v.min() < block.voltage_v.max() < 25.5


@pytest.mark.parametrize(('rate', 'start_ns'), [(100.0, 12_345_678_901), (6.5, 10**18), (333.3, 1), (1000.0, 0)])
def test_stamps_lie_on_absolute_multiples_of_the_period(rate: float, start_ns: int) -> None:
    stamps = Simulator(SimulatorConfig(sample_rate_hz=rate, start_ns=start_ns)).step(2000).stamps_ns
    assert start_ns <= stamps[0] < start_ns + 1e9 / rate + 1
    ticks = stamps / 1e9 * rate if start_ns < 10**15 else (stamps - 10**18) / 1e9 * rate
    np.testing.assert_allclose(ticks, np.round(ticks), atol=1e-5)
    assert len(set(np.diff(stamps))) <= 2


def test_current_on_the_flat_is_what_the_equations_say() -> None:
    robot, surface = PLAIN_ROBOT, SURFACES['parquet']
    resistance = surface.rolling_resistance + surface.speed_resistance * 0.6
    force = robot.mass_kg * 9.81 / 2 * resistance
    torque = force * robot.wheel_radius_m / (robot.gear_ratio * robot.gear_efficiency)
    motor_speed = 0.6 * robot.gear_ratio / robot.wheel_radius_m
    expected = torque / robot.torque_constant_nmpa + robot.friction_a + robot.viscous_a_s * motor_speed
    # Joints take a little more than they give back.
    assert expected < mean_current(plain(surfaces=('parquet',))) < expected + 0.15


def test_load_slope_gain_and_surface_have_the_right_sign() -> None:
    flat = mean_current(plain())
    assert mean_current(plain(payload_kg=15.0)) > flat + 0.1
    assert mean_current(plain(sensor_gain=1.2)) == pytest.approx(1.2 * flat, rel=1e-3)
    assert mean_current(plain(surfaces=('grass',))) > flat + 0.1
    hilly = Simulator(plain(plan=replace(STEADY_PLAN, slope_max_rad=0.05))).step(6000).current_a[1000:]
    level = Simulator(plain()).step(6000).current_a[1000:]
    assert hilly.std() > 1.5 * level.std()


def test_texture_grows_and_quickens_with_speed() -> None:
    slow, fast = (
        Simulator(plain(plan=replace(STEADY_PLAN, speed_range_mps=(speed, speed)))).step(6000).current_a[1000:, 0]
        for speed in (0.25, 0.9)
    )
    assert fast.std() > 1.5 * slow.std()

    def centroid(values: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(values - values.mean())) ** 2
        return float((power * np.arange(len(power))).sum() / power.sum())

    assert centroid(fast) > 1.5 * centroid(slow)


def test_turning_loads_the_outer_wheel_and_unloads_the_inner() -> None:
    plan = replace(STEADY_PLAN, spin_probability=1.0)
    block = Simulator(plain(plan=plan)).step(6000)
    assert block.wheel_speed_mps is not None
    turning_left = block.wheel_speed_mps[:, 1] > 0.15
    assert turning_left.any()
    assert block.current_a[turning_left, 1].mean() > 0.3
    assert block.current_a[turning_left, 0].mean() < -0.3


def test_battery_sags_under_load_and_drains() -> None:
    simulator = Simulator(plain(charge=1.0))
    voltage = simulator.step(60_000).voltage_v
    assert voltage is not None
    assert voltage[-5000:].mean() < voltage[1000:6000].mean() - 0.01
    empty = Simulator(plain(charge=0.0)).step(3000).voltage_v
    assert empty is not None
    assert empty.mean() < voltage.mean() - 2.0


def test_sensor_has_steps_and_standing_still_draws_nothing() -> None:
    current = Simulator(SimulatorConfig()).step(3000).current_a
    steps = current / RobotParameters().quantum_a
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    at_rest = Simulator(plain(plan=replace(STEADY_PLAN, stop_probability=1.0))).step(1000).current_a
    assert np.abs(at_rest).max() < 1e-6


def test_simulation_is_far_faster_than_real_time() -> None:
    simulator = Simulator(SimulatorConfig())
    simulator.step(1)
    begin = time.process_time()
    simulator.step(60_000)
    assert 600.0 / (time.process_time() - begin) > 200.0


def test_every_surface_comes_once_a_round_and_never_twice_in_a_row() -> None:
    schedule = SurfaceSchedule(6, 10, shuffle=True, rng=np.random.default_rng(5))
    order = schedule.indices(0, 600)[::10]
    assert all(sorted(order[first : first + 6]) == list(range(6)) for first in range(0, 60, 6))
    assert np.all(np.diff(order) != 0)
    assert schedule.changes(0, 600) == [(10 * index, surface) for index, surface in enumerate(order)]
    assert schedule.changes(11, 9) == []
    assert schedule.changes(10, 1) == [(10, order[1])]


def test_truth_and_samples_agree() -> None:
    simulator = Simulator(SimulatorConfig(seconds_per_surface=5.0))
    indices = simulator.surface_indices(0, 4000)
    stamps = simulator.stamps_ns(0, 4000)
    changes = simulator.surface_changes(0, 4000)
    for (stamp, name), (following, _) in itertools.pairwise([*changes, (stamps[-1] + 1, '')]):
        inside = (stamps >= stamp) & (stamps < following)
        assert set(indices[inside]) == {simulator.surface_names.index(name)}


@pytest.mark.parametrize('block_samples', [1, 7, 10, 1000])
def test_source_labels_before_it_measures_and_ends_on_time(block_samples: int) -> None:
    config = SimulatorConfig(duration_s=7.0, seconds_per_surface=2.0)
    with SimulatorSource(config, block_samples) as source:
        assert source.topics == {'motor_current': MOTOR_CURRENT, 'surface_truth': SURFACE_TRUTH}
        assert source.latched_topics == {'surface_truth'}
        found: list[messages.StampedMessage] = []
        while (block := source.read_block()) is not None:
            assert [message.stamp_ns for message in block] == sorted(message.stamp_ns for message in block)
            found.extend(block)
        assert source.read_block() is None
    truths = [messages.deserialize(m.cdr, m.msgtype) for m in found if m.topic == 'surface_truth']
    blocks = [messages.deserialize(m.cdr, m.msgtype) for m in found if m.topic == 'motor_current']
    assert [messages.stamp_ns(truth.header.stamp) for truth in truths] == [
        recording_base_ns(0) + second * 10**9 for second in (0, 2, 4, 6)
    ]
    assert {truth.origin for truth in truths} == {'simulator'}
    current = np.concatenate([block.current for block in blocks]).reshape(-1, 2)
    np.testing.assert_array_equal(current, Simulator(config).step(700).current_a)
    assert found[0].topic == 'surface_truth'


def test_source_can_be_opened_again() -> None:
    source = SimulatorSource(SimulatorConfig(duration_s=1.0))
    with source:
        first = source.read_block()
    assert source.read_block() is None
    with source:
        assert source.read_block() == first


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'seed': -1}, 'seed -1'),
        ({'surfaces': ()}, 'no surface'),
        ({'surfaces': ('mud',)}, "unknown surface 'mud'; there are carpet"),
        ({'surfaces': ('grass', 'grass')}, 'given twice'),
        ({'sample_rate_hz': 0.0}, 'sample_rate_hz 0'),
        ({'sample_rate_hz': float('nan')}, 'sample_rate_hz nan'),
        ({'motors': 3}, 'motors 3 must be 1, 2 or 4'),
        ({'duration_s': -1.0}, 'duration_s'),
        ({'seconds_per_surface': 0.0}, 'seconds_per_surface'),
        ({'payload_kg': -1.0}, 'payload_kg'),
        ({'sensor_gain': 0.0}, 'sensor_gain'),
        ({'charge': 1.5}, 'charge 1.5'),
        ({'start_ns': -1}, 'start_ns'),
    ],
)
def test_impossible_drives_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SurfaceError, match=sentence):
        SimulatorConfig(**changes)


def test_empty_block_is_refused() -> None:
    with pytest.raises(SurfaceError, match='block_samples 0'):
        SimulatorSource(SimulatorConfig(), 0)
