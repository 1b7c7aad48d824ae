# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Editing data sets: the windows that are meant and no others, a history of it, and a source left as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import save_dataset

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording
from current_driver.testing.drives import write_drive
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.editing.dataset_edit import drop, relabel
from surface_classifier.data.editing.window_selection import TimeSpan, parse_numbers, select_windows
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig, default_window_config

COUNTS = {'hall/1': {'ice': 3, 'snow': 2}, 'hall/2': {'snow': 4}, 'yard/1': {'ice': 1, 'mud': 2}, 'empty': {}}


def names(dataset: Dataset) -> list[str]:
    return [dataset.classes[label] for label in dataset.labels.tolist()]


def write_diagnosis(path: Path, dataset: Dataset, probable: dict[int, str], **changes: Any) -> Path:
    content = {
        'verdicts': [{'id': 'mislabelled_windows', 'windows': list(probable)}],
        'suspected': [
            {'window': window, 'label': 'x', 'probable': name, 'probability': 0.9} for window, name in probable.items()
        ],
        'dataset': {'path': str(dataset.path), 'digest': dataset.digest},
    }
    path.write_text(json.dumps({**content, **changes}))
    return path


def test_windows_of_a_recording_get_another_label(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    before = dataset.digest
    selection = select_windows(dataset, recordings=['hall/*'], classes=['snow'])
    result = relabel(dataset, tmp_path / 'new', selection, 'grass')
    assert (result.relabelled, result.left_out) == (6, 0)
    assert names(result.dataset) == ['ice'] * 3 + ['grass'] * 6 + ['ice', 'mud', 'mud']
    assert result.dataset.classes == ('grass', 'ice', 'mud')
    np.testing.assert_array_equal(result.dataset.parts['motor'], dataset.parts['motor'])
    np.testing.assert_array_equal(result.dataset.start_ns, dataset.start_ns)
    entry = result.dataset.history[-1]
    assert entry['action'] == 'dataset relabel'
    assert entry['of'] == before
    assert entry['selection'] == {'recordings': ['hall/1', 'hall/2'], 'classes': ['snow']}
    assert entry['changes'] == [[window, 'snow', 'grass'] for window in range(3, 9)]
    Dataset.load(tmp_path / 'new', verify=True)
    assert Dataset.load(tmp_path / 'set', verify=True).digest == before


def test_in_place_only_when_asked(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    selection = select_windows(dataset, windows=[0, 8])
    with pytest.raises(SurfaceError, match='set: is the data set itself; give another name with -o'):
        relabel(dataset, tmp_path / 'set', selection, 'mud', overwrite=True)
    relabel(dataset, tmp_path / 'set', selection, 'mud', in_place=True)
    changed = Dataset.load(tmp_path / 'set', verify=True)
    assert names(changed) == ['mud', 'ice', 'ice', *['snow'] * 5, 'mud', 'ice', 'mud', 'mud']
    assert [entry['action'] for entry in changed.history] == ['dataset relabel']
    again = relabel(changed, tmp_path / 'set', select_windows(changed, windows=[1]), 'snow', in_place=True)
    assert [entry['action'] for entry in again.dataset.history] == ['dataset relabel'] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ['set']


@pytest.mark.requires('mcap', 'rosbags')
def test_a_stretch_of_time_and_the_windows_over_its_edges(tmp_path: Path) -> None:
    # Windows of 1 s each half second, from the beginning of the recording on.
    bag = write_drive(tmp_path / 'drive', [('ice', 10.0)])
    dataset = build_dataset([Recording(bag)], default_window_config(), tmp_path / 'set', allow_one_class=True).dataset
    assert len(dataset) == 19
    selection = select_windows(dataset, spans=[TimeSpan.parse('drive:3-6')])
    starts_s = (np.asarray(dataset.start_ns) - dataset.start_ns[0]) / messages.NANOSECONDS
    assert starts_s[selection.inside].tolist() == [3.0, 3.5, 4.0, 4.5, 5.0]
    assert starts_s[selection.partly].tolist() == [2.5, 5.5]
    result = relabel(dataset, tmp_path / 'new', selection, 'snow')
    assert (result.relabelled, result.left_out) == (5, 2)
    assert names(result.dataset) == ['ice'] * 5 + ['snow'] * 5 + ['ice'] * 7
    gone = drop(dataset, tmp_path / 'gone', select_windows(dataset, spans=[TimeSpan.parse('drive:8.9-')]))
    assert gone.left_out == 3
    assert gone.dataset.history[-1]['selection'] == {'spans': ['drive:8.9-inf']}


def test_the_windows_that_a_diagnosis_holds_for_mislabelled(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    file = write_diagnosis(tmp_path / 'd.json', dataset, {1: 'snow', 10: 'ice'})
    selection = select_windows(dataset, diagnosis=file)
    result = relabel(dataset, tmp_path / 'new', selection)
    assert result.relabelled == 2
    assert names(result.dataset)[1] == 'snow'
    assert names(result.dataset)[10] == 'ice'
    assert drop(dataset, tmp_path / 'less', selection).left_out == 2
    with pytest.raises(SurfaceError, match=r'is the diagnosis of .*set \(digest .*not of .*new'):
        select_windows(result.dataset, diagnosis=file)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'verdicts': [{'id': 'healthy'}]}, r'holds no windows for mislabelled \(it says healthy\)'),
        ({'verdicts': 3}, 'is not the JSON of .surface diagnose'),
        ({'suspected': []}, 'does not say what window 1 looks like'),
    ],
)
def test_a_diagnosis_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    file = write_diagnosis(tmp_path / 'd.json', dataset, {1: 'snow'}, **changes)
    with pytest.raises(SurfaceError, match=message) as error:
        select_windows(dataset, diagnosis=file)
    assert str(file) in str(error.value)


