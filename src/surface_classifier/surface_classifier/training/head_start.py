# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a network's head from a linear discriminant on the window's statistics, so that the LSTM learns the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from surface_classifier.model.lstm import SurfaceLstm


def start_head_from_discriminant(network: SurfaceLstm, statistics: Tensor, labels: Tensor) -> None:
    """Set the head's weights: those of the statistics to a discriminant's, those of the LSTM's features to zero.

    Args:
        network: A network with statistics.
        statistics: What `prepare` gave for the training windows, (windows, statistics).
        labels: Their classes, (windows,).
    """
    weights, bias = linear_discriminant(statistics.double(), labels, network.head.out_features)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.weight[:, -statistics.shape[1] :] = weights.to(network.head.weight.dtype)
        network.head.bias.copy_(bias)


def linear_discriminant(values: Tensor, labels: Tensor, classes: int, shrinkage: float = 0.1) -> tuple[Tensor, Tensor]:
    """Fit a linear discriminant with equal priors, its covariance shrunk towards the unit matrix.

    Friedman, Regularized discriminant analysis, Journal of the American Statistical Association 84, 1989.

    Args:
        values: Standardised statistics, (windows, statistics).
        labels: Classes, (windows,).
        classes: Number of classes; one without windows gets the mean of all.
        shrinkage: Share of the unit matrix in the covariance [1].

    Returns:
        Weights (classes, statistics) and bias (classes,) of its logits.
    """
    means = torch.stack(
        [values[labels == k].mean(dim=0) if (labels == k).any() else values.mean(dim=0) for k in range(classes)]
    )
    centred = values - means[labels]
    covariance = centred.T @ centred / max(1, len(values) - classes)
    scale = covariance.diagonal().mean()
    unit = torch.eye(len(covariance), dtype=values.dtype)
    covariance = (1.0 - shrinkage) * covariance + shrinkage * scale * unit
    weights = torch.linalg.solve(covariance, means.T).T
    return weights, -0.5 * (weights * means).sum(dim=1)
