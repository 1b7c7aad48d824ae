# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The ten window features, against scipy and on windows whose features are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats

from surface_classifier.diagnosis.hand_features import FEATURE_NAMES, hand_features


def feature(windows: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return one column."""
    return hand_features(windows)[:, FEATURE_NAMES.index(name)]


def test_features_equal_the_library_ones() -> None:
    windows = np.random.default_rng(1).gamma(2.0, 1.0, (7, 100, 3))
    assert hand_features(windows).shape == (7, 10)
    np.testing.assert_allclose(feature(windows, 'mean'), windows.mean(axis=(1, 2)))
    np.testing.assert_allclose(feature(windows, 'log_std'), np.log(windows.std(axis=1)).mean(axis=1))
    np.testing.assert_allclose(feature(windows, 'log_quartiles'), np.log(stats.iqr(windows, axis=1)).mean(axis=1))
    np.testing.assert_allclose(feature(windows, 'log_range'), np.log(np.ptp(windows, axis=1)).mean(axis=1))
    np.testing.assert_allclose(feature(windows, 'skewness'), stats.skew(windows, axis=1).mean(axis=1))
    np.testing.assert_allclose(feature(windows, 'kurtosis'), stats.kurtosis(windows, axis=1).mean(axis=1))


@pytest.mark.parametrize('bin_number', [3, 10, 25, 45])
def test_sine_has_its_spectrum_where_its_frequency_is(bin_number: int) -> None:
    sine = np.sin(2 * np.pi * bin_number * np.arange(100) / 100)[None, :, None] + 3.0
    np.testing.assert_allclose(feature(sine, 'centroid'), bin_number / 50, atol=1e-9)
    np.testing.assert_allclose(feature(sine, 'mean'), 3.0)
    np.testing.assert_allclose(feature(sine, 'autocorrelation'), np.cos(2 * np.pi * bin_number / 100), atol=0.05)


def test_constant_window_has_finite_features() -> None:
    features = hand_features(np.full((2, 20, 2), 1.5))
    assert np.isfinite(features).all()
    for name in ('skewness', 'kurtosis', 'autocorrelation', 'autocorrelation_5', 'centroid'):
        assert not features[:, FEATURE_NAMES.index(name)].any()


@settings(deadline=None)
@given(
    windows=hnp.arrays(np.float64, (3, 12, 2), elements=st.floats(-50, 50)),
    gain=st.floats(0.5, 2.0),
    offset=st.floats(-5, 5),
)
def test_shape_features_do_not_depend_on_gain_and_offset(
    windows: NDArray[np.float64], gain: float, offset: float
) -> None:
    shape = [FEATURE_NAMES.index(name) for name in ('skewness', 'kurtosis', 'autocorrelation', 'centroid')]
    features = hand_features(windows)
    assert np.isfinite(features).all()
    if windows.std(axis=1).min() > 0.01:
        changed = hand_features(gain * windows + offset)
        np.testing.assert_allclose(changed[:, shape], features[:, shape], atol=1e-6)


@settings(deadline=None)
@given(windows=hnp.arrays(np.float64, (4, 10, 2), elements=st.floats(-50, 50)))
def test_each_window_is_described_by_itself_and_motors_are_alike(windows: NDArray[np.float64]) -> None:
    features = hand_features(windows)
    np.testing.assert_allclose(hand_features(windows[2:3]), features[2:3], atol=1e-12)
    np.testing.assert_allclose(hand_features(windows[:, :, ::-1]), features, atol=1e-12)


@pytest.mark.parametrize('shape', [(5, 100), (5, 5, 2), (5, 100, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='shape'):
        hand_features(np.zeros(shape))
