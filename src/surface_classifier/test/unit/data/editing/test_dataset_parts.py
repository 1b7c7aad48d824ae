# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Merging, splitting and balancing data sets: nothing twice, recordings whole, every class where it should be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import save_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from current_driver.testing.drives import write_drive
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.dataset_sources import find_sources, is_edited, source_paths
from surface_classifier.data.editing.dataset_balance import balance, choose_windows, quotas
from surface_classifier.data.editing.dataset_merge import merge
from surface_classifier.data.editing.dataset_split import assign_recordings, parse_parts, split
from surface_classifier.signal.window_config import PartConfig, WindowConfig, default_window_config

Counts = Mapping[str, Mapping[str, int]]


def with_part(**changes: object) -> WindowConfig:
    config = default_window_config()
    part: PartConfig = dataclasses.replace(config.parts[0], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(config, parts=(part,))


@pytest.mark.requires('mcap', 'rosbags')
def test_a_merged_data_set_holds_the_windows_of_both(tmp_path: Path) -> None:
    for day, surfaces in (('monday', ('ice', 'snow')), ('tuesday', ('mud', 'snow'))):
        for number, surface in enumerate(surfaces):
            write_drive(tmp_path / day / f'{number}', [(surface, 3.0)], seed=number + len(day))
    built = []
    for day in ('monday', 'tuesday'):
        found = find_sources([tmp_path / day]).recordings
        built.append(build_dataset(found, default_window_config(), tmp_path / f'{day}_set').dataset)
    result = merge(built, tmp_path / 'both')
    both = result.dataset
    assert both.classes == ('ice', 'mud', 'snow')
    assert both.recording_names == ('monday_set/0', 'monday_set/1', 'tuesday_set/0', 'tuesday_set/1')
    assert sum('is called' in warning for warning in result.warnings) == 4
    np.testing.assert_array_equal(both.parts['motor'], np.concatenate([each.parts['motor'] for each in built]))
    assert both.counters['samples'] == sum(each.counters['samples'] for each in built)
    assert both.counters['labelled_seconds']['snow'] == pytest.approx(6.0, abs=0.05)
    assert both.counters['highest_observed_rate_hz'] == {'motor': 100.0}
    assert both.history[0]['sources'][1]['digest'] == built[1].digest
    assert is_edited(both.history)
    sources = source_paths(both.history)
    assert sources is not None
    assert [source.name for source in sources] == list(both.recording_names)
    assert all(source.path.exists() for source in sources)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (with_part(sample_rate_hz=50.0), r'part motor at 100 Hz here, at 50 Hz there'),
        (with_part(name='drive'), r'the parts motor here, drive there'),
        (
            with_part(channels=default_window_config().parts[0].channels[:1]),
            r'part motor of left \[A\], right \[A\] here, of left \[A\] there',
        ),
        (dataclasses.replace(default_window_config(), window_samples=50), r'windows of 100 samples here, of 50 there'),
    ],
)
def test_windows_of_two_kinds_are_not_merged(tmp_path: Path, config: WindowConfig, message: str) -> None:
    one = save_dataset(tmp_path / 'one', {'a': {'ice': 2}})
    two = save_dataset(tmp_path / 'two', {'b': {'ice': 2}}, config=config)
    with pytest.raises(SurfaceError, match=rf'one and .*two hold windows of two kinds: {message}'):
        merge([one, two], tmp_path / 'both')
    assert not (tmp_path / 'both').exists()


def test_what_else_is_not_merged(tmp_path: Path) -> None:
    one = save_dataset(tmp_path / 'one', {'a': {'ice': 2}, 'b': {'snow': 3}})
    same = save_dataset(tmp_path / 'same', {'other_name': {'ice': 2}, 'c': {'snow': 1}})
    with pytest.raises(
        SurfaceError, match=r"hold one recording, 'a' and 'other_name'.*drop .*same --recordings other_name"
    ):
        merge([one, same], tmp_path / 'both')
    bare = save_dataset(tmp_path / 'bare', {'a': {'ice': 2}}, has_recordings=False, seed=3)
    with pytest.raises(SurfaceError, match=r'no recordings are known of .*bare'):
        merge([one, bare], tmp_path / 'both')
    with pytest.raises(SurfaceError, match='at least two data sets'):
        merge([one], tmp_path / 'both')
    strided = dataclasses.replace(default_window_config(), stride_samples=10)
    other = save_dataset(tmp_path / 'other', {'x': {'ice': 2}}, config=strided, seed=4)
    assert 'one has a stride of 0.5 s' in merge([one, other], tmp_path / 'both').warnings[0]


def test_a_split_keeps_recordings_whole_and_every_class(tmp_path: Path) -> None:
    counts = {f'{name}/{number}': {name: 10 + number} for name in ('ice', 'snow', 'mud') for number in range(10)}
    dataset = save_dataset(tmp_path / 'set', counts)
    parts = split(dataset, tmp_path / 'parts', {'train': 0.8, 'test': 0.2}, seed=1)
    assert list(parts) == ['train', 'test']
    for name, share in (('train', 0.8), ('test', 0.2)):
        part = Dataset.load(tmp_path / 'parts' / name, verify=True)
        assert part.classes == dataset.classes
        assert (part.class_counts > 0).all()
        assert np.abs(part.class_counts / dataset.class_counts - share).max() < 0.05
        assert part.history[-1]['part'] == name
    together = [*parts['train'].recording_names, *parts['test'].recording_names]
    assert sorted(together) == sorted(dataset.recording_names)
    assert len(parts['train']) + len(parts['test']) == len(dataset)
    again = split(dataset, tmp_path / 'again', {'train': 0.8, 'test': 0.2}, seed=1)
    assert again['test'].digest == parts['test'].digest
    other = split(dataset, tmp_path / 'other', {'train': 0.8, 'test': 0.2}, seed=2)
    assert other['test'].digest != parts['test'].digest


