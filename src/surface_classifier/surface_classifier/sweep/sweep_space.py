# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a sweep searches: ranges and choices of a recipe's keys, from the default space and a YAML file.

A YAML file changes the default space key by key:

    batch_size: {low: 4, high: full, powers_of_two: true}
    learning_rate: {low: 3.0e-4, high: 3.0, log: true, at_batch: 32}
    optimizer: [adamw, sgd]                     # choices
    network.hidden_sizes: [[32], [64], [64, 64]]
    weight_decay: null                          # not searched: stays as it is in the recipe

A key is one of `TrainingConfig`, or of its network as `network.KEY`; `hidden_size` is the width of every LSTM layer of
the recipe. `low` and `high` belong to the range; `powers_of_two` keeps it to 2, 4, 8, ...

With `at_batch: N`, the learning rate is searched as the rate at a batch of N. A batch of B trains with that times B / N
under SGD (Goyal et al., Accurate, Large Minibatch SGD, 2017), and times sqrt(B / N) under the adaptive optimizers
(Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, 2022). Measured on data of the forum
question's shape, the best rate grows with the batch to the power of 1.0 and 0.66. Searched as plain rates, the two
would hide each other: a batch would look bad at another batch's rate, and the importance of one would be counted for
the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.declared_fields import check_renamed, with_values
from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, read_yaml
from surface_classifier.model.network_config import RENAMED_NETWORK_KEYS, NetworkConfig
from surface_classifier.training.training_config import RENAMED_RECIPE_KEYS, TrainingConfig

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FULL = 'full'
_RANGE_KEYS = ('low', 'high', 'log', 'powers_of_two', 'at_batch')
_DEFAULT: Mapping[str, Any] = {
    'batch_size': {'low': 2, 'high': FULL, 'powers_of_two': True},
    # Wide enough for plain SGD, which wants ten times the rate of the adaptive optimizers and more.
    'learning_rate': {'low': 3e-4, 'high': 3.0, 'log': True, 'at_batch': 32},
    'optimizer': ['adamw', 'adam', 'rmsprop', 'sgd'],
    'weight_decay': {'low': 1e-5, 'high': 0.3, 'log': True},
    'network.dropout': {'low': 0.0, 'high': 0.5},
    'hidden_size': {'low': 16, 'high': 128, 'powers_of_two': True},
}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones if both are.

    Attributes:
        low: Smallest value.
        high: Largest value; `full` for a batch of all training windows.
        log: Search the logarithm.
        powers_of_two: Only 2, 4, 8, ...; searched as their exponent, so that neighbours are known to be neighbours.
        at_batch: For a learning rate: the batch at which the rate holds; None: the rate is plain.
    """

    low: float
    high: float | str
    log: bool = False
    powers_of_two: bool = False
    at_batch: int | None = None

    def to_json(self) -> Any:
        """Return what a YAML file would hold."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


