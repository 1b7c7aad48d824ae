# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes from presets and YAML files."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.training.recipe_rules import (
    auto_batch_size,
    auto_dropout,
    auto_label_smoothing,
    auto_learning_rate,
    auto_logit_scale,
)
from surface_classifier.training.training_config import PRESETS, TrainingConfig, load_training_config, recipe_advice


def test_a_preset_is_found_by_its_name() -> None:
    for name, preset in PRESETS.items():
        assert load_training_config(name) is preset


def test_the_large_network_of_the_forum_question_is_trained_as_the_small_one() -> None:
    small, large = PRESETS['fluctuating-loss'], PRESETS['fluctuating-loss-large']
    assert (large.network.hidden_sizes, large.network.dropout) == ((128, 128), 0.2)
    assert {**large.to_dict(), 'network': None} == {**small.to_dict(), 'network': None}


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text(
        'preset: fluctuating-loss\nepochs: 7\nlearning_rate: 2e-3\nnetwork: {hidden_sizes: [16, 8]}\n', encoding='utf-8'
    )
    expected = PRESETS['fluctuating-loss'].to_dict()
    expected.update(epochs=7, learning_rate=2e-3)
    expected['network']['hidden_sizes'] = [16, 8]
    assert load_training_config(file).to_dict() == expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('epoch: 7', 'unknown epoch; known are network, epochs'),
        ('network: {units: 3}', 'unknown units'),
        ('network: 64', 'network must hold keys'),
        ('network: {hidden_sizes: 64}', 'hidden_sizes must be a list'),
        ('preset: best', "preset 'best' is not one of default, accurate, accurate-imu, fluctuating-loss"),
        ('preset: [default]', "preset ['default'] is not one of default"),
        ('epochs: 0', 'epochs must be a whole number of at least 1, not 0'),
        ('epochs: 2.5', 'epochs'),
        ('learning_rate: fast', "learning_rate must be a number of at least 1e-12, or auto, not 'fast'"),
        ('learning_rate: .nan', 'learning_rate'),
        ('validation_fraction: 1', 'validation_fraction'),
        ('optimizer: lion', "optimizer must be one of adamw, adam, rmsprop, sgd, not 'lion'"),
        ('class_balance: true', 'class_balance must be one of none, weights, sampling, not True'),
        ('validation_split: day', "validation_split must be one of recording, window, not 'day'"),
        ('logit_scale: 0', 'logit_scale must be a number of at least 0.001 and below 1000, or auto, not 0'),
        ('network: {input_gain: much}', "input_gain must be a number from 0 to 100, not 'much'"),
        ('discriminant_init: 1', 'discriminant_init must be true or false, not 1'),
        ('batch_size: large', "batch_size must be a whole number of at least 1, or auto, or full, not 'large'"),
        ('batch_size: true', 'batch_size must be'),
        ('epochs: auto', "epochs must be a whole number of at least 1, not 'auto'"),
        ('network: {inputs: spectrum}', "inputs must be one of raw, derived, soft_bins, not 'spectrum'"),
        ('network: {hidden_sizes: [], statistics: true}', 'network: hidden_sizes may be empty in one of members only'),
        ('network: {members: [{units: 3}]}', 'members[0]: unknown units'),
        ('calibration_folds: 1', 'calibration_folds must be 0 or a whole number of at least 2, not 1'),
        ('network: {statistics: 1}', 'statistics must be true or false, not 1'),
        ('network: {recurrent_gain: -1}', 'recurrent_gain must be a number from 0 to 100, not -1'),
        ('network: {joint_channels: both}', "joint_channels must be true or false, not 'both'"),
        ('network: {quantile_bins: 0}', 'quantile_bins must be a whole number from 1 to 64, not 0'),
        ('network: {bin_scale: 0}', 'bin_scale must be a number of at least 1e-06 and below 100, not 0'),
        ('network: {head_sizes: 128}', 'head_sizes must be a list of whole numbers of at least 1, not 128'),
        ('network: {head_sizes: [0]}', 'head_sizes must be'),
        ('network: {head_dropout: 1}', 'head_dropout must be a number of at least 0 and below 1, not 1'),
        ('balanced_sampling: true', '`balanced_sampling: true` is written `class_balance: sampling` now'),
        ('balanced_sampling: false', '`balanced_sampling: false` is written `class_balance: none` now'),
        ('balanced_sampling: 3', 'balanced_sampling is called class_balance now; rename the key'),
        ('network: {inputs: levels}', '`inputs: levels` is written `inputs: soft_bins` now'),
        ('network: {members: [{inputs: levels}]}', 'members[0]: `inputs: levels` is written `inputs: soft_bins` now'),
        ('network: {members: [{bin_scale: much}]}', 'members[0]: bin_scale must be a number'),
        ('mixing: 3', 'mixing is called mixup_alpha now; rename the key'),
        ('network: {others: []}', 'others is called members now; rename the key'),
        ('mixup_alpha: -1', 'mixup_alpha must be a number of at least 0 and below 1000, not -1'),
        ('- epochs', 'holds no keys'),
        ('epochs: [', 'is not YAML'),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text(text, encoding='utf-8')
    with pytest.raises(SurfaceError, match=re.escape(expected)) as refusal:
        load_training_config(file)
    assert str(file) in str(refusal.value)


def test_what_is_neither_preset_nor_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        SurfaceError, match='neither a file nor one of the presets default, accurate, accurate-imu, fluctuating-loss, '
    ):
        load_training_config(tmp_path / 'none.yaml')


