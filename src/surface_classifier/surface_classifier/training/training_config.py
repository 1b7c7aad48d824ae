# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A training recipe: the network's shape and how it is trained, from a preset or a YAML file.

A YAML file holds any of the keys of `TrainingConfig`, and `preset` names the recipe it starts from:

    preset: default
    epochs: 60
    network: {hidden_sizes: [48], pooling: last}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from current_driver.errors import SurfaceError
from surface_classifier.model.lstm_config import LstmConfig
from surface_classifier.training.recipe_rules import (
    auto_batch_size,
    auto_dropout,
    auto_label_smoothing,
    auto_learning_rate,
    auto_sharpness,
)

Optimizer = Literal['adamw', 'adam', 'rmsprop', 'sgd']
Schedule = Literal['one_cycle', 'constant']
ClassBalance = Literal['none', 'weights', 'sampling']
ValidationSplit = Literal['recording', 'window']


# One LSTM and the window's statistics. The derived sequences and the statistics show what the raw channel hides; the
# mean and maximum over time are learnt in half the epochs of the last state, and keep the texture that it loses.
_DEFAULT_NETWORK = LstmConfig(dropout='auto', pooling='mean_max', inputs='derived', statistics=True, input_gain=2.0)


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        network: Shape of the network.
        epochs: Largest number of passes; each takes every training window once, or draws as many (`sampling`).
        batch_size: Windows in a step; `full`: all of them; `auto`: by `recipe_rules`.
        optimizer: `adamw`, `adam`, `rmsprop` (rho 0.9) or `sgd`.
        learning_rate: Peak of the schedule; `auto`: by `recipe_rules`.
        schedule: `one_cycle` (rises, then falls to zero over all epochs) or `constant`.
        weight_decay: Decoupled for adamw, else an L2 penalty.
        label_smoothing: Share of the target spread over all classes; `auto`: by `recipe_rules` [1].
        gradient_clip: Largest norm of the gradient in a step; 0: no limit.
        class_balance: `none`; `weights`: every class counts the same in the loss; `sampling`: every class is drawn
            equally often, with replacement.
        mixing: Windows of a batch are mixed in pairs, what the head sees of them and their classes alike, by shares
            from a beta distribution with this number twice; the larger, the nearer to halves; 0: they are not mixed.
            Classes that meet in between must then lie apart, and the head bends little where it has seen nothing.
            (Verma et al., Manifold Mixup, ICML 2019.)
        discriminant_start: The head starts from a linear discriminant on the statistics (`head_start`), if the network
            has statistics and a linear head.
        sharpness: Factor on the discriminant's logits while the network is trained, taken out again at the end; above
            1 the windows that it gets wrong count for more; `auto`: by `recipe_rules` [1].
        validation_fraction: Share of the windows held out for early stopping; 0: none, train for all epochs.
        calibration_folds: If nothing is held out: so many further networks are trained after the first, each without
            a part of the recordings, to choose the temperature, the conformal sets and the belief filter on; 0: none
            of these is chosen.
        validation_split: What is held out: whole recordings, or windows drawn one by one, which leaks from training.
        patience: Epochs without a better validation score after which training stops.
    """

    network: LstmConfig = _DEFAULT_NETWORK
    epochs: int = 40
    batch_size: int | Literal['auto', 'full'] = 'auto'
    optimizer: Optimizer = 'adamw'
    learning_rate: float | Literal['auto'] = 'auto'
    schedule: Schedule = 'one_cycle'
    weight_decay: float = 0.05
    label_smoothing: float | Literal['auto'] = 'auto'
    gradient_clip: float = 1.0
    class_balance: ClassBalance = 'weights'
    mixing: float = 0.0
    discriminant_start: bool = True
    sharpness: float | Literal['auto'] = 'auto'
    validation_fraction: float = 0.15
    calibration_folds: int = 0
    validation_split: ValidationSplit = 'recording'
    patience: int = 10

    def __post_init__(self) -> None:
        """Refuse values no training can use.

        Raises:
            ValueError: The value and its name are in the message.
        """
        for name, words in (('epochs', ()), ('batch_size', ('auto', 'full')), ('patience', ())):
            value = getattr(self, name)
            if value not in words and (type(value) is not int or value < 1):
                or_words = ''.join(f' or {word}' for word in words)
                raise ValueError(f'{name} must be a positive whole number{or_words}, not {value!r}')
        if not self.network.hidden_sizes:
            raise ValueError('network: hidden_sizes may be empty in one of others only')
        folds = self.calibration_folds
        if type(folds) is not int or folds < 0 or folds == 1:
            raise ValueError(f'calibration_folds must be 0 or a whole number of at least 2, not {folds!r}')
        for name, low, high in (
            ('learning_rate', 1e-12, math.inf),
            ('sharpness', 1e-3, 1e3),
            ('weight_decay', 0, math.inf),
            ('label_smoothing', 0, 1),
            ('gradient_clip', 0, math.inf),
            ('mixing', 0, 1e3),
            ('validation_fraction', 0, 1),
        ):
            value = getattr(self, name)
            may_be_auto = name in ('learning_rate', 'label_smoothing', 'sharpness')
            if may_be_auto and value == 'auto':
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
                or_auto = ', or auto' if may_be_auto else ''
                raise ValueError(
                    f'{name} must be a number of at least {low:g} and below {high:g}{or_auto}, not {value!r}'
                )
        for name, choices in (
            ('optimizer', get_args(Optimizer)),
            ('schedule', get_args(Schedule)),
            ('class_balance', get_args(ClassBalance)),
            ('validation_split', get_args(ValidationSplit)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f'{name} must be one of {", ".join(choices)}, not {getattr(self, name)!r}')
        if type(self.discriminant_start) is not bool:
            raise ValueError(f'discriminant_start must be true or false, not {self.discriminant_start!r}')

    @property
    def starts_from_discriminant(self) -> bool:
        """Whether the head starts from a discriminant: wanted, and the head is one, linear, and sees statistics."""
        network = self.network
        return self.discriminant_start and network.statistics and not network.head_sizes and not network.others

    def resolved(self, windows: int) -> TrainingConfig:
        """Return the recipe with `auto` and `full` made numbers, by the rules in `recipe_rules`.

        Args:
            windows: Number of training windows, those held out for early stopping left out.
        """
        wanted = auto_batch_size(windows) if self.batch_size == 'auto' else self.batch_size
        batch_size = windows if wanted == 'full' else min(wanted, windows)
        steps = -(-windows // batch_size) * self.epochs
        rate = auto_learning_rate(steps) if self.learning_rate == 'auto' else self.learning_rate
        sharpness = self.sharpness
        if not self.starts_from_discriminant:
            sharpness = 1.0
        elif sharpness == 'auto':
            sharpness = auto_sharpness(windows)
        smoothing = auto_label_smoothing(windows) if self.label_smoothing == 'auto' else self.label_smoothing
        return replace(
            self,
            network=replace(
                _with_dropout(self.network, windows),
                others=tuple(_with_dropout(other, windows) for other in self.network.others),
            ),
            batch_size=batch_size,
            learning_rate=rate,
            label_smoothing=smoothing,
            sharpness=sharpness,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'network': self.network.to_dict()}


def _with_dropout(network: LstmConfig, windows: int) -> LstmConfig:
    return replace(network, dropout=auto_dropout(windows)) if network.dropout == 'auto' else network


# The set-ups this project began with: one raw channel, the last state, a constant rate, 1,500 epochs, nothing held out.
# The picture of the large network is lost; with these layers it has the parameters that were told of it.
_SEED_NETWORKS = {
    'simple': LstmConfig(hidden_sizes=(32,), dropout=0.0),
    'large': LstmConfig(hidden_sizes=(128, 128), dropout=0.2),
    'large-batchnorm': LstmConfig(hidden_sizes=(128, 128), dropout=0.2, batch_norm=True),
}
_SEED_OPTIMIZERS: tuple[Optimizer, ...] = ('rmsprop', 'adam', 'sgd')
_SEED_BATCHES: tuple[int | Literal['full'], ...] = (2, 4, 32, 'full')


def _seed(network: LstmConfig, optimizer: Optimizer, batch_size: int | Literal['full']) -> TrainingConfig:
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
        discriminant_start=False,
        sharpness=1.0,
        validation_fraction=0.0,
    )


# For data sets of a thousand windows and more: three networks that see the windows in different ways, since what is
# wrong for one of them is then not wrong for all. The head of the first sees what trees see, the distribution of the
# levels of each channel and of what two motors draw together; the second one is an LSTM on levels; the third has no
# LSTM and sees statistics of the channels alone, and how much of the window a motor rests. Mixing keeps the heads
# smooth between the drives they were trained on.
_ACCURATE_HEAD: Mapping[str, Any] = {'pooling': 'mean_max', 'head_sizes': (128, 128), 'head_dropout': 0.5}
_STATISTICS = LstmConfig(hidden_sizes=(), statistics=True, levels=16, share_weight=1.0, resting=True, **_ACCURATE_HEAD)
_ACCURATE = TrainingConfig(
    network=LstmConfig(
        hidden_sizes=(16,),
        dropout=0.5,
        inputs='derived',
        joint_channels=True,
        statistics=True,
        levels=16,
        share_weight=1.0,
        input_gain=2.0,
        others=(
            LstmConfig(
                hidden_sizes=(32,), dropout=0.3, inputs='levels', joint_channels=True, levels=9, **_ACCURATE_HEAD
            ),
            _STATISTICS,
        ),
        **_ACCURATE_HEAD,
    ),
    epochs=20,
    batch_size=128,
    learning_rate=3e-3,
    label_smoothing=0.1,
    mixing=3.0,
    discriminant_start=False,
    sharpness=1.0,
    validation_fraction=0.0,
    calibration_folds=4,
)

# For windows whose second part is an IMU: the LSTM sees the short-time spectrum of it, its texture, instead of samples;
# beside it a network sees the statistics of all channels.
_IMU = replace(
    _ACCURATE,
    network=LstmConfig(
        hidden_sizes=(64,),
        dropout=0.3,
        pooling='mean_max',
        inputs='derived',
        frame_samples=(0, 32),
        head_sizes=(128,),
        head_dropout=0.5,
        others=(_STATISTICS,),
    ),
    mixing=0.0,
)

PRESETS: Mapping[str, TrainingConfig] = {
    'default': TrainingConfig(),
    'accurate': _ACCURATE,
    'accurate-imu': _IMU,
    'seed': _seed(_SEED_NETWORKS['simple'], 'rmsprop', 32),
    'seed-large': _seed(_SEED_NETWORKS['large'], 'rmsprop', 32),
    **{
        f'seed-{name}-{optimizer}-{batch_size}': _seed(network, optimizer, batch_size)
        for name, network in _SEED_NETWORKS.items()
        for optimizer in _SEED_OPTIMIZERS
        for batch_size in _SEED_BATCHES
    },
}
PRESET_NAMES = (
    f'default, accurate, accurate-imu, seed, seed-large, seed-<{"|".join(_SEED_NETWORKS)}>-'
    f'<{"|".join(_SEED_OPTIMIZERS)}>-<{"|".join(map(str, _SEED_BATCHES))}>'
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
        raise SurfaceError(f'{source} is neither a file nor one of the presets {PRESET_NAMES}')
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SurfaceError(f'{path} is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(values, dict):
        raise SurfaceError(f'{path} holds no keys; expected some of preset, {", ".join(_names(TrainingConfig))}')
    preset = values.pop('preset', 'default')
    if preset not in PRESETS:
        raise SurfaceError(f'{path}: preset {preset!r} is not one of {PRESET_NAMES}')
    network = values.pop('network', {})
    try:
        if not isinstance(network, dict):
            raise ValueError(f'network must hold keys, not {network!r}')
        base = PRESETS[preset]
        return _replace(base, {**values, 'network': _replace(base.network, network)})
    except ValueError as error:
        raise SurfaceError(f'{path}: {error}') from error


def _replace(config: Any, values: Mapping[str, Any]) -> Any:
    unknown = sorted(str(key) for key in set(values) - set(_names(type(config))))
    if unknown:
        raise ValueError(f'unknown {", ".join(unknown)}; known are {", ".join(_names(type(config)))}')
    # YAML reads 2e-3, without a point, as text.
    return replace(config, **{key: _number_in(value) for key, value in values.items()})


def _number_in(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _names(cls: type) -> list[str]:
    return [item.name for item in fields(cls)]