@dataclass(frozen=True)
class Choices:
    """Values without an order; lists among them are known to Optuna, which takes plain values only, by their text."""

    values: tuple[Any, ...]

    def to_json(self) -> Any:
        """Return what a YAML file would hold."""
        return list(self.values)

    @property
    def encoded(self) -> tuple[Any, ...]:
        """The values as Optuna takes them."""
        return tuple(json.dumps(value) if isinstance(value, list) else value for value in self.values)


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        dimensions: Range or choices of each key.
        source: The YAML file that changed the default space, for messages; empty for the default.
    """

    dimensions: Mapping[str, Range | Choices]
    source: str = ''

    def to_json(self) -> dict[str, Any]:
        """Return what a YAML file would hold."""
        return {key: dimension.to_json() for key, dimension in self.dimensions.items()}

    def distributions(self, windows: int) -> dict[str, BaseDistribution]:
        """Return what Optuna draws from, by the name it draws under.

        Args:
            windows: Training windows of a fold: a batch of that many is the full batch.

        Raises:
            SurfaceError: The data set has fewer windows than the smallest batch.
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for key, dimension in self.dimensions.items():
            name = parameter_name(key, dimension)
            if isinstance(dimension, Choices):
                found[name] = CategoricalDistribution(dimension.encoded)
                continue
            low, high = dimension.low, _highest(dimension, windows)
            if low > high:
                raise SurfaceError(
                    f'{self.source or "the default space"}: {key} begins at {low:g}, but a fold has {windows} training '
                    'windows only; add recordings, or set a lower range with --space'
                )
            if dimension.powers_of_two:
                found[name] = IntDistribution(round(math.log2(low)), math.ceil(math.log2(high)))
            elif isinstance(low, int) and isinstance(high, int):
                found[name] = IntDistribution(low, high, log=dimension.log)
            else:
                found[name] = FloatDistribution(low, high, log=dimension.log)
        return found

    def values(self, drawn: Mapping[str, Any], config: TrainingConfig, windows: int) -> dict[str, Any]:
        """Turn what Optuna drew into values of the recipe's keys.

        Args:
            drawn: Value of each name of `distributions`.
            config: The recipe, for what is not searched.
            windows: Training windows of a fold.
        """
        values: dict[str, Any] = {}
        for key, dimension in self.dimensions.items():
            value = drawn[parameter_name(key, dimension)]
            if isinstance(dimension, Choices):
                value = dimension.values[dimension.encoded.index(value)]
            elif dimension.powers_of_two:
                value = 2**value
                if dimension.high == FULL and value >= windows:
                    value = FULL
            values[key] = value
        rate = self.dimensions.get('learning_rate')
        if isinstance(rate, Range) and rate.at_batch is not None:
            values['learning_rate'] *= _rate_factor(self.apply(config, values).resolved(windows), rate.at_batch)
        return values

    def nearest(self, config: TrainingConfig, windows: int) -> dict[str, Any] | None:
        """Return the point of the space that is nearest to a recipe, as Optuna draws it.

        Args:
            config: The recipe.
            windows: Training windows of a fold.

        Returns:
            A value for each name of `distributions`; None when a choice of the recipe is not among those searched.
        """
        resolved = config.resolved(windows)
        values = {
            **resolved.to_dict(),
            **{f'network.{key}': value for key, value in resolved.network.to_dict().items()},
        }
        values['hidden_size'] = config.network.hidden_sizes[0]
        point: dict[str, Any] = {}
        for key, dimension in self.dimensions.items():
            value = values[key]
            name = parameter_name(key, dimension)
            if isinstance(dimension, Choices):
                if value not in dimension.values:
                    return None
                point[name] = dimension.encoded[dimension.values.index(value)]
                continue
            if dimension.at_batch is not None:
                value /= _rate_factor(resolved, dimension.at_batch)
            value = min(max(value, dimension.low), _highest(dimension, windows))
            point[name] = round(math.log2(value)) if dimension.powers_of_two else value
        return point

    def apply(self, config: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
        """Return the recipe with some keys set.

        Raises:
            ValueError: No training can use one of the values; it and its key are in the message.
        """
        network = {key.removeprefix('network.'): value for key, value in values.items() if key.startswith('network.')}
        if 'hidden_size' in values:
            network['hidden_sizes'] = (values['hidden_size'],) * len(config.network.hidden_sizes)
        own = {key: value for key, value in values.items() if '.' not in key and key != 'hidden_size'}
        shape = with_values(config.network, network, RENAMED_NETWORK_KEYS)
        return with_values(config, {**own, 'network': shape}, RENAMED_RECIPE_KEYS)


def parameter_name(key: str, dimension: Range | Choices) -> str:
    """Return the name under which Optuna keeps a key: it says what the kept number is."""
    if isinstance(dimension, Range) and dimension.powers_of_two:
        return f'log2 {key}'
    if isinstance(dimension, Range) and dimension.at_batch is not None:
        return f'{key} at batch {dimension.at_batch}'
    return key


def load_space(path: str | Path | None, config: TrainingConfig) -> Space:
    """Return the default space, changed by a YAML file.

    Args:
        path: The file; None: the default space.
        config: The recipe that is searched around; every end of a range and every choice must suit it.

    Raises:
        SurfaceError: The file cannot be read, or a key or value in it cannot be searched.
    """
    changes = {} if path is None else _read(Path(path))
    dimensions: dict[str, Range | Choices] = {}
    try:
        for key, entry in {**_DEFAULT, **changes}.items():
            if entry is None:
                continue
            _check_key(key)
            dimensions[key] = _dimension(key, entry)
        if 'hidden_size' in dimensions and 'network.hidden_sizes' in dimensions:
            if 'hidden_size' in changes:
                raise ValueError('hidden_size and network.hidden_sizes both set the widths; search one of them')
            del dimensions['hidden_size']
        if not dimensions:
            raise ValueError('every key is null, so nothing is left to search')
        space = Space(dimensions, '' if path is None else str(path))
        _try_values(space, config)
    except ValueError as error:
        raise SurfaceError(f'{path or "the default space"}: {error}') from error
    return space


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_yaml(path, 'see surface sweep --help for what a space file holds')
    except DocumentError as error:
        if not error.missing:
            raise
        raise SurfaceError(f'{path}: no such space file; see surface sweep --help for what it holds') from None
    if not isinstance(found, dict):
        raise SurfaceError(f'{path} holds no keys; expected some such as batch_size: {{low: 2, high: 64}}')
    return {str(key): value for key, value in found.items()}


def _check_key(key: str) -> None:
    known = [item.name for item in fields(TrainingConfig) if item.name not in ('network', 'epochs')]
    known += [f'network.{item.name}' for item in fields(NetworkConfig)]
    if key == 'epochs':
        raise ValueError('epochs is the budget that every trial gets, and is not searched; set it with --epochs')
    renamed = {
        **RENAMED_RECIPE_KEYS,
        **{f'network.{old}': f'network.{new}' for old, new in RENAMED_NETWORK_KEYS.items()},
    }
    check_renamed(key, None, renamed, known)
    if key not in ('hidden_size', *known):
        raise ValueError(f'unknown {key}; known are hidden_size, {", ".join(known)}')


def _dimension(key: str, entry: Any) -> Range | Choices:
    if isinstance(entry, list):
        if not entry:
            raise ValueError(f'{key} has no choices')
        return Choices(tuple(entry))
    if not isinstance(entry, dict) or not {'low', 'high'} <= entry.keys():
        raise ValueError(f'{key} must be a list of choices, null, or {{low: ..., high: ...}}, not {entry!r}')
    unknown = sorted(set(entry) - set(_RANGE_KEYS))
    if unknown:
        raise ValueError(f'{key}: unknown {", ".join(unknown)}; known are {", ".join(_RANGE_KEYS)}')
    for name in ('log', 'powers_of_two'):
        if type(entry.get(name, False)) is not bool:
            raise ValueError(f'{key}: {name} must be true or false, not {entry[name]!r}')
    found = Range(
        _number(key, entry['low']),
        entry['high'] if entry['high'] == FULL else _number(key, entry['high']),
        entry.get('log', False),
        entry.get('powers_of_two', False),
        entry.get('at_batch'),
    )
    _check_range(key, found)
    return found


def _check_range(key: str, found: Range) -> None:
    if isinstance(found.high, str):
        if key != 'batch_size':
            raise ValueError(f'{key}: high: full is a batch size; give a number')
    elif found.low > found.high:
        raise ValueError(f'{key}: low {found.low:g} is above high {found.high:g}')
    if found.log and found.low <= 0:
        raise ValueError(f'{key}: low must be above 0 for log, not {found.low:g}')
    if found.powers_of_two:
        for value in (found.low, *([] if found.high == FULL else [found.high])):
            if not isinstance(value, int) or value < 1 or value & (value - 1):
                raise ValueError(f'{key}: {value!r} is not a power of two')
        if found.log:
            raise ValueError(f'{key}: powers_of_two is logarithmic as it is; leave log out')
    if found.at_batch is not None and (key != 'learning_rate' or type(found.at_batch) is not int or found.at_batch < 1):
        raise ValueError(f'{key}: at_batch takes a number of windows, for learning_rate alone, not {found.at_batch!r}')


def _try_values(space: Space, config: TrainingConfig) -> None:
    """Refuse a space with a value that no recipe can have, by trying the ends of ranges and every choice."""
    for key, dimension in space.dimensions.items():
        tried = dimension.values if isinstance(dimension, Choices) else (dimension.low, dimension.high)
        for value in tried:
            space.apply(config, {key: value})


def _rate_factor(config: TrainingConfig, at_batch: int) -> float:
    """How much the rate of a recipe, its batch size a number, is to be above that at another batch."""
    share = int(config.batch_size) / at_batch
    return share if config.optimizer == 'sgd' else math.sqrt(share)


def _highest(dimension: Range, windows: int) -> float:
    """Largest value of a range, `full` counted as the windows it means."""
    return windows if isinstance(dimension.high, str) else dimension.high


def _number(key: str, value: Any) -> float:
    """Return a number, also one that YAML reads as text, such as 2e-3."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f'{key}: {value!r} is not a number')
    return value
