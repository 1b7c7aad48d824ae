# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface train | evaluate | test | classify | info`: results, exit codes, and sentences for wrong input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from dataset_samples import save_dataset

from current_driver.declared_fields import declarations
from current_driver.errors import SurfaceError
from current_driver.recordings.writing.recording_writer import STATE_COMPLETE, STATE_KEY, STATE_OPEN
from current_driver.testing.drives import write_drive
from surface_classifier.cli import progress
from surface_classifier.cli.main import EXIT_BAD_INPUT, main
from surface_classifier.cli.progress import ProgressBar, show_progress
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.contract import load_contract
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.training import train_model
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('torch',)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found


def leave_open(bag: Path) -> None:
    """Make a bag look as if its writer had been killed right after the last message was flushed."""
    metadata = bag / 'metadata.yaml'
    text = metadata.read_text(encoding='utf-8')
    assert f'{STATE_KEY}: {STATE_COMPLETE}' in text
    metadata.write_text(text.replace(f'{STATE_KEY}: {STATE_COMPLETE}', f'{STATE_KEY}: {STATE_OPEN}'), encoding='utf-8')


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must be refused, and return what it says."""
    capsys.readouterr()
    assert run(*arguments) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith('surface: error: ')
    assert 'Traceback' not in error
    return error


@pytest.mark.parametrize(
    ('verb', 'configs', 'lines'),
    [
        (
            'train',
            (TrainingConfig, NetworkConfig),
            [
                'batch_size (auto): a whole number of at least 1 [windows], or auto, or full',
                'dropout (auto): a number of',
            ],
        ),
        (
            'dataset build',
            (WindowConfig, PartConfig, ChannelConfig),
            [
                'samples (100): a whole number of at least 1 [samples]',
                'gap_limit_s (null): a number above 0 [s], or null',
            ],
        ),
    ],
)
def test_every_key_of_a_file_is_listed_from_its_declaration(
    verb: str, configs: tuple[type[Any], ...], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*verb.split(), '--help-keys')
    assert end.value.code == 0
    text = capsys.readouterr().out
    listed = [line.partition(' (')[0] for line in text.splitlines() if not line.startswith(' ')]
    words = ' '.join(text.split())
    for config in configs:
        for name, declaration in declarations(config).items():
            assert listed.count(declaration.key or name) >= 1
            assert (config is WindowConfig and name == 'parts') or declaration.description in words
    assert all(line in text for line in lines)
    assert max(map(len, text.splitlines())) <= 120


def test_a_training_without_recordings_counts_no_networks_for_the_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = []

    @contextmanager
    def show(description: str, total: float | None, unit: str = '') -> Iterator[ProgressBar]:
        if description == 'training':
            totals.append(total)
        with show_progress(description, total, unit) as bar:
            yield bar

    def stop(*_: object, **__: object) -> NoReturn:
        raise SurfaceError('the bar is there')

    rng = np.random.default_rng(0)
    np.save(tmp_path / 'X.npy', rng.normal(size=(24, 20, 1)))
    np.save(tmp_path / 'Y.npy', np.arange(24) % 2)
    np.save(tmp_path / 'G.npy', np.arange(24) // 4)
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('network: {hidden_sizes: [4]}\nvalidation_fraction: 0\ncalibration_folds: 2\n', encoding='utf-8')
    monkeypatch.setattr(progress, 'show_progress', show)
    monkeypatch.setattr(train_model, 'train_model', stop)
    for name, options in (('bare', []), ('grouped', ['--groups', tmp_path / 'G.npy'])):
        assert run('import', 'arrays', tmp_path / 'X.npy', tmp_path / 'Y.npy', '-o', tmp_path / name, *options) == 0
        model = ['-o', tmp_path / f'{name}_model']
        assert run('train', tmp_path / name, *model, '--config', recipe, '--epochs', 1) == EXIT_BAD_INPUT
    assert totals == [1, 3]


def test_train_writes_a_model_that_says_where_it_comes_from(work: Path) -> None:
    contract = load_contract(work / 'model')
    dataset = Dataset.load(work / 'data')
    assert contract.classes == ('ice', 'snow')
    assert contract.training_data['digest'] == dataset.digest
    used = [*contract.training_data['recordings'], *contract.training_data['held_out_recordings']]
    assert sorted(used) == sorted(dataset.recording_names)
    assert contract.training['learning_rate'] == 0.02
    assert contract.scores['accuracy'] > 0.9
    result = read(work / 'train.json')
    assert result['model_digest'] == contract.weights_sha256
    assert len(result['epochs']) == contract.training['epochs_run']
    curve = read(work / 'model' / 'training_curve.json')
    assert [entry['loss'] for entry in curve['epochs']] == [entry['loss'] for entry in result['epochs']]


def test_the_same_seed_gives_the_same_digest(work: Path, tmp_path: Path) -> None:
    digests = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        options = ('--config', work / 'recipe.yaml', '--epochs', 2, '--seed', seed)
        assert run('train', work / 'data', '-o', tmp_path / name, *options) == 0
        digests.append(load_contract(tmp_path / name).weights_sha256)
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_classify_labels_a_recording_as_the_data_set_of_it(work: Path, tmp_path: Path) -> None:
    drive = work / 'recordings' / 'drive_3'
    assert run('classify', work / 'model', drive, '--json', tmp_path / 'r.json') == 0
    assert run('classify', work / 'model', work / 'data', '--json', tmp_path / 'd.json') == 0
    recording = read(tmp_path / 'r.json')['recordings'][0]
    of_set = {entry['name']: entry for entry in read(tmp_path / 'd.json')['recordings']}['drive_3']
    by_stamp = {label['stamp_ns']: label for label in recording['labels']}
    assert len(by_stamp) > len(of_set['labels']) > 20
    for label in of_set['labels']:
        live = by_stamp[label['stamp_ns']]
        # Label and filtered probabilities hang on the windows before, too; the data set has the labelled ones alone.
        assert live['truth'] == label['truth']
        np.testing.assert_allclose(live['raw_probabilities'], label['raw_probabilities'], atol=1e-6)
    unlabelled = [label for label in recording['labels'] if label['truth'] is None]
    assert unlabelled, 'windows over the stretch without a label are labelled, and not counted'
    assert recording['accuracy'] > 0.9
    whole = read(tmp_path / 'r.json')
    right = [label['surface'] == label['truth'] for label in recording['labels'] if label['truth'] and label['known']]
    assert whole['accuracy_of_known'] == sum(right) / len(right) >= whole['accuracy']


def test_classify_finds_every_recording_and_both_engines_agree(work: Path, tmp_path: Path) -> None:
    found = {}
    for engine in ('onnx', 'torch'):
        options = ('--engine', engine, '--json', tmp_path / engine)
        assert run('classify', work / 'model', work / 'recordings', *options) == 0
        found[engine] = read(tmp_path / engine)
    assert [entry['name'] for entry in found['onnx']['recordings']] == [f'drive_{seed}' for seed in range(4)]
    for left, right in zip(found['onnx']['recordings'], found['torch']['recordings'], strict=True):
        for one, other in zip(left['labels'], right['labels'], strict=True):
            np.testing.assert_allclose(one['probabilities'], other['probabilities'], atol=1e-5)


def test_the_windows_of_a_model_do_not_depend_on_block_sizes(work: Path, tmp_path: Path) -> None:
    options = ('--model', work / 'model', '--json', tmp_path / 'check.json')
    assert run('dataset', 'check', work / 'recordings' / 'drive_0', *options) == 0
    labelled = ('--json', tmp_path / 'labels.json')
    assert run('classify', work / 'model', work / 'recordings' / 'drive_0', *labelled) == 0
    labels = read(tmp_path / 'labels.json')['recordings'][0]['labels']
    assert read(tmp_path / 'check.json')['windows'] == len(labels)


def test_evaluate_by_recording_and_with_a_model(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ('--config', work / 'recipe.yaml', '--jobs', 1, '--json', tmp_path / 'folds.json')
    assert run('evaluate', work / 'data', '--folds', 2, *options, '--report', tmp_path / 'r.html') == 0
    printed = capsys.readouterr().out
    assert 'leave-recordings-out' in printed
    assert 'extra trees on quantile bins' in printed
    folds = read(tmp_path / 'folds.json')
    assert folds['lstm']['accuracy'] > 0.9
    assert len(folds['lstm']['per_fold']) == 2
    assert '<html' in (tmp_path / 'r.html').read_text(encoding='utf-8')
    assert run('test', work / 'model', work / 'data', '--json', tmp_path / 'model.json') == 0
    tested = read(tmp_path / 'model.json')
    assert tested['trees'] is None
    assert tested['majority'] is None
    assert tested['lstm']['accuracy'] > 0.9
    assert 'remembers' in capsys.readouterr().err


def test_info_distinguishes_recordings_data_sets_and_models(work: Path, tmp_path: Path) -> None:
    for path, kind in (('recordings', 'recordings'), ('data', 'data set'), ('model', 'model')):
        assert run('info', work / path, '--json', tmp_path / 'info.json') == 0
        assert read(tmp_path / 'info.json')['kind'] == kind
    assert 'left [A], right [A]' in read(tmp_path / 'info.json')['takes']


def test_info_shows_the_networks_beside_the_first(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(
        'epochs: 1\nvalidation_fraction: 0\nnetwork: {hidden_sizes: [4], members: [{hidden_sizes: [5]}]}\n'
    )
    assert run('train', work / 'data', '-o', tmp_path / 'model', '--config', recipe) == 0
    capsys.readouterr()
    assert run('info', tmp_path / 'model') == 0
    printed = capsys.readouterr().out
    assert 'network  hidden_sizes [4], ' in printed
    assert 'member   hidden_sizes [5], ' in printed
    assert 'others' not in printed


def test_info_refuses_a_damaged_model(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / 'model'
    damaged.mkdir()
    for file in (work / 'model').iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / 'model.onnx').write_bytes(b'nothing')
    assert 'does not belong to its contract' in refused(capsys, 'info', damaged)


def test_one_class_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', {'a': {'ice': 9}, 'b': {'ice': 9}})
    assert 'ice' in refused(capsys, 'train', tmp_path / 'set', '-o', tmp_path / 'model')
    assert 'one class only' in refused(capsys, 'evaluate', tmp_path / 'set')
    assert not (tmp_path / 'model').exists()


def test_a_class_with_one_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', {'a': {'ice': 9}, 'b': {'ice': 9}, 'c': {'snow': 9}})
    for arguments in (('train', tmp_path / 'set', '-o', tmp_path / 'model'), ('evaluate', tmp_path / 'set')):
        error = refused(capsys, *arguments)
        assert "'snow'" in error
        assert 'second recording' in error


@pytest.mark.requires('mcap', 'rosbags')
def test_a_model_for_other_channels_or_another_rate(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, options in (
        ('motors', {'motors': ('front', 'rear')}),
        ('rate', {'rate_hz': 50.0}),
        ('topic', {'topic': 'wheel_current'}),
    ):
        for drive in range(2):
            surfaces = [('ice', 5.0), ('snow', 5.0)]
            write_drive(tmp_path / name / f'drive_{drive}', surfaces, **options)
        assert run('dataset', 'build', tmp_path / name, '-o', tmp_path / f'{name}_data') == 0
    error = refused(capsys, 'test', work / 'model', tmp_path / 'motors_data')
    assert 'front [A], rear [A]' in error
    assert 'left [A], right [A]' in error
    error = refused(capsys, 'classify', work / 'model', tmp_path / 'rate_data')
    assert 'at 50 Hz' in error
    assert 'at 100 Hz' in error
    error = refused(capsys, 'classify', work / 'model', tmp_path / 'motors' / 'drive_0')
    assert 'drive_0' in error
    assert 'front, rear' in error
    error = refused(capsys, 'classify', work / 'model', tmp_path / 'topic' / 'drive_0')
    assert 'motor_current' in error
    assert 'wheel_current' in error


@pytest.mark.requires('mcap', 'rosbags')
def test_a_recording_shorter_than_a_window(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drive(tmp_path / 'short', [('ice', 0.5)])
    assert 'no window of 1 s' in refused(capsys, 'classify', work / 'model', tmp_path / 'short')


def test_what_is_not_there(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = tmp_path / 'nothing'
    nothing.mkdir()
    assert 'surface train' in refused(capsys, 'classify', nothing, work / 'data')
    assert str(nothing) in refused(capsys, 'train', nothing, '-o', tmp_path / 'model')
    assert str(nothing) in refused(capsys, 'info', nothing)
    assert 'holds a model already' in refused(capsys, 'train', work / 'data', '-o', work / 'model')


@pytest.mark.parametrize(
    ('arguments', 'now'),
    [
        (('evaluate', 'd', '--model', 'm'), 'surface test MODEL DATASET'),
        (('evaluate', '--model', 'm', 'd'), 'surface test MODEL DATASET'),
        (('evaluate', 'd', '--baseline-data', 'd'), 'surface test MODEL DATASET --baseline-data DATASET'),
        (('evaluate', 'd', '--engine', 'onnx'), 'surface test MODEL DATASET --engine NAME'),
        (('evaluate', 'd', '--leave-class-out'), 'surface leave-out DATASET --by surface'),
        (('evaluate', '--leave-speed-out', 'd'), 'surface leave-out DATASET --by motion'),
        (('evaluate', 'd', '--protocol=borealtc-paper'), 'surface reproduce borealtc-protocol DATASET'),
        (('evaluate', 'd', '--folds-seed', '1'), '--repetition N'),
        (('reproduce', 'seed', '-o', 'x'), 'surface reproduce fluctuating-loss'),
        (('reproduce', 'seed', '--help'), 'surface reproduce fluctuating-loss'),
    ],
)
def test_an_old_command_is_refused_with_the_new_one(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], now: str
) -> None:
    error = refused(capsys, *arguments)
    assert error.endswith(f' is now `{now}`\n')


@pytest.mark.parametrize('verb', [('evaluate',), ('reproduce',)])
def test_the_help_does_not_list_old_names(capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        run(*verb, '--help')
    printed = capsys.readouterr().out
    assert not [old for old in ('--model', '--leave', '--protocol', '--folds-seed', 'reproduce seed') if old in printed]


@pytest.mark.requires('mcap', 'rosbags')
def test_classify_warns_of_a_rate_that_aliases_and_of_a_recording_that_was_not_closed(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_drive(tmp_path / 'fast', [('ice', 4.0)], rate_hz=1000.0)
    capsys.readouterr()
    assert run('classify', work / 'model', tmp_path / 'fast', '--json', tmp_path / 'fast.json') == 0
    error = capsys.readouterr().err
    assert 'surface: warning: ' in error
    assert 'samples come at 1000 Hz and are put on a 100 Hz grid without a low-pass' in error
    (warning,) = read(tmp_path / 'fast.json')['recordings'][0]['warnings']
    assert warning in error
    filtered = ('--input-rate', 1000, '--json', tmp_path / 'filtered.json')
    assert run('classify', work / 'model', tmp_path / 'fast', *filtered) == 0
    assert 'warning' not in capsys.readouterr().err
    before, after = (read(tmp_path / name)['recordings'][0]['labels'] for name in ('fast.json', 'filtered.json'))
    assert [label['probabilities'] for label in before] != [label['probabilities'] for label in after]
    assert '--input-rate' in refused(capsys, 'classify', work / 'model', work / 'data', '--input-rate', 1000)

    assert run('classify', work / 'model', work / 'recordings' / 'drive_0') == 0
    assert 'warning' not in capsys.readouterr().err
    leave_open(write_drive(tmp_path / 'open', [('ice', 4.0)]))
    assert run('classify', work / 'model', tmp_path / 'open') == 0
    assert 'was not closed' in capsys.readouterr().err


@pytest.mark.requires('mcap', 'rosbags')
def test_info_says_that_a_recording_was_not_closed_and_hides_the_writers_own_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_drive(tmp_path / 'closed', [('ice', 1.0)], metadata={'robot': 'r2'})
    leave_open(write_drive(tmp_path / 'open', [('ice', 1.0)]))
    assert run('info', tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'robot: r2' in printed
    assert STATE_KEY not in printed
    assert printed.count('was not closed') == 1
    assert run('info', tmp_path, '--json', tmp_path / 'info.json') == 0
    closed, opened = read(tmp_path / 'info.json')['recordings']
    assert closed['metadata'] == {'robot': 'r2'}
    assert closed['warnings'] == []
    assert 'was not closed' in opened['warnings'][0]
