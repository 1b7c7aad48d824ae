# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A sweep: honest scores, the same best for the same seed, several workers, and going on after a worker was killed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from dataset_samples import seal
from model_samples import learnable_dataset, quick_recipe
from optuna.trial import TrialState

from current_driver.errors import SurfaceError
from surface_classifier.cli.main import EXIT_BAD_INPUT, build_parser, main
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import Fold
from surface_classifier.sweep import search as sweep
from surface_classifier.sweep.search import SweepSettings, divide, run_sweep
from surface_classifier.sweep.sweep_space import Choices, Range, Space, load_space
from surface_classifier.sweep.sweep_storage import open_storage, shown_address
from surface_classifier.training.loop import train
from surface_classifier.training.training_config import TrainingConfig, load_training_config

REQUIRES = ('torch', 'optuna')

QUICK = quick_recipe(2, dropout=0.0, validation_fraction=0.0)
SMALL = {**load_space(None, QUICK).dimensions, 'hidden_size': Range(4, 16, powers_of_two=True)}
SETTINGS = SweepSettings(QUICK, Space(SMALL), folds=2)
START_S = 60.0  # for a process to import torch on a busy machine


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set', windows=6)


def address(folder: Path) -> str:
    return f'sqlite:///{folder / "study.db"}'


def trials_in(folder: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name='study', storage=address(folder)).trials


def score_by(monkeypatch: pytest.MonkeyPatch, rule: Callable[[TrainingConfig, Fold], float]) -> list[int]:
    """Let a rule score the folds instead of a training; give the list of scored folds, as it grows."""
    scored: list[int] = []

    def score(_dataset: Dataset, fold: Fold, config: TrainingConfig, *_: Any) -> tuple[float, str]:
        scored.append(fold.index)
        return rule(config, fold), ''

    monkeypatch.setattr(sweep, '_score_fold', score)
    return scored


def closeness(config: TrainingConfig, fold: Fold) -> float:
    """A score that hangs on the batch size alone, the best is 8; the second half of the folds is easier."""
    batch = int(config.resolved(len(fold.train)).batch_size)
    return 0.6 - 0.1 * abs(math.log2(batch) - 3) + (0.1 if fold.index >= 2 else 0.0)


