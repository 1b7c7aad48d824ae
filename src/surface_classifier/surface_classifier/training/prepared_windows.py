# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Windows in memory as a network takes them, and its logits of many windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surface_classifier.data.dataset import Dataset
from surface_classifier.model.network.ensemble import Network

Indices = NDArray[np.int64]


EVALUATION_BATCH = 512


@dataclass(frozen=True)
class PreparedWindows:
    """Windows as `SurfaceNetwork.prepare` gives them, kept in memory.

    Attributes:
        sequences: For each part (windows, samples, inputs).
        statistics: (windows, statistics), without columns if the network has none.
    """

    sequences: Sequence[Tensor]
    statistics: Tensor

    def rows(self, windows: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return some windows, as `SurfaceNetwork.classify_prepared` takes them."""
        return [sequence[windows] for sequence in self.sequences], self.statistics[windows]

    def __len__(self) -> int:
        return len(self.statistics)


def prepare_windows(network: Network, parts: Sequence[Tensor]) -> PreparedWindows:
    """Do once what is not trained: `SurfaceNetwork.prepare` for many windows, in batches."""
    with torch.no_grad():
        batches = zip(*(part.split(EVALUATION_BATCH) for part in parts), strict=True)
        prepared = [network.prepare(*batch) for batch in batches]
    sequences = zip(*(sequences for sequences, _ in prepared), strict=True)
    return PreparedWindows([torch.cat(part) for part in sequences], torch.cat([found for _, found in prepared]))


def resident(dataset: Dataset, windows: Indices) -> list[Tensor]:
    """Load windows into memory as one float32 tensor (windows, samples, channels) for each part."""
    return [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in dataset.inputs(windows)]


def predict_logits(network: Network, parts: Sequence[Tensor]) -> Tensor:
    """Return the logits of many windows, shape (windows, classes), in batches and without gradients."""
    network.eval()
    with torch.inference_mode():
        batches = zip(*(part.split(EVALUATION_BATCH) for part in parts), strict=True)
        return torch.cat([network(*batch) for batch in batches])
