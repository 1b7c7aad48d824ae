# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The arms of a diagnosis: each is the training under diagnosis with one thing changed.

An arm is run only where it changes something and its cause is possible at all: a run without dropout has no arm without
it. What an arm changes is also the remedy, so that advice is never given that was not tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from surface_classifier.diagnosis import thresholds
from surface_classifier.training.recipe_rules import auto_learning_rate
from surface_classifier.training.training_config import TrainingConfig

SAME = 'same'
USUAL_SGD_FACTOR = 30.0  # plain gradient steps are shorter than adaptive ones at the same rate


@dataclass(frozen=True)
class Arm:
    """One changed training.

    Attributes:
        name: Key of the arm.
        description: What is changed, for readers.
        changes: Keys of the training configuration with their new values; `network` holds a mapping.
        forked: Goes on from a checkpoint of the training as configured, with its optimiser's state; else it starts
            again from the same first weights.
    """

    name: str
    description: str
    changes: Mapping[str, Any]
    forked: bool = False

    def apply(self, config: TrainingConfig) -> TrainingConfig:
        """Return the changed recipe."""
        network = self.changes.get('network', {})
        rest = {key: value for key, value in self.changes.items() if key != 'network'}
        return replace(config, network=replace(config.network, **network), **rest)


def forked_arms(config: TrainingConfig, windows: int) -> list[Arm]:
    """Arms that find what makes the loss wobble: they part from one checkpoint and differ in one thing.

    Args:
        config: The recipe, resolved.
        windows: How many windows a probe trains on.
    """
    arms = [Arm(SAME, 'the training goes on as configured', {}, forked=True)]
    if batch_size(config) < windows:
        arms.append(
            Arm('full_batch', 'all windows in one step, at the same rate', {'batch_size': windows}, forked=True)
        )
    if masks(config):
        quiet = {'network': {'dropout': 0.0, 'batch_norm': False}}
        arms.append(Arm('no_masks', 'dropout off, batch normalisation frozen', quiet, forked=True))
        if batch_size(config) < windows:
            both = {**quiet, 'batch_size': windows}
            arms.append(Arm('full_batch_no_masks', 'all windows in one step, dropout off', both, forked=True))
    slow = {'learning_rate': learning_rate(config) / 10}
    arms.append(Arm('rate_tenth', 'a tenth of the learning rate', slow, forked=True))
    return arms


def fresh_arms(config: TrainingConfig, windows: int, imbalance: float) -> list[Arm]:
    """Arms that start again, each with the remedy of one cause.

    Args:
        config: The recipe, resolved.
        windows: How many windows a probe trains on.
        imbalance: Windows of the commonest class for one of the rarest.
    """
    network = config.network
    arms = [
        Arm('slower', 'a tenth of the learning rate, from the start', {'learning_rate': learning_rate(config) / 10}),
        Arm('faster', 'ten times the learning rate', {'learning_rate': learning_rate(config) * 10}),
        Arm('much_faster', 'a hundred times the learning rate', {'learning_rate': learning_rate(config) * 100}),
    ]
    usual = auto_learning_rate(config.epochs) * (USUAL_SGD_FACTOR if config.optimizer == 'sgd' else 1.0)
    if learning_rate(config) * 100 < usual:
        arms.append(Arm('usual_rate', 'a usual learning rate', {'learning_rate': usual}))
    if batch_size(config) < thresholds.SMALL_BATCH and 2 * batch_size(config) <= windows:
        arms.append(
            Arm('larger_batch', 'batches of a usual size', {'batch_size': min(thresholds.USUAL_BATCH, windows)})
        )
    if config.schedule == 'constant':
        arms.append(Arm('decayed', 'a rate that falls to zero', {'schedule': 'one_cycle'}))
    if masks(config):
        arms.append(
            Arm(
                'no_regularisation',
                'no dropout, no batch normalisation',
                {'network': {'dropout': 0.0, 'batch_norm': False}},
            )
        )
    if not network.normalise:
        arms.append(Arm('standardised', 'standardised inputs', {'network': {'normalise': True}}))
    if network.inputs == 'raw':
        arms.append(
            Arm(
                'rich_inputs',
                'level, shape and step of the signal as inputs, statistics at the head',
                {'network': {'inputs': 'derived', 'statistics': True, 'pooling': 'mean_max'}},
            )
        )
    if config.class_balance == 'none' and imbalance >= thresholds.IMBALANCE_RATIO:
        arms.append(Arm('weighted', 'rare surfaces weigh more in the loss', {'class_balance': 'weights'}))
    if len(network.hidden_sizes) >= thresholds.DEEP_LAYERS:
        arms.append(
            Arm(
                'shorter_path',
                'one layer, whose mean and maximum over time go to the head',
                {'network': {'hidden_sizes': network.hidden_sizes[:1], 'pooling': 'mean_max'}},
            )
        )
    if config.gradient_clip == 0:
        arms.append(Arm('clipped', 'the gradient clipped to a norm of 1', {'gradient_clip': 1.0}))
    if network.recurrent_gain > 1.0:
        arms.append(Arm('usual_start', 'recurrent weights of the usual size', {'network': {'recurrent_gain': 1.0}}))
    if weights_per_window(config, windows) > thresholds.MANY_WEIGHTS:
        arms.append(
            Arm(
                'narrower',
                f'one layer of {thresholds.NARROW_UNITS} units',
                {'network': {'hidden_sizes': (thresholds.NARROW_UNITS,)}},
            )
        )
    return arms


def batch_size(config: TrainingConfig) -> int:
    """Windows in a step, of a resolved recipe."""
    return int(config.batch_size)


def learning_rate(config: TrainingConfig) -> float:
    """Peak of the rate, of a resolved recipe."""
    return float(config.learning_rate)


def masks(config: TrainingConfig) -> bool:
    """Whether the training draws masks or normalises by the batch."""
    return float(config.network.dropout) > 0 or config.network.batch_norm


def weights_per_window(config: TrainingConfig, windows: int) -> float:
    """Recurrent weights for each training window [1]."""
    sizes = (1, *config.network.hidden_sizes)
    return sum(4 * after * (before + after + 2) for before, after in pairwise(sizes)) / windows


def plain_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes as JSON types."""
    return {
        key: plain_changes(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
        for key, value in changes.items()
    }
