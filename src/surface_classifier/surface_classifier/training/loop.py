# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop. `train` reads from top to bottom: windows into memory, network, steps, validation, best weights.

It runs on one thread, which is fastest for networks of this size, and gives the same weights for the same data, recipe
and seed on the same machine.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import grouped_holdout
from surface_classifier.model.lstm import SurfaceLstm
from surface_classifier.training.config import TrainingConfig

EVALUATION_BATCH = 512
Indices = NDArray[np.int64]


class TrainingCancelledError(Exception):
    """Training was stopped from outside before it was done."""


@dataclass(frozen=True)
class EpochResult:
    """What one epoch gave; the fields of the `Train` action's feedback.

    Attributes:
        epoch: From 1.
        epochs: How many are planned at most.
        loss: Mean training loss [nat].
        loss_noise: Standard deviation of the loss over the steps of the epoch; NaN if there was one step [nat].
        validation_loss: Class-balanced loss on the held-out recordings; NaN when there are none [nat].
        validation_accuracy: Balanced accuracy on the held-out recordings; NaN when there are none [1].
        best: Whether this is the best epoch so far; without held-out recordings every epoch is.
    """

    epoch: int
    epochs: int
    loss: float
    loss_noise: float
    validation_loss: float
    validation_accuracy: float
    best: bool


@dataclass(frozen=True)
class TrainingResult:
    """A trained network.

    Attributes:
        network: The network with the weights of its best epoch, in evaluation mode.
        epochs: What each epoch gave.
        best_epoch: The epoch the weights are from.
        train_windows: Indices of the windows it was trained on.
        validation_windows: Indices of the windows held out for early stopping.
        seconds: How long it took [s].
    """

    network: SurfaceLstm
    epochs: tuple[EpochResult, ...]
    best_epoch: int
    train_windows: Indices
    validation_windows: Indices
    seconds: float


