# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Small inputs for the tests of the `surface` command, made once; tests write below their own `tmp_path` alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import EXIT_BAD_INPUT, main

RECIPE = """\
network: {hidden_sizes: [8], pooling: mean_max}
epochs: 4
batch_size: 16
learning_rate: 0.02
"""


@pytest.fixture(scope='session')
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings, data sets of two and of three surfaces (`data`, `three`), a recipe, a model and `train.json`."""
    pytest.importorskip('torch', reason='torch is not installed')
    work = tmp_path_factory.mktemp('work')
    for seed in range(4):
        surfaces = [('ice', 8.0), ('', 1.0), ('snow', 8.0)]
        write_drive(work / 'recordings' / f'drive_{seed}', surfaces, seed=seed)
    (work / 'recipe.yaml').write_text(RECIPE, encoding='utf-8')
    assert main(['dataset', 'build', str(work / 'recordings'), '-o', str(work / 'data')]) == 0
    relabel = ['--recordings', 'drive_0', 'drive_1', '--classes', 'snow', '--to', 'mud', '--new-class']
    assert main(['dataset', 'relabel', str(work / 'data'), '-o', str(work / 'three'), *relabel]) == 0
    options = ['--config', str(work / 'recipe.yaml'), '--json', str(work / 'train.json')]
    assert main(['train', str(work / 'data'), '-o', str(work / 'model'), *options]) == 0
    return work


@pytest.fixture(scope='session')
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of other tools: CSV files by class (`csv`), arrays (`X.npy`, `Y.npy`), and a bag without its end (`cut`)."""
    folder = tmp_path_factory.mktemp('foreign')
    rows = ''.join(f'{row / 100},{row % 7},{row % 5}\n' for row in range(300))
    for surface in ('ice', 'snow'):
        (folder / 'csv' / surface).mkdir(parents=True)
        (folder / 'csv' / surface / '1.csv').write_text(f'time,curL,curR\n{rows}', encoding='utf-8')
    np.save(folder / 'X.npy', np.random.default_rng(0).normal(size=(12, 100, 1)))
    np.save(folder / 'Y.npy', np.arange(12) % 3)
    write_drive(folder / 'cut', [('ice', 10.0), ('snow', 10.0)])
    (file,) = (folder / 'cut').glob('*.mcap')
    os.truncate(file, file.stat().st_size - 100)  # without the end of the index
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Function that runs a command, which must refuse its input at its end in one sentence, and returns it."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == EXIT_BAD_INPUT
        output = capsys.readouterr()
        assert output.out == ''
        *before, last = output.err.splitlines()
        assert last.startswith('surface: error: ')
        assert not [line for line in before if 'Traceback' in line or 'error' in line]
        return last

    return run
