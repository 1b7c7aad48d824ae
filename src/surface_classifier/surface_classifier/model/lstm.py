# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network: raw windows in SI units in, logits out; normalisation, LSTM layers, dropout, dense head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Pooling = Literal['last', 'mean_max']


@dataclass(frozen=True)
class LstmConfig:
    """Shape of the network.

    Attributes:
        hidden_sizes: Units of each LSTM layer, from the input on; the same for every part.
        dropout: Share of values set to zero after each LSTM layer in training [1].
        pooling: What the head sees of the last layer: its `last` state, or the mean and the maximum over time.
    """

    hidden_sizes: tuple[int, ...] = (64,)
    dropout: float = 0.2
    pooling: Pooling = 'last'

    def __post_init__(self) -> None:
        """Refuse shapes no network can have.

        Raises:
            ValueError: The value and its name are in the message.
        """
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ValueError(f'hidden_sizes must hold one or more positive numbers, not {list(self.hidden_sizes)}')
        if not 0 <= self.dropout < 1:
            raise ValueError(f'dropout must be at least 0 and below 1, not {self.dropout}')
        if self.pooling not in ('last', 'mean_max'):
            raise ValueError(f'pooling must be last or mean_max, not {self.pooling!r}')

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'hidden_sizes': list(self.hidden_sizes)}


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
            self.layers.append(nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in zip(sizes, sizes[1:])))
            self.register_buffer(f'mean_{part}', torch.zeros(channels))
            self.register_buffer(f'scale_{part}', torch.ones(channels))
        self.dropout = nn.Dropout(config.dropout)
        features = config.hidden_sizes[-1] * (2 if config.pooling == 'mean_max' else 1)
        self.head = nn.Linear(features * len(part_channels), classes)

    def fit_normalisation(self, parts: Sequence[Tensor]) -> None:
        """Take each channel's mean and standard deviation from training windows, one tensor (windows, samples, channels) for each part."""
        for part, values in enumerate(parts):
            flat = values.double().flatten(0, 1)
            mean = flat.nanmean(dim=0)
            variance = (flat - mean).square().nanmean(dim=0)
            # A channel that never changes keeps its unit instead of being blown up.
            scale = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
            self.get_buffer(f'mean_{part}').copy_(mean)
            self.get_buffer(f'scale_{part}').copy_(scale)

    def forward(self, *parts: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for one tensor (windows, samples, channels) for each part."""
        features = [self._part_features(part, values) for part, values in enumerate(parts)]
        logits: Tensor = self.head(torch.cat(features, dim=-1))
        return logits

    def _part_features(self, part: int, values: Tensor) -> Tensor:
        mean, scale = self.get_buffer(f'mean_{part}'), self.get_buffer(f'scale_{part}')
        sequence = (torch.where(torch.isnan(values), mean, values) - mean) / scale
        for lstm in self.layers[part]:  # type: ignore[union-attr]
            sequence, _ = lstm(sequence)
            sequence = self.dropout(sequence)
        if self.config.pooling == 'last':
            return sequence[:, -1]
        return torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=-1)
