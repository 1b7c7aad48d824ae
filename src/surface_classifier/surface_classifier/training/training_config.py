# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A training recipe: the network's shape and how it is trained, from a preset or a YAML file.

A YAML file holds any of the keys of `TrainingConfig`, and `preset` names the recipe it starts from:

    preset: default
    epochs: 60
    network: {hidden_sizes: [48], pooling: last}
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from current_driver.declared_fields import (
    check_fields,
    choice,
    flag,
    key_reference,
    number,
    plain_values,
    whole,
    with_values,
)
from current_driver.errors import SurfaceError
from current_driver.files.documents import read_yaml
from surface_classifier.model.network_config import RENAMED_NETWORK_KEYS, NetworkConfig
from surface_classifier.training.recipe_rules import (
    auto_batch_size,
    auto_dropout,
    auto_label_smoothing,
    auto_learning_rate,
    auto_logit_scale,
)

Optimizer = Literal['adamw', 'adam', 'rmsprop', 'sgd']
Schedule = Literal['one_cycle', 'constant']
ClassBalance = Literal['none', 'weights', 'sampling']
ValidationSplit = Literal['recording', 'window']


# Keys and values of version 0.1.0, as in `check_keys`.
RENAMED_RECIPE_KEYS: Mapping[str, str] = {
    'balanced_sampling': 'class_balance',
    'balanced_sampling: false': 'class_balance: none',
    'balanced_sampling: true': 'class_balance: sampling',
    'discriminant_start': 'discriminant_init',
    'mixing': 'mixup_alpha',
    'sharpness': 'logit_scale',
}

