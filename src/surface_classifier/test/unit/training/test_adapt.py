# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Adapting to another robot: normalisation without labels, the head with them, and nothing forgotten with few."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_samples import learnable_dataset, quick_recipe

from current_driver.recordings.recording import find_recordings
from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import EXIT_BAD_INPUT, main
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.contract import load_contract
from surface_classifier.model.network.ensemble import Network
from surface_classifier.training.adapt import (
    ADAPTATION_STEPS,
    UNLABELLED,
    RobotWindows,
    adapt_model,
    adapt_network,
    predict_labelled,
)
from surface_classifier.training.loop import train
from surface_classifier.training.prepared_windows import predict_logits

REQUIRES = ('torch',)

QUICK = quick_recipe(10)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set', recordings_per_class=6)


@pytest.fixture(scope='module')
def network(dataset: Dataset) -> Network:
    return train(dataset, QUICK, 0).network


def robot(dataset: Dataset, gain: float, offset: float = 0.0) -> RobotWindows:
    values = gain * np.asarray(dataset.parts['motor']) + offset
    recording = np.zeros(len(dataset), dtype=np.int64)
    return RobotWindows([values], np.asarray(dataset.labels), recording, np.asarray(dataset.end_ns), ('other',))


def accuracy(network: Network, windows: RobotWindows) -> float:
    parts = [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in windows.parts]
    return float((predict_logits(network, parts).argmax(dim=1).numpy() == windows.labels).mean())


def test_without_labels_the_normalisation_takes_back_gain_and_offset(network: Network, dataset: Dataset) -> None:
    own, other = robot(dataset, 1.0), robot(dataset, 1.6, 3.0)
    before = accuracy(network, own)
    assert accuracy(network, other) < before - 0.2
    unlabelled = replace(other, labels=np.full(len(other.labels), UNLABELLED))
    adapted = adapt_network(network, unlabelled)
    assert accuracy(adapted, other) > before - 0.02
    torch.testing.assert_close(adapted.head.weight, network.head.weight)
    assert accuracy(network, own) == before  # the network given stays as it is


def test_labels_teach_what_the_other_robot_does_differently(network: Network, dataset: Dataset) -> None:
    """On the other robot two surfaces have changed places."""
    own = robot(dataset, 1.0)
    swapped = replace(own, labels=np.array([1, 0, 2])[own.labels])
    half = np.arange(len(own.labels)) % 2 == 0
    shown = RobotWindows(
        [own.parts[0][half]], swapped.labels[half], own.recording[half], own.stamps_ns[half], own.recordings
    )
    assert accuracy(adapt_network(network, shown, use_labels=False), swapped) < 0.6
    assert accuracy(adapt_network(network, shown, head_pull=0.01), swapped) > 0.75
    # Held tightly, the head forgets nothing.
    assert accuracy(adapt_network(network, shown, head_pull=1e6), own) > 0.75


def test_a_head_with_hidden_layers_learns_the_other_robot(dataset: Dataset) -> None:
    deep = replace(QUICK.network, statistics=True, head_sizes=(12,), head_dropout=0.2)
    network = train(dataset, replace(QUICK, network=deep, mixup_alpha=1.0), 0).network
    own = robot(dataset, 1.0)
    swapped = replace(own, labels=np.array([1, 0, 2])[own.labels])
    assert accuracy(network, swapped) < 0.6
    assert accuracy(adapt_network(network, swapped, head_pull=1e-4), swapped) > 0.75


def test_predictions_of_another_robot_say_whether_the_network_has_learnt_from_it(
    network: Network, dataset: Dataset
) -> None:
    other = robot(dataset, 1.6)
    labelled = np.where(np.arange(len(dataset)) % 3 == 0, other.labels, UNLABELLED)
    windows = replace(other, labels=labelled)
    before = predict_labelled(network, windows, fitted=False)
    after = predict_labelled(adapt_network(network, windows), windows, fitted=True)
    assert len(before) == len(after) == (labelled != UNLABELLED).sum()
    np.testing.assert_array_equal(before.labels, labelled[labelled != UNLABELLED])
    assert before.new_recording.all()
    assert len(before.for_calibration()) == len(before)
    assert len(after.for_calibration()) == 0  # what it has learnt from says nothing of new recordings
    assert len(predict_labelled(network, replace(other, labels=np.full(len(dataset), UNLABELLED)), fitted=False)) == 0


def test_the_command_writes_a_model_that_labels_the_other_robot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(4):
        write_drive(tmp_path / 'recordings' / f'drive_{seed}', [('ice', 8.0), ('snow', 8.0)], seed=seed)
    write_drive(tmp_path / 'other', [('ice', 10.0), ('snow', 10.0)], seed=9)
    write_drive(tmp_path / 'stranger', [('mud', 8.0)], seed=9)
    (tmp_path / 'recipe.yaml').write_text('network: {hidden_sizes: [8]}\nepochs: 3\n', encoding='utf-8')

    def run(*arguments: object) -> int:
        return main([str(argument) for argument in arguments])

    assert run('dataset', 'build', tmp_path / 'recordings', '-o', tmp_path / 'data') == 0
    assert run('train', tmp_path / 'data', '-o', tmp_path / 'model', '--config', tmp_path / 'recipe.yaml') == 0
    options = ('-o', tmp_path / 'adapted', '--json', tmp_path / 'adapt.json')
    assert run('adapt', tmp_path / 'model', tmp_path / 'other', *options) == 0
    found = json.loads((tmp_path / 'adapt.json').read_text(encoding='utf-8'))
    assert 0 < found['labelled'] < found['windows']  # one window at least lies over the change
    old, new = load_contract(tmp_path / 'model'), load_contract(tmp_path / 'adapted')
    assert new.training_data['adapted_from'] == old.weights_sha256
    assert new.normalisation != old.normalisation
    assert new.novelty_sha256 not in ('', old.novelty_sha256)
    assert new.conformal == {}
    assert run('classify', tmp_path / 'adapted', tmp_path / 'other') == 0
    written = []
    again = tmp_path / 'again'
    adapt_model(
        tmp_path / 'model',
        find_recordings([str(tmp_path / 'other')]),
        again,
        on_progress=lambda _: written.append((again / 'model.json').exists()),
    )
    assert written == [False, False, True]  # the recording is read, the network adapted, the model written
    assert len(written) == 1 + ADAPTATION_STEPS
    capsys.readouterr()
    assert run('adapt', tmp_path / 'model', tmp_path / 'stranger', '-o', tmp_path / 'no') == EXIT_BAD_INPUT
    assert "labelled 'mud'" in capsys.readouterr().err
    assert not (tmp_path / 'no').exists()
