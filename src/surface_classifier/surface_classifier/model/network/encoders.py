# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Encoders: what the LSTM layers of a part see of its windows. Each has its own buffers, `fit` and `forward`."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from surface_classifier.model.network.channel_scaling import ColumnScaler, ScaledWindows, TrainingWindows
from surface_classifier.model.network.soft_bins import SoftBins
from surface_classifier.model.network_config import NetworkConfig

_SMALLEST_POWER = 1e-4  # keeps the logarithm of no power finite [typical variances within a window]
_SMALLEST_STEP = 0.05  # keeps the logarithm of no step finite [typical deviations within a window]


class Encoder(Protocol):
    """Turns the windows of one part into the sequences that its LSTM layers see.

    Attributes:
        inputs: Values in each step of a sequence.
        fewest_samples: Samples that a window must have.
        takes_deviations: Whether it uses deviations from the window's mean.
    """

    inputs: int
    fewest_samples: int
    takes_deviations: bool

    def fit(self, windows: TrainingWindows, *, normalise: bool) -> None:
        """Take from training windows what the encoder needs.

        Args:
            windows: The training windows.
            normalise: Standardise the sequences, too.
        """

    def __call__(self, windows: ScaledWindows) -> Tensor:
        """Return the sequences, (windows, steps, inputs)."""


class RawEncoder(nn.Module):
    """The channels, standardised."""

    fewest_samples = 1
    takes_deviations = False

    def __init__(self, channels: int) -> None:
        """Encode a number of channels."""
        super().__init__()
        self.inputs = channels

    def fit(self, windows: TrainingWindows, *, normalise: bool) -> None:
        """See `Encoder`; there is nothing to fit."""

    def forward(self, windows: ScaledWindows) -> Tensor:
        """See `Encoder`."""
        return windows.standard


class DerivedEncoder(nn.Module):
    """Each channel standardised, its deviation from the window's mean, and the logarithm of its steps."""

    fewest_samples = 1
    takes_deviations = True

    def __init__(self, channels: int) -> None:
        """Encode a number of channels."""
        super().__init__()
        self.inputs = 3 * channels
        self.step = ColumnScaler(channels)

    def fit(self, windows: TrainingWindows, *, normalise: bool) -> None:
        """See `Encoder`."""
        if not normalise:
            return
        rows = []
        for batch in windows.batches():
            # Where a step was not measured it will enter as the mean, so it must not count in the mean.
            step, known = _log_steps(batch.deviation, batch.measured)
            rows.append(torch.where(known, step, torch.nan).flatten(0, 1).double())
        self.step.fit(torch.cat(rows))

    def forward(self, windows: ScaledWindows) -> Tensor:
        """See `Encoder`."""
        step, known = _log_steps(windows.deviation, windows.measured)
        return torch.cat([windows.standard, windows.deviation, self.step(step, known)], dim=2)


class SoftBinEncoder(nn.Module):
    """How near each sample is to each quantile edge of its channel, standardised."""

    fewest_samples = 1
    takes_deviations = False

    def __init__(self, channels: int, bins: int) -> None:
        """Encode a number of channels by a number of bins each."""
        super().__init__()
        self.inputs = channels * bins
        self.bins = SoftBins(channels, bins)
        self.near = ColumnScaler(self.inputs)

    def fit(self, windows: TrainingWindows, *, normalise: bool) -> None:
        """See `Encoder`."""
        self.bins.fit(windows.standard_rows())
        if not normalise:
            return
        rows = []
        for batch in windows.batches():
            near = self.bins.nearness(batch.standard)
            rows.append(torch.where(self._known(batch), near, torch.nan).flatten(0, 1).double())
        self.near.fit(torch.cat(rows))

    def forward(self, windows: ScaledWindows) -> Tensor:
        """See `Encoder`."""
        scaled: Tensor = self.near(self.bins.nearness(windows.standard), self._known(windows))
        return scaled

    def _known(self, windows: ScaledWindows) -> Tensor:
        return ~self.bins.for_each_bin(windows.missing)


