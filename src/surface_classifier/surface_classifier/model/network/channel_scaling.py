# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Scaling of the channels of one part by the training windows: standardised values and deviations from the mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FITTED_WINDOWS = 512  # windows that are scaled at once while a network is fitted


@dataclass(frozen=True)
class ScaledWindows:
    """Windows of one part as encoders take them.

    Attributes:
        standard: Standardised values, (windows, samples, channels); an unmeasured one is 0.
        missing: Whether a value is unmeasured, the same shape.
        deviation: Deviation from the window's mean in typical deviations, 0 where unmeasured; the same shape. Equal to
            `standard` if the scaler takes no deviations: nothing uses it then.
        measured: 1 where measured, 0 elsewhere; the same shape.
    """

    standard: Tensor
    missing: Tensor
    deviation: Tensor
    measured: Tensor


def count_channels(given: int, *, joint_channels: bool) -> int:
    """Return how many channels encoders see of a number of given ones: four joint ones more for each pair."""
    return given + 4 * (given - 1) if joint_channels else given


class ChannelScaler(nn.Module):
    """Joint channels, standardisation and deviations of the windows of one part.

    Attributes:
        given: Number of channels in the window.
        channels: Number of channels that the encoders see, joint ones included.
    """

    mean: Tensor
    scale: Tensor
    spread: Tensor

    def __init__(self, given: int, *, joint_channels: bool, deviations: bool, normalise: bool) -> None:
        """Scale by nothing yet.

        Args:
            given: Number of channels in the window.
            joint_channels: Append sum, difference, larger and smaller value of neighbouring channels.
            deviations: Take deviations from the window's mean.
            normalise: Let `fit` take the scales from training windows; otherwise values stay as they are.
        """
        super().__init__()
        self.given = given
        self._joint = joint_channels and given > 1
        self._deviations = deviations
        self._normalise = normalise
        self.channels = count_channels(given, joint_channels=joint_channels)
        self.register_buffer('mean', torch.zeros(self.channels))
        self.register_buffer('scale', torch.ones(self.channels))
        if deviations:
            self.register_buffer('spread', torch.ones(self.channels))

    def join(self, values: Tensor) -> Tensor:
        """Return channels with the joint ones behind; NaN where one of a pair is NaN.

        Args:
            values: (windows, samples, channels); NaN where unmeasured.
        """
        if not self._joint:
            return values
        total, difference = values[:, :, :-1] + values[:, :, 1:], values[:, :, :-1] - values[:, :, 1:]
        larger, smaller = 0.5 * (total + difference.abs()), 0.5 * (total - difference.abs())
        return torch.cat([values, total, difference, larger, smaller], dim=2)

    def fit(self, values: Tensor) -> None:
        """Take mean, standard deviation and typical deviation from training windows.

        Args:
            values: (windows, samples, channels), joint channels included; NaN where unmeasured.
        """
        if not self._normalise:
            return
        flat = values.double().flatten(0, 1)
        mean = flat.nanmean(dim=0)
        mean = torch.where(mean.isnan(), torch.zeros_like(mean), mean)
        variance = (flat - mean).square().nanmean(dim=0)
        # A channel that never changes keeps its unit instead of being blown up.
        scale = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        if self._deviations:
            self.spread.copy_(_typical_deviation(values, self.scale))

    def forward(self, values: Tensor) -> ScaledWindows:
        """Scale windows.

        Args:
            values: (windows, samples, channels), joint channels included; NaN where unmeasured.
        """
        missing = torch.isnan(values)
        # About the channel's mean first: a sum of small numbers keeps its digits.
        offset = torch.where(missing, self.mean, values) - self.mean
        standard = offset / self.scale
        if not self._deviations:
            return ScaledWindows(standard, missing, standard, standard)
        measured = (~missing).to(values.dtype)
        mean = (offset * measured).sum(dim=1, keepdim=True) / measured.sum(dim=1, keepdim=True).clamp(min=1.0)
        return ScaledWindows(standard, missing, (offset - mean) * measured / self.spread, measured)


@dataclass(frozen=True)
class TrainingWindows:
    """Training windows of one part, to fit encoders on.

    Attributes:
        scaler: The scaler of the part, fitted.
        values: (windows, samples, channels), joint channels included; NaN where unmeasured.
    """

    scaler: ChannelScaler
    values: Tensor

    def standard_rows(self) -> Tensor:
        """Return every sample standardised, (windows x samples, channels); NaN where unmeasured."""
        return (self.values.flatten(0, 1) - self.scaler.mean) / self.scaler.scale

    def batches(self) -> Iterator[ScaledWindows]:
        """Scale the windows, some at a time."""
        for batch in self.values.split(FITTED_WINDOWS):
            yield self.scaler(batch)


class ColumnScaler(nn.Module):
    """Standardisation of columns by the training windows; what is not known enters as the mean, which is 0."""

    mean: Tensor
    scale: Tensor

    def __init__(self, columns: int) -> None:
        """Scale by nothing yet."""
        super().__init__()
        self.register_buffer('mean', torch.zeros(columns))
        self.register_buffer('scale', torch.ones(columns))

    def fit(self, rows: Tensor, weights: Tensor | None = None) -> None:
        """Take mean and standard deviation of each column; 0 and 1 where there is none.

        Args:
            rows: (rows, columns); NaN is left out.
            weights: Standard deviation that each column gets, (columns,); 1 when None.
        """
        mean = rows.nanmean(dim=0)
        mean = torch.where(mean.isnan(), torch.zeros_like(mean), mean)
        variance = (rows - mean).square().nanmean(dim=0)
        scale = torch.where(variance > 1e-12, variance.sqrt(), torch.ones_like(variance))
        self.mean.copy_(mean)
        self.scale.copy_(scale if weights is None else scale / weights.to(scale))

    def forward(self, values: Tensor, known: Tensor | None = None) -> Tensor:
        """Scale values, (..., columns); where `known` is false, 0 is returned."""
        scaled = (values - self.mean) / self.scale
        return scaled if known is None else torch.where(known, scaled, torch.zeros_like(scaled))


def _typical_deviation(values: Tensor, scale: Tensor) -> Tensor:
    """Median over windows of each channel's standard deviation, (channels,); `scale` where most are constant."""
    variances: list[Tensor] = []
    for batch in values.split(FITTED_WINDOWS):
        exact = batch.double()
        variances.append((exact - exact.nanmean(dim=1, keepdim=True)).square().nanmean(dim=1))
    median = torch.cat(variances).sqrt().nanmedian(dim=0).values
    return torch.where(median > 1e-6 * scale, median, scale.double()).to(scale.dtype)
