# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets: what is written is read back, damage is seen, and the digest stands for the content."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import save_dataset
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, DatasetWriter, RecordingInfo, history_entry
from surface_classifier.data.npy_file import NpyAppender
from surface_classifier.signal.window_config import default_window_config

COUNTS = {'a': {'ice': 3, 'snow': 2}, 'b': {'snow': 4}, 'c': {}}


def test_a_saved_data_set_is_loaded_again(tmp_path: Path) -> None:
    saved = save_dataset(tmp_path / 'set', COUNTS)
    loaded = Dataset.load(tmp_path / 'set', verify=True)
    assert loaded.classes == ('ice', 'snow')
    assert loaded.labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert loaded.recording.tolist() == [0] * 5 + [1] * 4
    assert loaded.recording_names == ('a', 'b', 'c')
    assert [info.windows for info in loaded.recordings] == [5, 4, 0]
    assert loaded.class_counts.tolist() == [3, 6]
    assert loaded.config == default_window_config()
    assert loaded.parts['motor'].dtype == np.float64
    np.testing.assert_array_equal(loaded.parts['motor'], saved.parts['motor'])
    assert isinstance(loaded.parts['motor'], np.memmap)


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    first = save_dataset(tmp_path / 'first', COUNTS)
    again = save_dataset(tmp_path / 'elsewhere' / 'again', COUNTS)
    assert first.digest == again.digest
    others = [
        save_dataset(tmp_path / 'values', COUNTS, seed=1),
        save_dataset(tmp_path / 'classes', COUNTS, classes=('snow', 'ice')),
        save_dataset(tmp_path / 'names', {'a': COUNTS['a'], 'x': COUNTS['b'], 'c': {}}),
        save_dataset(tmp_path / 'bare', COUNTS, has_recordings=False),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 5


def test_a_changed_value_is_found(tmp_path: Path) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    values = np.load(tmp_path / 'set' / 'part_motor.npy', mmap_mode='r+')
    values[4, 2, 1] += 1e-9
    values.flush()
    with pytest.raises(SurfaceError, match='a file was changed or damaged'):
        Dataset.load(tmp_path / 'set', verify=True)


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('dataset.json', b'{', 'is not JSON'),
        ('dataset.json', b'[]', 'is not the description of a data set'),
        ('dataset.json', b'{"schema_version": 99}', 'schema version 99, this program reads 1'),
        ('dataset.json', b'{"schema_version": 1}', 'damaged'),
        ('labels.npy', b'', 'cannot be read'),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    (tmp_path / 'set' / file).write_bytes(content)
    with pytest.raises(SurfaceError, match=message) as error:
        Dataset.load(tmp_path / 'set')
    assert file in str(error.value)


def test_labels_without_a_class_are_refused(tmp_path: Path) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    np.save(tmp_path / 'set' / 'labels.npy', np.full(9, 2))
    with pytest.raises(SurfaceError, match='only 0 to 1 have a name'):
        Dataset.load(tmp_path / 'set')


def test_a_folder_that_is_no_data_set_says_so(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'holds no dataset\.json'):
        Dataset.load(tmp_path)
    with pytest.raises(SurfaceError, match='is not there'):
        Dataset.load(tmp_path / 'nowhere')


def test_nothing_appears_before_the_end_and_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    target = tmp_path / 'set'
    window = {'motor': np.zeros((100, 2))}
    with DatasetWriter(target, default_window_config()) as writer:
        index = writer.add_recording(RecordingInfo('a', 1.0))
        writer.add_window(window, label='ice', start_ns=0, end_ns=1, recording=index)
        assert not target.exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ['.set.lock', f'.set.partial-{os.getpid()}']
    assert list(tmp_path.iterdir()) == []


def test_only_a_data_set_is_replaced_and_only_on_request(tmp_path: Path) -> None:
    first = save_dataset(tmp_path / 'set', COUNTS)
    with pytest.raises(SurfaceError, match='--overwrite'):
        DatasetWriter(tmp_path / 'set', default_window_config())
    with DatasetWriter(tmp_path / 'set', default_window_config(), overwrite=True) as writer:
        index = writer.add_recording(RecordingInfo('a', 1.0))
        writer.add_window({'motor': np.zeros((100, 2))}, label='ice', start_ns=0, end_ns=1, recording=index)
        second = writer.finish(counters={}, history=[history_entry('test')])
    assert len(second) == 1
    assert second.digest != first.digest
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious' / 'letter.txt').write_text('dear')
    with pytest.raises(SurfaceError, match='exists and is not a data set'):
        DatasetWriter(tmp_path / 'precious', default_window_config(), overwrite=True)


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / 'set', default_window_config()) as writer:
        writer.add_recording(RecordingInfo('a', 1.0))
        with pytest.raises(SurfaceError, match="two recordings are called 'a'"):
            writer.add_recording(RecordingInfo('a', 2.0))


def test_an_unknown_key_of_a_recording_is_left_out(tmp_path: Path) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    file = tmp_path / 'set' / 'dataset.json'
    description = json.loads(file.read_text())
    description['recordings'][0]['weather'] = 'rain'
    file.write_text(json.dumps(description))
    assert Dataset.load(tmp_path / 'set').recordings[0].name == 'a'


@given(
    array=hnp.arrays(
        st.sampled_from([np.float64, np.int64]),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=12),
        elements=st.just(1),
    )
)
def test_appended_rows_make_the_same_file_as_saving_at_once(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp('npy')
    array = np.cumsum(array, axis=0, dtype=array.dtype)
    with NpyAppender(folder / 'grown.npy', array.shape[1:], array.dtype) as appender:
        for row in array:
            appender.append(row)
    np.save(folder / 'saved.npy', array)
    assert (folder / 'grown.npy').read_bytes() == (folder / 'saved.npy').read_bytes()


def test_a_row_of_another_shape_is_refused(tmp_path: Path) -> None:
    with NpyAppender(tmp_path / 'a.npy', (3,), np.float64) as appender, pytest.raises(ValueError, match='shape'):
        appender.append(np.zeros(4))


def test_a_data_set_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    window = np.zeros((100, 2))
    with DatasetWriter(tmp_path / 'set', default_window_config()) as writer:
        recording = writer.add_recording(RecordingInfo('late', 1.0))
        writer.add_window({'motor': window}, label='ice', start_ns=0, end_ns=1, recording=recording)
        other = save_dataset(tmp_path / 'other', COUNTS)
        (tmp_path / 'other').rename(tmp_path / 'set')
        with pytest.raises(SurfaceError, match='a data set is there already'):
            writer.finish(counters={}, history=[])
    assert Dataset.load(tmp_path / 'set', verify=True).digest == other.digest
    assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_the_folder_one_is_in_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SurfaceError, match='is the folder that the command runs in; name a new one'):
        save_dataset(Path(), COUNTS)
