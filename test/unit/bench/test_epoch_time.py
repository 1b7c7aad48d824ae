# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of training: what it compares, what it leaves out, and that it notices different mathematics."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REQUIRES = ('torch',)


ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope='module')
def bench() -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location('epoch_time', ROOT / 'bench' / 'epoch_time.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules['epoch_time'] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def case(bench: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A case of a few short windows."""
    from surface_classifier.reproduce.forum_task import forum_task

    folder = tmp_path_factory.mktemp('epoch_time')
    dataset = forum_task('texture', 0, windows=26, samples=12).save(folder / 'dataset')
    return bench._prepare(folder, dataset, 'small', 8)


@pytest.fixture
def plain_peer(bench: ModuleType, tmp_path: Path) -> Any:
    """The plain PyTorch loop in its process."""
    command = [sys.executable, str(ROOT / 'bench' / 'peers' / 'peer_torch.py')]
    with bench.Peer('PyTorch loop', '1', command, {}, tmp_path / 'log') as peer:
        yield peer


def test_a_peer_trains_the_same_network_in_as_many_steps(case: Any, plain_peer: Any) -> None:
    started = plain_peer.start(case)
    # 26 windows: three batches of eight and one of two.
    assert started['steps'] == case.steps == 4
    assert started['parameters'] == case.parameters == 4678
    assert started['loss'] == pytest.approx(case.loss, abs=1e-5)


def test_turns_are_timed_without_their_first_epoch(bench: ModuleType, case: Any, plain_peer: Any) -> None:
    plain_peer.start(case)
    alone = bench.Alone('torch').turn(case, 2)
    together = bench.Together(3, 1).turn(case, 2)
    for turn, models in ((plain_peer.turn(case, 2), 1), (alone, 1), (together, 3)):
        assert 0 < turn.epoch_s < 10
        assert turn.turn_epoch_s == pytest.approx(turn.epoch_s * models)
        # The system counts CPU time in steps of 10 ms, and these turns may be shorter.
        assert turn.cores >= 0


def test_a_turn_shows_how_many_cores_it_kept_busy(bench: ModuleType, case: Any) -> None:
    # Long enough for many of the steps of 10 ms in which the system counts CPU time.
    assert bench.Alone('torch').turn(case, 300).cores > 0


def test_seeds_that_train_in_parallel_are_compared_with_training_one_by_one(
    bench: ModuleType, case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = bench._check(case)
    assert check['same']
    assert check['models'] == 5
    assert check['loss'] <= bench.TOLERANCE

    def train_faster(runs: list[Any], **options: Any) -> Any:
        return honest([replace(run, config=replace(run.config, learning_rate=2e-3)) for run in runs], **options)

    honest = bench.train_in_parallel
    monkeypatch.setattr(bench, 'train_in_parallel', train_faster)
    wrong = bench._check(case)
    assert not wrong['same']
    assert wrong['weight'] > bench.TOLERANCE


def _scores(bench: ModuleType, times_s: list[float], case: Any, loss: float | None = None) -> Any:
    started = {'parameters': 1, 'steps': case.steps, 'loss': case.loss if loss is None else loss}
    turns = [bench.Turn(epoch_s=time_s, turn_epoch_s=time_s, cores=1.0) for time_s in times_s]
    return bench.Scores(started, times_s[0], turns)


def test_each_contestant_counts_with_its_better_threads_round_by_round(bench: ModuleType, case: Any) -> None:
    scores = {
        (case.name, bench.PLAIN, '1'): _scores(bench, [0.010, 0.020, 0.040], case),
        (case.name, bench.PLAIN, 'default'): _scores(bench, [0.015, 0.030, 0.060], case),
        (case.name, 'Keras on JAX', 'default'): _scores(bench, [0.020, 0.016, 0.080], case),
        (case.name, 'ours, 5 together', '2'): _scores(bench, [0.005, 0.018, 0.010], case),
    }
    result = bench._case_result(case, scores, {})
    entries = {entry['contestant']: entry for entry in result['contestants']}
    assert entries[bench.PLAIN]['threads'] == '1'
    assert entries[bench.PLAIN]['settings_ms'] == pytest.approx({'1': 20.0, 'default': 30.0})
    assert entries['Keras on JAX']['ratio'] == pytest.approx({'median': 2.0, 'low': 0.8, 'high': 2.0})
    ours = entries['ours, 5 together']
    assert ours['ratio'] == pytest.approx({'median': 0.5, 'low': 0.25, 'high': 0.9})
    # In the second round Keras was the fastest peer, and faster than ours.
    assert ours['fastest_peer'] == pytest.approx({'median': 0.5, 'low': 0.25, 'high': 1.125, 'faster_rounds': 2})
    assert result['same']


def test_a_network_with_another_loss_is_not_the_same(bench: ModuleType, case: Any) -> None:
    scores = {
        (case.name, bench.PLAIN, '1'): _scores(bench, [0.01], case),
        (case.name, 'Keras on JAX', '1'): _scores(bench, [0.01], case, loss=case.loss + 1e-3),
    }
    result = bench._case_result(case, scores, {})
    assert [entry['same'] for entry in result['contestants']] == [True, False]
    assert not result['same']


def test_threads_that_wait_for_each_other_are_left_out(bench: ModuleType, case: Any) -> None:
    scores = {
        (case.name, bench.PLAIN, '1'): _scores(bench, [0.1], case),
        (case.name, bench.PLAIN, 'default'): _scores(bench, [9.0], case),
        (case.name, 'Keras on JAX', '1'): _scores(bench, [0.9], case),
    }
    left_out = bench._remove_hopeless(scores)
    assert left_out == pytest.approx({(case.name, bench.PLAIN, 'default'): 90.0})
    assert set(scores) == {(case.name, bench.PLAIN, '1'), (case.name, 'Keras on JAX', '1')}


def test_a_peer_that_is_not_installed_says_why(bench: ModuleType, case: Any, tmp_path: Path) -> None:
    command = [sys.executable, '-c', 'raise SystemExit("there is no Keras here")']
    with (
        bench.Peer('Keras on JAX', '1', command, {}, tmp_path / 'log') as peer,
        pytest.raises(bench.PeerEndedError, match='Keras on JAX ended with status 1: there is no Keras here'),
    ):
        peer.start(case)


def test_help_shows_an_example() -> None:
    command = [sys.executable, str(ROOT / 'bench' / 'epoch_time.py'), '--help']
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 'example:' in done.stdout
    assert 'bench/epoch_time.py --rounds' in done.stdout
