# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Optimisers, schedules and batches of a recipe."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from surface_classifier.training.training_config import TrainingConfig

RMSPROP_RHO = 0.9
KERAS_EPSILON = 1e-7


def make_optimizer(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; Adam and RMSprop divide as in Keras, which the forum question used."""
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


def _number(batch_size: int | str) -> int:
    if isinstance(batch_size, str):
        raise ValueError(f'batch_size is {batch_size!r}: resolve the recipe first')
    return batch_size