def test_recordings_classes_and_windows_that_are_left_out(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    kept = drop(dataset, tmp_path / 'a', select_windows(dataset, recordings=['yard/1'])).dataset
    assert kept.recording_names == ('hall/1', 'hall/2', 'empty')
    assert kept.classes == ('ice', 'snow')
    np.testing.assert_array_equal(kept.parts['motor'], dataset.parts['motor'][:9])
    kept = drop(dataset, tmp_path / 'b', select_windows(dataset, classes=['snow', 'mud'])).dataset
    assert kept.classes == ('ice',)
    assert [info.windows for info in kept.recordings] == [3, 1, 0]
    kept = drop(dataset, tmp_path / 'c', select_windows(dataset, windows=parse_numbers('0-2, 11'))).dataset
    np.testing.assert_array_equal(kept.parts['motor'], dataset.parts['motor'][3:11])
    assert kept.recording.tolist() == [0] * 2 + [1] * 4 + [2] * 2
    assert kept.history[-1]['left_out'] == 4
    with pytest.raises(SurfaceError, match='no window would be left'):
        drop(dataset, tmp_path / 'd', select_windows(dataset, recordings=['*']))
    assert not (tmp_path / 'd').exists()


def test_channels_that_are_left_out(tmp_path: Path) -> None:
    def part(name: str, *channels: str) -> PartConfig:
        return PartConfig(name, 20.0, tuple(ChannelConfig(channel, name, 'x/msg/X', channel) for channel in channels))

    config = WindowConfig((part('motor', 'left', 'right', 'x'), part('imu', 'x', 'y')), 10, 10)
    dataset = save_dataset(tmp_path / 'set', {'a': {'ice': 4}, 'b': {'snow': 4}}, config=config)
    less = drop(dataset, tmp_path / 'less', None, ['left', 'imu.x']).dataset
    assert [part.channel_names for part in less.config.parts] == [('right', 'x'), ('y',)]
    np.testing.assert_array_equal(less.parts['motor'], dataset.parts['motor'][:, :, 1:])
    np.testing.assert_array_equal(less.parts['imu'], dataset.parts['imu'][:, :, 1:])
    assert less.config.digest != dataset.config.digest
    alone = drop(dataset, tmp_path / 'alone', select_windows(dataset, recordings=['a']), ['y', 'imu.x']).dataset
    assert list(alone.parts) == ['motor']
    assert len(alone) == 4
    for channels, message in (
        (['z'], r"has no channel 'z'; name one of motor\.left, motor\.right"),
        (['x'], r"has several channels 'x'; name one of motor\.x, imu\.x"),
        (['left', 'right', 'motor.x'], "part 'motor' would have no channel left"),
    ):
        with pytest.raises(SurfaceError, match=message):
            drop(dataset, tmp_path / 'none', None, channels)


@pytest.mark.parametrize(
    ('selection', 'message'),
    [
        ({'windows': [12]}, 'has no window 12; its windows are 0 to 11'),
        ({'recordings': ['hall/3']}, "has no recording 'hall/3'; it has hall/1, hall/2"),
        ({'classes': ['grass']}, "has no class 'grass'; its classes are ice, mud, snow"),
        ({'recordings': ['hall/2'], 'classes': ['mud']}, 'no window is meant by --recordings and --classes together'),
        ({}, 'say which windows are meant'),
    ],
)
def test_windows_that_are_not_there(tmp_path: Path, selection: dict[str, Any], message: str) -> None:
    with pytest.raises(SurfaceError, match=message):
        select_windows(save_dataset(tmp_path / 'set', COUNTS), **selection)


@pytest.mark.parametrize('text', ['drive', 'drive:', 'drive:5-3', ':1-2', 'drive:a-b', 'drive:-1-2'])
def test_what_is_no_stretch_is_refused(text: str) -> None:
    with pytest.raises(SurfaceError, match='is no stretch of a recording'):
        TimeSpan.parse(text)


@pytest.mark.parametrize('text', ['', '3-', 'a', '5-3', '1,,2', '-4'])
def test_what_is_no_list_of_windows_is_refused(text: str) -> None:
    with pytest.raises(SurfaceError, match='is no list of windows'):
        parse_numbers(text)


def test_nothing_to_do_is_reported(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    with pytest.raises(SurfaceError, match='carry that label already'):
        relabel(dataset, tmp_path / 'new', select_windows(dataset, classes=['ice']), 'ice')
    with pytest.raises(SurfaceError, match='say the new label with --to'):
        relabel(dataset, tmp_path / 'new', select_windows(dataset, classes=['ice']))
    with pytest.raises(SurfaceError, match='--to: the label is empty'):
        relabel(dataset, tmp_path / 'new', select_windows(dataset, classes=['ice']), ' ')
    assert not (tmp_path / 'new').exists()
