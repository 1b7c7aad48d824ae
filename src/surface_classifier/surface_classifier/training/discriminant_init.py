# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a network's head from a linear discriminant on the window's statistics, so that the LSTM learns the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surface_classifier.model.network.ensemble import Network

# How much of the unit matrix the covariance gets, times the number of windows; chosen on simulated tasks (EXPERIMENTS).
RIDGE_WINDOWS = 2.0
_SMALLEST_VARIANCE = 1e-6


def init_head_from_discriminant(network: Network, statistics: Tensor, labels: Tensor, logit_scale: float) -> None:
    """Set the head's weights: those of the statistics to a discriminant's, those of the LSTM's features to zero.

    Args:
        network: A network with statistics.
        statistics: What `prepare` gave for the training windows, (windows, statistics).
        labels: Their classes, (windows,).
        logit_scale: Factor on the discriminant's logits [1].

    Raises:
        ValueError: The network is an ensemble, or its head has hidden layers.
    """
    head = _linear_head(network)
    if head is None:
        raise ValueError('only a single linear head starts from a discriminant')
    weights, bias = linear_discriminant(statistics.double(), labels, network.classes)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[:, -statistics.shape[1] :] = (logit_scale * weights).to(head.weight.dtype)
        head.bias.copy_(logit_scale * bias)


def unscale_head(network: Network, logit_scale: float) -> None:
    """Take the scale out again: the classes stay as they are, and the probabilities become milder."""
    head = _linear_head(network)
    if head is None:
        return
    with torch.no_grad():
        head.weight.div_(logit_scale)
        head.bias.div_(logit_scale)


def _linear_head(network: Network) -> nn.Linear | None:
    heads = network.heads
    return heads[0] if len(heads) == 1 and isinstance(heads[0], nn.Linear) else None


def linear_discriminant(
    values: Tensor, labels: Tensor, classes: int, ridge: float | None = None
) -> tuple[Tensor, Tensor]:
    """Fit a linear discriminant with equal priors, its covariance regularised by a share of the unit matrix.

    Friedman, Regularized discriminant analysis, Journal of the American Statistical Association 84, 1989.

    Args:
        values: Standardised statistics, (windows, statistics).
        labels: Classes, (windows,).
        classes: Number of classes; one without windows gets the mean of all.
        ridge: Share of the mean variance that is added to every variance; None: by the number of windows [1].

    Returns:
        Weights (classes, statistics) and bias (classes,) of its logits.
    """
    if ridge is None:
        ridge = RIDGE_WINDOWS / len(values)
    means = torch.stack(
        [values[labels == k].mean(dim=0) if (labels == k).any() else values.mean(dim=0) for k in range(classes)]
    )
    centred = values - means[labels]
    covariance = centred.T @ centred / max(1, len(values) - classes)
    added = ridge * covariance.diagonal().mean() + _SMALLEST_VARIANCE
    unit = torch.eye(len(covariance), dtype=values.dtype)
    weights = torch.linalg.solve(covariance + added * unit, means.T).T
    return weights, -0.5 * (weights * means).sum(dim=1)
