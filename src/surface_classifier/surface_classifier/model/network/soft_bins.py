# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Quantile bins of each channel, divided softly: fractions of samples above an edge, nearness of a sample to one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surface_classifier.model.network.window_statistics import soft_fractions

QUANTILE_VALUES = 1_000_000  # of a channel, at most, for its quantiles
# How far an edge reaches as an input of the LSTM, in the widths over which a sample comes to count as above it: one
# distance of neighbouring edges.
_REACH = 2.0


class SoftBins(nn.Module):
    """Edges at quantiles of the training samples of each channel, and how softly they divide."""

    edges: Tensor
    widths: Tensor

    def __init__(self, channels: int, bins: int) -> None:
        """Make bins that `fit` places.

        Args:
            channels: Number of channels.
            bins: Number of edges of each channel.
        """
        super().__init__()
        self.bins = bins
        self.register_buffer('edges', torch.zeros(channels, bins))
        self.register_buffer('widths', torch.ones(channels, bins))

    def fit(self, standard: Tensor) -> None:
        """Place the edges at quantiles.

        Args:
            standard: Standardised samples, (samples, channels); NaN where unmeasured.
        """
        stride = -(-len(standard) // QUANTILE_VALUES)
        shares = torch.linspace(0.0, 1.0, self.bins + 2, dtype=torch.float64)[1:-1]
        edges = torch.nanquantile(standard[::stride].double(), shares, dim=0).T
        edges = torch.where(edges.isnan(), torch.zeros_like(edges), edges)
        # Half the mean distance of neighbouring edges; quantised currents have equal ones.
        width = (edges[:, -1:] - edges[:, :1]) / (2.0 * max(1, self.bins - 1))
        self.edges.copy_(edges)
        self.widths.copy_(torch.where(width > 0.0, width, torch.full_like(width, 0.1)).expand_as(edges))

    def fractions(self, standard: Tensor, measured: Tensor) -> Tensor:
        """Return the fraction of a window's samples above each edge, (windows, channels, bins) [1]."""
        return soft_fractions(standard, measured, self.edges, self.widths)

    def nearness(self, standard: Tensor) -> Tensor:
        """Return how near each sample is to each edge of its channel, (windows, samples, channels x bins).

        The values of a channel add up to 1.
        """
        width = _REACH * self.widths
        # Channel by channel: to flatten channels and bins would fix the number of samples in the exported graph.
        near = [
            torch.softmax(-0.5 * ((values - self.edges[channel]) / width[channel]).square(), dim=2)
            for channel, values in enumerate(standard.split(1, dim=2))
        ]
        return torch.cat(near, dim=2)

    def for_each_bin(self, values: Tensor) -> Tensor:
        """Repeat each channel for its bins, (windows, samples, channels x bins)."""
        return torch.cat([value.expand(-1, -1, self.bins) for value in values.split(1, dim=2)], dim=2)
