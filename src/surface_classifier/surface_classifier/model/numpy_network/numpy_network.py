# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network of a model in numpy: windows in SI units in, logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.model.numpy_network.lstm_group import LstmGroup, LstmLayer, lane_groups
from surface_classifier.model.numpy_network.part_scaling import PartScaling, ScaledPart
from surface_classifier.model.numpy_network.part_statistics import PartStatistics
from surface_classifier.model.numpy_network.sequence_encoders import SequenceEncoder, make_encoder
from surface_classifier.model.numpy_network.weights_table import Floats, WeightsTable

BATCH_NORM_EPSILON = np.float32(1e-3)  # as in `network/surface_network.py`
_BATCH = 64  # windows at once, whose sequences are in memory


class NumpyNetwork:
    """A network, or the members of an ensemble, whose logits are averaged."""

    def __init__(
        self,
        config: NetworkConfig,
        part_channels: Sequence[int],
        part_samples: Sequence[int],
        classes: int,
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:
        """Build the network from its weights.

        Args:
            config: Shape of the network.
            part_channels: Number of channels of each part of the window.
            part_samples: Number of samples of each part.
            classes: Number of classes.
            arrays: Content of its weights file.

        Raises:
            ValueError: The weights are not those of such a network.
        """
        table = WeightsTable(arrays)
        self._shapes = list(zip(part_samples, part_channels, strict=True))
        shapes = [replace(config, members=()), *config.members]
        self._members = [
            _Member(table, f'networks.{number}.' if config.members else '', shape, self._shapes, classes)
            for number, shape in enumerate(shapes)
        ]
        table.check_empty()
        lanes = [lane for member in self._members for lane in member.lanes]
        # For each depth the layers that run together, and whose lanes they are.
        self._depths: list[list[tuple[LstmGroup, list[_Lane]]]] = []
        for depth in range(max((len(lane.layers) for lane in lanes), default=0)):
            deep = [lane for lane in lanes if len(lane.layers) > depth]
            layers = [lane.layers[depth] for lane in deep]
            groups = lane_groups(layers, [lane.encoder.steps for lane in deep])
            self._depths.append(
                [(LstmGroup([layers[index] for index in group]), [deep[index] for index in group]) for group in groups]
            )

    def logits(self, parts: Sequence[Floats]) -> Floats:
        """Return the outputs before the softmax, (windows, classes).

        Args:
            parts: For each part an array (windows, samples, channels) in the channels' units; NaN where unmeasured.

        Raises:
            ValueError: The arrays do not have the shapes of the model's windows.
        """
        for part, shape in zip(parts, self._shapes, strict=True):
            if part.ndim != 3 or part.shape[1:] != shape:
                raise ValueError(f'a part of shape {part.shape} is not (windows, {shape[0]}, {shape[1]})')
        with np.errstate(all='ignore'):  # an infinite current gives no number, and no warning
            if len(parts[0]) <= _BATCH:
                return self._logits(parts)
            starts = range(0, len(parts[0]), _BATCH)
            return np.concatenate([self._logits([part[start : start + _BATCH] for part in parts]) for start in starts])

    def _logits(self, parts: Sequence[Floats]) -> Floats:
        scaled = [member.scaled(parts) for member in self._members]
        states: dict[_Lane, Floats] = {}
        for member, windows in zip(self._members, scaled, strict=True):
            for lane in member.lanes:
                # (steps, windows, inputs)
                states[lane] = lane.encoder(windows[lane.part]).transpose(2, 0, 1)
        for depth, groups in enumerate(self._depths):
            for group, lanes in groups:
                for lane, found in zip(lanes, group([states[lane] for lane in lanes]), strict=True):
                    states[lane] = lane.normalised(depth, found)
        each = [
            member.logits([states[lane] for lane in member.lanes], windows)
            for member, windows in zip(self._members, scaled, strict=True)
        ]
        logits: Floats = np.add.reduce(each, axis=0) / np.float32(len(each))
        return logits


@dataclass(frozen=True, eq=False)
class _Lane:
    """The LSTM layers of one member over one part.

    Attributes:
        part: Index of the part.
        encoder: Gives the sequences.
        layers: LSTM layers, from the input on.
        norms: Factor and offset of the batch normalisation behind each, (units,) each; empty: none.
    """

    part: int
    encoder: SequenceEncoder
    layers: list[LstmLayer]
    norms: list[tuple[Floats, Floats]]

    def normalised(self, depth: int, states: Floats) -> Floats:
        """Return the states of a layer after batch normalisation, if there is one."""
        if not self.norms:
            return states
        factor, offset = self.norms[depth]
        return states * factor + offset


class _Member:
    """One network of the ensemble.

    Attributes:
        lanes: LSTM layers of each part; none where the head sees statistics alone.
    """

    def __init__(
        self,
        table: WeightsTable,
        name: str,
        config: NetworkConfig,
        shapes: Sequence[tuple[int, int]],
        classes: int,
    ) -> None:
        """Take the weights of the member.

        Args:
            table: Weights of the network.
            name: Name of the member in it, with a dot behind; empty: it is alone.
            config: Its shape.
            shapes: Samples and channels of each part.
            classes: Number of classes.
        """
        self._pools = config.pooling == 'mean_max'
        self._scalings: list[PartScaling] = []
        self._statistics: list[PartStatistics] = []
        self.lanes: list[_Lane] = []
        for part, (samples, given) in enumerate(shapes):
            derives = config.inputs == 'derived' or config.frame_samples_of(part) > 0
            scaling = PartScaling(
                table,
                f'{name}scalers.{part}.',
                given,
                joint_channels=config.joint_channels,
                deviations=config.statistics or derives,
            )
            self._scalings.append(scaling)
            if config.hidden_sizes:
                self.lanes.append(_lane(table, name, config, part, scaling.channels, samples))
            if config.statistics:
                statistics_name = f'{name}statistics_encoders.{part}.'
                self._statistics.append(PartStatistics(table, statistics_name, config, scaling.channels))
        units = config.hidden_sizes[-1] * (2 if self._pools else 1) if config.hidden_sizes else 0
        features = units * len(self.lanes) + sum(statistics.count for statistics in self._statistics)
        self._head = _head(table, name, (features, *config.head_sizes, classes))

    def scaled(self, parts: Sequence[Floats]) -> list[ScaledPart]:
        """Return the windows of each part, scaled."""
        return [scaling(part) for scaling, part in zip(self._scalings, parts, strict=True)]

    def logits(self, states: Sequence[Floats], windows: Sequence[ScaledPart]) -> Floats:
        """Return logits, (windows, classes).

        Args:
            states: Of the last layer of each lane, (steps, windows, units).
            windows: What `scaled` gave.
        """
        features: list[Floats] = []
        for found in states:
            if self._pools:
                features += [np.add.reduce(found, axis=0) / np.float32(len(found)), np.maximum.reduce(found, axis=0)]
            else:
                features.append(found[-1])
        features += [statistics(part) for statistics, part in zip(self._statistics, windows, strict=False)]
        values = np.concatenate(features, axis=1)
        for weights, bias in self._head[:-1]:
            values = np.maximum(values @ weights + bias, np.float32(0.0))
        weights, bias = self._head[-1]
        logits: Floats = values @ weights + bias
        return logits


def _lane(table: WeightsTable, name: str, config: NetworkConfig, part: int, channels: int, samples: int) -> _Lane:
    encoder = make_encoder(table, f'{name}encoders.{part}.', config, part, channels, samples)
    sizes = (encoder.inputs, *config.hidden_sizes)
    layers = [
        LstmLayer.take(table, f'{name}layers.{part}.{layer}.', *pair) for layer, pair in enumerate(pairwise(sizes))
    ]
    norms = []
    for layer, units in enumerate(config.hidden_sizes if config.batch_norm else ()):
        norm = f'{name}norms.{part}.{layer}.'
        mean, variance, weight, bias = (
            table.take(f'{norm}{key}', units) for key in ('running_mean', 'running_var', 'weight', 'bias')
        )
        table.drop(f'{norm}num_batches_tracked')
        factor = weight / np.sqrt(variance + BATCH_NORM_EPSILON)
        norms.append((factor, bias - mean * factor))
    return _Lane(part, encoder, layers, norms)


def _head(table: WeightsTable, name: str, sizes: Sequence[int]) -> list[tuple[Floats, Floats]]:
    """Return weights, (inputs, outputs), and bias of each layer of the head."""
    layers = []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        # Behind each hidden layer of torch's Sequential are its ReLU and its dropout.
        place = f'{name}head.' if len(sizes) == 2 else f'{name}head.{3 * layer}.'
        weights = table.take(f'{place}weight', outputs, inputs)
        layers.append((np.ascontiguousarray(weights.T), table.take(f'{place}bias', outputs)))
    return layers
