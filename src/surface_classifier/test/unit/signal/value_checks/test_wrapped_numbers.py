# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whole numbers that wrap around are found by their values, and signals that only look so are not."""

from __future__ import annotations

import numpy as np
import pytest

from current_driver.errors import SurfaceError
from surface_classifier.data.inspection.current_guesses import guess_currents
from surface_classifier.data.inspection.topic_log import TopicLog
from surface_classifier.data.survey.sensor_checks import find_sensor_faults
from surface_classifier.nodes.chain_health import PreprocessorState, preprocessor_health
from surface_classifier.signal.value_checks.wrapped_numbers import WholeNumbers, WrapWatch, wrap_of
from surface_classifier.signal.window_config import ChannelConfig

RNG = np.random.default_rng(0)
AROUND_ZERO = np.rint(RNG.normal(0, 30, 1000))


@pytest.mark.parametrize(
    ('values', 'name'),
    [
        (AROUND_ZERO % 65536, 'int16'),
        (AROUND_ZERO % 4096, 'int12'),
        (AROUND_ZERO % 2**32, 'int32'),
        ((AROUND_ZERO + 65536) % 65536 - 32768, 'uint16'),
        (np.array([0, 1, 65535, 65534, 2] * 5, dtype=float), 'int16'),
        (AROUND_ZERO % 65536 * 0.01, 'int16'),
        ((AROUND_ZERO % 65536 * 0.01).astype(np.float32).astype(float), 'int16'),
        (np.r_[AROUND_ZERO % 65536, [np.nan] * 9], 'int16'),
    ],
)
def test_values_that_wrap_are_found(values: np.ndarray, name: str) -> None:
    wrap = wrap_of(values)
    assert wrap is not None
    assert wrap.numbers.name == name
    assert ('integer_type' in wrap.text) == (wrap.step == 1.0)


@pytest.mark.parametrize(
    'values',
    [
        AROUND_ZERO,
        np.arange(65536.0),
        RNG.uniform(0, 65535, 1000).round(),
        np.where(np.arange(1000) % 7 < 3, 4000.0, 2.0) + np.rint(RNG.normal(0, 3, 1000)),
        np.where(np.arange(1000) % 2, 4095.0, 0.0),
        np.where(np.arange(1000) % 2, 32767.0, -32768.0),
        np.where(np.arange(1000) % 7 < 3, np.pi, -np.pi) + RNG.normal(0, 1e-3, 1000),
        RNG.choice([0.0, 1.0, 2.0], 1000),
        np.full(1000, 65527.0) * 1e-3,
        np.array([np.nan, np.nan]),
        np.array([]),
    ],
    ids=['around zero', 'ramp', 'all', 'switched', 'rails', 'signed rails', 'angles', 'few', 'large', 'NaN', 'none'],
)
def test_other_signals_are_not_taken_for_wraps(values: np.ndarray) -> None:
    assert wrap_of(values) is None


@pytest.mark.parametrize(
    ('name', 'sent', 'meant'), [('int16', 65527, -9), ('uint16', -32768, 32768), ('int12', 4095, -1)]
)
def test_a_channel_reads_the_number_that_was_meant(name: str, sent: float, meant: float) -> None:
    channel = ChannelConfig('left', 't', 'std_msgs/msg/Float64', 'data', integer_type=name)
    assert channel.whole_numbers is not None
    assert channel.whole_numbers.read(np.array([sent, 5.0])).tolist() == [meant, 5.0]
    assert np.isnan(channel.whole_numbers.read(np.array([np.nan, np.inf]))).all()
    assert ChannelConfig.from_dict(channel.to_dict()) == channel


@pytest.mark.parametrize('name', ['int', 'int64', 'float32', 'int1', 16])
def test_a_type_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(SurfaceError, match='integer_type'):
        ChannelConfig('left', 't', 'std_msgs/msg/Float64', 'data', integer_type=name)


def test_a_channel_without_the_option_is_written_as_before() -> None:
    assert 'integer_type' not in ChannelConfig('left', 't', 'std_msgs/msg/Float64', 'data').to_dict()


@pytest.mark.parametrize('block', [1, 7, 500])
def test_a_watch_names_the_channel_whatever_the_blocks_and_the_scale(block: int) -> None:
    watch = WrapWatch(['left', 'right'], ['A', 'A'], [0.001, 1.0], [0.5, 0.0])
    values = np.stack([AROUND_ZERO % 65536 * 0.001 + 0.5, AROUND_ZERO], axis=1)
    for begin in range(0, len(values), block):
        watch.add(values[begin : begin + block])
    assert list(watch.texts()) == ['left']
    assert 'integer_type: int16' in watch.texts()['left']


def test_health_warns_of_it() -> None:
    health = preprocessor_health(PreprocessorState(wraps={'/joint_states: channel left': 'values jump'}))
    assert 'topic /joint_states: channel left: values jump' in health.text


def test_windows_of_arrays_are_checked() -> None:
    part = np.stack([AROUND_ZERO % 65536, AROUND_ZERO], axis=1).reshape(10, 100, 2)
    faults = find_sensor_faults([part])
    assert [(fault.channel, fault.kind) for fault in faults] == [(0, 'wrapped')]
    assert [fault.kind for fault in find_sensor_faults([part], {(0, 1): 'seen'})] == ['wrapped', 'wrapped']


def test_inspection_offers_the_channel_with_its_type() -> None:
    log = TopicLog('/drive', 'test_msgs/msg/Drive')
    log._stamps = list(range(1000))
    log._values = {'current': (list(range(1000)), (AROUND_ZERO % 65536).tolist())}
    log.count = log._read = 1000
    (guess,) = guess_currents([log])
    assert guess.channels[0].channel.integer_type == 'int16'
    assert any('wraps around, int16' in reason for reason in guess.reasons)


def test_names_are_those_of_types() -> None:
    assert WholeNumbers.from_name('uint16') == WholeNumbers(16, is_signed=False)
    assert WholeNumbers(12, is_signed=True).name == 'int12'
