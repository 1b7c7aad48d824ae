# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop. `train` reads from top to bottom: windows into memory, network, steps, validation, best weights.

It runs on one thread, which is fastest for networks of this size, and gives the same weights for the same data, recipe
and seed on the same machine. The steps of an epoch are an engine's: of torch, or of the compiled kernel.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.network.ensemble import Network, make_network
from surface_classifier.model.network.surface_network import SurfaceNetwork
from surface_classifier.training.discriminant_init import init_head_from_discriminant, unscale_head
from surface_classifier.training.engines.step_engine import Engine
from surface_classifier.training.engines.torch_engine import TorchEngine
from surface_classifier.training.hold_out import check_trainable, hold_out
from surface_classifier.training.prepared_windows import PreparedWindows, prepare_windows, resident
from surface_classifier.training.torch_state import RandomState, one_thread
from surface_classifier.training.training_config import TrainingConfig

Indices = NDArray[np.int64]
EngineKind = Literal['torch', 'kernel']


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
        accuracy: Share of the epoch's windows classified rightly just before the step they took part in, which is what
            Keras calls accuracy [1].
        training_accuracy: Share of the training windows classified rightly after the epoch, in evaluation mode; None
            unless it was asked for [1].
    """

    epoch: int
    epochs: int
    loss: float
    loss_noise: float
    validation_loss: float
    validation_accuracy: float
    best: bool
    accuracy: float = math.nan
    training_accuracy: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """A trained network.

    Attributes:
        network: The network with the weights of its best epoch, in evaluation mode.
        config: The recipe, its `auto` and `full` made numbers.
        epochs: What each epoch gave.
        best_epoch: The epoch the weights are from.
        train_windows: Indices of the windows it was trained on.
        validation_windows: Indices of the windows held out for early stopping.
        seconds: How long it took [s].
    """

    network: Network
    config: TrainingConfig
    epochs: tuple[EpochResult, ...]
    best_epoch: int
    train_windows: Indices
    validation_windows: Indices
    seconds: float

    @property
    def windows(self) -> Indices:
        """Indices of both, ascending."""
        return np.sort(np.concatenate([self.train_windows, self.validation_windows]))


def train(
    dataset: Dataset,
    config: TrainingConfig,
    seed: int,
    *,
    windows: Indices | None = None,
    on_epoch: Callable[[EpochResult], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    measure_training: bool = False,
    engine: EngineKind = 'torch',
) -> TrainingResult:
    """Train a network on a data set.

    Args:
        dataset: Windows and labels.
        config: The recipe.
        seed: Seed of the held-out recordings, the first weights and the order of the windows.
        windows: Indices of the windows to use, such as a fold's training windows; all when None.
        on_epoch: Called after every epoch.
        cancelled: Asked before every step; training stops when it says so.
        measure_training: Also classify the training windows after every epoch.
        engine: What takes the steps: torch, or the compiled kernel, with which weights differ in the last digits only
            (`together.kernel_obstacle` says which networks are not for it).

    Raises:
        SurfaceError: There are no windows of two classes, or a class has one recording only and none can be held out.
        TrainingCancelledError: `cancelled` said so.
    """
    begin = time.perf_counter()
    train_windows, validation_windows = _divide(dataset, windows, config, seed)
    random = RandomState(seed)
    with one_thread():
        parts = resident(dataset, train_windows)
        labels = torch.from_numpy(np.asarray(dataset.labels[train_windows], dtype=np.int64))
        held_out_labels = torch.from_numpy(np.asarray(dataset.labels[validation_windows], dtype=np.int64))

        config = config.resolved(len(labels))
        with random.use():
            network, inputs = build_network(config, parts, labels, len(dataset.classes))
        held_out = prepare_windows(network, resident(dataset, validation_windows))
        trainer = make_engine(engine, network, inputs, labels, config)

        epochs: list[EpochResult] = []
        best_epoch, best_score = 0, -math.inf
        for epoch in range(1, config.epochs + 1):
            steps = trainer.take_epoch(random, cancelled or (lambda: False))
            if steps is None:
                raise TrainingCancelledError(f'cancelled in epoch {epoch} of {config.epochs}')
            _check_loss(steps.losses[-1], epoch, config, dataset)

            validation_loss, validation_accuracy = _validate(
                trainer, held_out, held_out_labels, float(config.logit_scale)
            )
            # Without held-out recordings nothing can be chosen, so the last epoch counts.
            score = float(epoch) if math.isnan(validation_loss) else -validation_loss
            best = score > best_score
            if best:
                best_epoch, best_score = epoch, score
                trainer.remember()
            epochs.append(
                EpochResult(
                    epoch=epoch,
                    epochs=config.epochs,
                    loss=float(np.average(steps.losses, weights=steps.sizes)),
                    loss_noise=float(np.std(steps.losses)) if len(steps.losses) > 1 else math.nan,
                    validation_loss=validation_loss,
                    validation_accuracy=validation_accuracy,
                    best=best,
                    accuracy=steps.right / sum(steps.sizes),
                    training_accuracy=_accuracy(trainer, inputs, labels) if measure_training else None,
                )
            )
            if on_epoch is not None:
                on_epoch(epochs[-1])
            if epoch - best_epoch >= config.patience:
                break
        trainer.finish()
        unscale_head(network, float(config.logit_scale))

    return TrainingResult(
        network=network.eval(),
        config=config,
        epochs=tuple(epochs),
        best_epoch=best_epoch,
        train_windows=train_windows,
        validation_windows=validation_windows,
        seconds=time.perf_counter() - begin,
    )


def _divide(dataset: Dataset, windows: Indices | None, config: TrainingConfig, seed: int) -> tuple[Indices, Indices]:
    """Return the windows to train on, and those held out for early stopping.

    Raises:
        SurfaceError: There are no windows of two classes, or a class cannot be held out.
    """
    chosen = np.arange(len(dataset)) if windows is None else windows
    check_trainable(dataset, chosen)
    if config.validation_fraction == 0:
        return chosen, chosen[:0]
    return hold_out(dataset, chosen, config.validation_fraction, seed, config.validation_split)


def _check_loss(loss: float, epoch: int, config: TrainingConfig, dataset: Dataset) -> None:
    """Refuse to go on with a loss that is not a number.

    Raises:
        SurfaceError: It is not.
    """
    if not math.isfinite(loss):
        raise SurfaceError(
            f'the loss is {loss} in epoch {epoch}: training diverged; lower learning_rate '
            f'(now {config.learning_rate:g}) or check {dataset.path} for infinite values'
        )


def make_engine(
    kind: EngineKind, network: Network, inputs: PreparedWindows, labels: Tensor, config: TrainingConfig
) -> Engine:
    """Return an engine for a network.

    Args:
        kind: What takes the steps.
        network: As `build_network` gives it.
        inputs: The training windows.
        labels: Their classes, (windows,).
        config: The recipe, resolved.
    """
    if kind == 'torch':
        return TorchEngine(network, inputs, labels, config)
    from surface_classifier.training.engines.kernel_engine import KernelEngine

    if not isinstance(network, SurfaceNetwork):
        raise ValueError('the compiled kernel trains no ensemble: use the engine torch')
    return KernelEngine(network, inputs, labels, config)


def build_network(
    config: TrainingConfig, parts: Sequence[Tensor], labels: Tensor, classes: int
) -> tuple[Network, PreparedWindows]:
    """Build a network from torch's random state, fit its normalisation, and give its head its start.

    Args:
        config: The recipe.
        parts: Training windows, (windows, samples, channels) for each part; NaN where unmeasured.
        labels: Their classes, (windows,).
        classes: Number of classes.

    Returns:
        The network and the training windows as it takes them.

    Raises:
        SurfaceError: The windows are shorter than a frame of the network.
    """
    network = make_network(config.network, [part.shape[2] for part in parts], classes)
    for index, part in enumerate(parts):
        if part.shape[1] < network.fewest_samples(index):
            raise SurfaceError(
                f'frame_samples: frames of {network.fewest_samples(index)} samples do not fit into windows of '
                f'{part.shape[1]} samples in part {index}; make them shorter, or 0 to see the samples themselves'
            )
    network.fit_normalisation(parts)
    inputs = prepare_windows(network, parts)
    if config.uses_discriminant_init:
        logit_scale = float(config.resolved(len(labels)).logit_scale)
        init_head_from_discriminant(network, inputs.statistics, labels, logit_scale)
    return network, inputs


def _accuracy(engine: Engine, windows: PreparedWindows, labels: Tensor) -> float:
    return float((engine.logits(windows).argmax(dim=1) == labels).float().mean())


def _validate(engine: Engine, windows: PreparedWindows, labels: Tensor, logit_scale: float) -> tuple[float, float]:
    """Return loss [nat] and accuracy [1], both the mean over the classes present; NaN without windows."""
    if len(labels) == 0:
        return math.nan, math.nan
    logits = engine.logits(windows) / logit_scale
    losses = functional.cross_entropy(logits, labels, reduction='none')
    right = (logits.argmax(dim=1) == labels).float()
    by_class = [(losses[labels == k].mean(), right[labels == k].mean()) for k in labels.unique()]
    return float(np.mean([loss for loss, _ in by_class])), float(np.mean([share for _, share in by_class]))
