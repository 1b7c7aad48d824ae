# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Short trainings under observation: the runs a diagnosis compares.

A probe is one network in training on one fold. It can be forked with its optimiser's state, so that two arms differ in
nothing but what was changed. Every epoch records what a user sees (the loss of the steps) and what a user does not see:
the loss of all training windows with dropout off, the held-out loss, and the size of the gradient.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from surface_classifier.training.config import TrainingConfig
from surface_classifier.training.loop import (
    PreparedWindows,
    TrainingCancelledError,
    build_network,
    class_weights,
    draw_batches,
    make_optimizer,
    make_scheduler,
    prepare_windows,
    training_loss,
)

Indices = NDArray[np.int64]

LARGEST_LOSS = 50.0  # what a loss that is larger, infinite or not a number counts as [nat]
LARGEST_NORM = 1e12  # what the norm of such a loss's gradient counts as


@dataclass
class Curves:
    """What a probe recorded, one entry for each epoch unless said otherwise.

    Attributes:
        loss: Mean loss of the epoch's steps, as training reports it [nat].
        step_losses: Loss of each step [nat].
        clean_loss: Cross-entropy of all training windows after the epoch, in evaluation mode [nat].
        clean_accuracy: Balanced accuracy on them [1].
        held_out_loss: Class-balanced cross-entropy of the held-out windows [nat].
        held_out_accuracy: Balanced accuracy on them [1].
        gradient: Median norm of the gradient over the epoch's steps, before clipping.
        largest_gradient: Largest norm of the gradient in the epoch.
        first_layer_share: Norm of the first layer's gradient over that of the head, first step of the epoch [1].
    """

    loss: list[float] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)
    clean_loss: list[float] = field(default_factory=list)
    clean_accuracy: list[float] = field(default_factory=list)
    held_out_loss: list[float] = field(default_factory=list)
    held_out_accuracy: list[float] = field(default_factory=list)
    gradient: list[float] = field(default_factory=list)
    largest_gradient: list[float] = field(default_factory=list)
    first_layer_share: list[float] = field(default_factory=list)


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


