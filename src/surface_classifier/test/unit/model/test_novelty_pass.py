# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One window in one pass gets the faults and the score that `NoveltyTest` gives it among many windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import TWO_PART_CONFIG, channels, learnable_dataset
from sklearn.ensemble import ExtraTreesClassifier

from surface_classifier.model.novelty import Forest, NoveltyTest
from surface_classifier.model.novelty_pass import NoveltyPass, _FlatForest
from surface_classifier.signal.window_config import PartConfig, WindowConfig
from surface_classifier.training.confidence.novelty_fit import fit_novelty, forest_of

REQUIRES = ('torch',)
TOLERANCE = 1e-9

CONFIGS = {
    'one channel': WindowConfig((PartConfig('motor', 10.0, channels('a')),), 12, 6),
    'two channels': WindowConfig((PartConfig('motor', 10.0, channels('a', 'b')),), 25, 6),
    'four channels': WindowConfig((PartConfig('motor', 10.0, channels('a', 'b', 'c', 'd')),), 40, 6),
    'two parts': TWO_PART_CONFIG,
}


@pytest.fixture(scope='module', params=CONFIGS)
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[NoveltyTest, list]:
    dataset = learnable_dataset(tmp_path_factory.mktemp('sets') / 'set', config=CONFIGS[request.param])
    parts = [np.asarray(dataset.parts[part.name]) for part in dataset.config.parts]
    return fit_novelty(dataset, np.arange(len(dataset)), []), parts


def agree(test: NoveltyTest, windows: list[np.ndarray]) -> set[str | None]:
    """Compare the pass with the test, window by window; returns the faults that were found."""
    single = NoveltyPass(test)
    faults: set[str | None] = set()
    for row in range(len(windows[0])):
        parts = [part[row] for part in windows]
        fault, score = single.check(parts)
        assert fault == test.fault(parts)
        if fault is None:
            expected = float(test.score([part[np.newaxis] for part in parts])[0])
            assert score == pytest.approx(expected, abs=TOLERANCE)
            assert abs(expected) <= 4.0
        else:
            assert np.isnan(score)
        faults.add(fault)
    return faults


def test_windows_get_the_same_score(fitted: tuple[NoveltyTest, list]) -> None:
    test, parts = fitted
    # Not clipped, or the comparison would be of ±4 with ±4.
    test = replace(test, usual=np.array([[0.0, 0.0], [10.0, 10.0]]))
    rng = np.random.default_rng(0)
    noisy = [part[::5] + rng.normal(0.0, 0.1, part[::5].shape) for part in parts]
    assert agree(test, noisy) == {None}
    assert agree(test, [np.round(part, 1) for part in noisy]) == {None}
    assert agree(test, [100.0 * part for part in noisy]) == {None}


def test_an_unmeasured_stretch_gets_the_same_score(fitted: tuple[NoveltyTest, list]) -> None:
    test, parts = fitted
    gappy = [part[:20] + 0.01 for part in parts]  # no window of the training data, whose distance is rounding alone
    for part in gappy:
        part[:10, 2:5, 0] = np.nan
    assert None in agree(replace(test, usual=np.array([[0.0, 0.0], [10.0, 10.0]])), gappy)


def test_faults_are_the_same(fitted: tuple[NoveltyTest, list]) -> None:
    test, parts = fitted
    dead = [part[:6].copy() for part in parts]
    dead[-1][:2, :, 0] = 9.0
    dead[0][2:4, :, -1] = dead[0][2:4, :, 0]
    for part in dead:
        part[4:] = 0.0
    faults = agree(test, dead)
    assert 'standing_still' in faults
    assert 'bad_sensor' in faults


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), trees=st.integers(1, 20), leaf=st.integers(1, 60))
def test_a_flat_forest_says_what_the_forest_says(seed: int, trees: int, leaf: int) -> None:
    # With 60 windows in a leaf trees are single leaves.
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(80, 4)).astype(np.float32)
    classifier = ExtraTreesClassifier(trees, min_samples_leaf=leaf, random_state=seed)
    forest: Forest = forest_of(classifier.fit(values, rng.integers(0, 3, 80)))
    flat = _FlatForest(forest)
    found = np.stack([flat.class_shares(row) for row in values])
    np.testing.assert_allclose(found, forest.class_shares(values), atol=1e-12)


def test_a_window_of_one_sample_is_checked(tmp_path: Path) -> None:
    config = WindowConfig((PartConfig('motor', 10.0, channels('a', 'b')),), 1, 1)
    dataset = learnable_dataset(tmp_path / 'set', config=config)
    test = fit_novelty(dataset, np.arange(len(dataset)), [])
    moving = replace(test, quiet=np.full(2, -1.0), may_be_equal=np.ones(1))
    assert agree(moving, [np.asarray(dataset.parts['motor'])[:20] + 0.01]) == {None}
