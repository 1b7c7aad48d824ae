# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop. `train` reads from top to bottom: windows into memory, network, steps, validation, best weights.

It runs on one thread, which is fastest for networks of this size, and gives the same weights for the same data, recipe
and seed on the same machine. The steps of an epoch are an engine's: of torch, or of the compiled kernel.
"""

from __future__ import annotations

import copy
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import grouped_holdout
from surface_classifier.model.lstm import SurfaceLstm
from surface_classifier.training.head_start import soften_head, start_head_from_discriminant
from surface_classifier.training.training_config import ClassBalance, TrainingConfig, ValidationSplit

EVALUATION_BATCH = 512
RMSPROP_RHO = 0.9
KERAS_EPSILON = 1e-7
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

    network: SurfaceLstm
    config: TrainingConfig
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
    train_windows = np.arange(len(dataset)) if windows is None else windows
    validation_windows = train_windows[:0]
    check_trainable(dataset, train_windows)
    if config.validation_fraction > 0:
        train_windows, validation_windows = hold_out(
            dataset, train_windows, config.validation_fraction, seed, config.validation_split
        )

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
            if not math.isfinite(steps.losses[-1]):
                raise SurfaceError(
                    f'the loss is {steps.losses[-1]} in epoch {epoch}: training diverged; lower learning_rate '
                    f'(now {config.learning_rate:g}) or check {dataset.path} for infinite values'
                )

            validation_loss, validation_accuracy = _validate(
                trainer, held_out, held_out_labels, float(config.sharpness)
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
        soften_head(network, float(config.sharpness))

    return TrainingResult(
        network=network.eval(),
        config=config,
        epochs=tuple(epochs),
        best_epoch=best_epoch,
        train_windows=train_windows,
        validation_windows=validation_windows,
        seconds=time.perf_counter() - begin,
    )


@dataclass(frozen=True)
class PreparedWindows:
    """Windows as `SurfaceLstm.prepare` gives them, kept in memory.

    Attributes:
        sequences: For each part (windows, samples, inputs).
        statistics: (windows, statistics), without columns if the network has none.
    """

    sequences: Sequence[Tensor]
    statistics: Tensor

    def rows(self, windows: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return some windows, as `SurfaceLstm.classify_prepared` takes them."""
        return [sequence[windows] for sequence in self.sequences], self.statistics[windows]

    def __len__(self) -> int:
        return len(self.statistics)


