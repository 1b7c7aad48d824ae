# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks of the forum question's shape: balanced, repeatable, cut from recordings, neither trivial nor hopeless."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier

from surface_classifier.data.dataset import Dataset
from surface_classifier.diagnosis.hand_features import hand_features
from surface_classifier.reproduce.forum_task import GENERATORS, ForumTask, Generator, forum_task, two_class_toy


def check(task: ForumTask, windows: int, samples: int, classes: int, recordings: int) -> None:
    """What holds for every task."""
    assert task.windows.shape == (windows, samples, 1)
    assert task.windows.dtype == np.float64
    assert np.isfinite(task.windows).all()
    assert len(task.classes) == classes
    counts = np.bincount(task.labels, minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert set(task.recordings.tolist()) == set(range(task.recordings.max() + 1))
    assert (np.diff(task.recordings) >= 0).all()
    for label in range(classes):
        own = np.unique(task.recordings[task.labels == label])
        assert len(own) == min(recordings, counts[label])
        assert (task.labels[np.isin(task.recordings, own)] == label).all()
        assert np.ptp(np.bincount(task.recordings)[own]) <= 1
    assert len(np.unique(task.windows[:, :, 0].round(9), axis=0)) == windows


@settings(deadline=None, max_examples=40)
@given(
    generator=st.sampled_from(['texture', 'ripple']),
    seed=st.integers(0, 2**31),
    windows=st.integers(6, 150),
    samples=st.integers(8, 150),
    recordings=st.integers(1, 6),
)
def test_any_size_is_balanced_and_repeatable(
    generator: Generator, seed: int, windows: int, samples: int, recordings: int
) -> None:
    task = forum_task(generator, seed, windows, samples, recordings)
    check(task, windows, samples, 6, recordings)
    again = forum_task(generator, seed, windows, samples, recordings)
    np.testing.assert_array_equal(again.windows, task.windows)
    np.testing.assert_array_equal(again.labels, task.labels)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), windows=st.integers(2, 120), samples=st.integers(8, 120))
def test_the_toy_is_balanced_too(seed: int, windows: int, samples: int) -> None:
    check(two_class_toy(seed, windows, samples), windows, samples, 2, 4)


def test_the_simulator_s_task_has_the_same_form() -> None:
    task = forum_task('simulator', 3)
    check(task, 98, 100, 6, 4)
    np.testing.assert_array_equal(forum_task('simulator', 3).windows, task.windows)


@pytest.mark.parametrize('generator', GENERATORS)
def test_another_seed_gives_other_recordings(generator: Generator) -> None:
    both = np.concatenate([forum_task(generator, seed, 12).windows[:, :, 0] for seed in (1, 2)])
    assert len(np.unique(both, axis=0)) == 24


@pytest.mark.parametrize('generator', GENERATORS)
def test_mean_current_is_not_enough_and_ten_features_are(generator: Generator) -> None:
    by_mean, by_features = [], []
    for seed in range(3):
        known, fresh = forum_task(generator, seed), forum_task(generator, 500 + seed, 600, recordings_per_surface=8)
        mean = LinearDiscriminantAnalysis().fit(known.windows.mean(axis=1), known.labels)
        by_mean.append(mean.score(fresh.windows.mean(axis=1), fresh.labels))
        features = LinearDiscriminantAnalysis().fit(hand_features(known.windows), known.labels)
        by_features.append(features.score(hand_features(fresh.windows), fresh.labels))
    assert 1 / 6 < np.mean(by_mean) < 0.45
    assert 0.6 < np.mean(by_features) < 0.85


@pytest.mark.parametrize('generator', ['texture', 'ripple'])
def test_windows_of_a_recording_are_more_alike_than_those_of_two(generator: Generator) -> None:
    task = forum_task(generator, 0, 600)
    means = task.windows.mean(axis=(1, 2))
    surface, recording = task.labels, task.recordings
    pairs = [(a, b) for a in range(0, 600, 3) for b in range(a + 5, 600) if surface[a] == surface[b]]
    same = [abs(means[a] - means[b]) for a, b in pairs if recording[a] == recording[b]]
    other = [abs(means[a] - means[b]) for a, b in pairs if recording[a] != recording[b]]
    assert 1.02 < np.mean(other) / np.mean(same) < 3.0


def test_the_toy_is_easy() -> None:
    known, fresh = two_class_toy(0), two_class_toy(1, 200)
    trees = ExtraTreesClassifier(100, random_state=0).fit(hand_features(known.windows), known.labels)
    assert trees.score(hand_features(fresh.windows), fresh.labels) > 0.95


@pytest.mark.parametrize('recordings', [1, 4])
def test_a_task_is_written_as_a_data_set_that_knows_its_recordings(tmp_path: Path, recordings: int) -> None:
    task = forum_task('texture', 5, recordings_per_surface=recordings)
    task.save(tmp_path / 'set')
    dataset = Dataset.load(tmp_path / 'set', verify=True)
    np.testing.assert_array_equal(dataset.parts['motor'], task.windows)
    np.testing.assert_array_equal(dataset.labels, task.labels)
    np.testing.assert_array_equal(dataset.recording, task.recordings)
    assert dataset.classes == task.classes
    assert dataset.has_recordings
    assert dataset.config.parts[0].sample_rate_hz == 100.0
    for index, info in enumerate(dataset.recordings):
        rows = np.flatnonzero(dataset.recording == index)
        assert info.name.startswith(task.classes[task.labels[rows[0]]])
        assert info.windows == len(rows) == round(info.seconds)
        np.testing.assert_array_equal(np.diff(dataset.start_ns[rows]), 1_000_000_000)
        np.testing.assert_array_equal(dataset.end_ns[rows] - dataset.start_ns[rows], 990_000_000)
    task.save(tmp_path / 'set', overwrite=True)


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ValueError, match='generator must be one of texture, ripple, simulator'):
        forum_task('noise', 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='5 windows are too few for 6 classes'):
        forum_task('texture', 0, windows=5)
