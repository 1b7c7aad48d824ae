# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset info | plot | relabel | drop | merge | split | balance` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import save_dataset, seal

from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import main
from surface_classifier.data import executor
from surface_classifier.data.dataset import Dataset

COUNTS = {f'{name}/{number}': {name: 3 + number} for name in ('ice', 'snow') for number in range(4)}


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> Any:
    """Run `surface dataset` with --json -; give what it prints, parsed."""
    capsys.readouterr()
    assert main(['dataset', *map(str, arguments), '--json', '-']) == code
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run the command, which must refuse its input in one sentence; return that sentence."""
    capsys.readouterr()
    assert main(['dataset', *map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert error.startswith('surface: error: ')
    assert error.count('\n') == 1
    return error


def test_a_data_set_is_edited_step_by_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    shown = run(
        capsys, 'relabel', tmp_path / 'set', '-o', tmp_path / 'a', '--recordings', 'ice/3', '--to', 'mud', '--new-class'
    )
    assert shown['relabelled'] == 6
    assert shown['classes']['mud'] == {'windows': 6, 'recordings': 1}
    shown = run(capsys, 'drop', tmp_path / 'a', '-o', tmp_path / 'b', '--classes', 'mud')
    assert (shown['left_out'], shown['windows']) == (6, 30)
    shown = run(capsys, 'drop', tmp_path / 'b', '--in-place', '--channels', 'right', '--windows', '0')
    assert [channel['name'] for channel in shown['config']['parts'][0]['channels']] == ['left']
    shown = run(capsys, 'balance', tmp_path / 'b', '-o', tmp_path / 'c', '--seed', '3')
    assert {entry['windows'] for entry in shown['classes'].values()} == {11}
    assert [entry['action'] for entry in shown['history']] == [
        'dataset relabel',
        'dataset drop',
        'dataset drop',
        'dataset balance',
    ]
    assert Dataset.load(tmp_path / 'set', verify=True).classes == ('ice', 'snow')


def test_what_people_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    assert main(['dataset', 'split', str(tmp_path / 'set'), '-o', str(tmp_path / 'p'), '--parts', 'a=0.5,b=0.5']) == 0
    printed = capsys.readouterr().out
    assert 'a: 18 windows (50.0 %, wanted 50 %) of 4 recordings (ice 9, snow 9)' in printed
    arguments = ['dataset', 'merge', str(tmp_path / 'p/a'), str(tmp_path / 'p/b'), '-o', str(tmp_path / 'm')]
    assert main(arguments) == 0
    assert '36 windows of 1 s' in capsys.readouterr().out
    merged = Dataset.load(tmp_path / 'm')
    assert sorted(merged.recording_names) == sorted(COUNTS)
    assert main(['dataset', 'drop', str(tmp_path / 'm'), '-o', str(tmp_path / 'n'), '--windows', '0-1']) == 0
    assert capsys.readouterr().out.startswith('2 windows left out\n34 windows of 1 s')


def test_split_and_merge_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    shown = run(capsys, 'split', tmp_path / 'set', '-o', tmp_path / 'p', '--parts', 'train=0.75,test=0.25')
    assert shown['of'] == dataset.digest
    assert shown['parts']['train']['windows'] + shown['parts']['test']['windows'] == 36
    shown = run(capsys, 'merge', tmp_path / 'p/train', tmp_path / 'p/test', '-o', tmp_path / 'm')
    assert (shown['windows'], shown['warnings']) == (36, [])


def test_a_diagnosis_mends_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = save_dataset(tmp_path / 'set', COUNTS)
    content = {
        'verdicts': [{'id': 'mislabelled_windows', 'windows': [2]}],
        'suspected': [{'window': 2, 'label': 'ice', 'probable': 'snow', 'probability': 0.9}],
        'dataset': {'path': 'set', 'digest': dataset.digest},
    }
    (tmp_path / 'd.json').write_text(json.dumps(content))
    shown = run(capsys, 'relabel', tmp_path / 'set', '-o', tmp_path / 'new', '--diagnosis', tmp_path / 'd.json')
    assert shown['history'][-1]['changes'] == [[2, 'ice', 'snow']]


@pytest.mark.requires('mcap', 'rosbags')
def test_info_shows_what_a_data_set_covers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 3.0)], rate_hz=1000.0, metadata={'robot': 'husky'})
    assert main(['dataset', 'build', str(tmp_path / 'r'), '-o', str(tmp_path / 'set')]) == 0
    shown = run(capsys, 'info', tmp_path / 'set')
    # The low-pass takes the first window of the drive.
    assert shown['classes']['ice'] == {'windows': 4, 'recordings': 1, 'robots': ['husky'], 'seconds': 2.5}
    assert shown['inputs']['motor']['median_rate_hz'] == pytest.approx(1000.0)
    power = shown['power_above_nyquist']['parts']['motor']
    assert power['nyquist_hz'] == 50.0
    # White noise sampled at 1 kHz has nine tenths of its power above 50 Hz.
    assert power['share'] == pytest.approx(0.9, abs=0.02)
    assert power['removed']
    assert shown['channel_faults'] == []
    assert main(['dataset', 'info', str(tmp_path / 'set')]) == 0
    printed = capsys.readouterr().out
    assert 'husky' in printed
    assert 'motor: samples at 1000 Hz; jitter 0 ms; no gaps; 100 % of the values measured' in printed
    assert 'of the power lies above 50 Hz' in printed
    assert 'taken out by the low-pass' in printed
    (tmp_path / 'r').rename(tmp_path / 'elsewhere')
    assert 'are gone' in run(capsys, 'info', tmp_path / 'set')['power_above_nyquist']['why']
    assert run(capsys, 'info', tmp_path / 'set', '--no-spectrum')['power_above_nyquist'] is None


def test_info_names_channels_that_are_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', COUNTS)
    values = np.load(tmp_path / 'set' / 'part_motor.npy', mmap_mode='r+')
    values[:, :, 1] = 2.0
    values.flush()
    seal(tmp_path / 'set')
    faults = run(capsys, 'info', tmp_path / 'set')['channel_faults']
    assert [(fault['channel'], fault['kind']) for fault in faults] == [('motor.right', 'constant')]
    values[:, :, 1] = 3.0 * values[:, :, 0] + 1.0
    values[:12, :, 0] = 0.5
    values.flush()
    seal(tmp_path / 'set')
    faults = run(capsys, 'info', tmp_path / 'set')['channel_faults']
    assert [(fault['channel'], fault['kind']) for fault in faults] == [('motor.left', 'dead')]
    assert main(['dataset', 'info', str(tmp_path / 'set')]) == 0
    assert 'channel motor.left: dead, it does not change at all in 33 % of the windows' in capsys.readouterr().out


def test_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    save_dataset(tmp_path / 'set', COUNTS)
    shown = run(capsys, 'plot', tmp_path / 'set', '-o', tmp_path / 'set.png')
    assert shown['picture'] == str(tmp_path / 'set.png')
    assert (tmp_path / 'set.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.requires('mcap', 'rosbags')
def test_bags_and_csv_files_in_one_build_by_whatever_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0)])
    lines = [f'{row / 100},{row % 7},{row % 5}' for row in range(300)]
    (tmp_path / 'csv' / 'snow').mkdir(parents=True)
    (tmp_path / 'csv' / 'snow' / '1.csv').write_text('\n'.join(['time,curL,curR', *lines]))
    made: list[tuple[str, int | None]] = []

    def make(name: executor.ExecutorName, jobs: int | None) -> executor.Executor:
        made.append((name, jobs))
        return executor.LocalExecutor(1)

    monkeypatch.setattr(executor, 'make_executor', make)
    build: list[str | Path] = ['build', tmp_path / 'r', tmp_path / 'csv', '--overwrite', '-o', tmp_path / 'set']
    shown = run(capsys, *build)
    assert [entry['name'] for entry in shown['recordings']] == ['a', 'snow/1']
    run(capsys, *build, '--jobs', '3')
    run(capsys, *build, '--executor', 'ray')
    assert made == [('local', 1), ('local', 3), ('ray', None)]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['relabel', 'SET', '-o', 'NEW', '--classes', 'ice'], 'say the new label with --to'),
        (
            ['relabel', 'SET', '-o', 'NEW', '--classes', 'ice', '--to', 'icy'],
            "--to 'icy' is no class of the data set: did you mean 'ice'? give --new-class",
        ),
        (['relabel', 'SET', '-o', 'SET', '--classes', 'ice', '--to', 'x'], 'is the data set itself'),
        (['drop', 'SET', '-o', 'NEW'], 'say what to leave out'),
        (['drop', 'SET', '-o', 'NEW', '--spans', 'ice'], 'is no stretch of a recording'),
        (['drop', 'SET', '-o', 'NEW', '--diagnosis', 'none.json'], 'none.json: no such file'),
        (['merge', 'SET', '-o', 'NEW'], 'at least two data sets'),
        (['merge', 'SET', 'SET', '-o', 'NEW'], 'hold one recording'),
        (['split', 'SET', '-o', 'NEW', '--parts', 'a=0.5'], 'add up to 0.5'),
        (['split', 'SET', '-o', 'NEW', '--parts', 'a=0.2,b=0.2,c=0.2,d=0.2,e=0.2'], 'cannot be in each of 5 parts'),
        (['balance', 'SET', '-o', 'NEW', '--windows', '99'], 'give 1 to 18'),
        (['plot', 'SET', '-o', 'NEW.txt'], 'is no picture'),
    ],
)
def test_wrong_input_is_reported_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    save_dataset(tmp_path / 'SET', COUNTS)
    paths = [str(tmp_path / word) if word in ('SET', 'NEW', 'NEW.txt') else word for word in arguments]
    assert message in refused(capsys, *paths)
    assert [path.name for path in tmp_path.iterdir()] == ['SET']