def can_be_divided(counts: list[dict[str, int]]) -> bool:
    """Try every way of putting recordings into two parts."""
    everything = (1 << len(counts)) - 1
    holders = [
        sum(1 << number for number, entry in enumerate(counts) if name in entry)
        for name in {name for entry in counts for name in entry}
    ]
    return any(
        all(mask & holder and (everything ^ mask) & holder for holder in holders) for mask in range(1, everything)
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(
        st.dictionaries(st.sampled_from(['ice', 'snow', 'mud']), st.integers(1, 9), min_size=1), min_size=4, max_size=12
    ),
    share=st.sampled_from([0.2, 0.5, 0.7]),
    seed=st.integers(0, 5),
)
def test_however_classes_mix_in_recordings(
    tmp_path_factory: pytest.TempPathFactory, counts: list[dict[str, int]], share: float, seed: int
) -> None:
    dataset = save_dataset(
        tmp_path_factory.mktemp('split') / 'set', {f'r{number}': entry for number, entry in enumerate(counts)}
    )
    parts = {'a': share, 'b': 1 - share}
    if not can_be_divided(counts):
        with pytest.raises(SurfaceError):
            assign_recordings(dataset, parts, seed)
        return
    part_of = assign_recordings(dataset, parts, seed)
    assert set(part_of.tolist()) == {0, 1}
    for part in (0, 1):
        labels = dataset.labels[part_of[dataset.recording] == part]
        assert set(labels.tolist()) == set(range(len(dataset.classes)))


def test_splits_that_cannot_be(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', {'a': {'ice': 5}, 'b': {'ice': 5}, 'c': {'snow': 4}})
    with pytest.raises(SurfaceError, match="class 'snow' has 1 recording and cannot be in each of 2 parts"):
        split(dataset, tmp_path / 'parts', {'train': 0.5, 'test': 0.5})
    bare = save_dataset(tmp_path / 'bare', {'a': {'ice': 5, 'snow': 5}}, has_recordings=False)
    with pytest.raises(SurfaceError, match='no recordings are known'):
        split(bare, tmp_path / 'parts', {'train': 0.5, 'test': 0.5})
    assert not (tmp_path / 'parts').exists()
    even = save_dataset(tmp_path / 'even', {name: {'ice': 5, 'snow': 5} for name in 'abcd'})
    save_dataset(tmp_path / 'parts' / 'test', {'a': {'ice': 1}})
    with pytest.raises(SurfaceError, match='test: a data set is there already'):
        split(even, tmp_path / 'parts', {'train': 0.5, 'test': 0.5})
    assert [path.name for path in (tmp_path / 'parts').iterdir()] == ['test']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('train=0.8', r'add up to 0\.8'),
        ('train=0.8,test=0.3', r'add up to 1\.1'),
        ('train', "'train' is no part"),
        ('a=0.5,a=0.5', "'a=0.5' is no part"),
        ('../x=0.5,b=0.5', 'is no part'),
        ('a=1.0', 'is no part'),
    ],
)
def test_what_is_no_list_of_parts_is_refused(text: str, message: str) -> None:
    with pytest.raises(SurfaceError, match=message):
        parse_parts(text)


def test_a_balanced_data_set_has_equally_many_windows_from_every_recording(tmp_path: Path) -> None:
    counts: Counts = {'a': {'ice': 40}, 'b': {'ice': 3}, 'c': {'ice': 30}, 'd': {'snow': 6}, 'e': {'snow': 7}}
    dataset = save_dataset(tmp_path / 'set', counts)
    result = balance(dataset, tmp_path / 'even', seed=5)
    even = result.dataset
    assert even.class_counts.tolist() == [13, 13]
    assert result.left_out == 86 - 26
    assert [info.windows for info in even.recordings] == [5, 3, 5, 6, 7]
    assert even.history[-1]['windows_of_each'] == 13
    rows = choose_windows(dataset, 13, 5)
    np.testing.assert_array_equal(even.parts['motor'], dataset.parts['motor'][rows])
    assert balance(dataset, tmp_path / 'again', seed=5).dataset.digest == even.digest
    assert balance(dataset, tmp_path / 'other', seed=6).dataset.digest != even.digest
    assert balance(dataset, tmp_path / 'few', 4).dataset.class_counts.tolist() == [4, 4]
    with pytest.raises(SurfaceError, match=r"--windows 14: class 'snow' of .* has 13; give 1 to 13"):
        balance(dataset, tmp_path / 'many', 14)


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.floats(0.0, 1.0), st.integers(0, 9))
def test_quotas_are_as_even_as_can_be(available: list[int], share: float, seed: int) -> None:
    total = round(share * sum(available))
    given_out = quotas(np.array(available), total, np.random.default_rng(seed))
    assert given_out.sum() == total
    assert (given_out <= np.array(available)).all()
    # Who gives less than another by more than one gives all it has.
    for quota, count in zip(given_out.tolist(), available, strict=True):
        assert quota == count or quota >= given_out.max() - 1