# One LSTM and the window's statistics. The derived sequences and the statistics show what the raw channel hides; the
# mean and maximum over time are learnt in half the epochs of the last state, and keep the texture that it loses.
_DEFAULT_NETWORK = NetworkConfig(dropout='auto', pooling='mean_max', inputs='derived', statistics=True, input_gain=2.0)


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained; each field is declared with its meaning."""

    network: NetworkConfig = _DEFAULT_NETWORK
    epochs: int = whole(
        40,
        'Largest number of passes; each takes every training window once, or draws as many (`sampling`).',
        minimum=1,
    )
    batch_size: int | Literal['auto', 'full'] = whole(
        'auto',
        'Windows in a step; `full`: all of them; `auto`: chosen from the number of windows.',
        unit='windows',
        minimum=1,
        words=('auto', 'full'),
    )
    optimizer: Optimizer = choice('adamw', get_args(Optimizer), '`adamw`, `adam`, `rmsprop` (rho 0.9) or `sgd`.')
    learning_rate: float | Literal['auto'] = number(
        'auto',
        'Peak of the schedule; `auto`: chosen from the number of steps.',
        minimum=1e-12,
        words=('auto',),
    )
    schedule: Schedule = choice(
        'one_cycle', get_args(Schedule), '`one_cycle` (rises, then falls to zero over all epochs) or `constant`.'
    )
    weight_decay: float = number(0.05, 'Decoupled for adamw, else an L2 penalty.', minimum=0.0)
    label_smoothing: float | Literal['auto'] = number(
        'auto',
        'Fraction of the target spread over all classes; `auto`: chosen from the number of windows.',
        minimum=0.0,
        maximum=1.0,
        below=True,
        words=('auto',),
    )
    gradient_clip: float = number(1.0, 'Largest norm of the gradient in a step; 0: no limit.', minimum=0.0)
    class_balance: ClassBalance = choice(
        'weights',
        get_args(ClassBalance),
        '`none`; `weights`: every class counts the same in the loss; `sampling`: every class is drawn equally often, '
        'with replacement.',
    )
    mixup_alpha: float = number(
        0.0,
        'Manifold mixup (Verma et al., ICML 2019): features and classes of the windows of a batch are mixed in pairs, '
        'by fractions from a beta distribution with this number twice; the larger, the nearer to halves; 0: no mixup. '
        'Classes that meet in between must then lie apart, and the head bends little where it has seen nothing.',
        minimum=0.0,
        maximum=1e3,
        below=True,
    )
    discriminant_init: bool = flag(
        True,
        'The head starts from a linear discriminant on the statistics, if the network has statistics and a linear '
        'head.',
    )
    logit_scale: float | Literal['auto'] = number(
        'auto',
        "Factor on the discriminant's logits while the network is trained, taken out again at the end; above 1 the "
        'windows that it misclassifies count for more; `auto`: chosen from the number of windows.',
        minimum=1e-3,
        maximum=1e3,
        below=True,
        words=('auto',),
    )
    validation_fraction: float = number(
        0.15,
        'Fraction of the windows held out for early stopping; 0: none, train for all epochs.',
        minimum=0.0,
        maximum=1.0,
        below=True,
    )
    calibration_folds: int = whole(
        0,
        'So many further networks are trained after the first, each without a part of the recordings, to choose the '
        'temperature, the conformal sets and the belief filter on; 0: they are chosen on what was held out for early '
        'stopping, if anything was.',
        minimum=0,
    )
    validation_split: ValidationSplit = choice(
        'recording',
        get_args(ValidationSplit),
        'What is held out: whole recordings, or windows drawn one by one, which leaks from training.',
    )
    patience: int = whole(10, 'Epochs without a better validation score after which training stops.', minimum=1)

    def __post_init__(self) -> None:
        """Refuse values no training can use.

        Raises:
            ValueError: The value and its name are in the message.
        """
        check_fields(self)
        if not self.network.hidden_sizes:
            raise ValueError('network: hidden_sizes may be empty in one of members only')
        if self.calibration_folds == 1:
            raise ValueError('calibration_folds must be 0 or a whole number of at least 2, not 1')

    @property
    def uses_discriminant_init(self) -> bool:
        """Whether the head starts from a discriminant: wanted, and the head is one, linear, and sees statistics."""
        network = self.network
        return self.discriminant_init and network.statistics and not network.head_sizes and not network.members

    def resolved(self, windows: int) -> TrainingConfig:
        """Return the recipe with `auto` and `full` made numbers, by the rules in `recipe_rules`.

        Args:
            windows: Number of training windows, those held out for early stopping left out.
        """
        wanted = auto_batch_size(windows) if self.batch_size == 'auto' else self.batch_size
        batch_size = windows if wanted == 'full' else min(wanted, windows)
        steps = -(-windows // batch_size) * self.epochs
        rate = auto_learning_rate(steps) if self.learning_rate == 'auto' else self.learning_rate
        logit_scale = self.logit_scale
        if not self.uses_discriminant_init:
            logit_scale = 1.0
        elif logit_scale == 'auto':
            logit_scale = auto_logit_scale(windows)
        smoothing = auto_label_smoothing(windows) if self.label_smoothing == 'auto' else self.label_smoothing
        return replace(
            self,
            network=replace(
                _with_dropout(self.network, windows),
                members=tuple(_with_dropout(other, windows) for other in self.network.members),
            ),
            batch_size=batch_size,
            learning_rate=rate,
            label_smoothing=smoothing,
            logit_scale=logit_scale,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return plain_values(self)


def _with_dropout(network: NetworkConfig, windows: int) -> NetworkConfig:
    return replace(network, dropout=auto_dropout(windows)) if network.dropout == 'auto' else network


# The set-ups of the forum question: one raw channel, the last state, a constant rate, 1,500 epochs, nothing held out.
# The picture of the large network is lost; with these layers it has the parameters that the question states.
_FORUM_NETWORKS = {
    'simple': NetworkConfig(hidden_sizes=(32,), dropout=0.0),
    'large': NetworkConfig(hidden_sizes=(128, 128), dropout=0.2),
    'large-batchnorm': NetworkConfig(hidden_sizes=(128, 128), dropout=0.2, batch_norm=True),
}
_FORUM_OPTIMIZERS: tuple[Optimizer, ...] = ('rmsprop', 'adam', 'sgd')
_FORUM_BATCHES: tuple[int | Literal['full'], ...] = (2, 4, 32, 'full')


def _forum(network: NetworkConfig, optimizer: Optimizer, batch_size: int | Literal['full']) -> TrainingConfig:
    return TrainingConfig(
        network=network,
        epochs=1500,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=1e-3,
        schedule='constant',
        weight_decay=0.0,
        label_smoothing=0.0,
        gradient_clip=0.0,
        class_balance='none',
        discriminant_init=False,
        logit_scale=1.0,
        validation_fraction=0.0,
    )


# For data sets of a thousand windows and more: three networks that see the windows in different ways, since what is
# wrong for one of them is then not wrong for all. The head of the first sees what trees see, the distribution of the
# levels of each channel and of what two motors draw together; the second one is an LSTM on soft bins; the third has no
# LSTM and sees statistics of the channels alone, and how much of the window a motor rests. Mixup keeps the heads
# smooth between the drives they were trained on.
_ACCURATE_HEAD: Mapping[str, Any] = {'pooling': 'mean_max', 'head_sizes': (128, 128), 'head_dropout': 0.5}
_STATISTICS = NetworkConfig(
    hidden_sizes=(), statistics=True, quantile_bins=16, bin_scale=1.0, idle_fractions=True, **_ACCURATE_HEAD
)
_ACCURATE = TrainingConfig(
    network=NetworkConfig(
        hidden_sizes=(16,),
        dropout=0.5,
        inputs='derived',
        joint_channels=True,
        statistics=True,
        quantile_bins=16,
        bin_scale=1.0,
        input_gain=2.0,
        members=(
            NetworkConfig(
                hidden_sizes=(32,),
                dropout=0.3,
                inputs='soft_bins',
                joint_channels=True,
                quantile_bins=9,
                **_ACCURATE_HEAD,
            ),
            _STATISTICS,
        ),
        **_ACCURATE_HEAD,
    ),
    epochs=20,
    batch_size=128,
    learning_rate=3e-3,
    label_smoothing=0.1,
    mixup_alpha=3.0,
    discriminant_init=False,
    logit_scale=1.0,
    validation_fraction=0.0,
    calibration_folds=4,
)

# For windows whose second part is an IMU: the LSTM sees the short-time spectrum of it, its texture, instead of samples;
# beside it a network sees the statistics of all channels.
_IMU = replace(
    _ACCURATE,
    network=NetworkConfig(
        hidden_sizes=(64,),
        dropout=0.3,
        pooling='mean_max',
        inputs='derived',
        frame_samples=(0, 32),
        head_sizes=(128,),
        head_dropout=0.5,
        members=(_STATISTICS,),
    ),
    mixup_alpha=0.0,
)

PRESETS: Mapping[str, TrainingConfig] = {
    'default': TrainingConfig(),
    'accurate': _ACCURATE,
    'accurate-imu': _IMU,
    'fluctuating-loss': _forum(_FORUM_NETWORKS['simple'], 'rmsprop', 32),
    'fluctuating-loss-large': _forum(_FORUM_NETWORKS['large'], 'rmsprop', 32),
    **{
        f'fluctuating-loss-{name}-{optimizer}-{batch_size}': _forum(network, optimizer, batch_size)
        for name, network in _FORUM_NETWORKS.items()
        for optimizer in _FORUM_OPTIMIZERS
        for batch_size in _FORUM_BATCHES
    },
}
PRESET_NAMES = (
    'default, accurate, accurate-imu, fluctuating-loss, fluctuating-loss-large, '
    f'fluctuating-loss-<{"|".join(_FORUM_NETWORKS)}>-'
    f'<{"|".join(_FORUM_OPTIMIZERS)}>-<{"|".join(map(str, _FORUM_BATCHES))}>'
)


# With so many the accurate recipe was measured; with four recordings its calibration is poor.
_WINDOWS_FOR_ACCURATE, _RECORDINGS_FOR_ACCURATE = 1000, 20


def recipe_advice(config: TrainingConfig, windows: int, recordings: int) -> str:
    """Say when another recipe is likely to label new drives better; empty when none is.

    Args:
        config: The recipe.
        windows: Number of windows to train on.
        recordings: Number of recordings they come from; 0 where none are known.
    """
    if config.network != PRESETS['default'].network:
        return ''
    if windows < _WINDOWS_FOR_ACCURATE or recordings < _RECORDINGS_FOR_ACCURATE:
        return ''
    return (
        '--config accurate (three networks, and more to calibrate them: up to ten times as long) is likely to label '
        f'new drives better than the default recipe, with {windows} windows of {recordings} recordings'
    )


def load_training_config(source: str | Path) -> TrainingConfig:
    """Return a preset by its name, or the recipe in a YAML file.

    Args:
        source: Name of a preset, or path of a YAML file.

    Raises:
        SurfaceError: There is no such preset or file, or a key or value in it cannot be used.
    """
    if str(source) in PRESETS:
        return PRESETS[str(source)]
    path = Path(source)
    if not path.is_file():
        raise SurfaceError(
            _renamed_preset(str(source)) or f'{source} is neither a file nor one of the presets {PRESET_NAMES}'
        )
    values = read_yaml(path, 'correct the recipe')
    if not isinstance(values, dict):
        raise SurfaceError(
            f'{path} holds no keys; expected some of preset, {", ".join(item.name for item in fields(TrainingConfig))}'
        )
    preset = values.pop('preset', 'default')
    if not isinstance(preset, str) or preset not in PRESETS:
        why = _renamed_preset(str(preset)) or f'preset {preset!r} is not one of {PRESET_NAMES}'
        raise SurfaceError(f'{path}: {why}')
    network = values.pop('network', {})
    try:
        if not isinstance(network, dict):
            raise ValueError(f'network must hold keys, not {network!r}')
        base = PRESETS[preset]
        shape = with_values(base.network, network, RENAMED_NETWORK_KEYS)
        return with_values(base, {**values, 'network': shape}, RENAMED_RECIPE_KEYS)
    except ValueError as error:
        raise SurfaceError(f'{path}: {error}') from error


def recipe_reference() -> str:
    """Return a reference of the keys of a recipe's YAML file, from their declarations."""
    recipe = PRESETS['default']
    return '\n'.join(
        [
            'Keys of a recipe (default): what a value must be [unit]',
            '',
            'preset (default): the recipe that the other keys change; one of',
            *textwrap.wrap(PRESET_NAMES, 100, initial_indent='    ', subsequent_indent='    ', break_on_hyphens=False),
            key_reference(TrainingConfig, recipe),
            'network: keys of the network, below',
            '',
            'Keys of `network`:',
            '',
            key_reference(NetworkConfig, recipe.network),
            'members ([]): a list of networks, each of such keys with the defaults of a network by itself',
            '    Further members of an ensemble, which see the same windows in another way; the logits are averaged.',
        ]
    )


def _renamed_preset(name: str) -> str:
    """Return a sentence for a preset that had another name in version 0.1.0; empty for other names."""
    now = re.sub('^seed(?=-|$)', 'fluctuating-loss', name)
    return f'the preset {name} is now called {now}' if now != name and now in PRESETS else ''
