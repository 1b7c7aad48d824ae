# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The compiled kernel computes what torch computes: products, gradients, dropout masks, steps of every optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from surface_classifier.model.network.ensemble import Network
from surface_classifier.model.network_config import NetworkConfig, Pooling
from surface_classifier.training import loop
from surface_classifier.training.engines import kernel_engine
from surface_classifier.training.engines import lstm_kernel as kernel
from surface_classifier.training.engines.kernel_engine import KernelEngine, give_random_state, take_random_state
from surface_classifier.training.engines.losses import class_weights, training_loss
from surface_classifier.training.engines.optimisers import make_optimizer
from surface_classifier.training.engines.torch_engine import TorchEngine
from surface_classifier.training.prepared_windows import PreparedWindows
from surface_classifier.training.torch_state import RandomState
from surface_classifier.training.training_config import Optimizer, Schedule, TrainingConfig

REQUIRES = ('torch', 'numba')

WINDOWS = 40
PLAIN = TrainingConfig(
    network=NetworkConfig(hidden_sizes=(9,), dropout=0.0, pooling='mean_max'),
    epochs=4,
    batch_size=16,
    learning_rate=1e-2,
    validation_fraction=0.0,
)


@dataclass(frozen=True)
class Task:
    """Windows that mean nothing, of some shape.

    Attributes:
        samples: Of a window, for each part.
        channels: Of each part.
        classes: Number of classes.
    """

    samples: Sequence[int] = (11,)
    channels: int = 2
    classes: int = 3

    def parts(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(3)
        return [torch.randn(WINDOWS, samples, self.channels, generator=generator) for samples in self.samples]

    def labels(self) -> Tensor:
        return torch.randint(0, self.classes, (WINDOWS,), generator=torch.Generator().manual_seed(4))


def engine(kind: type, config: TrainingConfig, task: Task) -> tuple[Any, Network, PreparedWindows]:
    """Make an engine, with the same weights each time; return its network and windows, too."""
    parts, labels = task.parts(), task.labels()
    config = config.resolved(len(labels))
    with RandomState(5).use():
        network, inputs = loop.build_network(config, parts, labels, task.classes)
    return kind(network, inputs, labels, config), network, inputs


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9).map(lambda blocks: blocks * kernel.PADDING),
    depth=st.integers(1, 20),
    transposed=st.booleans(),
    adds=st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_products_are_those_of_numpy(rows: int, columns: int, depth: int, transposed: bool, adds: bool) -> None:
    rng = np.random.default_rng(rows * columns + depth)
    before, left, right = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((rows, columns + 3), (rows, depth + 2), (depth, columns))
    )
    found = before.copy()
    laid = np.ascontiguousarray(left.T) if transposed else left
    strides = (1, rows) if transposed else (depth + 2, 1)
    kernel.product(
        *(found.reshape(-1), 3, columns + 3),
        *(laid.reshape(-1), 0, *strides),
        *(right.reshape(-1), 0, columns),
        *(rows, columns, depth, int(adds)),
    )
    expected = left[:, :depth] @ right + (before[:, 3:] if adds else 0.0)
    np.testing.assert_allclose(found[:, 3:], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found[:, :3], before[:, :3])


def nearly_tied(output: torch.Tensor) -> bool:
    """Return whether two outputs of a unit over time, (windows, samples, units), are the highest but for rounding."""
    if output.shape[1] < 2:
        return False
    highest = output.topk(2, dim=1).values
    gap = highest[:, 0] - highest[:, 1]
    return bool(((gap > 0.0) & (gap < 1e-5)).any())


@given(
    hidden_sizes=st.lists(st.integers(1, 35), min_size=1, max_size=3),
    samples=st.lists(st.integers(1, 12), min_size=1, max_size=2),
    channels=st.integers(1, 4),
    classes=st.integers(2, 18),
    batch=st.integers(1, WINDOWS),
    pooling=st.sampled_from(['last', 'mean_max']),
    statistics=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    label_smoothing=st.sampled_from([0.0, 0.1]),
    class_balance=st.sampled_from(['none', 'weights']),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_loss_gradient_and_logits_are_those_of_torch(
    hidden_sizes: list[int],
    samples: list[int],
    channels: int,
    classes: int,
    batch: int,
    pooling: Pooling,
    statistics: bool,
    dropout: float,
    label_smoothing: float,
    class_balance: Any,
) -> None:
    task = Task(samples, channels, classes)
    network_config = NetworkConfig(tuple(hidden_sizes), dropout, pooling, statistics=statistics)
    # A head that starts from a discriminant hides the LSTM's gradients.
    own = {'label_smoothing': label_smoothing, 'class_balance': class_balance, 'discriminant_init': False}
    config = replace(PLAIN, network=network_config, **own)
    labels = task.labels()
    with RandomState(5).use():
        network, inputs = loop.build_network(config, task.parts(), labels, classes)
    carried, places = kernel_engine.carry_over(network, samples, batch)
    windows = kernel_engine.windows_for_kernel(inputs, labels)
    weights = class_weights(labels, classes, class_balance)
    recipe = kernel_engine.recipe_for_kernel(config, make_optimizer(network.parameters(), config), weights)
    order = torch.arange(WINDOWS).flip(0)

    random = RandomState(6)
    if dropout > 0.0:
        take_random_state(carried.random, carried.drawn, random.state)
        for layer in carried.layers:
            values = layer[kernel.SAMPLES] * batch * layer[kernel.TRUE_UNITS]
            mask = carried.masks[layer[kernel.MASKS] :][:values]
            kernel.draw_mask(carried.random, carried.drawn, carried.keep, mask)
    outputs: list[torch.Tensor] = []
    network.dropout.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.detach()))
    with random.use():
        logits = network.train().classify_prepared(*inputs.rows(order[:batch]))
    if pooling == 'mean_max':
        # Where two moments are as high but for rounding, the gradient goes to either.
        assume(not any(nearly_tied(output) for output in outputs[len(hidden_sizes) - 1 :: len(hidden_sizes)]))
    loss = training_loss(logits, labels[order[:batch]], weights, label_smoothing)
    loss.backward()

    found, right = kernel.gradient_of(carried, windows, recipe, order.numpy(), 0, batch, dropout > 0.0)
    assert found == pytest.approx(float(loss.detach()), abs=1e-5)
    assert right == int((logits.argmax(dim=1) == labels[order[:batch]]).sum())
    for name, weight in network.named_parameters():
        assert weight.grad is not None
        np.testing.assert_allclose(carried.gradient[places[name]], weight.grad, rtol=1e-4, atol=2e-6, err_msg=name)
    of_padding = np.ones(len(carried.gradient), dtype=bool)
    of_padding[np.concatenate([place.ravel() for place in places.values()])] = False
    assert not carried.gradient[of_padding].any()

    logits_found = np.empty(WINDOWS * classes, dtype=np.float32)
    kernel.logits_of(carried, windows, order.numpy(), logits_found, False)
    with torch.no_grad():
        expected = network.eval().classify_prepared(*inputs.rows(order))
    np.testing.assert_allclose(logits_found.reshape(WINDOWS, classes), expected, rtol=0, atol=5e-6)


