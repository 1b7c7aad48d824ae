# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Keras 3 in `epoch_time.py`: a Sequential model and `fit`, on the back end that KERAS_BACKEND names.

It is asked for epochs over standard input (`peer_turns.py`) and runs in the environment that `make peers` makes.
"""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

import keras  # type: ignore[import-not-found]
import numpy as np
from peer_turns import PeerCase, serve


class EpochEnds(keras.callbacks.Callback):
    """Notes when each epoch ended."""

    def __init__(self) -> None:
        """Note nothing yet."""
        super().__init__()
        self.ends_s: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Note the time."""
        self.ends_s.append(time.perf_counter())


class KerasModel:
    """A network of LSTM, Dropout and Dense layers, compiled and trained with Keras' defaults."""

    def __init__(self, case: PeerCase) -> None:
        """Build and compile the network, with the case's first weights."""
        layers: list[Any] = [keras.Input(case.windows.shape[1:])]
        last = len(case.hidden_sizes) - 1
        for k, hidden in enumerate(case.hidden_sizes):
            layers.append(keras.layers.LSTM(hidden, return_sequences=k < last))
            if case.dropout > 0:
                layers.append(keras.layers.Dropout(case.dropout))
        layers.append(keras.layers.Dense(case.classes, activation='softmax'))
        self._model = keras.Sequential(layers)
        self._model.set_weights(_keras_weights(case))
        self._model.compile(
            optimizer=keras.optimizers.RMSprop(learning_rate=case.learning_rate), loss='categorical_crossentropy'
        )
        self._windows = case.windows
        self._targets = keras.utils.to_categorical(case.labels, case.classes)
        self._batch_size = case.batch_size

    def parameters(self) -> int:
        """Number of trained parameters."""
        return int(sum(np.prod(weights.shape) for weights in self._model.trainable_weights))

    def evaluate(self) -> float:
        """Mean loss over all windows, without dropout [nat]."""
        return float(self._model.evaluate(self._windows, self._targets, verbose=0))

    def train(self, epochs: int) -> list[float]:
        """Train on; return when each epoch ended."""
        ends = EpochEnds()
        self._model.fit(
            self._windows, self._targets, batch_size=self._batch_size, epochs=epochs, verbose=0, callbacks=[ends]
        )
        return ends.ends_s


def _keras_weights(case: PeerCase) -> list[Any]:
    """Bring PyTorch's weights into Keras' form: the gates are in the same order, and one bias stands for two."""
    weights = []
    for k in range(len(case.hidden_sizes)):
        layer = {name.removeprefix(f'layers.0.{k}.'): w for name, w in case.weights.items()}
        weights += [layer['weight_ih_l0'].T, layer['weight_hh_l0'].T, layer['bias_ih_l0'] + layer['bias_hh_l0']]
    return [*weights, case.weights['head.weight'].T, case.weights['head.bias']]


if __name__ == '__main__':
    backend = os.environ['KERAS_BACKEND']
    library = importlib.import_module(backend)
    serve(KerasModel, {'keras': keras.__version__, backend: library.__version__})
