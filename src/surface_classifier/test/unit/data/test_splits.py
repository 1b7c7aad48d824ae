# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Splits never divide a recording, test every window once and keep every class in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import save_dataset
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import (
    Folds,
    check_classes,
    folds_from_file,
    grouped_holdout,
    join_folds,
    stratified_folds,
)
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig

# Windows of one value: splits look at labels and recordings only.
TINY = WindowConfig((PartConfig('motor', 1.0, (ChannelConfig('a', 'topic', 'std_msgs/msg/Float64', 'data'),)),), 1, 1)

recordings_strategy = st.lists(
    st.dictionaries(st.sampled_from(['ice', 'snow', 'asphalt']), st.integers(1, 9), min_size=1, max_size=3),
    min_size=2,
    max_size=14,
).map(lambda counts: {f'r{index:02d}': value for index, value in enumerate(counts)})


def assert_sound(dataset: Dataset, folds: Folds) -> None:
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    np.testing.assert_array_equal(tested, np.arange(len(dataset)))
    for fold in folds:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
        assert len(fold.train) + len(fold.test) == len(dataset)
        assert not set(dataset.recording[fold.train].tolist()) & set(dataset.recording[fold.test].tolist())
        assert set(dataset.labels[fold.train].tolist()) == set(range(len(dataset.classes)))
        names = {dataset.recordings[index].name for index in set(dataset.recording[fold.test].tolist())}
        assert names == set(fold.test_recordings)


@given(counts=recordings_strategy, count=st.integers(2, 5), seed=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_folds_are_sound_or_the_error_says_why(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, dict[str, int]], count: int, seed: int
) -> None:
    dataset = save_dataset(tmp_path_factory.mktemp('set') / 'set', counts, config=TINY)
    recordings_of = {name: sum(name in entry for entry in counts.values()) for name in dataset.classes}
    if len(dataset.classes) < 2 or min(recordings_of.values()) < 2 or len(counts) < count:
        with pytest.raises(SurfaceError):
            stratified_folds(dataset, count, seed)
        return
    try:
        folds = stratified_folds(dataset, count, seed)
    except SurfaceError as error:
        # Only recordings that share several classes can leave no division.
        if 'no division' in str(error) and any(len(entry) > 1 for entry in counts.values()):
            return
        raise
    assert len(folds) == count
    assert_sound(dataset, folds)
    again = stratified_folds(dataset, count, seed)
    assert [fold.test_recordings for fold in again] == [fold.test_recordings for fold in folds]


def test_every_class_is_in_every_test_set_where_there_are_recordings_enough(tmp_path: Path) -> None:
    counts: dict[str, dict[str, int]] = {f'ice_{index}': {'ice': 5 + 50 * (index == 0)} for index in range(6)}
    counts |= {f'snow_{index}': {'snow': 3 + index} for index in range(5)}
    dataset = save_dataset(tmp_path / 'set', counts, config=TINY)
    for seed in range(5):
        folds = stratified_folds(dataset, 5, seed)
        assert folds.warnings == ()
        for fold in folds:
            assert set(dataset.labels[fold.test].tolist()) == {0, 1}
        assert 'leave-recordings-out' in folds.protocol


def test_seeds_give_different_folds(tmp_path: Path) -> None:
    counts = {f'{name}_{index}': {name: 4} for name in ('ice', 'snow') for index in range(8)}
    dataset = save_dataset(tmp_path / 'set', counts, config=TINY)
    assert len({tuple(fold.test_recordings for fold in stratified_folds(dataset, 4, seed)) for seed in range(5)}) > 1


def test_recordings_without_windows_are_in_no_fold(tmp_path: Path) -> None:
    counts: dict[str, dict[str, int]] = {f'{name}_{index}': {name: 4} for name in ('ice', 'snow') for index in range(3)}
    dataset = save_dataset(tmp_path / 'set', {'empty': {}, **counts}, config=TINY)
    folds = stratified_folds(dataset, 3)
    assert_sound(dataset, folds)
    assert 'empty' not in {name for fold in folds for name in fold.test_recordings}


