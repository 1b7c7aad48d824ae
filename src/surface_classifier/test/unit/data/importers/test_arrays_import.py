# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays become data sets, whatever shape their labels have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.importers.arrays_import import import_arrays

IDS = [2, 0, 2, 5, 0, 5]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 10, 3))


def run(tmp_path: Path, x: Any, y: Any, groups: Any = None, **options: Any) -> Dataset:
    np.save(tmp_path / 'X.npy', x)
    np.save(tmp_path / 'Y.npy', y)
    if groups is not None:
        np.save(tmp_path / 'G.npy', groups)
        options['groups_file'] = tmp_path / 'G.npy'
    return import_arrays(tmp_path / 'X.npy', tmp_path / 'Y.npy', tmp_path / 'set', **options)


@pytest.mark.parametrize(
    'labels',
    [
        np.array(IDS),
        np.array(IDS, dtype=np.float32),
        np.array(IDS, dtype=np.uint8)[:, None],
        np.eye(6)[IDS],
        np.eye(6, dtype=bool)[IDS],
    ],
)
def test_ids_and_one_hot_labels_mean_the_same(tmp_path: Path, labels: Any) -> None:
    dataset = run(tmp_path, X, labels, sample_rate_hz=50.0)
    assert dataset.classes == ('class_0', 'class_2', 'class_5')
    assert dataset.labels.tolist() == [1, 0, 1, 2, 0, 2]
    np.testing.assert_array_equal(dataset.parts['motor'], X)
    assert dataset.config.window_samples == 10
    assert dataset.config.parts[0].sample_rate_hz == 50.0
    assert dataset.config.parts[0].channel_names == ('motor_0', 'motor_1', 'motor_2')
    assert not dataset.has_recordings
    assert len(set(dataset.start_ns.tolist())) == 6
    assert (dataset.end_ns - dataset.start_ns).tolist() == [180_000_000] * 6


def test_names_for_classes_channels_and_recordings(tmp_path: Path) -> None:
    dataset = run(
        tmp_path,
        X[:, :, :1],
        np.array(['snow', 'ice', 'snow', 'ice', 'ice', 'ice']),
        np.array(['b', 'a', 'b', 'a', 'c', 'c']),
        channel_names=['left'],
    )
    assert dataset.classes == ('ice', 'snow')
    assert dataset.has_recordings
    assert dataset.recording_names == ('a', 'b', 'c')
    assert dataset.recording.tolist() == [1, 0, 1, 0, 2, 2]
    assert [info.windows for info in dataset.recordings] == [2, 2, 2]
    renamed = run(tmp_path, X, np.eye(3)[[0, 1, 2, 0, 1, 2]], class_names=['x', 'y', 'z'], overwrite=True)
    assert renamed.classes == ('x', 'y', 'z')
    assert renamed.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_class_order_given_by_name_is_kept(tmp_path: Path) -> None:
    dataset = run(tmp_path, X, np.array([0, 1, 2, 0, 1, 2]), class_names=['tile', 'grass', 'mud'])
    assert dataset.classes == ('tile', 'grass', 'mud')
    assert dataset.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_seeds_shape(tmp_path: Path) -> None:
    x = RNG.normal(size=(98, 100, 1)).astype(np.float32)
    dataset = run(tmp_path, x, np.eye(6)[np.arange(98) % 6])
    assert len(dataset) == 98
    assert len(dataset.classes) == 6
    np.testing.assert_array_equal(dataset.parts['motor'], x.astype(np.float64))
    flat = run(tmp_path, x[:, :, 0], np.arange(98) % 6, overwrite=True)
    assert flat.digest == dataset.digest


def with_value(value: float) -> Any:
    x = X.copy()
    x[3, 7, 1] = value
    return x


@pytest.mark.parametrize(
    ('x', 'y', 'groups', 'options', 'message'),
    [
        (X[0], IDS, None, {}, r'Y\.npy: has the shape \(6,\), expected \(10,\)'),
        (
            X[:, :, :, None],
            IDS,
            None,
            {},
            r'X\.npy: has the shape \(6, 10, 3, 1\), expected \(windows, steps, channels\)',
        ),
        (X[:0], IDS, None, {}, r'X\.npy: has the shape \(0, 10, 3\)'),
        (X.astype(complex), IDS, None, {}, r'X\.npy: holds complex128, expected real numbers'),
        (with_value(np.nan), IDS, None, {}, r'X\.npy: window 3, step 7, channel 1 is nan; leave this window out'),
        (with_value(np.inf), IDS, None, {}, r'X\.npy: window 3, step 7, channel 1 is inf'),
        (X, IDS[:5], None, {}, r'Y\.npy: has the shape \(5,\), expected \(6,\)'),
        (X, [0, 1, 0.5, 1, 0, 1], None, {}, r'Y\.npy: window 2 has the label 0\.5'),
        (X, np.eye(6)[IDS] * 0.9, None, {}, r'Y\.npy: row 0 is .*; a one-hot row holds a single 1'),
        (X, np.ones((6, 2)), None, {}, r'Y\.npy: row 0 is \[1\.0, 1\.0\]'),
        (X, np.array(IDS, dtype=object), None, {}, r'Y\.npy: holds Python objects'),
        (X, IDS, [1, 2], {}, r'G\.npy: holds int64 of the shape \(2,\), expected \(6,\)'),
        (
            X,
            IDS,
            None,
            {'class_names': ['a', 'b']},
            r'Y\.npy: has 3 classes \(class_0, class_2, class_5\), but the names',
        ),
        (X, IDS, None, {'channel_names': ['a']}, r'1 channel names \(a\) for 3 channels'),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, x: Any, y: Any, groups: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SurfaceError, match=message):
        run(tmp_path, x, y, groups, **options)
    assert not (tmp_path / 'set').exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'X\.npy: no such file'):
        import_arrays(tmp_path / 'X.npy', tmp_path / 'Y.npy', tmp_path / 'set')


def test_an_empty_label_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'Y\.npy: window 1 has an empty label'):
        run(tmp_path, X, np.array(['ice', ' ', 'ice', 'snow', 'ice', 'snow']))


def test_an_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / 'X.npz', X=X)
    np.save(tmp_path / 'Y.npy', np.array(IDS))
    with pytest.raises(SurfaceError, match=r'X\.npz: is not a \.npy file of numbers \(it is an archive'):
        import_arrays(tmp_path / 'X.npz', tmp_path / 'Y.npy', tmp_path / 'set')
