# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of what takes the steps of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from surface_classifier.training.prepared_windows import PreparedWindows
from surface_classifier.training.torch_state import RandomState


@dataclass(frozen=True)
class EpochSteps:
    """What the steps of an epoch gave.

    Attributes:
        losses: Loss of each batch, before its step [nat].
        sizes: Windows in each batch.
        right: How many windows were classified rightly, just before their step.
    """

    losses: Sequence[float]
    sizes: Sequence[int]
    right: int


class Engine(Protocol):
    """Trains one network."""

    def take_epoch(self, random: RandomState, cancelled: Callable[[], bool]) -> EpochSteps | None:
        """Take one step for each batch of an epoch; None if it was cancelled."""

    def logits(self, windows: PreparedWindows) -> Tensor:
        """Return the logits of windows, (windows, classes), in evaluation mode."""

    def remember(self) -> None:
        """Remember the weights as the best so far."""

    def finish(self) -> None:
        """Put the best weights into the network."""

    def continue_from(self, other: Any) -> None:
        """Take over weights, state of the optimiser and place in the schedule from another engine of the same kind.

        Networks and optimisers are the same; batch size, rate and what else the recipes say may differ.
        """
