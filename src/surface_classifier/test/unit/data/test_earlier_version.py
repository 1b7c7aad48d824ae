# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings, window files and data sets of version 0.1.0 load with their values; its models are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording, find_recordings
from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.model.contract import load_contract
from surface_classifier.signal.window_config import WindowConfig

REQUIRES = ('mcap', 'rosbags')

FILES = Path(__file__).resolve().parents[2] / 'data' / 'v0_1_0'
# As version 0.1.0 computed them.
DIGEST = 'cf51a2b36254fe1818414128d115e2b96375416b1163e984dc94254ba99db3b1'
WINDOW_DIGEST = '2b29dda16e0934dcd80aad3def415951f4f03010137d72f3754969e58ac62a4a'
FIRST_MA = [200.0, 140.0]
LAST_MPS = [0.5617584674850984, 0.5617584674850984]


def test_a_window_file_has_the_same_digest() -> None:
    config = WindowConfig.from_yaml(FILES / 'window.yaml')
    assert config.digest == WINDOW_DIGEST
    assert (config.window_samples, config.stride_samples, config.gap_limit_s, config.min_coverage) == (10, 5, 0.2, 0.9)
    assert [(part.name, part.role) for part in config.parts] == [('motor', 'input'), ('motion', 'motion')]


def test_a_data_set_has_the_same_digest_and_values() -> None:
    dataset = Dataset.load(FILES / 'dataset')
    assert dataset.digest == DIGEST
    assert dataset.config == WindowConfig.from_yaml(FILES / 'window.yaml')
    assert dataset.classes == ('carpet', 'tiles')
    assert dataset.labels.tolist() == [0] * 7 + [1] * 7
    np.testing.assert_array_equal(dataset.parts['motor'][0, 0], FIRST_MA)
    np.testing.assert_array_equal(dataset.parts['motion'][-1, -1], LAST_MPS)
    (recording,) = dataset.recordings
    assert (recording.name, recording.robot, recording.payload, recording.seconds) == (
        'recording_mcap',
        'simulated',
        '0 kg',
        3.95,
    )
    assert main(['dataset', 'info', str(FILES / 'dataset')]) == 0


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_recording_gives_the_same_windows(storage: str, tmp_path: Path) -> None:
    path = tmp_path / 'recording'
    shutil.copytree(FILES / f'recording_{storage}', path)
    recording = Recording(path)
    with recording.reader() as reader:
        assert recording.notes(reader) == {
            'robot': 'simulated',
            'payload': '0 kg',
            'battery': '100% charged',
            'note': 'seed 1',
        }
        assert len(list(reader.messages())) == 10
    config = WindowConfig.from_yaml(FILES / 'window.yaml')
    before = Dataset.load(FILES / 'dataset')
    now = build_dataset(find_recordings([path]), config, tmp_path / 'set').dataset
    assert now.classes == before.classes
    for name in before.parts:
        np.testing.assert_array_equal(now.parts[name], before.parts[name])
    for name in ('labels', 'start_ns', 'end_ns'):
        np.testing.assert_array_equal(getattr(now, name), getattr(before, name))


def test_a_model_is_refused_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = 'has format 1, this version reads format 2; train the model with this version'
    with pytest.raises(SurfaceError, match=rf'model\.json {sentence}$'):
        load_contract(FILES / 'model')
    assert main(['test', str(FILES / 'model'), str(FILES / 'dataset')]) == 2
    assert sentence in capsys.readouterr().err
