# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""An ensemble: members that see the same windows in different ways, and whose logits are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from surface_classifier.model.network.surface_network import SurfaceNetwork
from surface_classifier.model.network_config import NetworkConfig


class Ensemble(nn.Module):
    """Members whose logits are averaged: the geometric mean of their probabilities, up to a factor.

    It has the interface of `SurfaceNetwork`: sequences, statistics and features of the members stand side by side, in
    the order of the members.

    Attributes:
        config: Shape of the first member, with those of the others in `members`.
        classes: Number of classes.
        statistics: Number of statistics of all members.
        feature_count: Number of features of all members.
    """

    def __init__(self, config: NetworkConfig, part_channels: Sequence[int], classes: int) -> None:
        """Build the members, the first one first.

        Args:
            config: Shape of the first member; `members` holds those of the others.
            part_channels: Number of channels of each part of the window.
            classes: Number of classes.
        """
        super().__init__()
        self.config = config
        self.classes = classes
        shapes = (replace(config, members=()), *config.members)
        self.networks = nn.ModuleList(SurfaceNetwork(shape, part_channels, classes) for shape in shapes)
        self.statistics = sum(member.statistics for member in self.members)
        self.feature_count = sum(member.feature_count for member in self.members)

    @property
    def members(self) -> list[SurfaceNetwork]:
        """The members, in their order."""
        return [member for member in self.networks if isinstance(member, SurfaceNetwork)]

    @property
    def heads(self) -> list[nn.Module]:
        """The heads of the members, each on features of its own (`split_features`)."""
        return [member.head for member in self.members]

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Yield the parameters: of the first member's layers, of all heads, then of the others' layers.

        Sums over all of them, such as the norm of the gradient, are rounded in this order.
        """
        first, *others = self.members
        modules = (
            first.layers,
            first.norms,
            *self.heads,
            *(part for other in others for part in (other.layers, other.norms)),
        )
        for module in modules:
            yield from module.parameters(recurse)

    @property
    def statistic_names(self) -> tuple[str, ...]:
        """Names of the statistics of the first member."""
        return self.members[0].statistic_names

    def fewest_samples(self, part: int) -> int:
        """Samples that a window of a part must have, for every member."""
        return max(member.fewest_samples(part) for member in self.members)

    def mean_of(self, part: int) -> Tensor:
        """Mean of each channel of a part as the first member has it [channel units]."""
        return self.members[0].mean_of(part)

    def scale_of(self, part: int) -> Tensor:
        """Standard deviation of each channel of a part, as `mean_of` [channel units]."""
        return self.members[0].scale_of(part)

    def fit_normalisation(self, parts: Sequence[Tensor]) -> None:
        """Let every member take what its `prepare` needs from training windows."""
        for member in self.members:
            member.fit_normalisation(parts)

    def forward(self, *parts: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for one tensor (windows, samples, channels) for each part."""
        return self.classify_prepared(*self.prepare(*parts))

    def prepare(self, *parts: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the sequences of all members, and their statistics, (windows, statistics); see `SurfaceNetwork`."""
        sequences, statistics = [], []
        for member in self.members:
            more, found = member.prepare(*parts)
            sequences += more
            statistics.append(found)
        return sequences, torch.cat(statistics, dim=1)

    def classify_prepared(self, sequences: Sequence[Tensor], statistics: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for what `prepare` gave."""
        return self.classify_features(self.features(sequences, statistics))

    def features(self, sequences: Sequence[Tensor], statistics: Tensor) -> Tensor:
        """Return the features of all members, (windows, features)."""
        found = []
        for member in self.members:
            count, columns = member.sequence_count, member.statistics
            found.append(member.features(sequences[:count], statistics[:, :columns]))
            sequences, statistics = sequences[count:], statistics[:, columns:]
        return torch.cat(found, dim=-1)

    def split_features(self, features: Tensor) -> list[Tensor]:
        """Return the features of each member."""
        return list(features.split([member.feature_count for member in self.members], dim=-1))

    def classify_features(self, features: Tensor) -> Tensor:
        """Return the mean of the members' logits, (windows, classes), for what `features` gave."""
        split = self.split_features(features)
        each = [member.classify_features(own) for member, own in zip(self.members, split, strict=True)]
        return torch.stack(each).mean(dim=0)


Network = SurfaceNetwork | Ensemble


def make_network(config: NetworkConfig, part_channels: Sequence[int], classes: int) -> Network:
    """Build a network with random weights: an ensemble if the shape has further members.

    Args:
        config: Shape of the network.
        part_channels: Number of channels of each part of the window.
        classes: Number of classes.
    """
    return (Ensemble if config.members else SurfaceNetwork)(config, part_channels, classes)
