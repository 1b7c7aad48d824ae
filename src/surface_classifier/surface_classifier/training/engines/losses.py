# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of a batch: class weights, cross entropy and windows mixed in pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from surface_classifier.training.training_config import ClassBalance


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


def mixup_loss(
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


def mixup(features: Tensor, mixup_alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mix each window of a batch with another one, drawn from torch's random state.

    Args:
        features: What the head sees of the batch, (windows, features).
        mixup_alpha: Both parameters of the beta distribution of the shares.

    Returns:
        The mixed features; which window each was mixed with, and the share that it kept itself, (windows,) both.
    """
    windows = len(features)
    partners = torch.randperm(windows)
    shares: Tensor = torch.distributions.Beta(mixup_alpha, mixup_alpha).sample((windows,))
    share = shares.unsqueeze(1)
    return share * features + (1.0 - share) * features[partners], partners, shares
