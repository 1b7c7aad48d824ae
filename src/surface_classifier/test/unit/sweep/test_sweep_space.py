# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a sweep searches: the default space, what a YAML file changes in it, and how a drawn point becomes a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import optuna
import pytest

from current_driver.errors import SurfaceError
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.sweep.sweep_space import load_space
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('optuna',)

RECIPE = TrainingConfig(network=NetworkConfig(hidden_sizes=(64,), dropout=0.2), batch_size=32, learning_rate=2e-3)
WINDOWS = 58


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / 'space.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_the_default_space_goes_from_a_batch_of_two_to_the_full_batch() -> None:
    space = load_space(None, RECIPE)
    found = space.distributions(WINDOWS)
    assert found['log2 batch_size'] == optuna.distributions.IntDistribution(1, 6)
    point = space.nearest(RECIPE, WINDOWS)
    assert point is not None
    batches = [
        space.values({**point, 'log2 batch_size': exponent}, RECIPE, WINDOWS)['batch_size'] for exponent in range(1, 7)
    ]
    assert batches == [2, 4, 8, 16, 32, 'full']


@pytest.mark.parametrize(('optimizer', 'power'), [('adamw', 0.5), ('rmsprop', 0.5), ('sgd', 1.0)])
def test_a_rate_goes_with_its_batch(optimizer: Literal['adamw', 'rmsprop', 'sgd'], power: float) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    space = load_space(None, recipe)
    point = space.nearest(recipe, WINDOWS)
    assert point is not None
    rates = {}
    for exponent in (1, 5, 6):
        values = space.values({**point, 'log2 batch_size': exponent}, RECIPE, WINDOWS)
        rates[values['batch_size']] = values['learning_rate']
    assert rates[32] == pytest.approx(2e-3)
    assert rates[2] == pytest.approx(2e-3 * (2 / 32) ** power)
    assert rates['full'] == pytest.approx(2e-3 * (WINDOWS / 32) ** power)


def test_a_rate_without_a_batch_is_plain(tmp_path: Path) -> None:
    space = load_space(written(tmp_path, 'learning_rate: {low: 1e-3, high: 1e-1, log: true}'), RECIPE)
    point = space.nearest(RECIPE, WINDOWS)
    assert point is not None
    assert space.values({**point, 'log2 batch_size': 1}, RECIPE, WINDOWS)['learning_rate'] == pytest.approx(2e-3)


def test_the_point_nearest_to_a_recipe_is_the_recipe_where_it_is_in_the_space() -> None:
    space = load_space(None, RECIPE)
    point = space.nearest(RECIPE, WINDOWS)
    assert point is not None
    found = space.apply(RECIPE, space.values(point, RECIPE, WINDOWS))
    assert found.learning_rate == pytest.approx(RECIPE.learning_rate)
    assert replace(found, learning_rate=RECIPE.learning_rate) == RECIPE


def test_a_recipe_that_is_outside_begins_at_the_edge() -> None:
    recipe = replace(RECIPE, batch_size='full', learning_rate=5.0, weight_decay=0.0, optimizer='rmsprop')
    space = load_space(None, recipe)
    point = space.nearest(recipe, WINDOWS)
    assert point is not None
    found = space.apply(recipe, space.values(point, recipe, WINDOWS))
    assert (found.batch_size, found.weight_decay, found.optimizer) == ('full', 1e-5, 'rmsprop')
    for name, distribution in space.distributions(WINDOWS).items():
        assert distribution._contains(distribution.to_internal_repr(point[name])), name


def test_every_point_is_a_recipe() -> None:
    recipe = TrainingConfig(network=NetworkConfig(hidden_sizes=(16, 16)), batch_size='auto', learning_rate='auto')
    space = load_space(None, recipe)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        drawn = study.ask(space.distributions(WINDOWS)).params
        found = space.apply(recipe, space.values(drawn, recipe, WINDOWS))
        assert found.network.hidden_sizes[0] == found.network.hidden_sizes[1]
        assert found.resolved(WINDOWS).batch_size in (2, 4, 8, 16, 32, WINDOWS)