class RandomState:
    """The random state of one training run, apart from those of others in the process."""

    # torch has one state that all its functions draw from.
    _lock = threading.Lock()

    def __init__(self, seed: int) -> None:
        """Seed it.

        Args:
            seed: The seed.
        """
        self.state: Tensor = torch.Generator().manual_seed(seed).get_state()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Let torch draw from it; then torch has the state back that it had."""
        with self._lock, torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.state)
            yield
            self.state = torch.get_rng_state()


@dataclass(frozen=True)
class EpochSteps:
    """What the steps of an epoch gave.

    Attributes:
        losses: Loss of each batch, before its step [nat].
        sizes: Windows in each batch.
        right: How many windows were classified rightly, just before their step.
    """

    losses: Sequence[float]
    sizes: Sequence[int]
    right: int


class Engine(Protocol):
    """Trains one network."""

    def take_epoch(self, random: RandomState, cancelled: Callable[[], bool]) -> EpochSteps | None:
        """Take one step for each batch of an epoch; None if it was cancelled."""

    def logits(self, windows: PreparedWindows) -> Tensor:
        """Return the logits of windows, (windows, classes), in evaluation mode."""

    def remember(self) -> None:
        """Remember the weights as the best so far."""

    def finish(self) -> None:
        """Put the best weights into the network."""

    def continue_from(self, other: Any) -> None:
        """Take over weights, state of the optimiser and place in the schedule from another engine of the same kind.

        Networks and optimisers are the same; batch size, rate and what else the recipes say may differ.
        """


class TorchEngine:
    """Trains a network with torch."""

    def __init__(self, network: SurfaceLstm, inputs: PreparedWindows, labels: Tensor, config: TrainingConfig) -> None:
        """Make ready.

        Args:
            network: As `build_network` gives it.
            inputs: The training windows.
            labels: Their classes, (windows,).
            config: The recipe, resolved.
        """
        self._network, self._inputs, self._labels, self._config = network, inputs, labels, config
        self._weights = class_weights(labels, network.classes, config.class_balance)
        self._optimizer = make_optimizer(network.parameters(), config)
        self._scheduler = make_scheduler(self._optimizer, config, len(labels))
        self._best = network.state_dict()

    def take_epoch(self, random: RandomState, cancelled: Callable[[], bool]) -> EpochSteps | None:
        """Take one step for each batch of an epoch; None if it was cancelled."""
        network, config = self._network, self._config
        network.train()
        losses: list[float] = []
        sizes: list[int] = []
        right = 0
        with random.use():
            for batch in draw_batches(self._labels, config):
                if cancelled():
                    return None
                loss, logits = self._loss(batch)
                self._optimizer.zero_grad()
                loss.backward()
                if config.gradient_clip > 0:
                    nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
                self._optimizer.step()
                self._scheduler.step()
                losses.append(float(loss.detach()))
                sizes.append(len(batch))
                right += int((logits.detach().argmax(dim=1) == self._labels[batch]).sum())
        return EpochSteps(losses, sizes, right)

    def _loss(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, and the logits from which the accuracy is counted."""
        labels, smoothing = self._labels[batch], float(self._config.label_smoothing)
        features = self._network.features(*self._inputs.rows(batch))
        # Each network has a loss of its own, and pairs of its own, so that they do not make the same mistakes.
        losses, each = [], []
        for head, own in zip(self._network.heads, self._network.split_features(features), strict=True):
            if self._config.mixing == 0.0:
                each.append(head(own))
                losses.append(training_loss(each[-1], labels, self._weights, smoothing))
            else:
                mixed, partners, shares = mix_in_pairs(own, self._config.mixing)
                losses.append(mixed_loss(head(mixed), labels, labels[partners], shares, self._weights, smoothing))
                with torch.no_grad():
                    each.append(head(own))
        return torch.stack(losses).mean(), torch.stack(each).mean(dim=0)

    def logits(self, windows: PreparedWindows) -> Tensor:
        """Return the logits of windows, (windows, classes), in evaluation mode."""
        self._network.eval()
        with torch.inference_mode():
            rows = torch.arange(len(windows)).split(EVALUATION_BATCH)
            return torch.cat([self._network.classify_prepared(*windows.rows(batch)) for batch in rows])

    def remember(self) -> None:
        """Remember the weights as the best so far."""
        self._best = copy.deepcopy(self._network.state_dict())

    def finish(self) -> None:
        """Put the best weights into the network."""
        self._network.load_state_dict(self._best)

    def continue_from(self, other: TorchEngine) -> None:
        """Take over weights, state of the optimiser and place in the schedule from another engine."""
        self._network.load_state_dict(other._network.state_dict())
        state = copy.deepcopy(other._optimizer.state_dict()['state'])
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), 'state': state})
        place_schedule(self._optimizer, self._scheduler, other._scheduler)