def test_a_class_that_a_fold_does_not_test_is_reported(tmp_path: Path) -> None:
    counts = {f'ice_{index}': {'ice': 4} for index in range(3)} | {f'snow_{index}': {'snow': 4} for index in range(2)}
    dataset = save_dataset(tmp_path / 'set', counts, config=TINY)
    folds = stratified_folds(dataset, 3)
    assert len(folds.warnings) == 1
    assert "tests no window of 'snow'; with --folds 2 each fold tests every class" in folds.warnings[0]
    assert stratified_folds(dataset, 2).warnings == ()


@pytest.mark.parametrize(
    ('counts', 'count', 'message'),
    [
        ({'a': {'ice': 3}, 'b': {'ice': 2}}, 2, "set: has one class only, 'ice'; add recordings of another surface"),
        ({'a': {'ice': 3}, 'b': {'ice': 2}, 'c': {'snow': 9}}, 2, r"class 'snow' has one recording only \(c\)"),
        ({'a': {'ice': 3, 'snow': 1}, 'b': {'ice': 2, 'snow': 2}}, 3, '2 recordings cannot be divided into 3 folds'),
        ({'a': {'ice': 3, 'snow': 1}, 'b': {'ice': 2, 'snow': 2}}, 1, 'at least 2 folds'),
    ],
)
def test_what_cannot_be_divided_says_why(
    tmp_path: Path, counts: dict[str, dict[str, int]], count: int, message: str
) -> None:
    dataset = save_dataset(tmp_path / 'set', counts, config=TINY)
    with pytest.raises(SurfaceError, match=message):
        stratified_folds(dataset, count)


def test_bare_arrays_are_split_by_window_and_say_so(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', {'x': {'ice': 10, 'snow': 10}}, has_recordings=False, config=TINY)
    folds = stratified_folds(dataset, 5)
    assert 'windows shuffled' in folds.protocol
    for fold in folds:
        assert np.bincount(dataset.labels[fold.test]).tolist() == [2, 2]
        assert fold.test_recordings == ()


def folds_file(tmp_path: Path, *repetitions: Any) -> Path:
    file = tmp_path / 'folds.json'
    file.write_text(json.dumps({'what': 'test', 'repetitions': list(repetitions)}))
    return file


COUNTS = {'a': {'ice': 3}, 'b': {'ice': 2}, 'c': {'snow': 4}, 'd': {'snow': 1}}


def test_folds_of_a_file(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS, config=TINY)
    file = folds_file(tmp_path, {}, {'a': 1, 'b': 0, 'c': 0, 'd': 1, 'not in the set': 0})
    folds = folds_from_file(dataset, file, 1)
    assert [fold.test_recordings for fold in folds] == [('b', 'c'), ('a', 'd')]
    assert_sound(dataset, folds)
    assert folds.protocol == '2 folds, leave-recordings-out, folds.json, repetition 1'


def test_several_repetitions_are_numbered_through(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS, config=TINY)
    file = folds_file(tmp_path, {'a': 1, 'b': 0, 'c': 0, 'd': 1}, {'a': 1, 'b': 0, 'c': 1, 'd': 0})
    repetitions = [folds_from_file(dataset, file, number) for number in (0, 1)]
    joined = join_folds(repetitions)
    assert [fold.index for fold in joined] == [0, 1, 2, 3]
    assert [fold.test_recordings for fold in joined] == [('b', 'c'), ('a', 'd'), ('b', 'd'), ('a', 'c')]
    assert joined.protocol == f'{repetitions[0].protocol} and {repetitions[1].protocol}'
    tested = np.concatenate([fold.test for fold in joined])
    np.testing.assert_array_equal(np.bincount(tested), 2)
    assert join_folds(repetitions[:1]) is repetitions[0]


@pytest.mark.parametrize(
    ('table', 'message'),
    [
        ({'a': 1, 'b': 0, 'c': 0}, "no fold for 'd'"),
        ({'a': 1, 'b': 1, 'c': 0, 'd': 1}, "every recording of 'ice' in one fold"),
        ({'a': 1, 'b': 3, 'c': 0, 'd': 1}, 'is in fold 2 of repetition 0'),
        ({'a': 'one', 'b': 0, 'c': 0, 'd': 1}, "the fold 'one' for 'a'"),
        ({'a': 0, 'b': 0, 'c': 0, 'd': 0}, 'one fold only'),
        ([], 'is not a table'),
    ],
)
def test_a_folds_file_that_does_not_fit_is_refused(tmp_path: Path, table: Any, message: str) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS, config=TINY)
    with pytest.raises(SurfaceError, match=message) as error:
        folds_from_file(dataset, folds_file(tmp_path, table))
    assert 'folds.json' in str(error.value)


