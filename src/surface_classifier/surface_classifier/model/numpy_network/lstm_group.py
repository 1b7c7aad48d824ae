# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One LSTM layer of several networks and parts whose sequences have equally many steps, run together.

What a step costs is mostly the calls of numpy, so the lanes of a group share them, each step is eight calls, and:

- a row holds the state before a step, its input and a 1, so that one product gives all gates of a lane;
- a sigmoid is (1 + tanh(x / 2)) / 2: its halves are in the weights, and one tanh serves all gates;
- gates stand in the order o, i, f, g with the cell c behind, so that i g and f c are one product of (i, f) and (g, c);
- the state is kept twice as large as it is, which spares a product.

Lanes of fewer units or inputs than others are padded with zeros; a padded unit stays 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surface_classifier.model.numpy_network.weights_table import Floats, WeightsTable

_ONE, _HALF = np.array(1.0, np.float32), np.array(0.5, np.float32)
# Products that padding may add to a step; so many take as long as the calls that the lanes share.
_PADDED_PRODUCTS = 20_000


@dataclass(frozen=True)
class LstmLayer:
    """Weights of one LSTM layer, its gates in the order i, f, g, o of torch.

    Attributes:
        weights: Of the inputs, (4 units, inputs).
        recurrent: Of the state before, (4 units, units).
        bias: Both biases of torch in one, (4 units,).
    """

    weights: Floats
    recurrent: Floats
    bias: Floats

    @classmethod
    def take(cls, table: WeightsTable, name: str, inputs: int, units: int) -> LstmLayer:
        """Take the weights of a layer from those of its network; `name` has a dot behind."""
        bias = table.take(f'{name}bias_ih_l0', 4 * units) + table.take(f'{name}bias_hh_l0', 4 * units)
        return cls(
            table.take(f'{name}weight_ih_l0', 4 * units, inputs),
            table.take(f'{name}weight_hh_l0', 4 * units, units),
            bias,
        )

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.weights.shape[1]

    @property
    def units(self) -> int:
        """Number of units."""
        return self.recurrent.shape[1]


class LstmGroup:
    """One layer of one or more lanes."""

    def __init__(self, layers: Sequence[LstmLayer]) -> None:
        """Pack the weights of the lanes."""
        self._units = [layer.units for layer in layers]
        self._inputs = [layer.inputs for layer in layers]
        self._most = units = max(self._units)
        self._columns = units + max(self._inputs) + 1
        packed = np.zeros((len(layers), self._columns, 4 * units), np.float32)
        for lane, layer in enumerate(layers):
            i, f, g, o = range(4)
            for place, gate in enumerate((o, i, f, g)):
                rows = slice(gate * layer.units, (gate + 1) * layer.units)
                half = np.float32(1.0 if gate == g else 0.5)
                target = packed[lane, :, place * units : place * units + layer.units]
                target[: layer.units] = layer.recurrent[rows].T * half * np.float32(0.5)
                target[units : units + layer.inputs] = layer.weights[rows].T * half
                target[-1] = layer.bias[rows] * half
        self._packed = packed

    def __call__(self, sequences: Sequence[Floats]) -> list[Floats]:
        """Return the states after every step, for each lane (steps, windows, units).

        Args:
            sequences: For each lane its inputs, (steps, windows, inputs).
        """
        steps, windows = sequences[0].shape[:2]
        units, lanes = self._most, len(sequences)
        rows = np.zeros((steps + 1, lanes, windows, self._columns), np.float32)
        for lane, sequence in enumerate(sequences):
            rows[:-1, lane, :, units : units + sequence.shape[2]] = sequence
        rows[:-1, ..., -1] = 1.0
        if lanes == 1 and windows == 1:
            _run(rows[:, 0, 0], self._packed[0], units)
        else:
            _run(rows, self._packed, units)
        return [rows[1:, lane, :, :own] * _HALF for lane, own in enumerate(self._units)]


def lane_groups(layers: Sequence[LstmLayer], steps: Sequence[int]) -> list[list[int]]:
    """Return which layers run together: those of equally many steps, as far as padding costs less than it spares.

    Args:
        layers: The layers.
        steps: Steps of the sequence of each.
    """
    groups: list[list[int]] = []
    for index, layer in enumerate(layers):
        for group in groups:
            members = [*(layers[other] for other in group), layer]
            columns = max(one.units for one in members) + max(one.inputs for one in members) + 1
            padded = len(members) * columns * 4 * max(one.units for one in members)
            needed = sum((one.units + one.inputs + 1) * 4 * one.units for one in members)
            if steps[group[0]] == steps[index] and padded - needed <= _PADDED_PRODUCTS:
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _run(rows: Floats, packed: Floats, units: int) -> None:
    """Fill in the states of all steps.

    Args:
        rows: Twice the state before each step, its input and 1, (steps + 1, …, columns); the first state is there.
        packed: Weights, (…, columns, 4 units).
        units: Number of units.
    """
    cells = np.zeros((*rows.shape[1:-1], 5 * units), np.float32)
    gates, opened, out = cells[..., : 4 * units], cells[..., : 3 * units], cells[..., :units]
    chosen, sources, cell = cells[..., units : 3 * units], cells[..., 3 * units :], cells[..., 4 * units :]
    taken = np.empty((*rows.shape[1:-1], 2 * units), np.float32)
    entering, kept, spare = taken[..., :units], taken[..., units:], np.empty_like(cell, order='C')
    product = np.dot if rows.ndim == 2 else np.matmul
    add, multiply, tanh = np.add, np.multiply, np.tanh
    for row, state in zip(rows[:-1], rows[1:, ..., :units], strict=True):
        product(row, packed, gates)
        tanh(gates, gates)
        add(opened, _ONE, opened)
        multiply(chosen, sources, taken)
        add(entering, kept, cell)
        multiply(cell, _HALF, cell)
        tanh(cell, spare)
        multiply(out, spare, state)
