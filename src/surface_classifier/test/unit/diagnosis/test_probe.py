# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The runs that a diagnosis compares: forks differ in nothing but what was changed, and noise is separated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from surface_classifier.diagnosis.noise import measure_step_noise
from surface_classifier.diagnosis.probe import LARGEST_LOSS, Probe, ProbeData
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.reproduce.forum_task import forum_task
from surface_classifier.training.engines.losses import training_loss
from surface_classifier.training.loop import TrainingCancelledError, build_network, make_engine, train
from surface_classifier.training.torch_state import RandomState
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('torch',)

CONFIG = TrainingConfig(
    network=NetworkConfig(hidden_sizes=(8,), dropout=0.3, pooling='mean_max'),
    epochs=6,
    batch_size=8,
    learning_rate=5e-3,
    class_balance='none',
    validation_fraction=0.0,
)


def probe_data(windows: int = 36) -> ProbeData:
    task = forum_task('texture', 0, windows, 40)
    rows = np.arange(windows)
    return ProbeData(
        [torch.from_numpy(task.windows).float()],
        torch.from_numpy(task.labels),
        len(task.classes),
        rows[rows % 3 > 0],
        rows[rows % 3 == 0],
    )


def test_a_fork_that_changes_nothing_goes_on_as_the_training_would_have() -> None:
    probe = Probe(probe_data(), CONFIG, seed=1, epochs=6).run(3)
    twin = probe.fork(CONFIG)
    probe.run(3)
    twin.run(3)
    assert twin.curves.step_losses == probe.curves.step_losses[-len(twin.curves.step_losses) :]
    assert twin.curves.held_out_loss == probe.curves.held_out_loss[-3:]


def test_a_fork_leaves_the_training_as_it_was() -> None:
    alone = Probe(probe_data(), CONFIG, seed=1, epochs=6).run(6)
    forked = Probe(probe_data(), CONFIG, seed=1, epochs=6).run(3)
    measure_step_noise(forked)
    forked.fork(replace(CONFIG, batch_size=24, learning_rate=1e-4)).run(2)
    forked.run(3)
    assert forked.curves.loss == alone.curves.loss


@pytest.mark.parametrize('kind', ['torch', 'kernel'])
def test_a_schedule_goes_on_at_the_rate_of_that_moment(kind: Literal['torch', 'kernel']) -> None:
    data = probe_data()
    config = replace(CONFIG, epochs=30).resolved(24)
    labels = data.labels[data.train]
    engines = []
    for batch_size in (8, 24):
        network, windows = build_network(config, [data.parts[0][data.train]], labels, data.classes)
        recipe = replace(config, batch_size=batch_size)
        engines.append(make_engine(kind, network, windows, labels, recipe))
    random = RandomState(0)
    for _ in range(15):
        engines[0].take_epoch(random, lambda: False)
    engines[1].continue_from(engines[0])
    rates = [engine._optimizer.param_groups[0]['lr'] for engine in engines]  # type: ignore[attr-defined]
    assert rates[1] == pytest.approx(rates[0], rel=0.1)
    assert rates[1] != pytest.approx(config.learning_rate, rel=0.1)


def test_a_fork_with_all_windows_in_a_step_takes_one_step_an_epoch() -> None:
    probe = Probe(probe_data(), CONFIG, seed=1, epochs=30).run(15)
    assert len(probe.fork(replace(CONFIG, batch_size=24)).run(2).curves.step_losses) == 2


@pytest.mark.parametrize('batch_norm', [False, True])
def test_a_fork_without_masks_takes_its_steps_in_evaluation_mode(batch_norm: bool) -> None:
    config = replace(CONFIG, batch_size=24, network=replace(CONFIG.network, batch_norm=batch_norm))
    probe = Probe(probe_data(), config, seed=1, epochs=6).run(2)
    before = float(training_loss(probe.logits(), probe.labels, torch.ones(6), float(probe.config.label_smoothing)))
    calm = probe.fork(replace(config, network=replace(config.network, dropout=0.0, batch_norm=False))).run(1)
    assert calm.curves.step_losses[0] == pytest.approx(before, rel=1e-5)
    assert probe.fork(config).run(1).curves.step_losses[0] != pytest.approx(before, rel=1e-5)


def test_a_training_that_diverges_is_recorded_and_not_raised() -> None:
    config = replace(CONFIG, optimizer='sgd', learning_rate=1e20, gradient_clip=0.0, schedule='constant')
    probe = Probe(probe_data(), config, seed=1, epochs=3).run(3)
    assert max(probe.curves.step_losses) == LARGEST_LOSS
    assert np.isfinite(probe.curves.clean_loss).all()


def test_a_probe_can_be_cancelled() -> None:
    with pytest.raises(TrainingCancelledError):
        Probe(probe_data(), CONFIG, seed=1, epochs=6).run(3, cancelled=lambda: True)


def test_the_noise_of_the_batch_is_that_of_batches_drawn_many_times() -> None:
    probe = Probe(probe_data(), replace(CONFIG, network=replace(CONFIG.network, dropout=0.0)), 1, 6).run(4)
    noise = measure_step_noise(probe)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        logits = probe.logits()
        batches = (torch.randperm(24, generator=generator)[:8] for _ in range(2000))
        drawn = [float(torch.nn.functional.cross_entropy(logits[rows], probe.labels[rows])) for rows in batches]
    assert noise.batch_variance == pytest.approx(np.var(drawn), rel=0.15)
    assert noise.mask_variance == 0.0


def test_masks_are_noise_where_the_batch_is_none() -> None:
    probe = Probe(probe_data(), replace(CONFIG, batch_size=24), seed=1, epochs=6).run(4)
    noise = measure_step_noise(probe)
    assert noise.batch_variance == pytest.approx(0.0, abs=1e-12)
    assert noise.mask_variance > 0.0
    assert noise.noise_scale > 0.0


def test_a_probe_learns_as_training_does(tmp_path: Path) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, dropout=0.0), epochs=8)
    data = probe_data()
    probe = Probe(replace(data, train=np.arange(36), held_out=np.arange(0)), config, seed=0, epochs=8).run(8)
    dataset = forum_task('texture', 0, 36, 40).save(tmp_path / 'set')
    result = train(dataset, config, 0)
    assert probe.curves.loss == pytest.approx([epoch.loss for epoch in result.epochs], rel=1e-3)
