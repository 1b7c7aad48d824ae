# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of the windows of one part for the head, standardised by the training windows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from surface_classifier.model.network.channel_scaling import ColumnScaler, ScaledWindows, TrainingWindows
from surface_classifier.model.network.soft_bins import QUANTILE_VALUES, SoftBins
from surface_classifier.model.network.window_statistics import (
    SAME_VALUE,
    fractions_at,
    statistic_names,
    statistic_weights,
    window_statistics,
)
from surface_classifier.model.network_config import NetworkConfig

# A statistic further from its mean counts as so far: one odd window must not outvote the rest [standard deviations].
FARTHEST_STATISTIC = 5.0
_IDLE_VALUES = 2  # commonest values of a channel of which the fractions are statistics


class StatisticsEncoder(nn.Module):
    """Statistics of a window (`window_statistics`), quantile bins and, if wanted, fractions at the commonest values.

    Attributes:
        names: Names of the statistics, in the order of the columns.
    """

    idle: Tensor

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        """Make the encoder.

        Args:
            config: Shape of the network.
            channels: Number of channels, joint ones included.
        """
        super().__init__()
        idle = _IDLE_VALUES if config.idle_fractions else 0
        self.names = statistic_names(channels, config.quantile_bins, idle)
        self._weights = statistic_weights(channels, config.quantile_bins, config.bin_scale, idle)
        self._idle = config.idle_fractions
        self.bins = SoftBins(channels, config.quantile_bins)
        if self._idle:
            self.register_buffer('idle', torch.full((channels, _IDLE_VALUES), torch.nan))
        self.columns = ColumnScaler(len(self.names))

    def fit(self, windows: TrainingWindows, *, normalise: bool) -> None:
        """Take bins, commonest values and scales from training windows."""
        standard = windows.standard_rows()
        self.bins.fit(standard)
        if self._idle:
            self.idle.copy_(_commonest(standard))
        if normalise:
            rows = torch.cat([self._statistics(batch).double() for batch in windows.batches()])
            self.columns.fit(rows, rows.new_tensor(self._weights))

    def forward(self, windows: ScaledWindows) -> Tensor:
        """Return standardised statistics, (windows, statistics); 0, the mean, where one cannot be had."""
        found = self._statistics(windows)
        scaled: Tensor = self.columns(found, ~torch.isnan(found))
        return scaled.clamp(-FARTHEST_STATISTIC, FARTHEST_STATISTIC)

    def _statistics(self, windows: ScaledWindows) -> Tensor:
        fractions = self.bins.fractions(windows.standard, windows.measured)
        if self._idle:
            at_rest = fractions_at(windows.standard, windows.measured, self.idle)
            fractions = torch.cat([fractions, at_rest], dim=2)
        return window_statistics(windows.standard * windows.measured, windows.deviation, windows.measured, fractions)


def _commonest(standard: Tensor) -> Tensor:
    """Return the commonest values of each channel, (channels, values); `standard` is (values, channels).

    NaN, which no sample equals, where a channel has fewer values.
    """
    found = torch.full((standard.shape[1], _IDLE_VALUES), torch.nan)
    stride = -(-len(standard) // QUANTILE_VALUES)
    for channel, given in enumerate(standard[::stride].unbind(dim=1)):
        measured = given[~given.isnan()]
        if len(measured) == 0:
            continue
        _, group, counts = (measured / SAME_VALUE).round().unique(return_inverse=True, return_counts=True)
        for place, index in enumerate(counts.argsort(descending=True, stable=True)[:_IDLE_VALUES].tolist()):
            found[channel, place] = measured[group == index].median()
    return found
