# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shape of the network, apart from the network so that a recipe can be read without torch."""

from __future__ import annotations

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
        sizes = self.hidden_sizes
        if not isinstance(sizes, list | tuple) or not sizes or any(type(n) is not int or n < 1 for n in sizes):
            raise ValueError(f'hidden_sizes must be a list of one or more positive whole numbers, not {sizes!r}')
        object.__setattr__(self, 'hidden_sizes', tuple(sizes))
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f'dropout must be a number of at least 0 and below 1, not {self.dropout!r}')
        if self.pooling not in ('last', 'mean_max'):
            raise ValueError(f'pooling must be last or mean_max, not {self.pooling!r}')

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'hidden_sizes': list(self.hidden_sizes)}
