# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of one part as the encoders take them: joint channels, standardisation, deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surface_classifier.model.numpy_network.weights_table import Floats, WeightsTable


@dataclass(frozen=True)
class ScaledPart:
    """Windows of one part, scaled.

    Attributes:
        standard: Standardised values, (windows, channels, samples); an unmeasured one is 0.
        deviation: Deviation from the window's mean in typical deviations, 0 where unmeasured; the same shape. Equal to
            `standard` if the scaling takes no deviations: nothing uses it then.
        measured: 1 where measured, 0 elsewhere, the same shape; None: everything is measured.
    """

    standard: Floats
    deviation: Floats
    measured: Floats | None


class PartScaling:
    """Scales the windows of one part.

    Attributes:
        channels: Number of channels that the encoders see, joint ones included.
    """

    def __init__(self, table: WeightsTable, name: str, given: int, *, joint_channels: bool, deviations: bool) -> None:
        """Take the scales.

        Args:
            table: Weights of the network.
            name: Name of the scaler in it, with a dot behind.
            given: Number of channels in the window.
            joint_channels: Append sum, difference, larger and smaller value of neighbouring channels.
            deviations: Take deviations from the window's mean.
        """
        self._joint = joint_channels and given > 1
        self.channels = given + 4 * (given - 1) if joint_channels else given
        self._mean = table.take(f'{name}mean', self.channels)[:, np.newaxis]
        self._scale = table.take(f'{name}scale', self.channels)[:, np.newaxis]
        self._spread = table.take(f'{name}spread', self.channels)[:, np.newaxis] if deviations else None

    def __call__(self, part: Floats) -> ScaledPart:
        """Scale windows, (windows, samples, channels); NaN where unmeasured."""
        values = np.ascontiguousarray(part.transpose(0, 2, 1))
        if self._joint:
            values = _joined(values)
        missing = np.isnan(values)
        if not missing.any():
            # About the channel's mean first: a sum of small numbers keeps its digits.
            offset = values - self._mean
            standard = offset / self._scale
            if self._spread is None:
                return ScaledPart(standard, standard, None)
            offset -= np.add.reduce(offset, axis=2, keepdims=True) / offset.shape[2]
            offset /= self._spread
            return ScaledPart(standard, offset, None)
        measured = (~missing).astype(np.float32)
        offset = np.where(missing, np.float32(0.0), values - self._mean)
        standard = offset / self._scale
        if self._spread is None:
            return ScaledPart(standard, standard, measured)
        count = np.maximum(measured.sum(axis=2, keepdims=True), np.float32(1.0))
        mean = offset.sum(axis=2, keepdims=True) / count
        return ScaledPart(standard, (offset - mean) * measured / self._spread, measured)


class ColumnScaling:
    """Standardisation of columns by the training windows; an unknown value becomes 0, the mean."""

    def __init__(self, table: WeightsTable, name: str, columns: int) -> None:
        """Take mean and scale of each column from the weights, `name` with a dot behind."""
        self.mean = table.take(f'{name}mean', columns)
        self.scale = table.take(f'{name}scale', columns)


def _joined(values: Floats) -> Floats:
    """Append sum, difference, larger and smaller value of neighbouring channels; NaN where one of a pair is NaN."""
    first, second = values[:, :-1], values[:, 1:]
    total, difference = first + second, first - second
    size = np.abs(difference)
    half = np.float32(0.5)
    return np.concatenate([values, total, difference, half * (total + size), half * (total - size)], axis=1)