def test_a_file_changes_the_space_key_by_key(tmp_path: Path) -> None:
    text = """\
batch_size: [4, full]
weight_decay: null
network.hidden_sizes: [[8], [8, 8]]
label_smoothing: {low: 0, high: 0.2}
patience: {low: 5, high: 20}
"""
    space = load_space(written(tmp_path, text), RECIPE)
    assert set(space.dimensions) == {
        'batch_size', 'learning_rate', 'optimizer', 'network.dropout', 'network.hidden_sizes', 'label_smoothing',
        'patience',
    }  # fmt: skip
    drawn = {
        'batch_size': 'full',
        'learning_rate at batch 32': 1e-3,
        'optimizer': 'sgd',
        'network.dropout': 0.1,
        'network.hidden_sizes': '[8, 8]',
        'label_smoothing': 0.05,
        'patience': 7,
    }
    assert drawn.keys() == space.distributions(WINDOWS).keys()
    found = space.apply(RECIPE, space.values(drawn, RECIPE, WINDOWS))
    assert found.network == replace(RECIPE.network, hidden_sizes=(8, 8), dropout=0.1)
    assert (found.batch_size, found.optimizer, found.patience) == ('full', 'sgd', 7)
    assert found.weight_decay == RECIPE.weight_decay
    assert space.nearest(RECIPE, WINDOWS) is None  # neither its batch nor its layers are among the choices


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('- 2', 'holds no keys'),
        ('batch_size: {low: 2', 'is not YAML'),
        ('batchsize: [2]', 'unknown batchsize; known are hidden_size, batch_size'),
        ('mixing: [0, 3]', 'mixing is called mixup_alpha now'),
        ('network.levels: [8, 16]', 'network.levels is called network.quantile_bins now'),
        ('network.inputs: [raw, levels]', '`inputs: levels` is written `inputs: soft_bins` now'),
        ('balanced_sampling: [true, false]', 'balanced_sampling is called class_balance now'),
        ('epochs: [10, 20]', 'set it with --epochs'),
        ('optimizer: [adam, lion]', "not 'lion'"),
        ('optimizer: []', 'optimizer has no choices'),
        ('batch_size: 4', 'not 4'),
        ('batch_size: {low: 2}', 'low: ..., high: ...'),
        ('batch_size: {low: 3, high: 8, powers_of_two: true}', '3 is not a power of two'),
        ('batch_size: {low: 16, high: 8}', 'low 16 is above high 8'),
        ('batch_size: {low: 2, high: 8, step: 2}', 'unknown step'),
        ('hidden_size: {low: 16, high: full}', 'high: full is a batch size'),
        ('learning_rate: {low: 0, high: 1, log: true}', 'low must be above 0'),
        ('learning_rate: {low: 0.1, high: much}', "'much' is not a number"),
        ('learning_rate: {low: 0.1, high: 1, log: maybe}', "not 'maybe'"),
        ('weight_decay: {low: 0, high: 1, at_batch: 32}', 'for learning_rate alone, not 32'),
        ('network.dropout: {low: 0, high: 1}', 'dropout'),
        ('{hidden_size: [8], network.hidden_sizes: [[8]]}', 'search one of them'),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SurfaceError) as caught:
        load_space(path, RECIPE)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_space_of_nothing_is_refused(tmp_path: Path) -> None:
    keys = load_space(None, RECIPE).dimensions
    with pytest.raises(SurfaceError, match='nothing is left to search'):
        load_space(written(tmp_path, '\n'.join(f'{key}: null' for key in keys)), RECIPE)


def test_a_space_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'missing\.yaml: no such space file'):
        load_space(tmp_path / 'missing.yaml', RECIPE)


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    space = load_space(written(tmp_path, 'batch_size: {low: 64, high: full, powers_of_two: true}'), RECIPE)
    with pytest.raises(SurfaceError, match='batch_size begins at 64, but a fold has 58 training windows only'):
        space.distributions(WINDOWS)