def test_gates_far_out_saturate_and_what_is_not_a_number_stays_so() -> None:
    found, _, inputs = engine(KernelEngine, PLAIN, Task())
    reference, network, _ = engine(TorchEngine, PLAIN, Task())
    for scale in (1.0, 30.0, 1e4):
        found.network.parameters[:] *= scale
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(scale)
        torch.testing.assert_close(found.logits(inputs), reference.logits(inputs), rtol=1e-4, atol=1e-4)
    found.network.parameters[0] = np.nan
    assert torch.isnan(found.logits(inputs)).all()


@pytest.mark.parametrize('values', [1, 2, 311, 312, 313, 5000])
@pytest.mark.parametrize('drawn_before', [0, 1, 5, 623, 624, 1000])
def test_the_kernel_draws_masks_as_torch_and_hands_the_random_state_back(drawn_before: int, values: int) -> None:
    if not kernel_engine.draws_like_torch(0.8):
        pytest.skip('on this processor torch draws masks with a library of its own')
    generator = torch.Generator().manual_seed(8)
    torch.empty(drawn_before, dtype=torch.int32).random_(generator=generator)
    state = generator.get_state()
    random, drawn = np.empty(kernel.MT_WORDS, dtype=np.uint32), np.empty(1, dtype=np.int64)
    take_random_state(random, drawn, state)
    mask = np.empty(values, dtype=np.uint8)
    kernel.draw_mask(random, drawn, 0.8, mask)
    np.testing.assert_array_equal(mask, torch.empty(values).bernoulli_(0.8, generator=generator))
    give_random_state(random, drawn, state)
    again = torch.Generator()
    again.set_state(state)
    assert torch.equal(torch.rand(1500, generator=again), torch.rand(1500, generator=generator))


OPTIMIZERS: tuple[tuple[Optimizer, float], ...] = (('adamw', 1e-2), ('adam', 1e-2), ('rmsprop', 3e-3), ('sgd', 0.3))
SCHEDULES: tuple[tuple[Schedule, float, float], ...] = (('constant', 0.0, 0.0), ('one_cycle', 0.02, 0.05))
RECIPES = [
    replace(PLAIN, optimizer=optimizer, schedule=schedule, weight_decay=decay, gradient_clip=clip, learning_rate=rate)
    for optimizer, rate in OPTIMIZERS
    for schedule, decay, clip in SCHEDULES
]


@pytest.mark.parametrize('config', RECIPES, ids=lambda config: f'{config.optimizer}-{config.schedule}')
def test_steps_are_those_of_torch(config: TrainingConfig) -> None:
    config = replace(config, network=replace(config.network, hidden_sizes=(9, 18), dropout=0.3))
    assert_same_training(config)


def test_masks_that_torch_draws_serve_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_engine, 'draws_like_torch', lambda _: False)
    assert_same_training(replace(PLAIN, network=NetworkConfig((9, 18), 0.3, 'last')), Task(samples=(11, 7)))


def assert_same_training(config: TrainingConfig, task: Task | None = None) -> None:
    """Train with both engines, and compare what they give."""
    task = task or Task()
    trained = []
    for kind in (TorchEngine, KernelEngine):
        trainer, network, _ = engine(kind, config, task)
        random = RandomState(6)
        epochs = [trainer.take_epoch(random, lambda: False) for _ in range(3)]
        trainer.remember()
        trainer.take_epoch(random, lambda: False)
        trainer.finish()
        trained.append((epochs, network.state_dict(), random.state))
    (epochs, weights, state), (epochs_found, weights_found, state_found) = trained
    for steps, found in zip(epochs, epochs_found, strict=True):
        np.testing.assert_allclose(found.losses, steps.losses, rtol=0, atol=1e-4)
        assert found.sizes == steps.sizes == [16, 16, 8]
        assert found.right == steps.right
    for name, weight in weights.items():
        torch.testing.assert_close(weights_found[name], weight, rtol=0, atol=1e-4)
    assert torch.equal(state_found, state)


def test_cancelling_takes_no_more_steps() -> None:
    trainer, _, _ = engine(KernelEngine, PLAIN, Task())
    before = trainer.network.parameters.copy()
    assert trainer.take_epoch(RandomState(0), lambda: True) is None
    np.testing.assert_array_equal(trainer.network.parameters, before)
