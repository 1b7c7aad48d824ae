# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How a peer of `epoch_time.py` takes its turns: it lives in a process of its own and trains when it is asked to.

Requests come in on standard input and answers go out on standard output, a line of JSON each:

    {"do": "start", "case": "small 32", "hidden_sizes": [32], "dropout": 0.0, "batch_size": 32, "learning_rate": 0.001,
     "data": "windows.npz", "weights": "weights.npz"}
        -> {"parameters": 4550, "steps": 4, "loss": 1.79, "versions": {"keras": "3.15.1", "jax": "0.10.2"}}
    {"do": "train", "case": "small 32", "epochs": 20}
        -> {"ends_s": [...]}

What libraries print goes to standard error instead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PeerCase:
    """What a peer has to train.

    Attributes:
        hidden_sizes: Units of each LSTM layer.
        dropout: Share of values set to zero after each LSTM layer [1].
        batch_size: Windows in a step.
        learning_rate: Of RMSprop.
        windows: Standardised windows, float32 of shape (n, samples, channels).
        labels: Class of each window, int64 of shape (n,).
        classes: Number of classes.
        weights: First weights by the names of `SurfaceNetwork` (one part).
    """

    hidden_sizes: tuple[int, ...]
    dropout: float
    batch_size: int
    learning_rate: float
    windows: Floats
    labels: npt.NDArray[np.int64]
    classes: int
    weights: Mapping[str, Floats]

    @property
    def steps(self) -> int:
        """Steps in an epoch; the last one takes the windows that are left."""
        return -(-len(self.labels) // self.batch_size)


class PeerModel(Protocol):
    """A network that one library trains."""

    def parameters(self) -> int:
        """Number of trained parameters."""

    def evaluate(self) -> float:
        """Mean loss over all windows, without dropout [nat]."""

    def train(self, epochs: int) -> list[float]:
        """Train on; return when each epoch ended (`time.perf_counter`) [s]."""


def serve(make: Callable[[PeerCase], PeerModel], versions: Mapping[str, str]) -> None:
    """Answer requests until standard input ends.

    Args:
        make: Makes the network of a case, with the case's first weights.
        versions: Of the library that trains, and what it stands on.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), 'w', encoding='utf-8') as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        models: dict[str, PeerModel] = {}
        for line in sys.stdin:
            request = json.loads(line)
            answer: dict[str, Any]
            if request['do'] == 'start':
                case = _read_case(request)
                model = models[request['case']] = make(case)
                answer = {'parameters': model.parameters(), 'steps': case.steps, 'loss': model.evaluate()}
                answer['versions'] = dict(versions)
            else:
                answer = {'ends_s': models[request['case']].train(request['epochs'])}
            answers.write(json.dumps(answer) + '\n')
            answers.flush()


def _read_case(request: Mapping[str, Any]) -> PeerCase:
    with np.load(request['data'], allow_pickle=False) as data, np.load(request['weights'], allow_pickle=False) as file:
        return PeerCase(
            hidden_sizes=tuple(request['hidden_sizes']),
            dropout=request['dropout'],
            batch_size=request['batch_size'],
            learning_rate=request['learning_rate'],
            windows=data['windows'],
            labels=data['labels'],
            classes=int(data['classes']),
            weights={name: file[name] for name in file.files},
        )