def train(
    dataset: Dataset,
    config: TrainingConfig,
    seed: int,
    *,
    windows: Indices | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Train a network on a data set.

    Args:
        dataset: Windows and labels.
        config: The recipe.
        seed: Seed of the held-out recordings, the first weights and the order of the windows.
        windows: Indices of the windows to use, such as a fold's training windows; all when None.
        on_epoch: Called after every epoch.
        cancelled: Asked before every step; training stops when it says so.

    Raises:
        SurfaceError: There are no windows of two classes, or a class has one recording only and none can be held out.
        TrainingCancelledError: `cancelled` said so.
    """
    begin = time.perf_counter()
    train_windows = np.arange(len(dataset)) if windows is None else windows
    validation_windows = train_windows[:0]
    check_trainable(dataset, train_windows)
    if config.validation_fraction > 0:
        train_windows, validation_windows = hold_out(dataset, train_windows, config.validation_fraction, seed)

    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = resident(dataset, train_windows)
        labels = torch.from_numpy(np.asarray(dataset.labels[train_windows], dtype=np.int64))
        held_out = resident(dataset, validation_windows)
        held_out_labels = torch.from_numpy(np.asarray(dataset.labels[validation_windows], dtype=np.int64))

        network = SurfaceLstm(config.network, [part.shape[2] for part in parts], len(dataset.classes))
        network.fit_normalisation(parts)
        optimizer = _optimizer(network, config)
        batch_size = min(config.batch_size, len(labels))
        steps = len(labels) // batch_size
        scheduler = _scheduler(optimizer, config, steps)

        epochs: list[EpochResult] = []
        best_epoch, best_score, best_weights = 0, -math.inf, network.state_dict()
        for epoch in range(1, config.epochs + 1):
            network.train()
            losses = []
            for batch in _draw(labels, steps, batch_size, config.balanced_sampling):
                if cancelled is not None and cancelled():
                    raise TrainingCancelledError(f'cancelled in epoch {epoch} of {config.epochs}')
                logits = network(*(part[batch] for part in parts))
                loss = functional.cross_entropy(logits, labels[batch], label_smoothing=config.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                if config.gradient_clip > 0:
                    nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
                optimizer.step()
                scheduler.step()
                losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise SurfaceError(
                    f'the loss is {losses[-1]} in epoch {epoch}: training diverged; lower learning_rate '
                    f'(now {config.learning_rate:g}) or check {dataset.path} for infinite values'
                )

            validation_loss, validation_accuracy = _validate(network, held_out, held_out_labels)
            # Without held-out recordings nothing can be chosen, so the last epoch counts.
            score = float(epoch) if math.isnan(validation_loss) else -validation_loss
            best = score > best_score
            if best:
                best_epoch, best_score, best_weights = epoch, score, copy.deepcopy(network.state_dict())
            epochs.append(
                EpochResult(
                    epoch=epoch,
                    epochs=config.epochs,
                    loss=float(np.mean(losses)),
                    loss_noise=float(np.std(losses)) if len(losses) > 1 else math.nan,
                    validation_loss=validation_loss,
                    validation_accuracy=validation_accuracy,
                    best=best,
                )
            )
            if on_epoch is not None:
                on_epoch(epochs[-1])
            if epoch - best_epoch >= config.patience:
                break
        network.load_state_dict(best_weights)

    return TrainingResult(
        network=network.eval(),
        epochs=tuple(epochs),
        best_epoch=best_epoch,
        train_windows=train_windows,
        validation_windows=validation_windows,
        seconds=time.perf_counter() - begin,
    )


def check_trainable(dataset: Dataset, windows: Indices) -> None:
    """Refuse windows from which no classes can be learnt.

    Raises:
        SurfaceError: Fewer than two classes have windows.
    """
    found = [dataset.classes[k] for k in np.unique(dataset.labels[windows])]
    if len(found) < 2:
        raise SurfaceError(
            f'{dataset.path} has windows of {", ".join(found) or "no class"} only; training needs two classes or more: '
            'add recordings of another surface'
        )


def hold_out(dataset: Dataset, windows: Indices, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Hold out whole recordings of every class for early stopping.

    Returns:
        Indices of the windows to train on, and of those held out.

    Raises:
        SurfaceError: A class cannot be held out, as training would be left without it.
    """
    kept, held_out = grouped_holdout(dataset, fraction, seed, windows)
    missing = np.setdiff1d(dataset.labels[windows], dataset.labels[held_out])
    if missing.size:
        name = dataset.classes[missing[0]]
        recordings = np.unique(dataset.recording[windows][dataset.labels[windows] == missing[0]])
        if dataset.has_recordings and len(recordings) == 1:
            why = f'class {name!r} has one recording only among those to train on'
        else:
            why = f'class {name!r} is in too few recordings besides those that training cannot spare'
        raise SurfaceError(
            f'{dataset.path}: {why}, so none of it can be held out for early stopping; add a second recording of it, '
            'or set validation_fraction: 0 in the training configuration'
        )
    return kept, held_out


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: a second one slows networks of this size down, and sums in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def resident(dataset: Dataset, windows: Indices) -> list[Tensor]:
    """Load windows into memory as one float32 tensor (windows, samples, channels) for each part."""
    return [
        torch.from_numpy(np.ascontiguousarray(dataset.parts[part.name][windows], dtype=np.float32))
        for part in dataset.config.parts
    ]


def predict_logits(network: SurfaceLstm, parts: Sequence[Tensor]) -> Tensor:
    """Return the logits of many windows, shape (windows, classes), in batches and without gradients."""
    network.eval()
    with torch.inference_mode():
        batches = zip(*(part.split(EVALUATION_BATCH) for part in parts), strict=True)
        return torch.cat([network(*batch) for batch in batches])


def _optimizer(network: SurfaceLstm, config: TrainingConfig) -> torch.optim.Optimizer:
    optimizers = {'adamw': torch.optim.AdamW, 'rmsprop': torch.optim.RMSprop, 'sgd': torch.optim.SGD}
    return optimizers[config.optimizer](network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)


def _scheduler(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if config.schedule == 'one_cycle':
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps * config.epochs)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def _draw(labels: Tensor, steps: int, batch_size: int, balanced: bool) -> Sequence[Tensor]:
    """Draw the batches of one epoch: indices of windows, every class equally likely if balanced."""
    if balanced:
        weights = 1.0 / torch.bincount(labels).double()[labels]
        drawn = torch.multinomial(weights, steps * batch_size, replacement=True)
    else:
        drawn = torch.randperm(len(labels))[: steps * batch_size]
    return drawn.split(batch_size)


def _validate(network: SurfaceLstm, parts: Sequence[Tensor], labels: Tensor) -> tuple[float, float]:
    """Return loss [nat] and accuracy [1], both the mean over the classes present; NaN without windows."""
    if len(labels) == 0:
        return math.nan, math.nan
    logits = predict_logits(network, parts)
    losses = functional.cross_entropy(logits, labels, reduction='none')
    right = (logits.argmax(dim=1) == labels).float()
    by_class = [(losses[labels == k].mean(), right[labels == k].mean()) for k in labels.unique()]
    return float(np.mean([loss for loss, _ in by_class])), float(np.mean([share for _, share in by_class]))
