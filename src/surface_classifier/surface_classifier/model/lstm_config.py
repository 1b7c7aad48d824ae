# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shape of the network, apart from the network so that a recipe can be read without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Pooling = Literal['last', 'mean_max']
Inputs = Literal['raw', 'derived']


@dataclass(frozen=True)
class LstmConfig:
    """Shape of the network.

    Attributes:
        hidden_sizes: Units of each LSTM layer, from the input on; the same for every part.
        dropout: Share of values set to zero after each LSTM layer in training; `auto`: a recipe's `resolved` makes it a
            number [1].
        pooling: What the head sees of the last layer: its `last` state, or the mean and the maximum over time.
        inputs: `raw`: the channels, standardised. `derived`: three sequences for each channel: the channel,
            standardised; its deviation from the window's mean, in units of the typical deviation within a window; the
            logarithm of the step from sample to sample, standardised.
        joint_channels: Each part also gets sum, difference, larger and smaller value of channels that follow each other
            in its list, sample by sample, as if they were channels: what two motors draw together.
        statistics: The head sees statistics of the window beside the features of the LSTM (`window_statistics`).
        levels: Number of levels of each channel; the share of samples above each is a statistic.
        share_weight: Standard deviation with which these shares enter the head; other statistics enter with 1 [1].
        head_sizes: Units of hidden layers (ReLU) between the features and the classes; none: the head is linear.
        head_dropout: Share of values set to zero after each hidden layer of the head in training [1].
        batch_norm: Batch normalisation after each LSTM layer, over windows and time.
        normalise: Standardise channels and statistics by the training windows; false: they go in as they are.
        recurrent_gain: Factor on the recurrent weights at the start [1].
        input_gain: Standard deviation that standardised inputs give the first layer's gates at the start; 0: torch's
            weights, which divide by the number of units and leave the gates of a few inputs nearly linear [1].
    """

    hidden_sizes: tuple[int, ...] = (64,)
    dropout: float | Literal['auto'] = 0.2
    pooling: Pooling = 'last'
    inputs: Inputs = 'raw'
    joint_channels: bool = False
    statistics: bool = False
    levels: int = 8
    share_weight: float = 0.1
    head_sizes: tuple[int, ...] = ()
    head_dropout: float = 0.0
    batch_norm: bool = False
    normalise: bool = True
    recurrent_gain: float = 1.0
    input_gain: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shapes no network can have.

        Raises:
            ValueError: The value and its name are in the message.
        """
        sizes = self.hidden_sizes
        if not isinstance(sizes, list | tuple) or not sizes or any(type(n) is not int or n < 1 for n in sizes):
            raise ValueError(f'hidden_sizes must be a list of one or more positive whole numbers, not {sizes!r}')
        object.__setattr__(self, 'hidden_sizes', tuple(sizes))
        head = self.head_sizes
        if not isinstance(head, list | tuple) or any(type(n) is not int or n < 1 for n in head):
            raise ValueError(f'head_sizes must be a list of positive whole numbers, or empty, not {head!r}')
        object.__setattr__(self, 'head_sizes', tuple(head))
        if type(self.levels) is not int or not 1 <= self.levels <= 64:
            raise ValueError(f'levels must be a whole number from 1 to 64, not {self.levels!r}')
        share = 0.0 if self.dropout == 'auto' else self.dropout
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise ValueError(f'dropout must be a number of at least 0 and below 1, or auto, not {share!r}')
        for name, low, high in (('head_dropout', 0.0, 1.0), ('share_weight', 1e-6, 100.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
                raise ValueError(f'{name} must be a number of at least {low:g} and below {high:g}, not {value!r}')
        for name, choices in (('pooling', get_args(Pooling)), ('inputs', get_args(Inputs))):
            if getattr(self, name) not in choices:
                raise ValueError(f'{name} must be {" or ".join(choices)}, not {getattr(self, name)!r}')
        for name in ('joint_channels', 'statistics', 'batch_norm', 'normalise'):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f'{name} must be true or false, not {getattr(self, name)!r}')
        for name in ('recurrent_gain', 'input_gain'):
            gain = getattr(self, name)
            if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= 100:
                raise ValueError(f'{name} must be a number from 0 to 100, not {gain!r}')

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'hidden_sizes': list(self.hidden_sizes), 'head_sizes': list(self.head_sizes)}