@pytest.fixture(scope='module')
def work(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes for a sweep of a few real trials."""
    work = tmp_path_factory.mktemp('work')
    # Inside the space, so that the first trial is this very recipe.
    recipe = replace(QUICK, network=replace(QUICK.network, hidden_sizes=(16,)))
    (work / 'recipe.yaml').write_text(json.dumps(recipe.to_dict()), encoding='utf-8')
    options = ['--config', work / 'recipe.yaml', '--trials', 4, '--folds', 2, '--study', 'floors']
    outputs = ['--json', work / 'sweep.json', '--report', work / 'sweep.html']
    assert main([str(word) for word in ('sweep', dataset.path, '-o', work / 'out', *options, *outputs)]) == 0
    return work


def test_the_command_writes_what_was_found(work: Path, dataset: Dataset) -> None:
    result = json.loads((work / 'sweep.json').read_text())
    assert result['study'] == 'floors'
    assert result['dataset']['digest'] == dataset.digest
    assert result['command'].startswith('surface ')
    assert result['seconds'] > 0
    assert [trial['number'] for trial in result['trials']] == [0, 1, 2, 3]
    assert {trial['state'] for trial in result['trials']} == {'COMPLETE'}
    for trial in result['trials']:
        assert trial['value'] == pytest.approx(np.mean(trial['folds']))
        assert trial['params'].keys() == SETTINGS.space.dimensions.keys()
    assert sum(result['importances'].values()) == pytest.approx(1.0)
    assert result['importances'].keys() == SETTINGS.space.dimensions.keys()
    best = max(result['trials'], key=lambda trial: float(trial['value']))
    assert result['best'] == {key: best[key] for key in ('number', 'value', 'params')}


def test_the_first_trial_is_the_recipe(work: Path) -> None:
    params = json.loads((work / 'sweep.json').read_text())['trials'][0]['params']
    assert (params['batch_size'], params['optimizer']) == (16, QUICK.optimizer)
    assert params['learning_rate'] == pytest.approx(QUICK.learning_rate)


def test_the_best_recipe_can_be_trained(work: Path, dataset: Dataset) -> None:
    config = load_training_config(work / 'out' / 'best.yaml')
    assert config.to_dict() == json.loads((work / 'sweep.json').read_text())['config']
    assert train(dataset, config, 0).epochs


def test_unseen_recordings_score_the_best_beside_the_first_recipe(work: Path) -> None:
    result = json.loads((work / 'sweep.json').read_text())
    found = result['holdout']
    assert found['best']['search'] == result['best']['value']
    assert found['recipe']['search'] == pytest.approx(result['trials'][0]['value'], abs=1e-6)
    for name in ('best', 'recipe'):
        assert len(found[name]['held_out']) == len(found['seeds'])
    assert found['trees']['search'] > 0.5
    assert found['trees']['held_out'][0] > 0.5
    assert len(found['recordings']) == 3  # one of each class


def test_the_page_shows_importances_and_the_unseen_recordings(work: Path) -> None:
    page = (work / 'sweep.html').read_text()
    assert 'Importance of each parameter' in page
    assert 'windows that the search did not see' in page
    assert 'kept out of the search' in page


def test_a_finished_sweep_trains_nothing_again(
    work: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = score_by(monkeypatch, closeness)
    options = ['--config', work / 'recipe.yaml', '--trials', 3, '--folds', 2, '--study', 'floors', '--json', '-']
    assert main([str(word) for word in ('sweep', dataset.path, '-o', work / 'out', *options)]) == 0
    again, before = json.loads(capsys.readouterr().out), json.loads((work / 'sweep.json').read_text())
    assert not scored
    assert {key: again[key] for key in ('trials', 'best', 'holdout')} == {
        key: before[key] for key in ('trials', 'best', 'holdout')
    }


def test_no_trial_sees_the_unseen_recordings(dataset: Dataset) -> None:
    data = divide(dataset, replace(SETTINGS, folds=3, holdout=0.25))
    recordings = np.asarray(dataset.recording)
    unseen = set(recordings[data.held_out].tolist())
    assert len(unseen) == 3
    tested: list[int] = []
    for fold in data.folds:
        train, test = (set(recordings[windows].tolist()) for windows in (fold.train, fold.test))
        assert not train & test
        assert not (train | test) & unseen
        assert {dataset.recording_names[k] for k in test} == set(fold.test_recordings)
        tested += fold.test.tolist()
    assert sorted(tested) == data.searched.tolist()


@pytest.mark.parametrize(('recordings', 'folds'), [(3, 2), (5, 4), (8, 5)])
def test_every_fold_tests_every_class_if_nothing_else_is_said(tmp_path: Path, recordings: int, folds: int) -> None:
    few = learnable_dataset(tmp_path / 'set', recordings_per_class=recordings, windows=4)
    data = divide(few, replace(SETTINGS, folds=None))
    assert len(data.folds) == folds
    assert not data.notes


def test_the_same_seed_finds_the_same_best(dataset: Dataset, tmp_path: Path) -> None:
    settings = replace(SETTINGS, holdout=0.0)
    found = [
        run_sweep(dataset, replace(settings, seed=seed), name, address(tmp_path), 2)
        for name, seed in (('a', 0), ('b', 0), ('c', 1))
    ]
    assert [trial['params'] for trial in found[0].trials] == [trial['params'] for trial in found[1].trials]
    assert found[0].best == found[1].best
    assert found[0].config == found[1].config
    assert found[0].trials[1]['params'] != found[2].trials[1]['params']


def test_a_search_in_two_runs_is_the_search_in_one(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_by(monkeypatch, closeness)
    settings = replace(SETTINGS, holdout=0.0)
    once = run_sweep(dataset, settings, 'once', address(tmp_path), 12)
    for trials in (4, 11, 12):
        again = run_sweep(dataset, settings, 'parts', address(tmp_path), trials)
        assert len(again.trials) == trials
    assert [trial['params'] for trial in again.trials] == [trial['params'] for trial in once.trials]


def test_a_pruned_trial_saves_folds_and_still_shows_what_matters(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = score_by(monkeypatch, closeness)
    result = run_sweep(dataset, replace(SETTINGS, folds=4, holdout=0.0), 'study', address(tmp_path), 18)
    assert result.config.batch_size == 8
    pruned = [trial for trial in result.trials if trial['state'] == 'PRUNED']
    assert pruned
    assert len(scored) == sum(len(trial['folds']) for trial in result.trials) < 4 * 18
    for trial in pruned:
        assert trial['value'] is None
        assert 2 <= len(trial['folds']) < 4
        # What it would have got: the folds it did not come to are easier, for every trial by the same.
        assert trial['estimate'] == pytest.approx(0.65 - 0.1 * abs(math.log2(trial['params']['batch_size']) - 3))
    assert max(result.importances, key=lambda key: result.importances[key]) == 'batch_size'
    assert result.holdout is None


def test_every_trial_gets_the_same_epochs_or_the_same_steps(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[str, set[int]] = {}
    space = Space({'batch_size': Choices((4, 12, 'full'))})
    for budget in ('epochs', 'steps'):
        settings = replace(SETTINGS, space=space, budget=budget, holdout=0.0, config=replace(QUICK, epochs=12))

        def count(config: TrainingConfig, fold: Fold, budget: str = budget) -> float:
            batch = int(config.resolved(len(fold.train)).batch_size)
            steps.setdefault(budget, set()).add(config.epochs * math.ceil(len(fold.train) / batch))
            return 0.5

        score_by(monkeypatch, count)
        result = run_sweep(dataset, settings, budget, address(tmp_path), 8)
        assert budget in result.budget
        assert result.importances == {}  # nothing mattered
    assert steps == {'epochs': {108, 36, 12}, 'steps': {36}}


def test_a_recipe_that_diverges_counts_as_a_guess(dataset: Dataset, tmp_path: Path) -> None:
    config = replace(QUICK, optimizer='sgd', gradient_clip=0.0, schedule='constant')
    space = Space({'learning_rate': Choices((0.05, 1e30))})
    result = run_sweep(
        dataset, SweepSettings(config, space, folds=2, holdout=0.0, seed=3), 'study', address(tmp_path), 4
    )
    values = {trial['params']['learning_rate']: trial['value'] for trial in result.trials}
    assert values[1e30] == pytest.approx(1 / 3)
    assert result.best['params']['learning_rate'] == 0.05


def test_data_on_which_nothing_can_be_trained_are_named(tmp_path: Path) -> None:
    broken = learnable_dataset(tmp_path / 'set', windows=4)
    values = np.load(broken.path / 'part_motor.npy', mmap_mode='r+')
    values[:, 0, 0] = np.inf
    values.flush()
    seal(broken.path)
    with pytest.raises(SurfaceError, match=r'diverged in every trial.*infinite values'):
        run_sweep(broken, replace(SETTINGS, holdout=0.0), 'study', address(tmp_path), 2)


def test_trials_of_other_settings_are_not_mixed(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_by(monkeypatch, closeness)
    settings = replace(SETTINGS, holdout=0.0)
    run_sweep(dataset, settings, 'study', address(tmp_path), 1)
    with pytest.raises(SurfaceError, match=r'begun with another config \(epochs: 2, now 3\).*give another --study'):
        run_sweep(dataset, replace(settings, config=replace(QUICK, epochs=3)), 'study', address(tmp_path), 1)
    with pytest.raises(SurfaceError, match=r'begun with another seed \(0, now 1\)'):
        run_sweep(dataset, replace(settings, seed=1), 'study', address(tmp_path), 1)
    with pytest.raises(SurfaceError, match='begun with another dataset'):
        run_sweep(learnable_dataset(tmp_path / 'other', seed=1), settings, 'study', address(tmp_path), 1)


def test_a_class_that_cannot_be_kept_out_is_named(tmp_path: Path) -> None:
    few = learnable_dataset(tmp_path / 'set', recordings_per_class=1, windows=4)
    with pytest.raises(SurfaceError, match=r"class 'gravel' has too few recordings.*--holdout 0"):
        divide(few, SETTINGS)


def test_windows_without_recordings_are_noted(tmp_path: Path) -> None:
    bare = learnable_dataset(tmp_path / 'set', windows=4, has_recordings=False)
    assert any('no recording ids' in note for note in divide(bare, SETTINGS).notes)


def test_no_trial_begins_after_the_time(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, holdout=0.0)
    with pytest.raises(SurfaceError, match=r'no complete trial yet.*--timeout-s'):
        run_sweep(dataset, settings, 'study', address(tmp_path), 4, timeout_s=1e-9)
    times = iter([0.0, 1.0, 2.0, 100.0])

    clock = SimpleNamespace(time=lambda: next(times), monotonic=time.monotonic, perf_counter=time.perf_counter)
    monkeypatch.setattr(sweep, 'time', clock)
    score_by(monkeypatch, closeness)
    result = run_sweep(dataset, settings, 'study', address(tmp_path), 4, timeout_s=10.0)
    assert len(result.trials) == 2
    assert 'fewer than the 4 trials asked for' in result.notes[-1]


def test_a_worker_that_others_took_for_lost_goes_on(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(config: TrainingConfig, fold: Fold) -> float:
        study = optuna.load_study(study_name='study', storage=address(tmp_path))
        if study.trials[-1].number == 1:
            study.tell(1, state=TrialState.FAIL, skip_if_finished=True)
        return closeness(config, fold)

    score_by(monkeypatch, score)
    result = run_sweep(dataset, replace(SETTINGS, holdout=0.0), 'study', address(tmp_path), 3)
    assert [trial['state'] for trial in result.trials] == ['COMPLETE', 'FAIL', 'COMPLETE', 'COMPLETE']


def test_an_interrupted_trial_is_run_again(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_config: TrainingConfig, _fold: Fold) -> float:
        raise KeyboardInterrupt

    score_by(monkeypatch, interrupt)
    settings = replace(SETTINGS, holdout=0.0, seed=5)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(dataset, settings, 'study', address(tmp_path), 2)
    score_by(monkeypatch, closeness)
    result = run_sweep(dataset, settings, 'study', address(tmp_path), 2)
    assert [trial['state'] for trial in result.trials] == ['FAIL', 'COMPLETE', 'COMPLETE']
    assert result.trials[0]['params'] == result.trials[1]['params']


STUCK = """\
import sys
from pathlib import Path
from surface_classifier.data.dataset import Dataset
from surface_classifier.sweep import search as sweep
sys.path.insert(0, sys.argv[1])
from test_search import SETTINGS, address, replace
first_fold, fold_scores = sweep._score_fold, []
def score(*arguments):
    if fold_scores:
        print('in mid-trial', flush=True)
        sys.stdin.read()
    fold_scores.append(first_fold(*arguments))
    return fold_scores[-1]
sweep._score_fold = score
settings = replace(SETTINGS, holdout=0.0)
sweep.run_sweep(Dataset.load(sys.argv[2]), settings, 'study', address(Path(sys.argv[3])), 2, heartbeat_s=1)
"""


@pytest.mark.timeout(300)  # three processes that import torch, on a busy machine
def test_two_workers_go_on_after_one_was_killed_in_mid_trial(dataset: Dataset, tmp_path: Path) -> None:
    command = [sys.executable, '-c', STUCK, str(Path(__file__).parent), str(dataset.path), str(tmp_path)]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == 'in mid-trial\n'
        worker.kill()
    (killed,) = trials_in(tmp_path)
    assert killed.state == TrialState.RUNNING
    assert len(killed.user_attrs['folds']) == 1

    reports: list[int] = []
    settings = replace(SETTINGS, holdout=0.0)
    result = run_sweep(
        dataset,
        settings,
        'study',
        address(tmp_path),
        3,
        workers=2,
        heartbeat_s=1,
        on_progress=lambda progress: reports.append(progress.finished),
    )
    assert reports == sorted(reports)
    assert reports[-1] == 3
    states = [trial['state'] for trial in result.trials]
    # Two workers that find the dead one's trial at the same moment queue it twice; the next sweep would run the second.
    assert states.count('WAITING') <= 1
    assert [state for state in states if state != 'WAITING'] == ['FAIL', 'COMPLETE', 'COMPLETE', 'COMPLETE']
    assert result.trials[0]['value'] is None
    assert result.trials[0]['params'] in [trial['params'] for trial in result.trials[1:]]
    assert not result.notes
    workers = [trial.user_attrs.get('worker', '') for trial in trials_in(tmp_path)]
    assert not any(name.endswith(f'process {os.getpid()}') for name in workers)


def test_the_trial_of_a_dead_worker_runs_again_at_once(dataset: Dataset, tmp_path: Path) -> None:
    job = sweep._Job(dataset.path, SETTINGS, 'study', address(tmp_path), 3, math.inf, 10)
    study = sweep._open_study(job, dataset, divide(dataset, SETTINGS))
    for worker in ('dead', 'alive'):
        trial = study.ask()
        trial.suggest_float('learning_rate', 0.1, 0.2)
        trial.set_user_attr('worker', worker)
    sweep._take_over(study, lambda trial: trial.user_attrs['worker'] == 'dead')
    sweep._take_over(study, lambda trial: trial.user_attrs.get('worker') == 'dead')
    states = [trial.state for trial in trials_in(tmp_path)]
    first_point = [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]
    assert states == first_point
    lost, _, again = trials_in(tmp_path)
    assert again.params == lost.params


def test_a_trial_that_another_command_runs_is_named_while_it_is_waited_for(dataset: Dataset, tmp_path: Path) -> None:
    job = sweep._Job(dataset.path, SETTINGS, 'study', address(tmp_path), 1, math.inf, 10)
    study = sweep._open_study(job, dataset, divide(dataset, SETTINGS))
    study.ask().set_user_attr('worker', 'robot, process 12')
    assert sweep._progress(study, 1, lambda _: False).waiting == ('trial 0 (robot, process 12)',)
    assert sweep._progress(study, 1, lambda _: True).waiting == ()  # our own
    assert sweep._progress(study, 2, lambda _: False).waiting == ()  # there is another one to run


def test_machines_of_a_cluster_cannot_share_a_file() -> None:
    sweep._check_shared('sqlite:///study.db', {'10.0.0.1'})
    sweep._check_shared('postgresql://me:secret@server/sweeps', {'10.0.0.1', '10.0.0.2'})
    with pytest.raises(SurfaceError, match='the 2 machines of the cluster cannot share an SQLite file'):
        sweep._check_shared('sqlite:///study.db', {'10.0.0.1', '10.0.0.2'})


def test_what_goes_wrong_in_a_worker_is_said(dataset: Dataset, tmp_path: Path) -> None:
    job = sweep._Job(tmp_path / 'gone', SETTINGS, 'study', address(tmp_path), 1, math.inf, 10)
    study = sweep._open_study(job, dataset, divide(dataset, SETTINGS))
    with pytest.raises(SurfaceError, match='gone'):
        sweep._run_workers(study, job, 1, print, print)


def test_a_database_is_made_once_by_workers_that_begin_together(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        storages = list(pool.map(lambda _: open_storage(address(tmp_path), 1, 0), range(6)))
    assert {len(storage.get_all_studies()) for storage in storages} == {0}


def test_workers_that_begin_the_last_trial_together_do_not_add_another(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, holdout=0.0)

    def score(config: TrainingConfig, fold: Fold) -> float:
        if fold.index == 0 and not nested:
            # Another worker has found the trial still to run, as this one did, and begins after it.
            nested.append(True)
            job = sweep._Job(dataset.path, settings, 'study', address(tmp_path), 1, math.inf, 10)
            data = divide(dataset, settings)
            sweep._run_trial(sweep._open_study(job, dataset, data), job, dataset, data, lambda: False)
        return closeness(config, fold)

    nested: list[bool] = []
    score_by(monkeypatch, score)
    result = run_sweep(dataset, settings, 'study', address(tmp_path), 1)
    assert nested
    assert [trial['state'] for trial in result.trials] == ['COMPLETE']
    assert [trial.state for trial in trials_in(tmp_path)] == [TrialState.COMPLETE, TrialState.FAIL]


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ('study.db', 'is not the address of a database; give sqlite:///FILE, postgresql://'),
        ('postgres://me:secret@host/sweeps', 'there is no such kind of database; give'),
        (
            'postgresql+psycopg2://me:secret@host/sweeps',
            'psycopg2, is not installed; ',
        ),
        ('postgresql+psycopg://me:secret@host/sweeps', 'psycopg, is not installed; '),
        ('sqlite:////nowhere/study.db', 'the database cannot be used (unable to open database file)'),
    ],
)
def test_a_database_that_cannot_be_used_is_named(given: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for driver in ('psycopg', 'psycopg2'):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(SurfaceError) as caught:
        open_storage(given, 1, 0)
    assert said in str(caught.value)
    assert given.replace('secret', '***') in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / 'study.db').write_text('nothing that SQLite knows ' * 100)
    with pytest.raises(SurfaceError, match='file is not a database'):
        open_storage(address(tmp_path), 1, 0)


def test_the_password_is_not_shown(
    work: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown_address('postgresql://me:secret@host/sweeps') == 'postgresql://me:***@host/sweeps'
    score_by(monkeypatch, closeness)
    storage = f'sqlite://me:secret@/{work / "study.db"}'
    monkeypatch.setattr(sweep, 'open_storage', lambda _, *others: open_storage(f'sqlite:///{work / "p.db"}', *others))
    words = ['sweep', str(dataset.path), '-o', str(work / 'p'), '--holdout', '0', '--trials', '1', '--folds', '2']
    words += [f'--storage={storage}', '--json', '-']
    assert main(words) == 0
    captured = capsys.readouterr()
    assert 'secret' not in captured.out + captured.err
    assert '--storage=sqlite://me:***@/' in json.loads(captured.out)['command']


def test_an_output_that_is_a_file_is_refused(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'file').touch()
    assert main(['sweep', str(dataset.path), '-o', str(tmp_path / 'file')]) == EXIT_BAD_INPUT
    assert 'is a file; give a folder' in capsys.readouterr().err


def test_help_needs_neither_optuna_nor_torch() -> None:
    code = (
        'import sys\nfrom surface_classifier.cli.main import build_parser\n'
        "build_parser('sweep').format_help()\n"
        "print([name for name in ('numpy', 'optuna', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True, timeout=START_S)
    assert result.stdout.strip() == '[]'


def test_the_help_states_the_default_space(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        build_parser('sweep').parse_args(['sweep', '--help'])
    text = capsys.readouterr().out
    shown = text[text.index('the default is') : text.index('A key set to null')].partition('\n')[2]
    (tmp_path / 'space.yaml').write_text(shown, encoding='utf-8')
    assert load_space(tmp_path / 'space.yaml', QUICK).dimensions == load_space(None, QUICK).dimensions
