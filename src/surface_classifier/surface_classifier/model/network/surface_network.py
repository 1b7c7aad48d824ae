# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One network: windows in SI units in, logits out; scaling, encoders, LSTM layers, dropout, head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from surface_classifier.model.network.channel_scaling import ChannelScaler, TrainingWindows, count_channels
from surface_classifier.model.network.encoders import Encoder, make_encoder
from surface_classifier.model.network.statistics_encoder import StatisticsEncoder
from surface_classifier.model.network_config import NetworkConfig

# As Keras' BatchNormalization, with which the networks of the forum question were built.
BATCH_NORM_MOMENTUM = 0.01
BATCH_NORM_EPSILON = 1e-3


class SurfaceNetwork(nn.Module):
    """LSTM layers over each part of the window, and a dense head over their final features.

    `prepare` holds all that is not trained: scaling, sequences and statistics. `classify_prepared` holds all that is.
    What `prepare` needs of the training windows are buffers, so that the network takes raw SI values and its weights
    file is complete. An unmeasured value (NaN) enters as the channel's mean (as 0 if the network does not normalise).

    Attributes:
        config: Shape of the network.
        classes: Number of classes.
        statistics: Number of statistics that the head sees; 0: none.
        feature_count: Number of values that the head sees.
    """

    def __init__(self, config: NetworkConfig, part_channels: Sequence[int], classes: int) -> None:
        """Build the network with random weights and no normalisation.

        Args:
            config: Shape of the network; its `members` are built by `make_network`.
            part_channels: Number of channels of each part of the window.
            classes: Number of classes.

        Raises:
            ValueError: The dropout is `auto`, which only a recipe makes a number.
        """
        super().__init__()
        if config.dropout == 'auto':
            raise ValueError("dropout is 'auto': resolve the recipe first")
        self.config = config
        self.classes = classes
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        self.scalers = nn.ModuleList()
        self.encoders = nn.ModuleList()
        self.statistics_encoders = nn.ModuleList()
        for part, given in enumerate(part_channels):
            self._add_part(part, given)
        self._scale_first_weights()
        self.dropout = nn.Dropout(config.dropout)
        units = config.hidden_sizes[-1] if config.hidden_sizes else 0
        features = units * (2 if config.pooling == 'mean_max' else 1) * len(part_channels)
        self.statistics = len(self.statistic_names)
        self.feature_count = features + self.statistics
        self.head = _head(self.feature_count, config, classes)

    def _add_part(self, part: int, given: int) -> None:
        config = self.config
        channels = count_channels(given, joint_channels=config.joint_channels)
        encoder = make_encoder(config, part, channels)
        scaler = ChannelScaler(
            given,
            joint_channels=config.joint_channels,
            deviations=encoder.takes_deviations or config.statistics,
            normalise=config.normalise,
        )
        sizes = (encoder.inputs, *config.hidden_sizes)
        self.layers.append(nn.ModuleList(nn.LSTM(*pair, batch_first=True) for pair in pairwise(sizes)))
        norms = [_batch_norm(size) for size in config.hidden_sizes] if config.batch_norm else []
        self.norms.append(nn.ModuleList(norms))
        self.scalers.append(scaler)
        # A network without LSTM layers has no use for sequences.
        self.encoders.append(encoder if config.hidden_sizes else nn.Identity())
        if config.statistics:
            self.statistics_encoders.append(StatisticsEncoder(config, channels))

    def _scale_first_weights(self) -> None:
        for layers in self.layers:
            for lstm in layers:
                if self.config.recurrent_gain != 1.0:
                    lstm.weight_hh_l0.data.mul_(self.config.recurrent_gain)
            if self.config.input_gain > 0.0 and len(layers):
                first = layers[0]
                reach = self.config.input_gain * math.sqrt(3.0 / first.input_size)
                nn.init.uniform_(first.weight_ih_l0, -reach, reach)
                nn.init.uniform_(first.bias_ih_l0, -self.config.input_gain / 2.0, self.config.input_gain / 2.0)

    @property
    def members(self) -> list[SurfaceNetwork]:
        """The network itself: an ensemble of one."""
        return [self]

    @property
    def heads(self) -> list[nn.Module]:
        """The head, as a list of one."""
        return [self.head]

    @property
    def part_encoders(self) -> list[Encoder]:
        """The encoder of each part; none without LSTM layers."""
        return [encoder for encoder in self.encoders if not isinstance(encoder, nn.Identity)]

    @property
    def statistic_names(self) -> tuple[str, ...]:
        """Names of the statistics that `prepare` gives, with the part's number: `0:level[0]`."""
        return tuple(
            f'{part}:{name}'
            for part, encoder in enumerate(self.statistics_encoders)
            if isinstance(encoder, StatisticsEncoder)
            for name in encoder.names
        )

    @property
    def sequence_count(self) -> int:
        """Number of sequences that `prepare` gives: one for each part, none without LSTM layers."""
        return len(self.part_encoders)

    def fewest_samples(self, part: int) -> int:
        """Samples that a window of a part must have."""
        encoders = self.part_encoders
        return encoders[part].fewest_samples if encoders else 1

    def mean_of(self, part: int) -> Tensor:
        """Mean of each channel of a part, (channels,) [channel units]."""
        scaler = self._scaler(part)
        return scaler.mean[: scaler.given]

    def scale_of(self, part: int) -> Tensor:
        """Standard deviation of each channel of a part, (channels,) [channel units]."""
        scaler = self._scaler(part)
        return scaler.scale[: scaler.given]

    def fit_normalisation(self, parts: Sequence[Tensor]) -> None:
        """Take what `prepare` needs from training windows.

        Args:
            parts: For each part a tensor (windows, samples, channels); NaN where unmeasured.
        """
        for part, given in enumerate(parts):
            scaler = self._scaler(part)
            values = scaler.join(given)
            scaler.fit(values)
            windows = TrainingWindows(scaler, values)
            for encoder in (*self.part_encoders[part : part + 1], *self.statistics_encoders[part : part + 1]):
                encoder.fit(windows, normalise=self.config.normalise)

    def forward(self, *parts: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for one tensor (windows, samples, channels) for each part."""
        return self.classify_prepared(*self.prepare(*parts))

    def prepare(self, *parts: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what is not trained: the sequences for the LSTM layers, and the statistics for the head.

        Args:
            parts: For each part a tensor (windows, samples, channels) in the channels' units; NaN where unmeasured.

        Returns:
            For each part the sequences, (windows, steps, inputs), unless there is no LSTM layer; and the statistics of
            all parts, (windows, statistics), without columns if the network has none.
        """
        sequences, statistics = [], []
        encoders = self.part_encoders
        for part, given in enumerate(parts):
            scaler = self._scaler(part)
            windows = scaler(scaler.join(given))
            if encoders:
                sequences.append(encoders[part](windows))
            if self.statistics:
                statistics.append(self.statistics_encoders[part](windows))
        return sequences, torch.cat(statistics, dim=1) if statistics else parts[0].new_zeros(parts[0].shape[0], 0)

    def classify_prepared(self, sequences: Sequence[Tensor], statistics: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for what `prepare` gave."""
        return self.classify_features(self.features(sequences, statistics))

    def features(self, sequences: Sequence[Tensor], statistics: Tensor) -> Tensor:
        """Return what the head sees, (windows, features): those of the LSTM layers, then the statistics."""
        features = [self._part_features(part, sequence) for part, sequence in enumerate(sequences)]
        if self.statistics:
            features.append(statistics)
        return torch.cat(features, dim=-1)

    def split_features(self, features: Tensor) -> list[Tensor]:
        """Return the features of each member: all of them, as a list of one."""
        return [features]

    def classify_features(self, features: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for what `features` gave."""
        logits: Tensor = self.head(features)
        return logits

    def _part_features(self, part: int, sequence: Tensor) -> Tensor:
        for layer, lstm in enumerate(self.layers[part]):
            sequence, _ = lstm(sequence)
            if self.config.batch_norm:
                sequence = self.norms[part][layer](sequence.transpose(1, 2)).transpose(1, 2)
            sequence = self.dropout(sequence)
        if self.config.pooling == 'last':
            return sequence[:, -1]
        return torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=-1)

    def _scaler(self, part: int) -> ChannelScaler:
        scaler = self.scalers[part]
        assert isinstance(scaler, ChannelScaler)
        return scaler


def _batch_norm(size: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(size, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)


def _head(features: int, config: NetworkConfig, classes: int) -> nn.Linear | nn.Sequential:
    """Return a linear head, or one with hidden layers."""
    sizes = (features, *config.head_sizes)
    if len(sizes) == 1:
        return nn.Linear(features, classes)
    hidden = [(nn.Linear(*pair), nn.ReLU(), nn.Dropout(config.head_dropout)) for pair in pairwise(sizes)]
    return nn.Sequential(*(module for layer in hidden for module in layer), nn.Linear(sizes[-1], classes))