def make_engine(
    kind: EngineKind, network: SurfaceLstm, inputs: PreparedWindows, labels: Tensor, config: TrainingConfig
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

    return KernelEngine(network, inputs, labels, config)


def build_network(
    config: TrainingConfig, parts: Sequence[Tensor], labels: Tensor, classes: int
) -> tuple[SurfaceLstm, PreparedWindows]:
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
    network = SurfaceLstm(config.network, [part.shape[2] for part in parts], classes)
    for index, part in enumerate(parts):
        if part.shape[1] < network.fewest_samples(index):
            raise SurfaceError(
                f'frame_samples: frames of {network.fewest_samples(index)} samples do not fit into windows of '
                f'{part.shape[1]} samples in part {index}; make them shorter, or 0 to see the samples themselves'
            )
    network.fit_normalisation(parts)
    inputs = prepare_windows(network, parts)
    if config.starts_from_discriminant:
        sharpness = float(config.resolved(len(labels)).sharpness)
        start_head_from_discriminant(network, inputs.statistics, labels, sharpness)
    return network, inputs


def prepare_windows(network: SurfaceLstm, parts: Sequence[Tensor]) -> PreparedWindows:
    """Do once what is not trained: `SurfaceLstm.prepare` for many windows, in batches."""
    with torch.no_grad():
        batches = zip(*(part.split(EVALUATION_BATCH) for part in parts), strict=True)
        prepared = [network.prepare(*batch) for batch in batches]
    sequences = zip(*(sequences for sequences, _ in prepared), strict=True)
    return PreparedWindows([torch.cat(part) for part in sequences], torch.cat([found for _, found in prepared]))


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


def hold_out(
    dataset: Dataset, windows: Indices, fraction: float, seed: int, split: ValidationSplit = 'recording'
) -> tuple[Indices, Indices]:
    """Hold out windows of every class for early stopping: whole recordings, or windows drawn one by one.

    Returns:
        Indices of the windows to train on, and of those held out.

    Raises:
        SurfaceError: A class cannot be held out, as training would be left without it.
    """
    if split == 'window':
        return _hold_out_windows(dataset, windows, fraction, seed)
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


def recipe_that_fits(
    dataset: Dataset, windows: Indices, config: TrainingConfig, seed: int
) -> tuple[TrainingConfig, str]:
    """Return the recipe, without a hold-out where the windows allow none, and why; the reason is empty if they do.

    Too few recordings for a hold-out inside the training part of a fold are no reason not to test on its other part.

    Args:
        dataset: Windows and labels.
        windows: Indices of the windows to train on.
        config: The recipe.
        seed: Seed of the run.
    """
    if config.validation_fraction > 0:
        try:
            hold_out(dataset, windows, config.validation_fraction, seed, config.validation_split)
        except SurfaceError as error:
            return replace(config, validation_fraction=0.0), f'trained for all epochs ({error})'
    return config, ''


def _hold_out_windows(dataset: Dataset, windows: Indices, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Hold out the same share of each class, at least one window, whatever recordings they are of."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(dataset.labels)[windows]
    held = np.zeros(len(windows), dtype=bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) == 1:
            raise SurfaceError(
                f'{dataset.path}: class {dataset.classes[label]!r} has one window only, which cannot be held out for '
                'early stopping; add windows of it, or set validation_fraction: 0 in the training configuration'
            )
        held[rng.permutation(own)[: min(len(own) - 1, max(1, round(fraction * len(own))))]] = True
    return windows[~held], windows[held]


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
    return [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in dataset.inputs(windows)]


def predict_logits(network: SurfaceLstm, parts: Sequence[Tensor]) -> Tensor:
    """Return the logits of many windows, shape (windows, classes), in batches and without gradients."""
    network.eval()
    with torch.inference_mode():
        batches = zip(*(part.split(EVALUATION_BATCH) for part in parts), strict=True)
        return torch.cat([network(*batch) for batch in batches])


def make_optimizer(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; Adam and RMSprop divide as in Keras, where the seed's set-ups come from."""
    rate, decay = float(config.learning_rate), config.weight_decay
    if config.optimizer == 'adamw':
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    if config.optimizer == 'adam':
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, eps=KERAS_EPSILON)
    if config.optimizer == 'rmsprop':
        return torch.optim.RMSprop(parameters, lr=rate, weight_decay=decay, alpha=RMSPROP_RHO, eps=KERAS_EPSILON)
    return torch.optim.SGD(parameters, lr=rate, weight_decay=decay)


def make_scheduler(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, windows: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the recipe's schedule, to be stepped after each batch.

    Args:
        optimizer: The optimiser.
        config: The recipe, resolved.
        windows: Number of training windows.
    """
    if config.schedule == 'one_cycle':
        steps = -(-windows // _number(config.batch_size)) * config.epochs
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, float(config.learning_rate), total_steps=steps)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def place_schedule(
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    other: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    """Move a schedule to the share of its steps at which another one is.

    Args:
        optimizer: The optimiser of the schedule.
        schedule: The schedule to move; a closed form of the number of steps.
        other: The schedule that says where to.
    """
    if not isinstance(schedule, torch.optim.lr_scheduler.OneCycleLR):
        return
    assert isinstance(other, torch.optim.lr_scheduler.OneCycleLR)
    share = other.last_epoch / max(1, other.total_steps - 1)
    schedule.last_epoch = round(share * (schedule.total_steps - 1))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # said of every call from outside of step()
        rates = schedule.get_lr()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group['lr'] = rate


def draw_batches(labels: Tensor, config: TrainingConfig) -> Sequence[Tensor]:
    """Draw the batches of one epoch from torch's random state.

    Args:
        labels: Classes of the training windows, (windows,).
        config: The recipe, resolved.

    Returns:
        Indices of the windows of each batch: every window once, or, with `sampling`, as many windows with replacement,
        every class equally often. The last batch may be smaller.
    """
    if config.class_balance == 'sampling':
        weights = 1.0 / torch.bincount(labels).double()[labels]
        drawn = torch.multinomial(weights, len(labels), replacement=True)
    else:
        drawn = torch.randperm(len(labels))
    return drawn.split(_number(config.batch_size))


def class_weights(labels: Tensor, classes: int, balance: ClassBalance) -> Tensor:
    """Return how much a window of each class counts in the loss, (classes,); their mean over the windows is 1."""
    if balance != 'weights':
        return torch.ones(classes)
    counts = torch.bincount(labels, minlength=classes).float()
    present = counts > 0
    return torch.where(present, len(labels) / (present.sum() * counts.clamp(min=1.0)), torch.zeros(classes))


def training_loss(logits: Tensor, labels: Tensor, weights: Tensor, label_smoothing: float) -> Tensor:
    """Return the loss of a batch: cross entropy, each window weighted by its class; a scalar [nat]."""
    losses = functional.cross_entropy(logits, labels, reduction='none', label_smoothing=label_smoothing)
    return (losses * weights[labels]).mean()


def mixed_loss(
    logits: Tensor, labels: Tensor, partners: Tensor, shares: Tensor, weights: Tensor, label_smoothing: float
) -> Tensor:
    """Return the loss of windows that were mixed in pairs; a scalar [nat].

    Args:
        logits: (windows, classes).
        labels: Classes of the windows, (windows,).
        partners: Classes of the windows that they were mixed with, (windows,).
        shares: How much of a mixed window is the first one, (windows,) [1].
        weights: How much a window of each class counts, (classes,).
        label_smoothing: Share of the target spread over all classes [1].
    """
    losses = [
        functional.cross_entropy(logits, of, reduction='none', label_smoothing=label_smoothing)
        for of in (labels, partners)
    ]
    # A mixed window weighs what its windows weigh in the mean, and asks for their classes in its shares.
    weight = shares * weights[labels] + (1.0 - shares) * weights[partners]
    return (weight * (shares * losses[0] + (1.0 - shares) * losses[1])).mean()


def mix_in_pairs(features: Tensor, mixing: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mix each window of a batch with another one, drawn from torch's random state.

    Args:
        features: What the head sees of the batch, (windows, features).
        mixing: Both parameters of the beta distribution of the shares.

    Returns:
        The mixed features; which window each was mixed with, and the share that it kept itself, (windows,) both.
    """
    windows = len(features)
    partners = torch.randperm(windows)
    shares: Tensor = torch.distributions.Beta(mixing, mixing).sample((windows,))
    share = shares.unsqueeze(1)
    return share * features + (1.0 - share) * features[partners], partners, shares


def _number(batch_size: int | str) -> int:
    if isinstance(batch_size, str):
        raise ValueError(f'batch_size is {batch_size!r}: resolve the recipe first')
    return batch_size


def _accuracy(engine: Engine, windows: PreparedWindows, labels: Tensor) -> float:
    return float((engine.logits(windows).argmax(dim=1) == labels).float().mean())


def _validate(engine: Engine, windows: PreparedWindows, labels: Tensor, sharpness: float) -> tuple[float, float]:
    """Return loss [nat] and accuracy [1], both the mean over the classes present; NaN without windows."""
    if len(labels) == 0:
        return math.nan, math.nan
    logits = engine.logits(windows) / sharpness
    losses = functional.cross_entropy(logits, labels, reduction='none')
    right = (logits.argmax(dim=1) == labels).float()
    by_class = [(losses[labels == k].mean(), right[labels == k].mean()) for k in labels.unique()]
    return float(np.mean([loss for loss, _ in by_class])), float(np.mean([share for _, share in by_class]))
