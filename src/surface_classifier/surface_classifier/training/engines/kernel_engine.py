# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Trains a network with the compiled kernel: carries weights, windows, recipe and random state over and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from surface_classifier.model.network.surface_network import SurfaceNetwork
from surface_classifier.training.engines import lstm_kernel as kernel
from surface_classifier.training.engines.losses import class_weights
from surface_classifier.training.engines.optimisers import draw_batches, make_optimizer, make_scheduler, place_schedule
from surface_classifier.training.engines.step_engine import EpochSteps
from surface_classifier.training.prepared_windows import PreparedWindows
from surface_classifier.training.torch_state import RandomState
from surface_classifier.training.training_config import TrainingConfig

# One call of the kernel takes at most about 50 ms, so that training can be cancelled [floating-point operations].
_CALL_OPERATIONS = 3e9
# What the state of torch's CPU generator begins with.
_RANDOM_STATE = np.dtype(
    [('seed', '<u8'), ('left', '<i4'), ('seeded', '<i4'), ('next', '<u8'), ('words', '<u8', (kernel.MT_WORDS,))]
)
_Places = dict[str, NDArray[np.int64]]


class KernelEngine:
    """Takes the steps of torch, as `TorchEngine`: same batches, dropout masks, optimiser and schedule.

    Sums are rounded in another order.
    """

    def __init__(
        self, network: SurfaceNetwork, inputs: PreparedWindows, labels: Tensor, config: TrainingConfig
    ) -> None:
        """Carry a network over.

        Args:
            network: As `build_network` gives it, without batch normalisation and with a linear head.
            inputs: The training windows.
            labels: Their classes, (windows,).
            config: The recipe, resolved.
        """
        self._torch, self._config, self._labels = network, config, labels
        self._batch_size = int(config.batch_size)
        samples = [sequence.shape[1] for sequence in inputs.sequences]
        self.network, self._places = carry_over(network, samples, self._batch_size)
        self._best = self.network.parameters.copy()
        self._windows = windows_for_kernel(inputs, labels)
        self._others = {id(inputs): (inputs, self._windows)}
        self._optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], config)
        self._scheduler = make_scheduler(self._optimizer, config, len(labels))
        weights = class_weights(labels, network.classes, config.class_balance)
        self._recipe = recipe_for_kernel(config, self._optimizer, weights)
        self._dropout = float(config.network.dropout) > 0.0
        self._draws = self._dropout and draws_like_torch(self.network.keep)
        self._steps_taken = 0
        # Masks that torch draws are drawn step by step.
        self._steps_per_call = 1 if self._dropout and not self._draws else self._steps_in(_CALL_OPERATIONS)

    def take_epoch(self, random: RandomState, cancelled: Callable[[], bool]) -> EpochSteps | None:
        """Take one step for each batch of an epoch; None if it was cancelled."""
        with random.use():
            batches = draw_batches(self._labels, self._config)
        order = torch.cat(list(batches)).numpy()
        losses = np.empty(len(batches))
        right = 0
        if self._draws:
            take_random_state(self.network.random, self.network.drawn, random.state)
        for first in range(0, len(batches), self._steps_per_call):
            if cancelled():
                return None
            end = min(len(batches), first + self._steps_per_call)
            if self._dropout and not self._draws:
                self._draw_masks(random, len(batches[first]))
            rates, momenta = self._scheduled(end - first)
            windows = order[first * self._batch_size : end * self._batch_size]
            right += kernel.train_steps(
                *(self.network, self._windows, self._recipe, windows, self._batch_size, rates, momenta),
                *(self._steps_taken, self._draws, losses[first:end]),
            )
            self._steps_taken += end - first
        if self._draws:
            give_random_state(self.network.random, self.network.drawn, random.state)
        return EpochSteps(losses.tolist(), [len(batch) for batch in batches], right)

    def logits(self, windows: PreparedWindows) -> Tensor:
        """Return the logits of windows, (windows, classes), in evaluation mode."""
        if id(windows) not in self._others:
            labels = torch.zeros(len(windows), dtype=torch.int64)
            self._others[id(windows)] = windows, windows_for_kernel(windows, labels)
        found = np.empty(len(windows) * self.network.classes, dtype=np.float32)
        kernel.logits_of(self.network, self._others[id(windows)][1], np.arange(len(windows)), found, False)
        return torch.from_numpy(found.reshape(len(windows), self.network.classes))

    def remember(self) -> None:
        """Remember the weights as the best so far."""
        self._best[:] = self.network.parameters

    def finish(self) -> None:
        """Put the best weights into the network."""
        with torch.no_grad():
            for name, weight in self._torch.named_parameters():
                weight.copy_(torch.from_numpy(self._best[self._places[name]]))

    def continue_from(self, other: KernelEngine) -> None:
        """Take over weights, state of the optimiser and place in the schedule from another engine."""
        for name in ('parameters', 'first_moment', 'second_moment'):
            getattr(self.network, name)[:] = getattr(other.network, name)
        self._steps_taken = other._steps_taken
        place_schedule(self._optimizer, self._scheduler, other._scheduler)

    def _steps_in(self, operations: float) -> int:
        layers = self.network.layers
        of_window = np.sum(layers[:, kernel.SAMPLES] * layers[:, kernel.ROW] * 4 * layers[:, kernel.UNITS])
        return max(1, int(operations / (6.0 * self._batch_size * of_window)))

    def _scheduled(self, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rate and momentum of the next steps, from torch's own schedule."""
        rates, momenta = np.empty(steps), np.empty(steps)
        group = self._optimizer.param_groups[0]
        for step in range(steps):
            rates[step] = group['lr']
            momenta[step] = group['betas'][0] if 'betas' in group else group['momentum']
            if self._config.schedule == 'constant':
                rates[:], momenta[:] = rates[0], momenta[0]
                break
            self._optimizer.step()
            self._scheduler.step()
        return rates, momenta

    def _draw_masks(self, random: RandomState, batch: int) -> None:
        """Let torch draw the masks of a batch, into tensors that lie in memory as those that its LSTM gives."""
        for layer in self.network.layers:
            samples, units, first = (int(layer[column]) for column in (kernel.SAMPLES, kernel.TRUE_UNITS, kernel.MASKS))
            with random.use():
                mask = torch.empty(samples, batch, units).transpose(0, 1).bernoulli_(self.network.keep)
            self.network.masks[first : first + mask.numel()] = mask.transpose(0, 1).numpy().ravel()


def carry_over(network: SurfaceNetwork, samples: Sequence[int], batch_size: int) -> tuple[kernel.Network, _Places]:
    """Lay a network out for the kernel.

    Args:
        network: The network.
        samples: Samples of a window, for each part.
        batch_size: Windows in the largest batch.

    Returns:
        The network with its weights, and for each of torch's weights where its elements stand among the parameters.
    """
    weights, masks, workspace = _Space(), _Space(), _Space()
    group = kernel.GROUP
    rows: list[NDArray[np.int64]] = []
    places: _Places = {}
    feature_columns: list[int] = []
    features = step = 0
    for part, lstms in enumerate(network.layers):
        for number, lstm in enumerate(lstms):
            first, last = number == 0, number == len(lstms) - 1
            units, true_units, t = _padded(lstm.hidden_size), lstm.hidden_size, samples[part]
            inputs = lstm.input_size if first else _padded(lstm.input_size)
            length, width = units + inputs + 2, 4 * units
            values = {
                kernel.SAMPLES: t,
                kernel.UNITS: units,
                kernel.TRUE_UNITS: true_units,
                kernel.INPUTS: inputs,
                kernel.ROW: length,
                kernel.FIRST: int(first),
                kernel.LAST: int(last),
                kernel.WEIGHTS: weights.take(length * width),
                kernel.STATES: workspace.take((t + 1) * group * length),
                kernel.GATES: workspace.take(t * group * width),
                kernel.CELLS: workspace.take((t + 1) * group * units),
                kernel.TANH_CELLS: workspace.take(t * group * units),
                kernel.GRADIENTS: workspace.take(t * group * units),
                kernel.TRANSPOSED: workspace.take(width * (units if first else units + inputs)),
                kernel.MASKS: masks.take(t * batch_size * true_units),
                kernel.PART: part,
                kernel.FEATURES: features,
            }
            rows.append(np.array([values[column] for column in range(len(values))], dtype=np.int64))
            places |= _lstm_places(f'layers.{part}.{number}.', lstm, values)
            step = max(step, 2 * group * units)
        for _ in range(2 if network.config.pooling == 'mean_max' else 1):
            feature_columns += range(features, features + true_units)
            features += units
    inputs, classes = features + network.statistics, network.classes
    columns = _padded(classes)
    head = weights.take((inputs + 1) * columns)
    head_rows = np.array([*feature_columns, *range(features, inputs)], dtype=np.int64)
    places['head.weight'] = head + head_rows[None, :] * columns + np.arange(classes)[:, None]
    places['head.bias'] = head + inputs * columns + np.arange(classes)
    parameters = np.zeros(weights.taken, dtype=np.float32)
    for name, weight in network.named_parameters():
        parameters[places[name]] = weight.detach().numpy()
    offsets = {
        'features_offset': workspace.take(group * (inputs + 1)),
        'feature_gradients_offset': workspace.take(group * features),
        'logits_offset': workspace.take(group * columns),
        'head_transposed_offset': workspace.take(columns * features),
        'step_offset': workspace.take(step),
    }
    return kernel.Network(
        layers=np.stack(rows),
        parameters=parameters,
        gradient=np.zeros_like(parameters),
        first_moment=np.zeros_like(parameters),
        second_moment=np.zeros_like(parameters),
        workspace=np.zeros(workspace.taken, dtype=np.float32),
        masks=np.ones(masks.taken + kernel.LANES, dtype=np.uint8),
        random=np.zeros(kernel.MT_WORDS, dtype=np.uint32),
        drawn=np.zeros(1, dtype=np.int64),
        mean_max=int(network.config.pooling == 'mean_max'),
        classes=classes,
        statistics=network.statistics,
        head_weights=head,
        head_inputs=inputs,
        head_columns=columns,
        keep=1.0 - float(network.config.dropout),
        **offsets,
    ), places


def windows_for_kernel(windows: PreparedWindows, labels: Tensor) -> kernel.Windows:
    """Lay prepared windows and their classes out for the kernel."""
    parts = [np.ascontiguousarray(sequence.numpy(), dtype=np.float32).ravel() for sequence in windows.sequences]
    return kernel.Windows(
        inputs=parts[0] if len(parts) == 1 else np.concatenate(parts),
        offsets=np.cumsum([0, *(len(part) for part in parts[:-1])]),
        statistics=np.ascontiguousarray(windows.statistics.numpy(), dtype=np.float32).ravel(),
        labels=labels.numpy(),
    )


def recipe_for_kernel(config: TrainingConfig, optimizer: torch.optim.Optimizer, weights: Tensor) -> kernel.Recipe:
    """Lay a recipe out for the kernel, with the constants of torch's optimiser and the weights of the classes."""
    group = optimizer.param_groups[0]
    return kernel.Recipe(
        optimizer=kernel.OPTIMIZERS[config.optimizer],
        beta2=float(group['betas'][1] if 'betas' in group else group.get('alpha', 0.0)),
        epsilon=float(group.get('eps', 0.0)),
        weight_decay=float(group['weight_decay']),
        gradient_clip=float(config.gradient_clip),
        label_smoothing=float(config.label_smoothing),
        class_weights=weights.double().numpy(),
    )


def take_random_state(random: NDArray[np.uint32], drawn: NDArray[np.int64], state: Tensor) -> None:
    """Let the kernel go on drawing where torch's generator is."""
    found = _fields(state)
    random[:] = found['words']
    drawn[0] = kernel.MT_WORDS + 1 - found['left']


def give_random_state(random: NDArray[np.uint32], drawn: NDArray[np.int64], state: Tensor) -> None:
    """Let torch's generator go on drawing where the kernel is."""
    found = _fields(state)
    found['words'] = random
    found['left'] = kernel.MT_WORDS + 1 - drawn[0]
    found['next'] = drawn[0]


@functools.cache
def draws_like_torch(keep: float) -> bool:
    """Return whether the kernel draws the masks that torch draws; on some processors torch leaves that to a library."""
    generator = torch.Generator().manual_seed(1)
    random, drawn = np.empty(kernel.MT_WORDS, dtype=np.uint32), np.empty(1, dtype=np.int64)
    take_random_state(random, drawn, generator.get_state())
    mask = np.empty(1001, dtype=np.uint8)
    kernel.draw_mask(random, drawn, keep, mask)
    return bool(np.array_equal(mask, torch.empty(len(mask)).bernoulli_(keep, generator=generator).numpy()))


def _fields(state: Tensor) -> NDArray[np.void]:
    """Return a view of the state of torch's generator by its fields."""
    view: NDArray[np.void] = state.numpy()[: _RANDOM_STATE.itemsize].view(_RANDOM_STATE)[0]
    return view


def _lstm_places(prefix: str, lstm: nn.LSTM, layer: dict[int, int]) -> _Places:
    """Return where torch's weights of a layer stand among the parameters."""
    units, width, first = layer[kernel.UNITS], 4 * layer[kernel.UNITS], layer[kernel.WEIGHTS]
    # Column of each gate's units, in torch's order.
    columns = (np.arange(4)[:, None] * units + np.arange(lstm.hidden_size)).ravel()
    inputs = units + layer[kernel.INPUTS]
    return {
        f'{prefix}weight_hh_l0': first + np.arange(lstm.hidden_size)[None, :] * width + columns[:, None],
        f'{prefix}weight_ih_l0': first + (units + np.arange(lstm.input_size))[None, :] * width + columns[:, None],
        f'{prefix}bias_ih_l0': first + inputs * width + columns,
        f'{prefix}bias_hh_l0': first + (inputs + 1) * width + columns,
    }


class _Space:
    """Hands out room in an array, each piece on a multiple of `PADDING` elements."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, elements: int) -> int:
        """Return the offset of a new piece."""
        offset = self.taken
        self.taken += _padded(elements)
        return offset


def _padded(number: int) -> int:
    return -(-number // kernel.PADDING) * kernel.PADDING
