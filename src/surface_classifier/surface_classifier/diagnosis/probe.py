# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Short trainings under observation: the runs a diagnosis compares.

A probe is one network in training on one fold. It can be forked with its optimiser's state, so that two arms differ in
nothing but what was changed. Every epoch records what a user sees (the loss of the steps) and what a user does not see:
the loss of all training windows with dropout off, and that of the held-out ones.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from surface_classifier.training.engines.losses import class_weights, training_loss
from surface_classifier.training.loop import EngineKind, TrainingCancelledError, build_network, make_engine
from surface_classifier.training.parallel_training import kernel_obstacle
from surface_classifier.training.prepared_windows import prepare_windows
from surface_classifier.training.torch_state import RandomState
from surface_classifier.training.training_config import TrainingConfig

Indices = NDArray[np.int64]

LARGEST_LOSS = 50.0  # what a loss that is larger, infinite or not a number counts as [nat]


@dataclass
class Curves:
    """What a probe recorded, one entry for each epoch unless said otherwise.

    Attributes:
        loss: Mean loss of the epoch's steps, as training reports it [nat].
        step_losses: Loss of each step [nat].
        clean_loss: Cross-entropy of all training windows after the epoch, in evaluation mode, the mean over classes
            [nat].
        clean_accuracy: Balanced accuracy on them [1].
        held_out_loss: Cross-entropy of the held-out windows, the mean over classes [nat].
        held_out_accuracy: Balanced accuracy on them [1].
    """

    loss: list[float] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)
    clean_loss: list[float] = field(default_factory=list)
    clean_accuracy: list[float] = field(default_factory=list)
    held_out_loss: list[float] = field(default_factory=list)
    held_out_accuracy: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class ProbeData:
    """Windows in memory, divided into those to train on and those held out.

    Attributes:
        parts: For each part a float32 tensor (windows, samples, channels).
        labels: Class ids, int64 (windows,).
        classes: How many classes.
        train: Indices of the training windows.
        held_out: Indices of the held-out windows.
    """

    parts: Sequence[Tensor]
    labels: Tensor
    classes: int
    train: Indices
    held_out: Indices


@dataclass(frozen=True)
class GradientSize:
    """Size of the gradient of all training windows, masks off.

    Attributes:
        norm: Of all weights.
        first_layer_share: Norm of the first layers' gradient over that of the head's [1].
    """

    norm: float
    first_layer_share: float


