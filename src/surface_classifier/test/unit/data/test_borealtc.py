# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The real data: BorealTC imports as its 71 labelled recordings and gives the windows of the published figures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from real_recordings import CONFIG, DATA, motor_columns, needs_real_recordings

from current_driver.recordings.recording import find_recordings
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.importers.csv_import import CsvImportResult, import_csv
from surface_classifier.data.splits import folds_from_file, grouped_holdout
from surface_classifier.signal.window_config import WindowConfig

pytestmark = [needs_real_recordings, pytest.mark.slow]

RECORDINGS_OF = {'ASPHALT': 7, 'FLOORING': 10, 'ICE': 13, 'SANDY_LOAM': 14, 'SNOW': 27}


@pytest.fixture(scope='module')
def imported(tmp_path_factory: pytest.TempPathFactory) -> CsvImportResult:
    """Import the motor files alone: the IMU takes most of the time, and one test below imports some of it."""
    columns = motor_columns(tmp_path_factory.mktemp('columns') / 'motor_only.yaml')
    return import_csv(
        DATA / 'borealtc', tmp_path_factory.mktemp('out') / 'recordings', columns=columns, exclude=['MIXED']
    )


@pytest.fixture(scope='module')
def dataset(imported: CsvImportResult, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = WindowConfig.from_yaml(CONFIG / 'borealtc_window.yaml')
    return build_dataset(find_recordings([imported.path]), config, tmp_path_factory.mktemp('set') / 'borealtc').dataset


def test_every_labelled_recording_is_imported(imported: CsvImportResult) -> None:
    surfaces = [item.surface for item in imported.recordings]
    assert len(surfaces) == 71
    assert {name: surfaces.count(name) for name in set(surfaces)} == RECORDINGS_OF


def test_the_windows_are_those_of_the_published_protocol(dataset: Dataset) -> None:
    assert len(dataset) == 5586
    assert dataset.classes == tuple(RECORDINGS_OF)
    assert dataset.counters['voided'] == 0


def test_windows_hold_the_numbers_of_the_files(dataset: Dataset) -> None:
    for name in ('ASPHALT/02', 'SNOW/26'):
        surface, number = name.split('/')
        with (DATA / 'borealtc' / surface / f'pro_{number}.csv').open() as stream:
            rows = [[float(row['curL']), float(row['curR'])] for row in csv.DictReader(stream)]
        values = np.array(rows)
        expected = [values[first : first + 32] for first in range(0, len(values) - 31, 8)]
        found = dataset.parts['motor'][dataset.recording == dataset.recording_names.index(name)]
        np.testing.assert_array_equal(found, np.array(expected))


def test_the_given_folds_fit(dataset: Dataset) -> None:
    for repetition in range(4):
        folds = folds_from_file(dataset, DATA / 'folds.json', repetition)
        assert len(folds) == 5
        assert folds.warnings == ()
        assert sum(len(fold.test_recordings) for fold in folds) == 71
        train, held = grouped_holdout(dataset, 0.15, repetition, folds.folds[0].train)
        assert set(dataset.labels[held].tolist()) == set(range(5))
        assert len(train) + len(held) == len(folds.folds[0].train)


def test_recordings_with_their_imu_files(tmp_path: Path) -> None:
    for name in ('ASPHALT', 'ICE'):
        (tmp_path / 'csv' / name).mkdir(parents=True)
    for file in ('ASPHALT/pro_02.csv', 'ASPHALT/imu_02.csv', 'ICE/pro_01.csv'):
        (tmp_path / 'csv' / file).symlink_to(DATA / 'borealtc' / file)
    result = import_csv(tmp_path / 'csv', tmp_path / 'bags', columns=CONFIG / 'borealtc.yaml')
    asphalt, ice = result.recordings
    assert asphalt.messages['imu'] == 950
    assert 'imu' not in ice.messages
