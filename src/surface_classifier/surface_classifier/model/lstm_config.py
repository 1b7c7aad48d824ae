# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shape of the network, apart from the network so that a recipe can be read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Pooling = Literal['last', 'mean_max']
Inputs = Literal['raw', 'derived', 'levels']


@dataclass(frozen=True)
class LstmConfig:
    """Shape of the network.

    Attributes:
        hidden_sizes: Units of each LSTM layer, from the input on; the same for every part. None: the head sees the
            statistics alone, which only one of `others` may do.
        dropout: Share of values set to zero after each LSTM layer in training; `auto`: a recipe's `resolved` makes it a
            number [1].
        pooling: What the head sees of the last layer: its `last` state, or the mean and the maximum over time.
        inputs: `raw`: the channels, standardised. `derived`: three sequences for each channel: the channel,
            standardised; its deviation from the window's mean, in units of the typical deviation within a window; the
            logarithm of the step from sample to sample, standardised. `levels`: how near each sample is to each of the
            `levels` of its channel, as shares that add up to 1, standardised; a level that means something of its own,
            such as a motor at rest, then needs no weights that bend.
        frame_samples: For each part, in its order: of how many samples the frames are whose spectrum the LSTM sees
            instead of `inputs`, each frame beginning half a frame after the one before: the logarithm of the power in
            each band and the mean, standardised. 0, and for parts beyond the list: no frames. For sensors whose texture
            is faster than a network can follow sample by sample, such as an IMU.
        joint_channels: Each part also gets sum, difference, larger and smaller value of channels that follow each other
            in its list, sample by sample, as if they were channels: what two motors draw together.
        statistics: The head sees statistics of the window beside the features of the LSTM (`window_statistics`).
        levels: Number of levels of each channel: quantiles of the training windows. The share of samples above each is
            a statistic.
        resting: The shares of samples at the two commonest values of each channel are statistics, too: a quantised
            current that rests has them.
        share_weight: Standard deviation with which these shares enter the head; other statistics enter with 1 [1].
        head_sizes: Units of hidden layers (ReLU) between the features and the classes; none: the head is linear.
        head_dropout: Share of values set to zero after each hidden layer of the head in training [1].
        batch_norm: Batch normalisation after each LSTM layer, over windows and time.
        normalise: Standardise channels and statistics by the training windows; false: they go in as they are.
        recurrent_gain: Factor on the recurrent weights at the start [1].
        input_gain: Standard deviation that standardised inputs give the first layer's gates at the start; 0: torch's
            weights, which divide by the number of units and leave the gates of a few inputs nearly linear [1].
        others: Further networks that see the same windows in another way, and whose logits are averaged with those of
            this one. Each learns by a loss of its own: what it gets wrong must not be what the others get wrong.
    """

    hidden_sizes: tuple[int, ...] = (64,)
    dropout: float | Literal['auto'] = 0.2
    pooling: Pooling = 'last'
    inputs: Inputs = 'raw'
    frame_samples: tuple[int, ...] = ()
    joint_channels: bool = False
    statistics: bool = False
    levels: int = 8
    resting: bool = False
    share_weight: float = 0.1
    head_sizes: tuple[int, ...] = ()
    head_dropout: float = 0.0
    batch_norm: bool = False
    normalise: bool = True
    recurrent_gain: float = 1.0
    input_gain: float = 0.0
    others: tuple[LstmConfig, ...] = ()

    def __post_init__(self) -> None:
        """Refuse shapes no network can have.

        Raises:
            ValueError: The value and its name are in the message.
        """
        sizes = self.hidden_sizes
        if not isinstance(sizes, list | tuple) or any(type(n) is not int or n < 1 for n in sizes):
            raise ValueError(f'hidden_sizes must be a list of one or more positive whole numbers, not {sizes!r}')
        if not sizes and not self.statistics:
            raise ValueError('hidden_sizes may be empty only with statistics: true, as the head would see nothing')
        object.__setattr__(self, 'hidden_sizes', tuple(sizes))
        head = self.head_sizes
        if not isinstance(head, list | tuple) or any(type(n) is not int or n < 1 for n in head):
            raise ValueError(f'head_sizes must be a list of positive whole numbers, or empty, not {head!r}')
        object.__setattr__(self, 'head_sizes', tuple(head))
        frames = self.frame_samples
        if not isinstance(frames, list | tuple) or any(type(n) is not int or n % 2 or n < 0 for n in frames):
            raise ValueError(f'frame_samples must be a list of even whole numbers, one for each part, not {frames!r}')
        object.__setattr__(self, 'frame_samples', tuple(frames))
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
        for name in ('joint_channels', 'statistics', 'resting', 'batch_norm', 'normalise'):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f'{name} must be true or false, not {getattr(self, name)!r}')
        if self.resting and not self.statistics:
            raise ValueError('resting: true needs statistics: true, of which it is a part')
        for name in ('recurrent_gain', 'input_gain'):
            gain = getattr(self, name)
            if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= 100:
                raise ValueError(f'{name} must be a number from 0 to 100, not {gain!r}')
        object.__setattr__(self, 'others', _networks(self.others))
        if self.others and not sizes:
            raise ValueError('hidden_sizes may be empty in one of others only')

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            **asdict(self),
            'hidden_sizes': list(self.hidden_sizes),
            'head_sizes': list(self.head_sizes),
            'frame_samples': list(self.frame_samples),
            'others': [other.to_dict() for other in self.others],
        }


def _networks(others: Any) -> tuple[LstmConfig, ...]:
    """Return the shapes of further networks, each given as one or by its keys."""
    if not isinstance(others, list | tuple):
        raise ValueError(f'others must be a list of networks, not {others!r}')
    known = [item.name for item in fields(LstmConfig)]
    found = []
    for number, other in enumerate(others):
        if isinstance(other, Mapping):
            unknown = sorted(str(key) for key in set(other) - set(known))
            if unknown:
                raise ValueError(f'others[{number}]: unknown {", ".join(unknown)}; known are {", ".join(known)}')
            try:
                network = LstmConfig(**other)
            except ValueError as error:
                raise ValueError(f'others[{number}]: {error}') from error
        elif isinstance(other, LstmConfig):
            network = other
        else:
            raise ValueError(f'others[{number}] must hold keys of a network, not {other!r}')
        if network.others:
            raise ValueError(f'others[{number}] has others of its own; list them beside it')
        found.append(network)
    return tuple(found)
