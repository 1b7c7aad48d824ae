# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a network's head from a linear discriminant on the window's statistics, so that the LSTM learns the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surface_classifier.model.lstm import SurfaceLstm

# How much of the unit matrix the covariance gets, times the number of windows; chosen on simulated tasks (EXPERIMENTS).
RIDGE_WINDOWS = 2.0
_SMALLEST_VARIANCE = 1e-6


def start_head_from_discriminant(network: SurfaceLstm, statistics: Tensor, labels: Tensor, sharpness: float) -> None:
    """Set the head's weights: those of the statistics to a discriminant's, those of the LSTM's features to zero.

    Args:
        network: A network with statistics.
        statistics: What `prepare` gave for the training windows, (windows, statistics).
        labels: Their classes, (windows,).
        sharpness: Factor on the discriminant's logits [1].

    Raises:
        ValueError: The head has hidden layers.
    """
    if not isinstance(network.head, nn.Linear):
        raise ValueError('only a linear head starts from a discriminant')
    weights, bias = linear_discriminant(statistics.double(), labels, network.classes)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.weight[:, -statistics.shape[1] :] = (sharpness * weights).to(network.head.weight.dtype)
        network.head.bias.copy_(sharpness * bias)


def soften_head(network: SurfaceLstm, sharpness: float) -> None:
    """Take the sharpness out again: the classes stay as they are, and the probabilities become milder."""
    if not isinstance(network.head, nn.Linear):
        return
    with torch.no_grad():
        network.head.weight.div_(sharpness)
        network.head.bias.div_(sharpness)


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
