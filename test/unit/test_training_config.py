# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes from presets and YAML files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from surface_classifier.training.config import PRESETS, load_training_config


def test_a_preset_is_found_by_its_name() -> None:
    for name, preset in PRESETS.items():
        assert load_training_config(name) is preset


def test_the_large_seed_network_is_trained_as_the_small_one() -> None:
    small, large = PRESETS['seed'], PRESETS['seed-large']
    assert (large.network.hidden_sizes, large.network.dropout) == ((128, 128), 0.2)
    assert {**large.to_dict(), 'network': None} == {**small.to_dict(), 'network': None}


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text(
        'preset: seed\nepochs: 7\nlearning_rate: 2e-3\nnetwork: {hidden_sizes: [16, 8]}\n', encoding='utf-8'
    )
    expected = PRESETS['seed'].to_dict()
    expected.update(epochs=7, learning_rate=2e-3)
    expected['network']['hidden_sizes'] = [16, 8]
    assert load_training_config(file).to_dict() == expected


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('epoch: 7', 'unknown epoch; known are network, epochs'),
        ('network: {units: 3}', 'unknown units'),
        ('network: 64', 'network must hold keys'),
        ('network: {hidden_sizes: 64}', 'hidden_sizes must be a list'),
        ('preset: best', "preset 'best' is not one of default, seed"),
        ('epochs: 0', 'epochs must be a positive whole number, not 0'),
        ('epochs: 2.5', 'epochs'),
        ('learning_rate: fast', "learning_rate must be a number of at least 1e-12 and below inf, not 'fast'"),
        ('learning_rate: .nan', 'learning_rate'),
        ('validation_fraction: 1', 'validation_fraction'),
        ('optimizer: adam', "optimizer must be one of adamw, rmsprop, sgd, not 'adam'"),
        ('balanced_sampling: 1', 'balanced_sampling'),
        ('- epochs', 'holds no keys'),
        ('epochs: [', 'is not YAML'),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / 'recipe.yaml'
    file.write_text(text, encoding='utf-8')
    with pytest.raises(SurfaceError, match=re.escape(told)) as refusal:
        load_training_config(file)
    assert str(file) in str(refusal.value)


def test_neither_preset_nor_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match='neither a file nor one of the presets default, seed, seed-large'):
        load_training_config(tmp_path / 'none.yaml')
