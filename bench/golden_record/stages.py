# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The stages of the golden record: which commands run on one tree, and which of their results are recorded.

A stage uses the `surface` command and the files that it writes, never the Python modules of the tree: these may move
between the two trees that are compared. Each stage has a folder of its own below `Tree.work` and may read the folders
of the stages that it names in `NEEDS`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# The six drives and the live drive of demo/demo.py.
DEMO_DRIVES = 6
DEMO_LIVE_SEED = 1001
DEMO_SECONDS_PER_SURFACE = '20'
DEMO_DRIVE_S = '240'
DEMO_STRIDE_S = '0.25'

Record = Any


class StageError(Exception):
    """A command of a stage has failed."""


@dataclass(frozen=True)
class Tree:
    """One checkout whose results are recorded.

    Attributes:
        root: Top folder of the checkout.
        work: Folder for the stages' files.
        data: Folder with `borealtc/` and `folds.json`; None: the stages that need it are left out.
    """

    root: Path
    work: Path
    data: Path | None

    def python(self, *arguments: str, folder: Path) -> str:
        """Run Python on the packages of this tree and return its standard output.

        Raises:
            StageError: The process ended with a status other than 0.
        """
        packages = [self.root / 'src' / name for name in ('current_driver', 'surface_classifier')]
        environment = {
            **os.environ,
            'OMP_NUM_THREADS': '1',
            'PYTHONHASHSEED': '0',
            'PYTHONPATH': os.pathsep.join(str(path) for path in packages),
        }
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        with (folder / 'commands.log').open('a', encoding='utf-8') as log:
            log.write(f'$ {" ".join(arguments)}\n{done.stdout}{done.stderr}\n')
        if done.returncode:
            last = '\n'.join((done.stderr or done.stdout).splitlines()[-5:])
            raise StageError(f'{self.root}: `{" ".join(arguments)}` ended with status {done.returncode}:\n{last}')
        return done.stdout

    def surface(self, *arguments: str, folder: Path) -> str:
        """Run the `surface` command of this tree in a folder."""
        return self.python('-m', 'surface_classifier.cli.main', *arguments, folder=folder)

    def has_command(self, *words: str, folder: Path) -> bool:
        """Return whether the help of this tree's `surface` lists a verb, or a word below a verb.

        Args:
            words: The verb, or the verb and the word below it.
            folder: Where the help is asked for.
        """
        listed = self.surface(*words[:-1], '--help', folder=folder)
        return re.search(rf'^ +{re.escape(words[-1])}( |$)', listed, re.MULTILINE) is not None

    def check_packages(self) -> None:
        """Check that Python imports the packages of this tree and not installed ones.

        Raises:
            StageError: It imports others.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        for name in ('current_driver', 'surface_classifier'):
            found = self.python('-c', f'import {name}; print({name}.__file__)', folder=self.work).strip()
            if not Path(found).resolve().is_relative_to(self.root.resolve()):
                raise StageError(f'{name} is imported from {found}, not from {self.root}')


def demo_windows(tree: Tree, folder: Path) -> Record:
    """Simulate the drives of the demo and digest their windows."""
    for drive in range(1, DEMO_DRIVES + 1):
        _simulate(tree, folder, f'recordings/drive_{drive}', drive)
    _simulate(tree, folder, 'live', DEMO_LIVE_SEED)
    tree.surface('dataset', 'build', 'recordings', '-o', 'dataset', '--stride-seconds', DEMO_STRIDE_S, folder=folder)
    return _windows_digests(folder / 'dataset')


def borealtc_windows(tree: Tree, folder: Path) -> Record:
    """Import BorealTC and digest its windows of 5 s."""
    config = tree.root / 'config'
    columns, window = str(config / 'borealtc.yaml'), str(config / 'borealtc_window.yaml')
    source = str(_data(tree) / 'borealtc')
    options = ['-o', 'recordings', '--exclude', 'MIXED', '--columns', columns]
    tree.surface('import', 'csv', source, *options, folder=folder)
    tree.surface('dataset', 'build', 'recordings', '-o', 'dataset', '--channels', window, folder=folder)
    return _windows_digests(folder / 'dataset')


def borealtc_default(tree: Tree, folder: Path) -> Record:
    """Score the folds of repetition 0 with the default recipe."""
    return _borealtc_scores(tree, folder, 'default')


def borealtc_accurate(tree: Tree, folder: Path) -> Record:
    """Score the folds of repetition 0 with the recipe `accurate`."""
    return _borealtc_scores(tree, folder, 'accurate')


def demo_labels(tree: Tree, folder: Path) -> Record:
    """Train with seed 0 on the demo's data and label the demo's live drive."""
    demo = folder.parent / 'demo_windows'
    options = ['-o', 'model', '--seed', '0', '--json', 'training.json']
    tree.surface('train', str(demo / 'dataset'), *options, folder=folder)
    tree.surface('classify', 'model', str(demo / 'live'), '--json', 'labels.json', folder=folder)
    return {'training': _read(folder / 'training.json'), 'labels': _read(folder / 'labels.json')}


def diagnosis(tree: Tree, folder: Path) -> Record:
    """Record the verdicts of the small diagnosis benchmark, in their order."""
    bench = str(tree.root / 'bench' / 'diagnosis.py')
    tree.python(bench, '--smoke', '--output', 'cases.jsonl', folder=folder)
    lines = [json.loads(line) for line in (folder / 'cases.jsonl').read_text(encoding='utf-8').splitlines()]
    return {line['case']: [verdict['id'] for verdict in line['systems']['surface']['verdicts']] for line in lines}


def json_keys(tree: Tree, folder: Path) -> Record:
    """Record the keys of the `--json` result of every verb that has one, on small inputs."""
    keys: dict[str, dict[str, bool]] = {}

    def run(name: str, *arguments: str) -> None:
        file = f'{name}.json'
        tree.surface(*arguments, '--json', file, folder=folder)
        keys[name] = dict.fromkeys(sorted(_key_paths(_read(folder / file))), True)

    short = ('--seconds-per-surface', '10', '--surfaces', 'carpet', 'grass', 'tiles')
    for drive in range(1, 5):
        run('simulate', 'simulate', '-o', f'recordings/drive_{drive}', '--seed', str(drive), *short)
    run('inspect', 'inspect', 'recordings/drive_1')
    run('inspect_presets', 'inspect', '--presets')
    run('dataset_build', 'dataset', 'build', 'recordings', '-o', 'dataset', '--stride-seconds', '0.25')
    run('dataset_check', 'dataset', 'check', 'recordings/drive_1', '--random-cuts', '1')
    run('dataset_info', 'dataset', 'info', 'dataset')
    run('dataset_plot', 'dataset', 'plot', 'dataset', '-o', 'dataset.png')
    run(
        'dataset_relabel',
        'dataset',
        'relabel',
        'dataset',
        '-o',
        'relabelled',
        '--recordings',
        'drive_2',
        '--to',
        'grass',
    )
    run('dataset_drop', 'dataset', 'drop', 'dataset', '-o', 'dropped', '--recordings', 'drive_1')
    run('dataset_split', 'dataset', 'split', 'dataset', '-o', 'parts', '--parts', 'train=0.5,test=0.5')
    run('dataset_merge', 'dataset', 'merge', 'parts/train', 'parts/test', '-o', 'merged')
    run('dataset_balance', 'dataset', 'balance', 'dataset', '-o', 'balanced')
    few = ('--epochs', '3')
    run('train', 'train', 'dataset', '-o', 'model', *few)
    run('classify', 'classify', 'model', 'recordings/drive_2', '--possible-level', '0.5')
    run('evaluate', 'evaluate', 'dataset', '--folds', '2', '--streams', *few)
    run('evaluate_model', *_test_model(tree, folder), '--baseline-data', 'parts/train')
    run('evaluate_left_out_class', *_leave_surfaces_out(tree, folder), '--folds', '2', *few)
    run('adapt', 'adapt', 'model', 'recordings/drive_3', '-o', 'adapted')
    run('info_model', 'info', 'model')
    run('info_dataset', 'info', 'dataset')
    run('info_recording', 'info', 'recordings/drive_1')
    run('sweep', 'sweep', 'dataset', '-o', 'sweep', '--trials', '3', '--folds', '2', *few)
    run('diagnose', 'diagnose', 'dataset')
    forum = 'fluctuating-loss' if tree.has_command('reproduce', 'fluctuating-loss', folder=folder) else 'seed'
    run('reproduce', 'reproduce', forum, '-o', 'forum', '--epochs', '2', '--seeds', '1', '--windows', '24')
    _cut_off(folder / 'recordings' / 'drive_4')
    run('recover', 'recover', 'recordings/drive_4')
    _write_arrays(folder)
    run('import_arrays', 'import', 'arrays', 'X.npy', 'Y.npy', '--groups', 'G.npy', '-o', 'arrays')
    _write_csv(folder / 'measured')
    run('import_csv', 'import', 'csv', 'measured', '-o', 'imported')
    return keys


STAGES: Mapping[str, Callable[[Tree, Path], Record]] = {
    'demo_windows': demo_windows,
    'borealtc_windows': borealtc_windows,
    'diagnosis': diagnosis,
    'json_keys': json_keys,
    'demo_labels': demo_labels,
    'borealtc_default': borealtc_default,
    'borealtc_accurate': borealtc_accurate,
}
NEEDS: Mapping[str, Sequence[str]] = {
    'demo_labels': ('demo_windows',),
    'borealtc_default': ('borealtc_windows',),
    'borealtc_accurate': ('borealtc_windows',),
}
NEED_DATA = ('borealtc_windows', 'borealtc_default', 'borealtc_accurate')


def run_stage(tree: Tree, name: str) -> Record:
    """Run a stage, or read its record where an earlier run on the same tree has left it.

    Raises:
        StageError: A command of the stage failed.
    """
    file = tree.work / f'{name}.json'
    if file.exists():
        return _read(file)
    folder = tree.work / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record = STAGES[name](tree, folder)
    partial = file.with_suffix('.partial')
    partial.write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')
    partial.replace(file)
    return _read(file)


def _test_model(tree: Tree, folder: Path) -> Sequence[str]:
    """Return the command that tests `model` on `parts/test`; it is a verb of its own in later trees."""
    if tree.has_command('test', folder=folder):
        return ('test', 'model', 'parts/test')
    return ('evaluate', 'parts/test', '--model', 'model')


def _leave_surfaces_out(tree: Tree, folder: Path) -> Sequence[str]:
    """Return the command that leaves each surface of `dataset` out; it is a verb of its own in later trees."""
    if tree.has_command('leave-out', folder=folder):
        return ('leave-out', 'dataset', '--by', 'surface')
    return ('evaluate', 'dataset', '--leave-class-out')


def _borealtc_scores(tree: Tree, folder: Path, recipe: str) -> Record:
    dataset, folds = str(folder.parent / 'borealtc_windows' / 'dataset'), str(_data(tree) / 'folds.json')
    options = ['--folds-file', folds, '--repetition', '0', '--config', recipe, '--jobs', '1', '--json', 'scores.json']
    tree.surface('evaluate', dataset, *options, folder=folder)
    return _read(folder / 'scores.json')


def _simulate(tree: Tree, folder: Path, output: str, seed: int) -> None:
    options = ['--seed', str(seed), '--seconds-per-surface', DEMO_SECONDS_PER_SURFACE, '--duration', DEMO_DRIVE_S]
    tree.surface('simulate', '-o', output, *options, folder=folder)


def _windows_digests(dataset: Path) -> Record:
    """Digest every array of a data set: type, shape and bytes."""
    digests = {}
    for file in sorted(dataset.glob('*.npy')):
        array = np.load(file, allow_pickle=False)
        content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        digests[file.stem] = f'{array.dtype.str} {array.shape} {content}'
    return {'arrays': digests, 'digest': _read(dataset / 'dataset.json')['digest']}


def _key_paths(value: Any, path: str = '') -> set[str]:
    """List the paths of all keys of a JSON value; items of a list share one path."""
    if isinstance(value, dict):
        inner = {f'{path}.{key}': item for key, item in value.items()}
        return set(inner).union(*(_key_paths(item, key) for key, item in inner.items()))
    if isinstance(value, list):
        return set().union(*(_key_paths(item, f'{path}[]') for item in value))
    return set()


def _cut_off(bag: Path) -> None:
    """Leave three quarters of a bag's storage file, as a crash does."""
    file = next(bag.glob('*.mcap'))
    os.truncate(file, file.stat().st_size * 3 // 4)


def _write_arrays(folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / 'X.npy', rng.normal(size=(24, 50, 2)))
    np.save(folder / 'Y.npy', np.arange(24) % 3)
    np.save(folder / 'G.npy', np.arange(24) // 6)


def _write_csv(folder: Path) -> None:
    for surface in ('ice', 'snow'):
        (folder / surface).mkdir(parents=True)
        rows = ''.join(f'{step / 100:.2f},{1 + step % 7 / 10:.1f},{1 + step % 5 / 10:.1f}\n' for step in range(500))
        (folder / surface / '1.csv').write_text(f'time,current_left,current_right\n{rows}', encoding='utf-8')


def _data(tree: Tree) -> Path:
    if tree.data is None:
        raise StageError('this stage needs SURFACE_DATA_DIR')
    return tree.data


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding='utf-8'))
