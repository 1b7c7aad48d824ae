# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile model folders and damaged model files end in one sentence, in bounded time; no answer changes unseen."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_samples import learnable_dataset, with_motion

from current_driver.errors import SurfaceError
from surface_classifier.cli.main import main
from surface_classifier.model.engine import InferenceEngine, load_engine
from surface_classifier.model.loading.model_loader import ModelLoader
from surface_classifier.training.train_model import train_model
from surface_classifier.training.training_config import load_training_config

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench' / 'faults'))
import hostile_models
import model_faults

REQUIRES = ('onnx', 'safetensors', 'torch')
LIMIT_S = 60.0
WINDOW = np.random.default_rng(0).normal(5.0, 1.0, size=(3, 12, 2))


@pytest.fixture(scope='module')
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('models')
    plain = learnable_dataset(folder / 'plain')
    speed = np.where(np.arange(len(plain)) % 2, 0.2, 0.3)
    dataset = with_motion(plain, folder / 'dataset', speed, speed)
    train_model(dataset, folder / 'model', replace(load_training_config('default'), epochs=1))
    return folder / 'model'


def load(folder: Path) -> InferenceEngine:
    """Load a model as the node does, given up after a time."""
    loader: ModelLoader[InferenceEngine] = ModelLoader(load_engine, LIMIT_S, lambda: False)
    return loader.load(str(folder))


def test_there_are_66_hostile_folders_and_their_maker_is_sound(sound: Path, tmp_path: Path) -> None:
    assert len(hostile_models.hostile_models()) == 66
    resealed = hostile_models.make_hostile(sound, tmp_path / 'model', hostile_models.seal)
    np.testing.assert_array_equal(load(resealed).predict([WINDOW]), load(sound).predict([WINDOW]))


@pytest.mark.parametrize('name', hostile_models.hostile_models())
def test_a_hostile_folder_is_refused_with_a_sentence_that_names_it(
    sound: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = hostile_models.make_hostile(sound, tmp_path / 'model', hostile_models.hostile_models()[name])
    with pytest.raises(SurfaceError) as refusal:
        load(folder)
    assert str(folder) in str(refusal.value)
    assert ';' in str(refusal.value)  # what is wrong; the remedy
    assert 'does not answer' not in str(refusal.value)
    status = main(['info', str(folder)])
    told = capsys.readouterr()
    assert status == (0 if name.startswith(('onnx: ', 'novelty: ', 'weights: ', 'contract: a huge network')) else 2)
    assert told.err.startswith('surface: error: ') == (status == 2)


@pytest.mark.parametrize('file', hostile_models.FILES)
@pytest.mark.parametrize('sealed', [False, True])
def test_a_damaged_file_changes_an_answer_only_with_every_digest_recomputed(
    sound: Path, tmp_path: Path, file: str, sealed: bool
) -> None:
    rng = random.Random(f'{file} {sealed}')
    expected = load(sound).predict([WINDOW])
    refused = 0
    for number in range(20):
        folder = hostile_models.make_hostile(
            sound, tmp_path / str(number), lambda folder: model_faults.mutate(folder, file, rng, sealed=sealed)
        )
        try:
            found = load(folder).predict([WINDOW])
        except SurfaceError:
            refused += 1
            continue
        assert sealed or np.array_equal(found, expected)
        assert np.isfinite(found).all()
    assert refused or sealed


def test_an_outcome_that_must_not_be_is_a_failure() -> None:
    for kind, way, outcome, allowed in [
        ('hostile', 'start', 'refused', True),
        ('hostile', 'start', 'as before', False),
        ('hostile', 'info', 'as before', True),
        ('model.onnx', 'classify', 'changed', False),
        ('model.onnx, sealed', 'classify', 'changed', True),
        ('model.onnx, sealed', 'classify', 'raw', False),
        ('model.onnx, sealed', 'service', 'hang', False),
    ]:
        assert model_faults.judge(kind, way, {'outcome': outcome}) is allowed