@pytest.mark.parametrize(
    ('old', 'now'),
    [
        ('seed', 'fluctuating-loss'),
        ('seed-large', 'fluctuating-loss-large'),
        ('seed-large-batchnorm-sgd-full', 'fluctuating-loss-large-batchnorm-sgd-full'),
    ],
)
def test_an_old_name_of_a_preset_gets_an_error_that_names_the_new_one(tmp_path: Path, old: str, now: str) -> None:
    expected = f'the preset {old} is now called {now}'
    with pytest.raises(SurfaceError, match=f'^{expected}$'):
        load_training_config(old)
    file = tmp_path / 'recipe.yaml'
    file.write_text(f'preset: {old}\nepochs: 7\n', encoding='utf-8')
    with pytest.raises(SurfaceError, match=re.escape(f'{file}: {expected}')):
        load_training_config(file)


def test_a_number_that_yaml_reads_as_text_is_taken_in_a_member_too(tmp_path: Path) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text('network: {members: [{bin_scale: 2e-1, statistics: true}]}', encoding='utf-8')
    assert load_training_config(file).network.members[0].bin_scale == 0.2


@pytest.mark.parametrize('name', ['seeds', 'seed-huge', 'seed-large-rmsprop-3', 'a-seed'])
def test_a_name_that_never_was_a_preset_is_not_renamed(name: str) -> None:
    with pytest.raises(SurfaceError, match=f'^{name} is neither a file nor one of the presets'):
        load_training_config(name)


def test_every_set_up_of_the_forum_question_is_a_preset() -> None:
    for network, shape in (
        ('simple', {'hidden_sizes': [32], 'dropout': 0.0, 'batch_norm': False}),
        ('large', {'hidden_sizes': [128, 128], 'dropout': 0.2, 'batch_norm': False}),
        ('large-batchnorm', {'hidden_sizes': [128, 128], 'dropout': 0.2, 'batch_norm': True}),
    ):
        for optimizer in ('rmsprop', 'adam', 'sgd'):
            for batch_size in (2, 4, 32, 'full'):
                found = load_training_config(f'fluctuating-loss-{network}-{optimizer}-{batch_size}').to_dict()
                assert (found['optimizer'], found['batch_size']) == (optimizer, batch_size)
                assert (found['learning_rate'], found['epochs'], found['schedule']) == (1e-3, 1500, 'constant')
                assert (found['class_balance'], found['validation_fraction']) == ('none', 0.0)
                plain = {'pooling': 'last', 'inputs': 'raw', 'statistics': False, 'normalise': True}
                assert {**found['network'], **shape, **plain} == found['network']
    assert PRESETS['fluctuating-loss'] == PRESETS['fluctuating-loss-simple-rmsprop-32']
    assert PRESETS['fluctuating-loss-large'] == PRESETS['fluctuating-loss-large-rmsprop-32']


def test_words_become_numbers() -> None:
    words = TrainingConfig(batch_size='auto', learning_rate='auto')
    found = words.resolved(4500)
    assert found.batch_size == auto_batch_size(4500)
    assert found.learning_rate == auto_learning_rate(math.ceil(4500 / found.batch_size) * words.epochs)
    assert found.logit_scale == auto_logit_scale(4500) == 1.0
    assert (
        (found.network.dropout, found.label_smoothing) == (auto_dropout(4500), auto_label_smoothing(4500)) == (0.3, 0.1)
    )
    few = words.resolved(98)
    assert (few.logit_scale, few.network.dropout, few.label_smoothing) == (5.0, 0.0, 0.0)
    strong = replace(words, network=replace(words.network, dropout=0.6), label_smoothing=0.2)
    assert (strong.resolved(98).network.dropout, strong.resolved(4500).label_smoothing) == (0.6, 0.2)
    assert replace(words, discriminant_init=False).resolved(98).logit_scale == 1.0
    full = TrainingConfig(batch_size='full', learning_rate=0.5).resolved(98)
    assert (full.batch_size, full.learning_rate) == (98, 0.5)
    assert TrainingConfig(batch_size=200).resolved(98).batch_size == 98
    network = NetworkConfig(statistics=True)
    numbers = TrainingConfig(network, batch_size=20, learning_rate=0.1, logit_scale=2.0, label_smoothing=0.1)
    assert numbers.resolved(98) == numbers


@given(windows=st.integers(2, 200_000))
def test_automatic_batches_are_of_equal_size(windows: int) -> None:
    batch = auto_batch_size(windows)
    steps = -(-windows // batch)
    assert 1 <= batch <= windows
    assert steps * batch - windows < steps
    assert 2e-3 <= auto_learning_rate(steps) <= 1e-2
    assert 1.0 <= auto_logit_scale(windows) <= 5.0


def test_a_recipe_survives_its_dictionary() -> None:
    for preset in PRESETS.values():
        values = preset.to_dict()
        assert TrainingConfig(**{**values, 'network': NetworkConfig(**values['network'])}) == preset


def test_a_file_may_hold_words(tmp_path: Path) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text('batch_size: full\nlearning_rate: auto\nclass_balance: weights\n', encoding='utf-8')
    found = load_training_config(file)
    assert (found.batch_size, found.learning_rate, found.class_balance) == ('full', 'auto', 'weights')


def test_another_recipe_is_advised_where_there_is_enough_to_learn_from() -> None:
    default = load_training_config('default')
    assert '--config accurate' in recipe_advice(default, 5586, 71)
    assert '5586 windows of 71 recordings' in recipe_advice(default, 5586, 71)
    assert recipe_advice(default, 98, 71) == recipe_advice(default, 5586, 0) == recipe_advice(default, 5586, 8) == ''
    assert recipe_advice(load_training_config('accurate'), 5586, 71) == ''