class Probe:
    """One network in training, by the same steps as `training.loop.train`.

    Attributes:
        curves: What was recorded so far.
        config: The recipe, resolved for the data; its epochs are those its schedule spans.
        network: The network.
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
        self.curves = Curves()
        self.labels = data.labels[data.train]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            training = [part[data.train] for part in data.parts]
            self.network, self.windows = build_network(self.config, training, self.labels, data.classes)
            self._state = torch.get_rng_state()
        self._held_out = prepare_windows(self.network, [part[data.held_out] for part in data.parts])
        self._evaluation_mode = False
        self._begin()

    def _begin(self) -> None:
        """Make optimiser and schedule for `config`."""
        self._weights = class_weights(self.labels, self.data.classes, self.config.class_balance)
        self.optimizer = make_optimizer(self.network.parameters(), self.config)
        self._scheduler = make_scheduler(self.optimizer, self.config, len(self.labels))

    def fork(self, config: TrainingConfig, *, evaluation_mode: bool = False) -> Probe:
        """Return a copy with the same weights, optimiser's state and random state, which goes on by another recipe.

        Args:
            config: The other recipe; the shape of its network and its optimiser must be the same.
            evaluation_mode: Train with dropout off and batch normalisation frozen.
        """
        twin = copy.copy(self)
        twin.config = replace(config, epochs=self.config.epochs).resolved(len(self.data.train))
        twin.curves = Curves()
        twin.network = copy.deepcopy(self.network)
        twin._evaluation_mode = evaluation_mode
        twin._begin()
        state = copy.deepcopy(self.optimizer.state_dict()['state'])
        twin.optimizer.load_state_dict({**twin.optimizer.state_dict(), 'state': state})
        # The schedules are closed forms of the number of steps.
        share = self._scheduler.last_epoch / max(1, self._steps_in_all - 1)
        twin._scheduler.last_epoch = round(share * (twin._steps_in_all - 1))
        for group, rate in zip(twin.optimizer.param_groups, _rates(twin._scheduler), strict=True):
            group['lr'] = rate
        return twin

    @property
    def batch_size(self) -> int:
        """Windows in a step."""
        return int(self.config.batch_size)

    @property
    def _steps_in_all(self) -> int:
        return -(-len(self.labels) // self.batch_size) * self.config.epochs

    def run(self, epochs: int, cancelled: Callable[[], bool] | None = None) -> Probe:
        """Train for some epochs and record them; a step whose loss is not a number is recorded and left out.

        Raises:
            TrainingCancelledError: `cancelled` said so.
        """
        with self._own_random_state():
            for _ in range(epochs):
                if cancelled is not None and cancelled():
                    raise TrainingCancelledError('the diagnosis was cancelled')
                self._epoch()
        return self

    @contextmanager
    def _own_random_state(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._state)
            yield
            self._state = torch.get_rng_state()

    def _epoch(self) -> None:
        curves = self.curves
        self.network.train(not self._evaluation_mode)
        losses, norms, sizes = [], [], []
        for step, batch in enumerate(draw_batches(self.labels, self.config)):
            loss, norm = self._step(batch, first=step == 0)
            losses.append(loss)
            norms.append(norm)
            sizes.append(len(batch))
        curves.loss.append(float(np.average(losses, weights=sizes)))
        curves.step_losses += losses
        curves.gradient.append(float(np.median(norms)))
        curves.largest_gradient.append(float(np.max(norms)))
        loss, accuracy = _score(self.logits(), self.labels)
        curves.clean_loss.append(loss)
        curves.clean_accuracy.append(accuracy)
        loss, accuracy = _score(self._logits(self._held_out), self.data.labels[self.data.held_out])
        curves.held_out_loss.append(loss)
        curves.held_out_accuracy.append(accuracy)

    def _step(self, batch: Tensor, *, first: bool) -> tuple[float, float]:
        loss = self.loss_of(batch)
        self.optimizer.zero_grad()
        loss.backward()
        largest = self.config.gradient_clip if self.config.gradient_clip > 0 else math.inf
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), largest))
        if first:
            self.curves.first_layer_share.append(self._first_layer_share())
        value = float(loss.detach())
        sound = math.isfinite(value) and math.isfinite(norm)
        if sound:
            self.optimizer.step()
        if self._scheduler.last_epoch + 1 < self._steps_in_all:
            self._scheduler.step()
        return min(value, LARGEST_LOSS) if sound else LARGEST_LOSS, norm if sound else LARGEST_NORM

    def loss_of(self, batch: Tensor) -> Tensor:
        """Training loss of some training windows, with its gradient, in the network's present mode."""
        logits = self.network.classify_prepared(*self.windows.rows(batch))
        return training_loss(logits, self.labels[batch], self._weights, self.config.label_smoothing)

    def logits(self) -> Tensor:
        """Logits of every training window in evaluation mode, (windows, classes)."""
        return self._logits(self.windows)

    def predicted(self) -> Indices:
        """Predicted class of every held-out window."""
        found: Indices = self._logits(self._held_out).argmax(dim=1).numpy()
        return found

    def _logits(self, windows: PreparedWindows) -> Tensor:
        self.network.eval()
        with torch.inference_mode():
            return self.network.classify_prepared(windows.sequences, windows.statistics)

    def _first_layer_share(self) -> float:
        first = _norm(parameter for layers in self.network.layers for parameter in layers[0].parameters())
        head = _norm(self.network.head.parameters())
        return first / head if head > 0 and math.isfinite(first) else math.nan


def _norm(parameters: Iterable[nn.Parameter]) -> float:
    return math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None))


def _rates(scheduler: torch.optim.lr_scheduler.LRScheduler) -> list[float]:
    # get_lr() warns when it is not called by step().
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        if isinstance(scheduler, torch.optim.lr_scheduler.OneCycleLR):
            return [float(rate) for rate in scheduler.get_lr()]
        return [float(rate) for rate in scheduler.base_lrs]


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
