# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop learns what can be learnt, nothing else, and the same every time."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_samples import save_dataset, seal
from model_samples import CLASSES, TWO_PART_CONFIG, learnable_dataset, quick_recipe
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.reproduce.forum_task import forum_task
from surface_classifier.training import loop
from surface_classifier.training.discriminant_init import init_head_from_discriminant, linear_discriminant, unscale_head
from surface_classifier.training.engines import torch_engine
from surface_classifier.training.engines.losses import class_weights, mixup, training_loss
from surface_classifier.training.engines.optimisers import draw_batches
from surface_classifier.training.engines.step_engine import Engine
from surface_classifier.training.engines.torch_engine import TorchEngine
from surface_classifier.training.loop import EpochResult, TrainingCancelledError, train
from surface_classifier.training.prepared_windows import PreparedWindows, predict_logits, prepare_windows, resident
from surface_classifier.training.training_config import PRESETS, Optimizer, TrainingConfig

REQUIRES = ('torch',)

QUICK = quick_recipe(6, validation_fraction=0.25)


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
    sampling = replace(QUICK, class_balance='sampling', batch_size=20)
    drawn = torch.cat([batch for _ in range(6) for batch in draw_batches(labels, sampling)])
    np.testing.assert_allclose(np.bincount(labels[drawn]) / len(drawn), 1 / 3, atol=0.03)
    for balance in ('none', 'weights'):
        batches = draw_batches(labels, replace(QUICK, class_balance=balance, batch_size=300))
        assert [len(batch) for batch in batches] == [300, 300, 300, 100]
        assert sorted(torch.cat(list(batches)).tolist()) == list(range(1000))


def test_training_stops_when_the_held_out_loss_gets_no_better(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [1.0, 0.8, 0.9, 0.5, 0.6, 0.7, 0.51, 0.4, 0.3]
    seen: list[torch.Tensor] = []

    def validate(engine: Engine, windows: PreparedWindows, *_: object) -> tuple[float, float]:
        seen.append(engine.logits(windows))
        return losses[len(seen) - 1], 0.5

    monkeypatch.setattr(loop, '_validate', validate)
    result = train(dataset, replace(QUICK, epochs=9, patience=3), 0)
    assert [epoch.best for epoch in result.epochs] == [True, True, False, True, False, False, False]
    assert result.best_epoch == 4
    best = predict_logits(result.network, resident(dataset, result.validation_windows))
    torch.testing.assert_close(best, seen[3])
    assert not torch.allclose(best, seen[6], atol=1e-3)
    assert not result.network.training


def test_without_held_out_recordings_the_last_epoch_counts(dataset: Dataset) -> None:
    reports: list[EpochResult] = []
    result = train(dataset, replace(QUICK, epochs=3, validation_fraction=0.0, patience=1), 0, on_epoch=reports.append)
    assert (len(reports), result.best_epoch, len(result.validation_windows)) == (3, 3, 0)
    assert len(result.train_windows) == len(dataset)
    assert math.isnan(reports[-1].validation_loss)
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].loss_noise > 0


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
    dataset = seal(dataset.path)
    with pytest.raises(SurfaceError, match='infinite values'):
        train(dataset, QUICK, 0)


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


def test_every_class_counts_the_same_in_a_weighted_loss() -> None:
    labels = torch.tensor([0] * 90 + [2] * 10)
    weights = class_weights(labels, 3, 'weights')
    torch.testing.assert_close(weights[labels].mean(), torch.tensor(1.0))
    assert float(weights[0] * 90) == pytest.approx(float(weights[2] * 10))
    assert torch.equal(class_weights(labels, 3, 'none'), torch.ones(3))
    logits = torch.randn(100, 3)
    expected = (
        torch.nn.functional.cross_entropy(logits[:90], labels[:90])
        + torch.nn.functional.cross_entropy(logits[90:], labels[90:])
    ) / 2.0
    torch.testing.assert_close(training_loss(logits, labels, weights, 0.0), expected)


