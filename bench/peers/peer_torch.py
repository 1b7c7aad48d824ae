# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The plain PyTorch loop in `epoch_time.py`: nn.LSTM, a DataLoader and an optimiser, as tutorials have it.

It is asked for epochs over standard input (`peer_turns.py`).
"""

from __future__ import annotations

import time

import torch
from peer_turns import PeerCase, serve
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class PlainLstm(nn.Module):
    """LSTM layers with dropout after each, and a dense layer on the last state."""

    def __init__(self, hidden_sizes: tuple[int, ...], dropout: float, channels: int, classes: int) -> None:
        """Build with random weights."""
        super().__init__()
        sizes = [channels, *hidden_sizes]
        self.lstms = nn.ModuleList(nn.LSTM(sizes[k], sizes[k + 1], batch_first=True) for k in range(len(hidden_sizes)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_sizes[-1], classes)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits (windows, classes) of windows (windows, samples, channels)."""
        sequence = windows
        for lstm in self.lstms[:-1]:
            sequence = self.dropout(lstm(sequence)[0])
        last, _ = self.lstms[-1](sequence)
        logits: Tensor = self.head(self.dropout(last[:, -1]))
        return logits


class PlainTorch:
    """A network and its loop."""

    def __init__(self, case: PeerCase) -> None:
        """Build the network with the case's first weights."""
        self._model = PlainLstm(case.hidden_sizes, case.dropout, case.windows.shape[2], case.classes)
        weights = {name.replace('layers.0.', 'lstms.'): torch.from_numpy(w) for name, w in case.weights.items()}
        self._model.load_state_dict(weights)
        self._dataset = TensorDataset(torch.from_numpy(case.windows), torch.from_numpy(case.labels))
        self._loader = DataLoader(self._dataset, batch_size=case.batch_size, shuffle=True)
        self._loss = nn.CrossEntropyLoss()
        self.losses: list[float] = []
        # alpha and eps as Keras has them.
        self._optimizer = torch.optim.RMSprop(self._model.parameters(), lr=case.learning_rate, alpha=0.9, eps=1e-7)

    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(weights.numel() for weights in self._model.parameters())

    def evaluate(self) -> float:
        """Mean loss over all windows, without dropout [nat]."""
        self._model.eval()
        windows, labels = self._dataset.tensors
        with torch.no_grad():
            return float(self._loss(self._model(windows), labels))

    def train(self, epochs: int) -> list[float]:
        """Train on; return when each epoch ended."""
        ends_s = []
        self._model.train()
        for _ in range(epochs):
            total = 0.0
            for windows, labels in self._loader:
                self._optimizer.zero_grad()
                loss = self._loss(self._model(windows), labels)
                loss.backward()
                self._optimizer.step()
                total += loss.item() * len(labels)
            self.losses.append(total / len(self._dataset))
            ends_s.append(time.perf_counter())
        return ends_s


if __name__ == '__main__':
    serve(PlainTorch, {'torch': torch.__version__})