class SpectrumEncoder(nn.Module):
    """The short-time spectrum: log power of each band and mean of each frame, standardised.

    Frames overlap by half. Convolutions hold for any number of samples; slices would fix it in the exported graph.
    """

    takes_deviations = True

    cosine: Tensor
    sine: Tensor
    average: Tensor

    def __init__(self, channels: int, frame_samples: int) -> None:
        """Encode a number of channels in frames of an even number of samples."""
        super().__init__()
        self.fewest_samples = frame_samples
        self.inputs = channels * (frame_samples // 2 + 2)
        self._hop, self._channels = frame_samples // 2, channels
        self.spectrum = ColumnScaler(self.inputs)
        for name, kernel in _spectrum_kernels(frame_samples).items():
            self.register_buffer(name, kernel.unsqueeze(1).repeat(channels, 1, 1), persistent=False)

    def fit(self, windows: TrainingWindows, *, normalise: bool) -> None:
        """See `Encoder`."""
        if normalise:
            rows = [self._spectrum(batch).flatten(0, 1).double() for batch in windows.batches()]
            self.spectrum.fit(torch.cat(rows))

    def forward(self, windows: ScaledWindows) -> Tensor:
        """See `Encoder`."""
        scaled: Tensor = self.spectrum(self._spectrum(windows))
        return scaled

    def _spectrum(self, windows: ScaledWindows) -> Tensor:
        """Return log power of each band, and mean, of each frame, (windows, frames, channels x (bands + 1))."""
        power = (
            self._frames(windows.deviation, self.cosine).square() + self._frames(windows.deviation, self.sine).square()
        )
        mean = self._frames(windows.standard, self.average)
        return torch.cat([torch.log(power + _SMALLEST_POWER), mean], dim=1).transpose(1, 2)

    def _frames(self, values: Tensor, kernel: Tensor) -> Tensor:
        return functional.conv1d(values.transpose(1, 2), kernel, stride=self._hop, groups=self._channels)


def make_encoder(config: NetworkConfig, part: int, channels: int) -> Encoder:
    """Return the encoder of a part.

    Args:
        config: Shape of the network.
        part: Index of the part.
        channels: Number of channels, joint ones included.
    """
    frame = config.frame_samples_of(part)
    if frame:
        return SpectrumEncoder(channels, frame)
    if config.inputs == 'derived':
        return DerivedEncoder(channels)
    if config.inputs == 'soft_bins':
        return SoftBinEncoder(channels, config.quantile_bins)
    return RawEncoder(channels)


def _spectrum_kernels(frame_samples: int) -> dict[str, Tensor]:
    """Return real and imaginary part of a discrete Fourier transform with a Hann window, and a mean.

    Shapes (bands, samples) and (1, samples). White noise of variance 1 has a mean power of 1 in each band.
    """
    time = torch.arange(frame_samples, dtype=torch.float64)
    window = torch.hann_window(frame_samples, dtype=torch.float64)
    window = window / window.square().sum().sqrt()
    phase = 2.0 * math.pi * torch.outer(torch.arange(frame_samples // 2 + 1, dtype=torch.float64), time) / frame_samples
    kernels = {'cosine': torch.cos(phase) * window, 'sine': torch.sin(phase) * window}
    return {
        **{k: v.float() for k, v in kernels.items()},
        'average': torch.full((1, frame_samples), 1.0 / frame_samples),
    }


def _log_steps(deviation: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Return log |step from the sample before| [log typical deviations], and where both samples were measured.

    The first sample has none before it. A convolution holds for any number of samples; slices would fix it in the
    exported graph.
    """
    channels = deviation.shape[2]
    kernel = deviation.new_tensor([-1.0, 1.0]).repeat(channels, 1, 1)
    before = functional.pad(deviation.transpose(1, 2), (1, 0))
    step = functional.conv1d(before, kernel, groups=channels).transpose(1, 2)
    pairs = functional.conv1d(functional.pad(measured.transpose(1, 2), (1, 0)), kernel.abs(), groups=channels)
    return torch.log(step.abs() + _SMALLEST_STEP), pairs.transpose(1, 2) > 1.5