def test_weights_help_a_rare_class(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set')
    windows = np.sort(np.concatenate([np.flatnonzero(dataset.labels != 1), np.flatnonzero(dataset.labels == 1)[::9]]))
    recall = {}
    for balance in ('none', 'weights'):
        config = replace(QUICK, class_balance=balance, validation_fraction=0.0, epochs=4)
        result = train(dataset, config, 0, windows=windows)
        predicted = predict_logits(result.network, resident(dataset, np.arange(len(dataset)))).argmax(dim=1).numpy()
        recall[balance] = np.mean(predicted[dataset.labels == 1] == 1)
    assert recall['weights'] > recall['none']


@pytest.mark.parametrize('optimizer', ['adamw', 'adam', 'rmsprop', 'sgd'])
def test_every_optimiser_lowers_the_loss(dataset: Dataset, optimizer: Optimizer) -> None:
    rate = 0.3 if optimizer == 'sgd' else 1e-2
    config = replace(QUICK, optimizer=optimizer, learning_rate=rate, epochs=3, validation_fraction=0.0)
    losses = [epoch.loss for epoch in train(dataset, config, 0).epochs]
    assert losses[-1] < losses[0]


def test_a_full_batch_is_one_step(dataset: Dataset) -> None:
    config = replace(QUICK, batch_size='full', class_balance='none', validation_fraction=0.0, epochs=2)
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    result = train(dataset, config, 0, cancelled=count, measure_training=True)
    assert steps == 2
    assert result.config.batch_size == len(dataset)
    assert all(math.isnan(epoch.loss_noise) for epoch in result.epochs)
    predicted = predict_logits(result.network, resident(dataset, np.arange(len(dataset)))).argmax(dim=1).numpy()
    assert result.epochs[-1].training_accuracy == pytest.approx(np.mean(predicted == dataset.labels))
    assert train(dataset, config, 0).epochs[-1].training_accuracy is None


def test_windows_held_out_one_by_one_leak_from_their_recordings(dataset: Dataset) -> None:
    config = replace(QUICK, epochs=1, validation_split='window')
    result = train(dataset, config, 0)
    held_out = result.validation_windows
    assert len(held_out) == len(dataset) // 4
    assert np.bincount(dataset.labels[held_out]).tolist() == [20, 20, 20]
    assert set(dataset.recording[held_out].tolist()) <= set(dataset.recording[result.train_windows].tolist())
    assert not set(held_out.tolist()) & set(result.train_windows.tolist())
    alone = np.flatnonzero((dataset.labels != 2) | (np.arange(len(dataset)) == len(dataset) - 1))
    with pytest.raises(SurfaceError, match=r"'snow' has one window only.*validation_fraction: 0"):
        train(dataset, config, 0, windows=alone)


def test_a_network_with_statistics_and_derived_inputs_is_trained(tmp_path: Path) -> None:
    network = NetworkConfig(hidden_sizes=(8,), pooling='mean_max', inputs='derived', statistics=True, batch_norm=True)
    config = replace(QUICK, network=network, discriminant_init=True)
    assert accuracy(learnable_dataset(tmp_path / 'one'), config) > 0.8
    assert accuracy(learnable_dataset(tmp_path / 'two', config=TWO_PART_CONFIG), config) > 0.8


def test_the_head_starts_as_a_linear_discriminant() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    values = rng.normal(size=(300, 30, 1)) * (1.0 + labels[:, None, None]) + 0.5 * labels[:, None, None]
    config = replace(QUICK, network=NetworkConfig(hidden_sizes=(4,), statistics=True), logit_scale=3.0)
    parts, truth = [torch.from_numpy(values).float()], torch.from_numpy(labels)
    network, inputs = loop.build_network(config, parts, truth, 3)
    statistics = inputs.statistics.double()
    weights, bias = linear_discriminant(statistics, truth, 3)
    expected = statistics @ weights.T + bias
    torch.testing.assert_close(predict_logits(network, parts).double(), 3.0 * expected, atol=1e-3, rtol=1e-3)
    unscale_head(network, 3.0)
    torch.testing.assert_close(predict_logits(network, parts).double(), expected, atol=1e-3, rtol=1e-3)
    assert (expected.argmax(dim=1) == truth).double().mean() > 0.8
    library = LinearDiscriminantAnalysis(priors=[1 / 3] * 3).fit(statistics.numpy(), labels)
    plain, offset = linear_discriminant(statistics, truth, 3, ridge=0.0)
    agreement = (statistics @ plain.T + offset).argmax(dim=1).numpy() == library.predict(statistics.numpy())
    assert agreement.mean() > 0.99


def test_sharpness_is_taken_out_of_scores_and_network(dataset: Dataset) -> None:
    config = replace(QUICK, network=NetworkConfig(hidden_sizes=(4,), statistics=True), epochs=1, learning_rate=1e-9)
    for logit_scale in (1.0, 4.0):
        result = train(dataset, replace(config, logit_scale=logit_scale), 0)
        logits = predict_logits(result.network, resident(dataset, result.validation_windows))
        labels = torch.from_numpy(dataset.labels[result.validation_windows])
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction='none')
        balanced = torch.stack([losses[labels == k].mean() for k in range(3)]).mean()
        assert result.epochs[0].validation_loss == pytest.approx(float(balanced), rel=1e-4)
        weights, bias = linear_discriminant(
            prepare_windows(result.network, resident(dataset, result.train_windows)).statistics.double(),
            torch.from_numpy(dataset.labels[result.train_windows]),
            3,
        )
        torch.testing.assert_close(result.network.head.bias.double(), bias, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(result.network.head.weight[:, 4:].double(), weights, atol=1e-3, rtol=1e-3)


def test_the_default_recipe_learns_the_forum_task_in_few_epochs(tmp_path: Path) -> None:
    dataset = forum_task('ripple', 3).save(tmp_path / 'set')
    result = train(dataset, replace(PRESETS['default'], validation_fraction=0.0), 3, measure_training=True)
    assert 1.0 in [epoch.training_accuracy for epoch in result.epochs]
    losses = np.array([epoch.loss for epoch in result.epochs])
    assert np.mean(np.diff(losses) > 0) <= 0.1
    fresh = forum_task('ripple', 10_003, 300)
    logits = predict_logits(result.network, [torch.from_numpy(fresh.windows).float()])
    assert np.mean(logits.argmax(dim=1).numpy() == fresh.labels) > 0.65
    held_out = train(dataset, PRESETS['default'], 3)
    assert held_out.epochs[held_out.best_epoch - 1].validation_accuracy > 0.5


def test_mixed_windows_lie_between_their_own() -> None:
    features = torch.eye(6)
    for mixup_alpha, reach in ((0.05, 0.5), (50.0, 0.2)):
        torch.manual_seed(0)
        mixed, partners, shares = mixup(features, mixup_alpha)
        expected = torch.diag(shares) + (1.0 - shares)[:, None] * features[partners]
        torch.testing.assert_close(mixed, expected)
        torch.testing.assert_close(mixed.sum(dim=1), torch.ones(6))
        assert sorted(partners.tolist()) == list(range(6))
        assert ((shares - 0.5).abs().mean() > reach / 2) == (mixup_alpha < 1.0)


def test_the_loss_of_mixed_windows_asks_for_both_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(QUICK, mixup_alpha=1.0, label_smoothing=0.0, network=replace(QUICK.network, dropout=0.0)).resolved(
        40
    )
    labels = torch.tensor([0, 1, 2, 0] * 10)
    network, inputs = loop.build_network(config, [torch.randn(40, 9, 2)], labels, 3)
    engine = TorchEngine(network, inputs, labels, config)
    batch = torch.arange(4)
    logits = network.head(network.features(*inputs.rows(batch)))
    losses = {}
    for share in (1.0, 0.0, 0.25):
        pairs = torch.tensor([1, 0, 3, 2]), torch.full((4,), share)
        monkeypatch.setattr(torch_engine, 'mixup', lambda features, _, pairs=pairs: (features, *pairs))
        loss, found = engine._loss(batch)
        torch.testing.assert_close(found, logits)
        losses[share] = float(loss.detach())
    plain = training_loss(logits, labels[batch], class_weights(labels, 3, 'weights'), 0.0)
    assert losses[1.0] == pytest.approx(float(plain.detach()), rel=1e-5)
    assert losses[0.25] != pytest.approx(losses[0.0], rel=1e-3)


def test_the_accurate_recipe_learns_and_gives_the_same_twice(dataset: Dataset) -> None:
    config = replace(PRESETS['accurate'], epochs=8, batch_size=16, learning_rate=1e-2)
    assert accuracy(dataset, config) > 0.8
    first, second = train(dataset, config, 3), train(dataset, config, 3)
    assert [epoch.loss for epoch in first.epochs] == [epoch.loss for epoch in second.epochs]


def test_only_a_linear_head_starts_from_a_discriminant() -> None:
    deep = replace(QUICK, network=NetworkConfig(hidden_sizes=(4,), statistics=True, head_sizes=(5,)), logit_scale=3.0)
    assert not deep.uses_discriminant_init
    assert deep.resolved(100).logit_scale == 1.0
    network, inputs = loop.build_network(deep, [torch.randn(30, 9, 2)], torch.arange(30) % 3, 3)
    with pytest.raises(ValueError, match='linear head'):
        init_head_from_discriminant(network, inputs.statistics, torch.arange(30) % 3, 1.0)
