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
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from current_driver.errors import SurfaceError
from surface_classifier.model.lstm_config import LstmConfig

Optimizer = Literal['adamw', 'rmsprop', 'sgd']
Schedule = Literal['one_cycle', 'constant']


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        network: Shape of the network.
        epochs: Largest number of passes; each draws as many windows as there are training windows.
        batch_size: Windows in a step.
        optimizer: `adamw`, `rmsprop` or `sgd`.
        learning_rate: Peak of the schedule.
        schedule: `one_cycle` (rises, then falls to zero over all epochs) or `constant`.
        weight_decay: Decoupled for adamw, else an L2 penalty.
        label_smoothing: Share of the target spread over all classes [1].
        gradient_clip: Largest norm of the gradient in a step; 0: no limit.
        balanced_sampling: Draw every class equally often; else windows as they come, each once an epoch.
        validation_fraction: Share of the windows whose recordings are held out for early stopping; 0: none, train for
            all epochs.
        patience: Epochs without a better validation score after which training stops.
    """

    network: LstmConfig = field(default_factory=lambda: LstmConfig(pooling='mean_max'))
    epochs: int = 30
    batch_size: int = 64
    optimizer: Optimizer = 'adamw'
    learning_rate: float = 2e-3
    schedule: Schedule = 'one_cycle'
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    gradient_clip: float = 1.0
    balanced_sampling: bool = True
    validation_fraction: float = 0.15
    patience: int = 10

    def __post_init__(self) -> None:
        """Refuse values no training can use.

        Raises:
            ValueError: The value and its name are in the message.
        """
        for name in ('epochs', 'batch_size', 'patience'):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f'{name} must be a positive whole number, not {value!r}')
        for name, low, high in (
            ('learning_rate', 1e-12, math.inf),
            ('weight_decay', 0, math.inf),
            ('label_smoothing', 0, 1),
            ('gradient_clip', 0, math.inf),
            ('validation_fraction', 0, 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
                raise ValueError(f'{name} must be a number of at least {low:g} and below {high:g}, not {value!r}')
        for name, choices in (('optimizer', get_args(Optimizer)), ('schedule', get_args(Schedule))):
            if getattr(self, name) not in choices:
                raise ValueError(f'{name} must be one of {", ".join(choices)}, not {getattr(self, name)!r}')
        if type(self.balanced_sampling) is not bool:
            raise ValueError(f'balanced_sampling must be true or false, not {self.balanced_sampling!r}')

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), 'network': self.network.to_dict()}


# The small network this project began with, trained as it was: plain last state, raw channel, RMSprop.
_SEED = TrainingConfig(
    network=LstmConfig(hidden_sizes=(32,), dropout=0.0),
    epochs=1500,
    batch_size=32,
    optimizer='rmsprop',
    learning_rate=1e-3,
    schedule='constant',
    weight_decay=0.0,
    label_smoothing=0.0,
    gradient_clip=0.0,
    patience=200,
)

PRESETS: Mapping[str, TrainingConfig] = {
    # One LSTM on the raw channels. Its mean and maximum over time go to the head instead of its last state: that learns
    # in half the epochs, and texture (what tells simulated floors apart) is lost on the last state.
    'default': TrainingConfig(),
    'seed': _SEED,
    'seed-large': replace(_SEED, network=LstmConfig(hidden_sizes=(128, 128), dropout=0.2)),
}


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
        raise SurfaceError(f'{source} is neither a file nor one of the presets {", ".join(PRESETS)}')
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SurfaceError(f'{path} is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(values, dict):
        raise SurfaceError(f'{path} holds no keys; expected some of preset, {", ".join(_names(TrainingConfig))}')
    preset = values.pop('preset', 'default')
    if preset not in PRESETS:
        raise SurfaceError(f'{path}: preset {preset!r} is not one of {", ".join(PRESETS)}')
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