class Probe:
    """One network in training, by the same steps as `training.loop.train`.

    Attributes:
        curves: What was recorded so far.
        config: The recipe, resolved for the data; its epochs are those its schedule spans.
        labels: Classes of the training windows.
    """

    def __init__(self, data: ProbeData, config: TrainingConfig, seed: int, epochs: int) -> None:
        """Draw the first weights.

        Args:
            data: Windows.
            config: The recipe.
            seed: Seed of weights, masks and order.
            epochs: Epochs over which the recipe's schedule is spread.
        """
        self.data = data
        self.config = replace(config, epochs=epochs).resolved(len(data.train))
        self.labels = data.labels[data.train]
        self._kind: EngineKind = 'torch' if kernel_obstacle(config) else 'kernel'
        self._random = RandomState(seed)
        with self._random.use():
            training = [part[data.train] for part in data.parts]
            self._network, self._windows = build_network(self.config, training, self.labels, data.classes)
        self._held_out = prepare_windows(self._network, [part[data.held_out] for part in data.parts])
        self._begin()

    def _begin(self) -> None:
        self.curves = Curves()
        self._weights = class_weights(self.labels, self.data.classes, self.config.class_balance)
        self._engine = make_engine(self._kind, self._network, self._windows, self.labels, self.config)

    def fork(self, config: TrainingConfig) -> Probe:
        """Return a copy with the same weights, optimiser's state and random state, which goes on by another recipe.

        Where the other recipe switches batch normalisation off, it goes on with its running statistics, as in
        evaluation mode.

        Args:
            config: The other recipe; the sizes of its network and its optimiser must be the same.
        """
        twin = copy.copy(self)
        twin.config = replace(config, epochs=self.config.epochs).resolved(len(self.data.train))
        twin._network = copy.deepcopy(self._network)
        # Arms change the first member of an ensemble.
        first = twin._network.members[0]
        first.dropout.p = float(twin.config.network.dropout)
        first.config = replace(first.config, dropout=twin.config.network.dropout)
        twin._random = RandomState(0)
        twin._random.state = self._random.state.clone()
        twin._begin()
        twin._engine.continue_from(self._engine)
        if self.config.network.batch_norm and not config.network.batch_norm:
            for norms in first.norms:
                for layer, norm in enumerate(norms):
                    norms[layer] = _FrozenNorm(norm)
        return twin

    @property
    def batch_size(self) -> int:
        """Windows in a step."""
        return int(self.config.batch_size)

    def run(self, epochs: int, cancelled: Callable[[], bool] | None = None) -> Probe:
        """Train for some epochs and record them.

        Raises:
            TrainingCancelledError: `cancelled` said so.
        """
        for _ in range(epochs):
            self._epoch(cancelled or (lambda: False))
        return self

    def _epoch(self, cancelled: Callable[[], bool]) -> None:
        curves = self.curves
        steps = self._engine.take_epoch(self._random, cancelled)
        if steps is None or cancelled():
            raise TrainingCancelledError('the diagnosis was cancelled')
        losses = [min(loss, LARGEST_LOSS) if math.isfinite(loss) else LARGEST_LOSS for loss in steps.losses]
        curves.loss.append(float(np.average(losses, weights=steps.sizes)))
        curves.step_losses += losses
        loss, accuracy = _score(self.logits(), self.labels)
        curves.clean_loss.append(loss)
        curves.clean_accuracy.append(accuracy)
        loss, accuracy = _score(self._engine.logits(self._held_out), self.data.labels[self.data.held_out])
        curves.held_out_loss.append(loss)
        curves.held_out_accuracy.append(accuracy)

    def logits(self) -> Tensor:
        """Logits of every training window in evaluation mode, (windows, classes)."""
        return self._engine.logits(self._windows)

    def predicted(self) -> Indices:
        """Predicted class of every held-out window."""
        found: Indices = self._engine.logits(self._held_out).argmax(dim=1).numpy()
        return found

    def frozen_network(self) -> nn.Module:
        """A copy of the network with the weights as they are, to be measured at."""
        self._engine.remember()
        self._engine.finish()
        return copy.deepcopy(self._network)

    def loss_of(self, network: nn.Module, batch: Tensor) -> Tensor:
        """Training loss of some training windows, with its gradient, in the network's present mode.

        Args:
            network: What `frozen_network` gave.
            batch: Indices among the training windows.
        """
        logits = network.classify_prepared(*self._windows.rows(batch))
        return training_loss(logits, self.labels[batch], self._weights, float(self.config.label_smoothing))

    def gradient_size(self) -> GradientSize:
        """Measure the gradient at the weights as they are."""
        network = self.frozen_network().eval()
        self.loss_of(network, torch.arange(len(self.labels))).backward()
        first = _norm(parameter for layers in network.members[0].layers for parameter in layers[0].parameters())
        head = _norm(parameter for head in network.heads for parameter in head.parameters())
        norm = _norm(network.parameters())
        return GradientSize(norm, first / head if head > 0 and math.isfinite(first) else math.nan)


class _FrozenNorm(nn.Module):
    """Batch normalisation by its running statistics, whatever the mode."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, values: Tensor) -> Tensor:
        norm = self.norm
        return functional.batch_norm(
            values, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
        )


def _norm(parameters: Iterable[nn.Parameter]) -> float:
    return math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))


def _score(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Cross-entropy [nat] and accuracy [1] of some windows, both the mean over the classes present."""
    if len(labels) == 0:
        return math.nan, math.nan
    losses = functional.cross_entropy(logits, labels, reduction='none')
    losses = losses.nan_to_num(LARGEST_LOSS, LARGEST_LOSS).clamp(max=LARGEST_LOSS)
    right = (logits.argmax(dim=1) == labels).float()
    counts = torch.bincount(labels)
    each = 1.0 / (counts[labels] * (counts > 0).sum())
    return float((losses * each).sum()), float((right * each).sum())
