# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Every verb that reads a YAML or JSON file refuses a damaged one: exit status 2, one sentence, no traceback.

Kinds of damage after https://en.wikipedia.org/wiki/Billion_laughs_attack, https://github.com/python/cpython/issues/95778
(long integers), https://github.com/yaml/pyyaml/issues/444 (dates) and files that a full disk or an editor left.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dataset_samples import save_dataset

from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import EXIT_BAD_INPUT, main

LAUGHS = 'a0: &a0 [ha, ha]\n' + ''.join(f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]\n' for n in range(1, 10))
# What stands in a file instead of its content.
YAML_DAMAGES = {
    'billion laughs': LAUGHS,
    'deep nesting': '[' * 3000 + ']' * 3000,
    'long integer': 'samples: ' + '9' * 5000,
    'bad date': 'note: 2024-13-45',
    'unknown tag': 'note: !robot {x: 1}',
    'cut off': 'window: {samples: 100, str',
    'NUL': 'note: "a\\0b"',
    'a list': '- 1\n- 2',
    'a text': 'nothing',
    'latin-1': 'größe: 1'.encode('latin-1'),
}
JSON_DAMAGES = {
    'empty': '',
    'deep nesting': '[' * 100_000 + ']' * 100_000,
    'long integer': '{"windows": ' + '9' * 5000 + '}',
    'cut off': '{"classes": ["ice", "sn',
    'NUL': '{"classes": ["ice\\u0000", "snow"]}',
    'key given twice': '{"windows": 1, "windows": 2}',
    'a list': '[1, 2]',
    'a text': '"nothing"',
    'null': 'null',
    'latin-1': '{"größe": 1}'.encode('latin-1'),
}
# For each damaged file the commands that read it; {w} is the folder of everything, {f} the file.
YAML_READERS = {
    'drive/recording.yaml': ['info {w}/drive', 'dataset build {w}/drive -o {w}/out', 'inspect {w}/drive'],
    'drive/metadata.yaml': ['info {w}/drive', 'dataset build {w}/drive -o {w}/out', 'dataset check {w}/drive'],
    'windows.yaml': ['dataset build {w}/whole -o {w}/out --channels {f}', 'dataset check {w}/whole --channels {f}'],
    'columns.yaml': ['import csv {w}/csv -o {w}/out --columns {f}', 'inspect {w}/csv/ice/a.csv --columns {f}'],
    'recipe.yaml': [
        'train {w}/whole_set -o {w}/out --config {f}',
        'evaluate {w}/whole_set --config {f}',
        'diagnose {w}/whole_set --config {f}',
        'sweep {w}/whole_set -o {w}/out --config {f}',
    ],
    'space.yaml': ['sweep {w}/whole_set -o {w}/out --space {f}'],
}
JSON_READERS = {
    'set/dataset.json': [
        'info {w}/set',
        'dataset info {w}/set',
        'dataset plot {w}/set -o {w}/out.png',
        'dataset relabel {w}/set --to mud --new-class --windows 0 --in-place',
        'dataset drop {w}/set --windows 0 -o {w}/out',
        'dataset merge {w}/set {w}/whole_set -o {w}/out',
        'dataset split {w}/set -o {w}/out --parts a=0.5,b=0.5',
        'train {w}/set -o {w}/out',
        'evaluate {w}/set',
        'diagnose {w}/set',
        'sweep {w}/set -o {w}/out',
    ],
    'model/model.json': [
        'info {w}/model',
        'classify {w}/model {w}/whole',
        'dataset check {w}/whole --model {w}/model',
        'report {w}/model -o {w}/out.html',
    ],
    'diagnosis.json': [
        'dataset relabel {w}/whole_set -o {w}/out --diagnosis {f}',
        'dataset drop {w}/whole_set -o {w}/out --diagnosis {f}',
        'report {f} -o {w}/out.html',
    ],
    'folds.json': ['evaluate {w}/whole_set --folds-file {f} --epochs 1'],
}
PAIRS = [
    (file, command, damage, content)
    for readers, damages in ((YAML_READERS, YAML_DAMAGES), (JSON_READERS, JSON_DAMAGES))
    for file, commands in readers.items()
    for command in commands
    for damage, content in damages.items()
]


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, a data set, CSV files and a model of which nothing but the contract is there."""
    world = tmp_path_factory.mktemp('world')
    write_drive(world / 'whole', [('ice', 4.0), ('snow', 4.0)], metadata={'robot': 'husky'})
    save_dataset(world / 'whole_set', {f'r{k}': {'ice': 3, 'snow': 3} for k in range(4)})
    (world / 'csv' / 'ice').mkdir(parents=True)
    (world / 'csv' / 'ice' / 'a.csv').write_text('time,current_left\n' + ''.join(f'{k / 100},1\n' for k in range(300)))
    return world


def refused(capsys: pytest.CaptureFixture[str], command: str, world: Path, file: Path) -> str:
    """Run a command that must refuse a file, and return what it says."""
    before = sorted(world.rglob('*'))
    capsys.readouterr()
    arguments = [part.format(w=world, f=file) for part in command.split()]
    assert main(arguments) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith('surface: error: '), error
    assert len(error.strip().splitlines()) == 1, error
    assert len(error) < 1500, error
    assert sorted(world.rglob('*')) == before, 'something was left behind'
    return error


def spoiled(world: Path, file: str, content: str | bytes, folder: Path) -> tuple[Path, Path]:
    """Copy what a command needs, and put a damaged file into it."""
    copy = folder / 'w'
    shutil.copytree(world, copy)
    shutil.copytree(copy / 'whole', copy / 'drive')
    shutil.copytree(copy / 'whole_set', copy / 'set')
    path = copy / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return copy, path


def test_there_are_at_least_133_pairs() -> None:
    assert len(PAIRS) >= 133


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize(
    ('file', 'command', 'content'),
    [(file, command, content) for file, command, _, content in PAIRS],
    ids=[f'{c.split()[0]}-{f}-{d}' for f, c, d, _ in PAIRS],
)
def test_a_damaged_file_is_refused_with_a_sentence(
    world: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    command: str,
    content: str | bytes,
) -> None:
    copy, path = spoiled(world, file, content, tmp_path)
    error = refused(capsys, command, copy, path)
    assert path.name in error or str(path.parent) in error, f'the sentence does not name the file: {error}'


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('value', [None, 'x', -1, 1.5, [], {}, [None], [[1]], {'x': None}, True])
def test_a_value_of_another_type_in_a_data_set_is_refused_or_does_no_harm(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    copy, path = spoiled(world, 'set/dataset.json', (world / 'whole_set' / 'dataset.json').read_bytes(), tmp_path)
    sound = json.loads(path.read_text())
    places = [(sound, key) for key in sound] + [(sound['recordings'][0], key) for key in sound['recordings'][0]]
    refusals = 0
    for values, name in places:
        kept = values[name]
        values[name] = value
        path.write_text(json.dumps(sound))
        values[name] = kept
        code = main(['info', str(copy / 'set')])
        error = capsys.readouterr().err
        assert code in (0, EXIT_BAD_INPUT), name
        assert (code == EXIT_BAD_INPUT) == error.startswith('surface: error: '), name
        refusals += code == EXIT_BAD_INPUT
    assert refusals > len(places) // 3
