# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Encoders: from the windows of one part to the sequences that its LSTM layers see."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.model.numpy_network.part_scaling import ColumnScaling, ScaledPart
from surface_classifier.model.numpy_network.weights_table import Floats, WeightsTable

_SMALLEST_POWER = np.float32(1e-4)  # as in `network/encoders.py`
_SMALLEST_STEP = np.float32(0.05)
# How far a quantile edge reaches, in the widths of its bin.
_REACH = np.float32(2.0)


class SequenceEncoder(Protocol):
    """Turns windows of one part into sequences.

    Attributes:
        inputs: Values in each step of a sequence.
        steps: Steps of a sequence.
    """

    inputs: int
    steps: int

    def __call__(self, part: ScaledPart) -> Floats:
        """Return the sequences, (windows, inputs, steps)."""


class RawEncoder:
    """The channels, standardised."""

    def __init__(self, channels: int, samples: int) -> None:
        """Encode a number of channels and samples."""
        self.inputs, self.steps = channels, samples

    def __call__(self, part: ScaledPart) -> Floats:
        """See `SequenceEncoder`."""
        return part.standard


class DerivedEncoder:
    """Each channel standardised, its deviation from the window's mean, and the logarithm of its steps."""

    def __init__(self, table: WeightsTable, name: str, channels: int, samples: int) -> None:
        """Encode a number of channels and samples with the scales named `name`, with a dot behind."""
        self.inputs, self.steps = 3 * channels, samples
        scaling = ColumnScaling(table, f'{name}step.', channels)
        self._mean, self._scale = scaling.mean[:, np.newaxis], scaling.scale[:, np.newaxis]

    def __call__(self, part: ScaledPart) -> Floats:
        """See `SequenceEncoder`."""
        windows, channels, samples = part.standard.shape
        sequences = np.empty((windows, 3 * channels, samples), np.float32)
        sequences[:, :channels] = part.standard
        sequences[:, channels : 2 * channels] = part.deviation
        # The first sample has none before it.
        sequences[:, 2 * channels :, :1] = 0.0
        steps = sequences[:, 2 * channels :, 1:]
        np.subtract(part.deviation[:, :, 1:], part.deviation[:, :, :-1], out=steps)
        np.abs(steps, out=steps)
        steps += _SMALLEST_STEP
        np.log(steps, out=steps)
        steps -= self._mean
        steps /= self._scale
        if part.measured is not None:
            known = part.measured[:, :, 1:] * part.measured[:, :, :-1]
            np.copyto(steps, np.float32(0.0), where=known == 0.0)
        return sequences


class SoftBinEncoder:
    """How near each sample is to each quantile edge of its channel, standardised."""

    def __init__(self, table: WeightsTable, name: str, channels: int, bins: int, samples: int) -> None:
        """Encode channels by a number of bins each, with the arrays named `name`, with a dot behind."""
        self.inputs, self.steps = channels * bins, samples
        self._edges = table.take(f'{name}bins.edges', channels, bins)[:, :, np.newaxis]
        self._width = _REACH * table.take(f'{name}bins.widths', channels, bins)[:, :, np.newaxis]
        scaling = ColumnScaling(table, f'{name}near.', self.inputs)
        self._mean, self._scale = (array.reshape(channels, bins, 1) for array in (scaling.mean, scaling.scale))

    def __call__(self, part: ScaledPart) -> Floats:
        """See `SequenceEncoder`."""
        windows, _, samples = part.standard.shape
        near = part.standard[:, :, np.newaxis] - self._edges
        near /= self._width
        np.square(near, out=near)
        near *= np.float32(-0.5)
        near -= np.maximum.reduce(near, axis=2, keepdims=True)
        np.exp(near, out=near)
        near /= np.add.reduce(near, axis=2, keepdims=True)
        near -= self._mean
        near /= self._scale
        if part.measured is not None:
            np.copyto(near, np.float32(0.0), where=part.measured[:, :, np.newaxis] == 0.0)
        return near.reshape(windows, self.inputs, samples)


class SpectrumEncoder:
    """The short-time spectrum: log power of each band and mean of each frame, standardised; frames overlap by half."""

    def __init__(self, table: WeightsTable, name: str, channels: int, frame_samples: int, samples: int) -> None:
        """Encode a number of channels in frames of an even number of samples."""
        bands, hop = frame_samples // 2 + 1, frame_samples // 2
        self.inputs, self.steps = channels * (bands + 1), (samples - frame_samples) // hop + 1
        self._bands = bands
        self._frames = hop * np.arange(self.steps)[:, np.newaxis] + np.arange(frame_samples)
        self._kernels = _spectrum_kernels(frame_samples)
        scaling = ColumnScaling(table, f'{name}spectrum.', self.inputs)
        self._mean, self._scale = scaling.mean[:, np.newaxis], scaling.scale[:, np.newaxis]

    def __call__(self, part: ScaledPart) -> Floats:
        """See `SequenceEncoder`."""
        windows, channels, _ = part.standard.shape
        waves = np.square(part.deviation.take(self._frames, axis=2) @ self._kernels)
        power = waves[..., : self._bands] + waves[..., self._bands :]
        power += _SMALLEST_POWER
        np.log(power, out=power)
        sequences = np.empty((windows, self.inputs, self.steps), np.float32)
        by_band = sequences[:, : channels * self._bands].reshape(windows, channels, self._bands, self.steps)
        by_band[...] = power.swapaxes(2, 3)
        sequences[:, channels * self._bands :] = part.standard.take(self._frames, axis=2).mean(axis=3)
        sequences -= self._mean
        sequences /= self._scale
        return sequences


def make_encoder(
    table: WeightsTable, name: str, config: NetworkConfig, part: int, channels: int, samples: int
) -> SequenceEncoder:
    """Return the encoder of a part.

    Args:
        table: Weights of the network.
        name: Name of the encoder in it, with a dot behind.
        config: Shape of the network.
        part: Index of the part.
        channels: Number of channels, joint ones included.
        samples: Number of samples in a window.
    """
    frame = config.frame_samples_of(part)
    if frame:
        return SpectrumEncoder(table, name, channels, frame, samples)
    if config.inputs == 'derived':
        return DerivedEncoder(table, name, channels, samples)
    if config.inputs == 'soft_bins':
        return SoftBinEncoder(table, name, channels, config.quantile_bins, samples)
    return RawEncoder(channels, samples)


def _spectrum_kernels(frame_samples: int) -> Floats:
    """Return real and imaginary parts of a discrete Fourier transform with a Hann window, (samples, 2 bands)."""
    time = np.arange(frame_samples)
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * time / frame_samples)
    window = window / np.sqrt(np.square(window).sum())
    phase = 2.0 * np.pi * np.outer(time, np.arange(frame_samples // 2 + 1)) / frame_samples
    return (np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * window[:, np.newaxis]).astype(np.float32)
