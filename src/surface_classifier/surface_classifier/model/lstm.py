# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network: raw windows in SI units in, logits out; normalisation, LSTM layers, dropout, dense head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from surface_classifier.model.lstm_config import LstmConfig


class SurfaceLstm(nn.Module):
    """LSTM layers over each part of the window, and a dense head over their final features.

    The mean and scale of every channel are buffers, so that the network takes raw SI values and its weights file is
    complete. An unmeasured value (NaN) enters as the channel's mean.
    """

    def __init__(self, config: LstmConfig, part_channels: Sequence[int], classes: int) -> None:
        """Build the network with random weights and no normalisation.

        Args:
            config: Shape of the network.
            part_channels: Number of channels of each part of the window.
            classes: Number of classes.
        """
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList()
        for part, channels in enumerate(part_channels):
            sizes = (channels, *config.hidden_sizes)
            self.layers.append(nn.ModuleList(nn.LSTM(*pair, batch_first=True) for pair in pairwise(sizes)))
            self.register_buffer(f'mean_{part}', torch.zeros(channels))
            self.register_buffer(f'scale_{part}', torch.ones(channels))
        self.dropout = nn.Dropout(config.dropout)
        features = config.hidden_sizes[-1] * (2 if config.pooling == 'mean_max' else 1)
        self.head = nn.Linear(features * len(part_channels), classes)

    def fit_normalisation(self, parts: Sequence[Tensor]) -> None:
        """Take each channel's mean and standard deviation from training windows.

        Args:
            parts: For each part a tensor (windows, samples, channels); NaN where unmeasured.
        """
        for part, values in enumerate(parts):
            flat = values.double().flatten(0, 1)
            mean = flat.nanmean(dim=0)
            variance = (flat - mean).square().nanmean(dim=0)
            # A channel that never changes keeps its unit instead of being blown up.
            scale = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
            self.mean_of(part).copy_(mean)
            self.scale_of(part).copy_(scale)

    def mean_of(self, part: int) -> Tensor:
        """Mean of each channel of a part, shape (channels,) [channel units]."""
        return self.get_buffer(f'mean_{part}')

    def scale_of(self, part: int) -> Tensor:
        """Standard deviation of each channel of a part, shape (channels,) [channel units]."""
        return self.get_buffer(f'scale_{part}')

    def forward(self, *parts: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for one tensor (windows, samples, channels) for each part."""
        features = [self._part_features(part, values) for part, values in enumerate(parts)]
        logits: Tensor = self.head(torch.cat(features, dim=-1))
        return logits

    def _part_features(self, part: int, values: Tensor) -> Tensor:
        mean, scale = self.mean_of(part), self.scale_of(part)
        sequence = (torch.where(torch.isnan(values), mean, values) - mean) / scale
        for lstm in self.layers[part]:
            sequence, _ = lstm(sequence)
            sequence = self.dropout(sequence)
        if self.config.pooling == 'last':
            return sequence[:, -1]
        return torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=-1)
