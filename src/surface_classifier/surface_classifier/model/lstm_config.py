# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shape of the network, apart from the network so that a recipe can be read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Pooling = Literal['last', 'mean_max']


@dataclass(frozen=True)
class LstmConfig:
    """Shape of the network.

    Attributes:
        hidden_sizes: Units of each LSTM layer, from the input on; the same for every part.
        dropout: Share of values set to zero after each LSTM layer in training [1].
        pooling: What the head sees of the last layer: its `last` state, or the mean and the maximum over time.
    """

    hidden_sizes: tuple[int, ...] = (64,)
    dropout: float = 0.2
    pooling: Pooling = 'last'

    def __post_init__(self) -> None:
        """Refuse shapes no network can have.

        Raises:
            ValueError: The value and its name are in the message.
        """
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ValueError(f'hidden_sizes must hold one or more positive numbers, not {list(self.hidden_sizes)}')
        if not 0 <= self.dropout < 1:
            raise ValueError(f'dropout must be at least 0 and below 1, not {self.dropout}')
        if self.pooling not in ('last', 'mean_max'):
            raise ValueError(f'pooling must be last or mean_max, not {self.pooling!r}')

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LstmConfig:
        """Return the shape that `to_dict` wrote."""
        return cls(**{**values, 'hidden_sizes': tuple(values['hidden_sizes'])})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'hidden_sizes': list(self.hidden_sizes)}
