# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop learns what can be learnt, nothing else, and the same every time."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='torch is not installed')
import torch
from model_samples import CLASSES, TWO_PART_CONFIG, learnable_dataset
from recording_samples import save_dataset

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.lstm_config import LstmConfig
from surface_classifier.training import loop
from surface_classifier.training.config import TrainingConfig
from surface_classifier.training.loop import EpochResult, TrainingCancelledError, predict_logits, resident, train

QUICK = TrainingConfig(
    network=LstmConfig(hidden_sizes=(8,), dropout=0.1, pooling='mean_max'),
    epochs=6,
    batch_size=16,
    learning_rate=2e-2,
    validation_fraction=0.25,
)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set')


def accuracy(dataset: Dataset, config: TrainingConfig, seed: int = 0) -> float:
    """Train on the first three recordings of each class, test on the last one."""
    last = np.array([name.endswith('03') for name in dataset.recording_names])[dataset.recording]
    result = train(dataset, config, seed, windows=np.flatnonzero(~last))
    predicted = predict_logits(result.network, resident(dataset, np.flatnonzero(last))).argmax(dim=1).numpy()
    return float(np.mean(predicted == dataset.labels[last]))


def test_what_can_be_learnt_is_learnt(dataset: Dataset) -> None:
    assert accuracy(dataset, QUICK) > 0.8


def test_shuffled_labels_score_at_chance(tmp_path: Path) -> None:
    shuffled = learnable_dataset(tmp_path / 'set', windows=60, shuffle_labels=True)
    assert abs(accuracy(shuffled, QUICK) - 1 / 3) < 0.12


def test_parts_of_two_rates_are_learnt_together(tmp_path: Path) -> None:
    assert accuracy(learnable_dataset(tmp_path / 'set', config=TWO_PART_CONFIG), QUICK) > 0.8


def weights(dataset: Dataset, seed: int, config: TrainingConfig = QUICK) -> dict[str, torch.Tensor]:
    return train(dataset, config, seed).network.state_dict()


def test_the_same_seed_gives_the_same_weights_and_another_one_others(dataset: Dataset) -> None:
    first = weights(dataset, 1)
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    torch.rand(5)
    again, other = weights(dataset, 1), weights(dataset, 2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    assert torch.get_num_threads() == threads


def test_training_leaves_the_callers_random_state_alone(dataset: Dataset) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights(dataset, 1, replace(QUICK, epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_no_recording_is_on_both_sides_and_every_class_is_held_out(dataset: Dataset) -> None:
    for seed in range(5):
        result = train(dataset, replace(QUICK, epochs=1), seed)
        trained = set(dataset.recording[result.train_windows].tolist())
        held_out = set(dataset.recording[result.validation_windows].tolist())
        assert trained
        assert held_out
        assert not trained & held_out
        assert set(dataset.labels[result.validation_windows].tolist()) == {0, 1, 2}
        assert len(result.train_windows) + len(result.validation_windows) == len(dataset)


def test_balanced_sampling_draws_every_class_equally_often() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    torch.manual_seed(0)
    drawn = torch.cat(list(loop._draw(labels, 300, 20, balanced=True)))
    np.testing.assert_allclose(np.bincount(labels[drawn]) / len(drawn), 1 / 3, atol=0.03)
    drawn = torch.cat(list(loop._draw(labels, 50, 20, balanced=False)))
    assert sorted(drawn.tolist()) == list(range(1000))


def test_training_stops_when_the_held_out_loss_gets_no_better(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [1.0, 0.8, 0.9, 0.5, 0.6, 0.7, 0.51, 0.4, 0.3]
    seen: list[dict[str, torch.Tensor]] = []

    def validate(network: torch.nn.Module, *_: object) -> tuple[float, float]:
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return losses[len(seen) - 1], 0.5

    monkeypatch.setattr(loop, '_validate', validate)
    result = train(dataset, replace(QUICK, epochs=9, patience=3), 0)
    assert [epoch.best for epoch in result.epochs] == [True, True, False, True, False, False, False]
    assert result.best_epoch == 4
    best = result.network.state_dict()
    assert all(torch.equal(best[name], seen[3][name]) for name in best)
    assert not all(torch.equal(best[name], seen[6][name]) for name in best)
    assert not result.network.training


def test_without_held_out_recordings_the_last_epoch_counts(dataset: Dataset) -> None:
    told: list[EpochResult] = []
    result = train(dataset, replace(QUICK, epochs=3, validation_fraction=0.0, patience=1), 0, on_epoch=told.append)
    assert (len(told), result.best_epoch, len(result.validation_windows)) == (3, 3, 0)
    assert len(result.train_windows) == len(dataset)
    assert math.isnan(told[-1].validation_loss)
    assert told[-1].loss < told[0].loss
    assert told[-1].loss_noise > 0


def test_training_can_be_cancelled(dataset: Dataset) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 15

    with pytest.raises(TrainingCancelledError, match='epoch 2'):
        train(dataset, QUICK, 0, cancelled=cancelled)


def test_infinite_values_end_training_with_a_sentence(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set')
    broken = np.load(tmp_path / 'set' / 'part_motor.npy', mmap_mode='r+')
    broken[:, 0, 0] = np.inf
    broken.flush()
    with pytest.raises(SurfaceError, match='infinite values'):
        train(Dataset.load(dataset.path), QUICK, 0)


def test_one_class_cannot_be_learnt(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', {'a': {'ice': 5}, 'b': {'ice': 5}}, classes=['ice', 'snow'])
    with pytest.raises(SurfaceError, match=r'ice only; training needs two classes'):
        train(dataset, QUICK, 0)


def test_a_class_with_one_recording_is_named_with_a_remedy(tmp_path: Path) -> None:
    dataset = save_dataset(tmp_path / 'set', {'a': {'ice': 20}, 'b': {'ice': 20}, 'c': {'snow': 20}})
    with pytest.raises(SurfaceError, match=r"'snow' has one recording only.*validation_fraction: 0"):
        train(dataset, QUICK, 0)
    assert train(dataset, replace(QUICK, epochs=1, validation_fraction=0.0), 0).best_epoch == 1


def test_bare_windows_are_held_out_one_by_one(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set', has_recordings=False)
    result = train(dataset, replace(QUICK, epochs=1), 0)
    assert 0.15 < len(result.validation_windows) / len(dataset) < 0.35
    assert set(dataset.labels[result.validation_windows].tolist()) == set(range(len(CLASSES)))
