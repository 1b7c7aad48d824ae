# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a data set is cut from: bags and CSV files in any mix, the same windows either way, and the history of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from current_driver.recordings.recording import find_recordings
from current_driver.testing.drives import write_drive
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset, motor_window_config
from surface_classifier.data.dataset_sources import LabelledCsv, find_sources, is_edited, source_paths
from surface_classifier.data.importers.csv_import import import_csv


def write_csv(path: Path, rows: int = 300, step: int = 7, names: str = 'time,curL,curR') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'{row / 100},{row % step},{row % 5}' for row in range(rows)]
    path.write_text('\n'.join([names, *lines]) + '\n')
    return path


def build(folder: Path, target: str, *paths: Path) -> Dataset:
    recordings = find_sources(paths).recordings
    return build_dataset(recordings, motor_window_config(recordings), folder / target).dataset


def test_csv_files_give_the_windows_that_they_give_once_imported(tmp_path: Path) -> None:
    for number, name in enumerate(('ice/0', 'ice/1', 'snow/0')):
        write_csv(tmp_path / 'csv' / f'{name}.csv', step=5 + number)
    import_csv(tmp_path / 'csv', tmp_path / 'bags')
    direct = build(tmp_path, 'direct', tmp_path / 'csv')
    assert direct.recording_names == ('ice/0', 'ice/1', 'snow/0')
    assert direct.digest == build(tmp_path, 'imported', tmp_path / 'bags').digest


@pytest.mark.requires('mcap', 'rosbags')
def test_any_mix_of_bags_csv_files_and_folders(tmp_path: Path) -> None:
    write_drive(tmp_path / 'bags' / 'a', [('ice', 3.0), ('snow', 3.0)])
    write_drive(tmp_path / 'both' / 'b', [('ice', 3.0)])
    write_csv(tmp_path / 'both' / 'mud' / '1.csv')
    write_csv(tmp_path / 'both' / 'note.csv')
    write_csv(tmp_path / 'single' / 'tar' / '1.csv')
    write_csv(tmp_path / 'own' / 'mud' / '1.csv')
    paths = [tmp_path / 'bags', tmp_path / 'both', tmp_path / 'single/tar/1.csv', tmp_path / 'own/mud']
    sources = find_sources(paths)
    names = [recording.name for recording in sources.recordings]
    assert names[:2] == ['a', 'b']
    assert names[3] == 'tar/1'
    assert len(set(names)) == 5
    assert [r.surface for r in sources.recordings if isinstance(r, LabelledCsv)] == ['mud', 'tar', 'mud']
    assert len(sources.warnings) == 1
    assert 'note.csv' in sources.warnings[0]
    without = find_sources(paths[:2], exclude=['mud'])
    assert [recording.name for recording in without.recordings] == ['a', 'b']
    with pytest.raises(SurfaceError, match='--exclude mut: there is no such folder'):
        find_sources(paths, exclude=['mut'])


def test_a_columns_file_says_which_files_are_one_recording(tmp_path: Path) -> None:
    for name in ('pro_1', 'pro_2'):
        write_csv(tmp_path / 'csv' / 'ice' / f'{name}.csv', names='t,l,r')
    columns = tmp_path / 'columns.yaml'
    columns.write_text(
        "files: {motor: 'pro_{id}.csv'}\nmotor:\n  time: {column: t, unit: s}\n  current: {left: l, right: r}\n"
    )
    sources = find_sources([tmp_path / 'csv'], columns=columns)
    assert [recording.name for recording in sources.recordings] == ['ice/1', 'ice/2']
    with sources.recordings[0].reader() as reader:
        assert list(reader.topics) == ['motor_current']


@pytest.mark.parametrize('name', ['nothing', 'missing'])
def test_a_path_without_a_recording_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(SurfaceError, match=f'{name}: (holds no recording|no such file or folder)'):
        find_sources([tmp_path / name])


@pytest.mark.requires('mcap', 'rosbags')
def test_the_history_leads_back_to_every_recording(tmp_path: Path) -> None:
    write_drive(tmp_path / 'bags' / 'a', [('ice', 3.0), ('snow', 3.0)])
    for name in ('ice/0', 'snow/1'):
        write_csv(tmp_path / 'csv' / f'{name}.csv')
    dataset = build(tmp_path, 'set', tmp_path / 'bags', tmp_path / 'csv')
    assert not is_edited(dataset.history)
    found = source_paths(dataset.history)
    assert found is not None
    recordings = [source.open() for source in found]
    assert [recording.name for recording in recordings] == list(dataset.recording_names)
    again = build_dataset(recordings, dataset.config, tmp_path / 'again').dataset
    assert again.digest == dataset.digest
    old = [{'action': 'dataset build', 'recordings': [str(tmp_path / 'bags' / 'a')]}]
    assert [source.name for source in source_paths(old) or []] == [(tmp_path / 'bags' / 'a').as_posix()]
    assert source_paths([{'action': 'import arrays'}]) is None


@pytest.mark.requires('mcap', 'rosbags')
def test_bags_are_named_as_ever(tmp_path: Path) -> None:
    for name in ('ice/0', 'snow/0'):
        write_drive(tmp_path / 'r' / name, [('ice', 2.0)])
    for paths in ([tmp_path / 'r'], [tmp_path / 'r' / 'ice', tmp_path / 'r' / 'snow']):
        mine = [recording.name for recording in find_sources(paths).recordings]
        assert mine == [recording.name for recording in find_recordings(paths)]
