# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of files, each row named by its property: the right value or a clear sentence, never a silent wrong value.

| kind | source |
|---|---|
| data that changed on the disk | https://github.com/huggingface/datasets/issues/5536 |
| two commands with one output | https://github.com/iterative/dvc/issues/3058 |
| escape codes in names | https://cwe.mitre.org/data/definitions/150.html |
| ports that are no ports | https://pyserial.readthedocs.io/en/latest/url_handlers.html |
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import save_dataset, seal

from current_driver.devices.serial_port.serial_link import SerialLink
from current_driver.errors import SurfaceError
from current_driver.files.output_folders import claim_folder
from surface_classifier.cli.main import EXIT_BAD_INPUT, main
from surface_classifier.data.dataset import Dataset, DatasetWriter
from surface_classifier.signal.window_config import default_window_config

COUNTS = {'a': {'ice': 3, 'snow': 3}, 'b': {'ice': 3, 'snow': 3}}
TRAINING_VERBS = ('train {0} -o {1}/model', 'evaluate {0}', 'diagnose {0}', 'sweep {0} -o {1}/sweep')


def _flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def _set(path: Path, index: tuple[int, ...], value: float) -> None:
    values = np.load(path, mmap_mode='r+')
    values[index] = value
    values.flush()


DAMAGES: dict[str, Callable[[Path], object]] = {
    'one bit of a value': lambda path: _flip(path / 'part_motor.npy', -3),
    'a NaN': lambda path: _set(path / 'part_motor.npy', (4, 7, 1), np.nan),
    'a zero': lambda path: _set(path / 'part_motor.npy', (0, 0, 0), 0.0),
    'another label': lambda path: _set(path / 'labels.npy', (0,), 1),
    'another recording': lambda path: _set(path / 'recording.npy', (0,), 1),
    'another stamp': lambda path: _set(path / 'start_ns.npy', (2,), 5),
    'values of another data set': lambda path: (path / 'part_motor.npy').write_bytes(
        (save_dataset(path.with_name('other'), COUNTS, seed=9).path / 'part_motor.npy').read_bytes()
    ),
    'another name of a class': lambda path: (path / 'dataset.json').write_text(
        (path / 'dataset.json').read_text().replace('"snow"', '"mud"')
    ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_data_are_never_trained_on(damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = save_dataset(tmp_path / 'set', COUNTS).path
    Dataset.load(data)  # verified, and remembered as such
    DAMAGES[damage](data)
    for verb in TRAINING_VERBS:
        assert main(verb.format(data, tmp_path).split()) == EXIT_BAD_INPUT
        error = capsys.readouterr().err
        assert 'a file was changed or damaged; build the data set again' in error
        assert str(data) in error
    assert not (tmp_path / 'model').exists()


def test_an_intact_data_set_is_verified_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = save_dataset(tmp_path / 'set', COUNTS).path
    read: list[Path] = []
    digest = Dataset.content_digest

    def counted(self: Dataset) -> str:
        read.append(self.path)
        return digest(self)

    monkeypatch.setattr(Dataset, 'content_digest', counted)
    for _ in range(3):
        Dataset.load(data)
    assert read == [data]


def test_the_second_of_two_trainings_to_one_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('torch', reason='torch is not installed')
    data = save_dataset(tmp_path / 'set', COUNTS).path
    with claim_folder(tmp_path / 'model'):
        monkeypatch.setattr('threading.get_ident', lambda: -1)  # as another thread
        assert main(['train', str(data), '-o', str(tmp_path / 'model')]) == EXIT_BAD_INPUT
    assert 'model: is being written by process' in capsys.readouterr().err


@pytest.mark.parametrize('note', ['\x1b[2J\x1b]0;owned\x07', '\x9b31m', 'a\rb', '\u202ee'])
def test_escape_codes_of_a_data_set_do_not_reach_the_terminal(
    note: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save_dataset(tmp_path / 'set', COUNTS).path
    file = data / 'dataset.json'
    description = json.loads(file.read_text())
    description['classes'] = ['ice', f'snow{note}']
    description['recordings'][0]['robot'] = f'husky{note}'
    file.write_text(json.dumps(description))
    seal(data)
    assert main(['info', str(data)]) == 0
    assert main(['dataset', 'info', str(data)]) == 0
    printed = ''.join(capsys.readouterr())
    assert 'snow' in printed
    assert not [character for character in printed if not (character.isprintable() or character in '\n\t')]


@pytest.mark.parametrize('name', ['a\0b', 'a\x1b[31m', 'x' * 201])
def test_classes_and_recordings_with_names_that_cannot_be_carried_are_refused(name: str, tmp_path: Path) -> None:
    for counts in ({'a': {'ice': 2, name: 2}}, {name: {'ice': 2, 'snow': 2}}):
        with pytest.raises(SurfaceError, match=r'^(class|recording) '):
            save_dataset(tmp_path / 'set', counts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('port', ['spy:///dev/ttyUSB0?file=/tmp/x', 'loop://', 'hwgrep://x', 'SPY://x', 'a\0b'])
def test_ports_that_are_no_ports_are_refused(port: str) -> None:
    with pytest.raises(SurfaceError, match=r'serial\.port.*socket://HOST:PORT'):
        SerialLink(port, 115200, 'csv', [], lambda: 0)


@pytest.mark.parametrize('port', ['/dev/ttyUSB0', 'COM3', 'socket://host:1', 'rfc2217://host:1', 'RFC2217://host:1'])
def test_ports_are_accepted(port: str) -> None:
    SerialLink(port, 115200, 'csv', [], lambda: 0)


def test_a_second_writer_of_a_data_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DatasetWriter(tmp_path / 'set', default_window_config()):
        monkeypatch.setattr('threading.get_ident', lambda: -1)  # as another thread
        with pytest.raises(SurfaceError, match='set: is being written by process'):
            DatasetWriter(tmp_path / 'set', default_window_config())
    assert list(tmp_path.iterdir()) == []
