# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shape of the network, apart from the network so that a recipe can be read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from current_driver.declared_fields import (
    check_fields,
    choice,
    flag,
    number,
    plain_values,
    whole,
    wholes,
    with_values,
)

Pooling = Literal['last', 'mean_max']
Inputs = Literal['raw', 'derived', 'soft_bins']

# Keys and values of version 0.1.0, as in `check_keys`.
RENAMED_NETWORK_KEYS: Mapping[str, str] = {
    'inputs: levels': 'inputs: soft_bins',
    'levels': 'quantile_bins',
    'others': 'members',
    'resting': 'idle_fractions',
    'share_weight': 'bin_scale',
}


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network, and of further members where it is an ensemble; each field is declared with its meaning."""

    hidden_sizes: tuple[int, ...] = wholes(
        (64,),
        'Units of each LSTM layer, from the input on; the same for every part. Empty: the head sees the statistics '
        'alone, which only one of `members` may do.',
        minimum=1,
    )
    dropout: float | Literal['auto'] = number(
        0.2,
        'Fraction of values set to zero after each LSTM layer in training; `auto`: chosen from the number of windows.',
        minimum=0.0,
        maximum=1.0,
        below=True,
        words=('auto',),
    )
    pooling: Pooling = choice(
        'last',
        get_args(Pooling),
        'What the head sees of the last layer: its `last` state, or the mean and the maximum over time.',
    )
    inputs: Inputs = choice(
        'raw',
        get_args(Inputs),
        '`raw`: the channels, standardised. `derived`: three sequences for each channel: the channel, standardised; '
        "its deviation from the window's mean, in units of the typical deviation within a window; the logarithm of the "
        'step from sample to sample, standardised. `soft_bins`: how near each sample is to each of the quantile bins '
        'of its channel, as fractions that add up to 1, standardised; a value that means something of its own, such as '
        'a motor at rest, then needs no weights that bend.',
    )
    frame_samples: tuple[int, ...] = wholes(
        (),
        'For each part, in its order: of how many samples the frames are whose spectrum the LSTM sees instead of '
        '`inputs`, each frame beginning half a frame after the one before: the logarithm of the power in each band and '
        'the mean, standardised. 0, and for parts beyond the list: no frames. For sensors whose texture is faster than '
        'a network can follow sample by sample, such as an IMU.',
        unit='samples',
        multiple=2,
    )
    joint_channels: bool = flag(
        False,
        'Each part also gets sum, difference, larger and smaller value of channels that follow each other in its list, '
        'sample by sample, as if they were channels: what two motors draw together.',
    )
    statistics: bool = flag(
        False, 'The head sees statistics of the window beside the features of the LSTM (`window_statistics`).'
    )
    quantile_bins: int = whole(
        8,
        'Number of quantile bins of each channel, of the training windows. The fraction of samples above each edge is '
        'a statistic.',
        minimum=1,
        maximum=64,
    )
    idle_fractions: bool = flag(
        False,
        'The fractions of samples at the two commonest values of each channel are statistics, too: a quantised current '
        'that rests has them.',
    )
    bin_scale: float = number(
        0.1,
        'Standard deviation with which the fractions above quantile bins enter the head; other statistics enter with '
        '1.',
        minimum=1e-6,
        maximum=100.0,
        below=True,
    )
    head_sizes: tuple[int, ...] = wholes(
        (),
        'Units of hidden layers (ReLU) between the features and the classes; empty: the head is linear.',
        minimum=1,
    )
    head_dropout: float = number(
        0.0,
        'Fraction of values set to zero after each hidden layer of the head in training.',
        minimum=0.0,
        maximum=1.0,
        below=True,
    )
    batch_norm: bool = flag(False, 'Batch normalisation after each LSTM layer, over windows and time.')
    normalise: bool = flag(
        True, 'Standardise channels and statistics by the training windows; false: they go in as they are.'
    )
    recurrent_gain: float = number(1.0, 'Factor on the recurrent weights at the start.', minimum=0.0, maximum=100.0)
    input_gain: float = number(
        0.0,
        "Standard deviation that standardised inputs give the first layer's gates at the start; 0: torch's weights, "
        'which divide by the number of units and leave the gates of a few inputs nearly linear.',
        minimum=0.0,
        maximum=100.0,
    )
    # Further members of an ensemble, which see the same windows in another way and whose logits are averaged with
    # those of this network. Each learns by a loss of its own: their mistakes must differ.
    members: tuple[NetworkConfig, ...] = ()

    def __post_init__(self) -> None:
        """Refuse shapes no network can have.

        Raises:
            ValueError: The value and its name are in the message.
        """
        check_fields(self)
        object.__setattr__(self, 'members', _members(self.members))
        if not self.hidden_sizes and not self.statistics:
            raise ValueError('hidden_sizes may be empty only with statistics: true, as the head would see nothing')
        if self.idle_fractions and not self.statistics:
            raise ValueError('idle_fractions: true needs statistics: true, of which they are a part')
        if self.members and not self.hidden_sizes:
            raise ValueError('hidden_sizes may be empty in one of members only')

    def frame_samples_of(self, part: int) -> int:
        """Samples in a frame of a part whose spectrum the LSTM sees; 0 if it sees the samples."""
        return self.frame_samples[part] if part < len(self.frame_samples) else 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return plain_values(self)


def _members(given: Any) -> tuple[NetworkConfig, ...]:
    """Return the shapes of further members, each given as one or by its keys."""
    if not isinstance(given, list | tuple):
        raise ValueError(f'members must be a list of networks, not {given!r}')
    return tuple(_member(member, f'members[{number}]') for number, member in enumerate(given))


def _member(given: Any, name: str) -> NetworkConfig:
    if isinstance(given, Mapping):
        try:
            given = with_values(NetworkConfig(), given, RENAMED_NETWORK_KEYS)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from error
    if not isinstance(given, NetworkConfig):
        raise ValueError(f'{name} must hold keys of a network, not {given!r}')
    if given.members:
        raise ValueError(f'{name} has members of its own; list them beside it')
    return given