def test_a_folds_file_that_is_none_is_refused(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS, config=TINY)
    with pytest.raises(SurfaceError, match='no such folds file'):
        folds_from_file(dataset, tmp_path / 'missing.json')
    file = folds_file(tmp_path, {'a': 0})
    with pytest.raises(SurfaceError, match='no repetition 3; choose 0 to 0'):
        folds_from_file(dataset, file, 3)
    file.write_text('{"folds": []}')
    with pytest.raises(SurfaceError, match=r'expected \{"repetitions"'):
        folds_from_file(dataset, file)
    bare = save_dataset(tmp_path / 'bare', {'x': {'ice': 2, 'snow': 2}}, has_recordings=False, config=TINY)
    with pytest.raises(SurfaceError, match='import it with --groups'):
        folds_from_file(bare, file)


@given(counts=recordings_strategy, fraction=st.floats(0.05, 0.6), seed=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_a_hold_out_keeps_recordings_whole_and_every_class_in_training(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, dict[str, int]], fraction: float, seed: int
) -> None:
    dataset = save_dataset(tmp_path_factory.mktemp('set') / 'set', counts, config=TINY)
    windows = np.flatnonzero(dataset.recording % 3 != 0)
    assume(len(windows))
    train, held = grouped_holdout(dataset, fraction, seed, windows)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), windows)
    assert not set(dataset.recording[train].tolist()) & set(dataset.recording[held].tolist())
    assert set(dataset.labels[train].tolist()) == set(dataset.labels[windows].tolist())


def test_a_hold_out_takes_about_its_share_of_each_class(tmp_path: Path) -> None:
    counts = {f'{name}_{index}': {name: 10} for name in ('ice', 'snow') for index in range(20)}
    dataset = save_dataset(tmp_path / 'set', counts, config=TINY)
    for seed in range(5):
        _, held = grouped_holdout(dataset, 0.2, seed)
        assert np.bincount(dataset.labels[held]).tolist() == pytest.approx([40, 40], abs=10)


def test_a_hold_out_has_every_class_that_has_several_recordings(tmp_path: Path) -> None:
    counts = {'ice_0': {'ice': 9}, 'ice_1': {'ice': 9}, 'snow_0': {'snow': 4}, 'snow_1': {'snow': 4}, 'mud': {'mud': 5}}
    dataset = save_dataset(tmp_path / 'set', counts, config=TINY)
    for seed in range(5):
        _, held = grouped_holdout(dataset, 0.1, seed)
        assert {dataset.classes[label] for label in dataset.labels[held]} == {'ice', 'snow'}
    with pytest.raises(SurfaceError, match=r'a hold-out of 1\.0 is not possible'):
        grouped_holdout(dataset, 1.0, 0)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', {'a': {'ice': 2}}, classes=('ice', 'snow'), config=TINY)
    with pytest.raises(SurfaceError, match="one class only, 'ice'"):
        check_classes(dataset)
