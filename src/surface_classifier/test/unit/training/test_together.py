# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Training together gives what training one by one gives, with and without the compiled kernel."""

from __future__ import annotations

import logging
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_samples import seal
from model_samples import TWO_PART_CONFIG, learnable_dataset, quick_recipe

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.training import parallel_training
from surface_classifier.training.loop import EpochResult, TrainingCancelledError, TrainingResult, train
from surface_classifier.training.parallel_training import TrainingRun, kernel_obstacle, train_in_parallel
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('torch',)

QUICK = quick_recipe(4, validation_fraction=0.25)
OTHER = replace(
    QUICK,
    network=NetworkConfig(hidden_sizes=(5, 20), dropout=0.0, pooling='last', inputs='derived', statistics=True),
    optimizer='rmsprop',
    learning_rate=1e-3,
    schedule='constant',
    class_balance='weights',
    validation_fraction=0.0,
)
WITH_BATCH_NORM = replace(QUICK, network=replace(QUICK.network, batch_norm=True))


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set')


@pytest.fixture(scope='module')
def two_parts(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'two', config=TWO_PART_CONFIG)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, 'numba', None)
    parallel_training._numba_problem.cache_clear()
    yield
    parallel_training._numba_problem.cache_clear()


def one_by_one(runs: Sequence[TrainingRun]) -> list[TrainingResult]:
    return [train(run.dataset, run.config, run.seed, windows=run.windows, measure_training=True) for run in runs]


def assert_same(found: Sequence[TrainingResult], expected: Sequence[TrainingResult]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.best_epoch == other.best_epoch
        assert one.config == other.config
        np.testing.assert_array_equal(one.train_windows, other.train_windows)
        np.testing.assert_array_equal(one.validation_windows, other.validation_windows)
        assert not one.network.training
        weights = other.network.state_dict()
        for name, weight in one.network.state_dict().items():
            torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-4, msg=name)
        for epoch, epoch_expected in zip(one.epochs, other.epochs, strict=True):
            assert vars(epoch) == pytest.approx(vars(epoch_expected), rel=0, abs=1e-4, nan_ok=True)


def test_runs_of_all_shapes_end_as_if_trained_alone(dataset: Dataset, two_parts: Dataset) -> None:
    some = np.flatnonzero(np.arange(len(dataset)) % 4)
    runs = [
        TrainingRun(dataset, QUICK, 0),
        TrainingRun(dataset, OTHER, 1, some),
        TrainingRun(dataset, WITH_BATCH_NORM, 2),
        TrainingRun(two_parts, replace(QUICK, batch_size=33), 3),
        TrainingRun(dataset, QUICK, 4),
    ]
    assert_same(train_in_parallel(runs, jobs=2, measure_training=True), one_by_one(runs))


def test_weights_do_not_depend_on_the_number_of_threads(dataset: Dataset) -> None:
    runs = [TrainingRun(dataset, config, 3) for config in (QUICK, OTHER, QUICK)]
    one, two = (train_in_parallel(runs, jobs=jobs) for jobs in (1, 2))
    for result, other in zip(one, two, strict=True):
        weights = other.network.state_dict()
        for name, weight in result.network.state_dict().items():
            assert torch.equal(weight, weights[name])


def test_what_the_caller_hears_is_said_in_its_thread(dataset: Dataset) -> None:
    epochs: dict[int, list[EpochResult]] = defaultdict(list)
    results: dict[int, TrainingResult] = {}

    def on_epoch(number: int, epoch: EpochResult) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert number not in results
        epochs[number].append(epoch)

    def on_result(number: int, result: TrainingResult) -> None:
        assert threading.current_thread() is threading.main_thread()
        results[number] = result

    configs = (QUICK, WITH_BATCH_NORM, replace(QUICK, epochs=2))
    runs = [TrainingRun(dataset, config, 7) for config in configs]
    found = train_in_parallel(runs, jobs=2, on_epoch=on_epoch, on_result=on_result)
    for number, result in enumerate(found):
        assert results[number] is result
        assert epochs[number] == list(result.epochs)


def test_the_callers_random_state_and_threads_stay_as_they_were(dataset: Dataset) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_in_parallel([TrainingRun(dataset, replace(QUICK, epochs=1), seed) for seed in (1, 2)], jobs=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize('config', [QUICK, WITH_BATCH_NORM], ids=['kernel', 'torch'])
def test_training_together_can_be_cancelled(dataset: Dataset, config: TrainingConfig) -> None:
    heard: list[EpochResult] = []
    runs = [TrainingRun(dataset, replace(config, epochs=10_000, patience=10_000), seed) for seed in range(3)]
    with pytest.raises(TrainingCancelledError):
        train_in_parallel(
            runs, jobs=2, on_epoch=lambda _, epoch: heard.append(epoch), cancelled=lambda: len(heard) >= 3
        )
    assert 3 <= len(heard) < 1000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith('training')]


def test_a_failing_run_ends_the_others_with_its_sentence(dataset: Dataset, tmp_path: Path) -> None:
    broken = learnable_dataset(tmp_path / 'broken')
    values = np.load(tmp_path / 'broken' / 'part_motor.npy', mmap_mode='r+')
    values[:, 0, 0] = np.inf
    values.flush()
    seal(broken.path)
    endless = replace(QUICK, epochs=10_000, patience=10_000)
    runs = [TrainingRun(dataset, endless, 0), TrainingRun(Dataset.load(broken.path), endless, 0)]
    with pytest.raises(SurfaceError, match='infinite values'):
        train_in_parallel(runs, jobs=2)


def test_an_error_of_the_caller_ends_training(dataset: Dataset) -> None:
    def on_epoch(number: int, _: EpochResult) -> None:
        raise KeyError(number)

    endless = replace(QUICK, epochs=10_000, patience=10_000)
    with pytest.raises(KeyError):
        train_in_parallel([TrainingRun(dataset, endless, 0)] * 3, jobs=2, on_epoch=on_epoch)


@pytest.mark.usefixtures('without_numba')
def test_without_numba_torch_trains_and_says_so_once(dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    runs = [TrainingRun(dataset, config, 3) for config in (QUICK, OTHER)]
    with caplog.at_level(logging.WARNING):
        found = train_in_parallel(runs, measure_training=True)
    (said,) = (record.getMessage() for record in caplog.records)
    assert 'Numba cannot be imported' in said
    assert 'takes longer' in said
    assert_same(found, one_by_one(runs))


def test_what_the_kernel_is_not_for_is_named() -> None:
    pytest.importorskip('numba', reason='numba is not installed')
    assert kernel_obstacle(QUICK) is None
    assert 'batch normalisation' in str(kernel_obstacle(WITH_BATCH_NORM))
    wide = replace(QUICK, network=NetworkConfig(hidden_sizes=(16, parallel_training.LARGEST_UNITS + 1)))
    assert 'units' in str(kernel_obstacle(wide))
    assert 'mixed' in str(kernel_obstacle(replace(QUICK, mixup_alpha=1.0)))
    joined = replace(QUICK, network=NetworkConfig(hidden_sizes=(16,), members=(NetworkConfig(),)))
    assert parallel_training.kernel_obstacle(joined) == 'the network is an ensemble'
    deep = replace(QUICK, network=NetworkConfig(hidden_sizes=(16,), head_sizes=(8,)))
    assert 'hidden layers' in str(kernel_obstacle(deep))
