# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A model on disk: both engines give the same, and no damaged file is ever loaded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_samples import MOTOR_CONFIG, TWO_PART_CONFIG, save_random_model

from current_driver.errors import SurfaceError
from surface_classifier.model import checkpoint
from surface_classifier.model.checkpoint import save_model
from surface_classifier.model.contract import CONTRACT_FILE, ONNX_FILE, WEIGHTS_FILE, load_contract
from surface_classifier.model.engine import EngineName, load_engine, softmax
from surface_classifier.model.network.ensemble import Network
from surface_classifier.model.network.network_weights import load_network
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.training.training_config import PRESETS

REQUIRES = ('torch',)


def random_windows(config: WindowConfig, windows: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        5.0 + 2.0 * rng.normal(size=(windows, config.samples_of_part(index), len(part.channels)))
        for index, part in enumerate(config.parts)
    ]


@pytest.mark.parametrize(
    ('config', 'network'),
    [
        (MOTOR_CONFIG, NetworkConfig(hidden_sizes=(16,), pooling='last')),
        (MOTOR_CONFIG, NetworkConfig(hidden_sizes=(16,), pooling='mean_max')),
        (TWO_PART_CONFIG, NetworkConfig(hidden_sizes=(12, 8), pooling='mean_max')),
        (MOTOR_CONFIG, NetworkConfig(hidden_sizes=(8,), inputs='derived', batch_norm=True)),
        (MOTOR_CONFIG, NetworkConfig(hidden_sizes=(8,), normalise=False)),
        (TWO_PART_CONFIG, NetworkConfig(hidden_sizes=(8,), pooling='mean_max', inputs='derived', statistics=True)),
        (MOTOR_CONFIG, replace(PRESETS['accurate'].network, head_sizes=(12, 8))),
        (TWO_PART_CONFIG, replace(PRESETS['accurate-imu'].network, frame_samples=(0, 8))),
    ],
)
def test_onnx_torch_and_numpy_give_the_network_s_probabilities(
    tmp_path: Path, config: WindowConfig, network: NetworkConfig
) -> None:
    lstm, contract = save_random_model(tmp_path / 'model', config, network, temperature=0.5)
    onnx, torch_engine = load_engine(tmp_path / 'model'), load_engine(tmp_path / 'model', 'torch', 'cpu')
    numpy_engine = load_engine(tmp_path / 'model', 'numpy')
    assert [each.description for each in (onnx, torch_engine, numpy_engine)] == [
        'onnx on cpu',
        'torch on cpu',
        'numpy on cpu',
    ]
    for windows in (1, 2, 33):
        parts = random_windows(config, windows, seed=windows)
        parts[0][0, 3, 0] = np.nan
        parts[0][-1, :, 0] = np.nan
        with torch.inference_mode():
            logits = lstm(*(torch.from_numpy(part.astype(np.float32)) for part in parts)).double().numpy()
        expected = softmax(logits / 0.5)
        for engine in (onnx, torch_engine, numpy_engine):
            found = engine.predict(parts)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, expected, atol=1e-5)
            np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert expected.std(axis=0).max() > 1e-3, 'the windows must not all look alike to the network'
    assert contract.onnx_sha256 == load_contract(tmp_path / 'model').onnx_sha256


def test_the_weights_come_back_to_the_bit(tmp_path: Path) -> None:
    lstm, contract = save_random_model(tmp_path / 'model')
    loaded = load_network(tmp_path / 'model', contract).state_dict()
    assert loaded.keys() == lstm.state_dict().keys()
    for name, value in lstm.state_dict().items():
        assert torch.equal(loaded[name], value)


@pytest.mark.parametrize('file', [WEIGHTS_FILE, ONNX_FILE])
def test_no_flipped_bit_is_loaded(model: Path, tmp_path: Path, file: str) -> None:
    copy = tmp_path / 'copy'
    shutil.copytree(model, copy)
    content = (model / file).read_bytes()
    engine: EngineName = 'onnx' if file == ONNX_FILE else 'torch'
    load_engine(copy, engine, 'cpu')
    rng = np.random.default_rng(0)
    for position in rng.choice(len(content), 100, replace=False):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        (copy / file).write_bytes(damaged)
        with pytest.raises(SurfaceError, match='does not belong to its contract'):
            load_engine(copy, engine, 'cpu')
    (copy / file).write_bytes(content[:-1])
    with pytest.raises(SurfaceError, match='does not belong to its contract'):
        load_engine(copy, engine, 'cpu')


def test_files_of_two_models_do_not_mix(model: Path, tmp_path: Path) -> None:
    save_random_model(tmp_path / 'other', network=NetworkConfig(hidden_sizes=(4,)))
    for file in (WEIGHTS_FILE, ONNX_FILE, CONTRACT_FILE):
        mixed = tmp_path / f'mixed_{file}'
        shutil.copytree(model, mixed)
        shutil.copy(tmp_path / 'other' / file, mixed / file)
        only: dict[str, tuple[EngineName, ...]] = {ONNX_FILE: ('onnx',)}
        engines = only.get(file, ('onnx', 'torch'))
        for engine in engines:
            with pytest.raises(SurfaceError, match='does not belong to its contract'):
                load_engine(mixed, engine, 'cpu')


def test_an_export_that_differs_is_never_written(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = load_contract(model)
    network = load_network(model, contract)
    export = checkpoint._export_onnx

    def export_another(lstm: Network, config: WindowConfig) -> bytes:
        with torch.no_grad():
            lstm.head.bias[0] += 1e-3
            found = export(lstm, config)
            lstm.head.bias[0] -= 1e-3
        return found

    monkeypatch.setattr(checkpoint, '_export_onnx', export_another)
    with pytest.raises(RuntimeError, match='differs from the network'):
        save_model(tmp_path / 'model', network, contract)
    assert list(tmp_path.iterdir()) == []


def test_the_same_network_gives_the_same_files_without_a_trace_of_this_machine(model: Path, tmp_path: Path) -> None:
    save_random_model(tmp_path / 'again')
    for file in (WEIGHTS_FILE, ONNX_FILE, CONTRACT_FILE):
        content = (tmp_path / 'again' / file).read_bytes()
        assert content == (model / file).read_bytes()
        assert str(Path(checkpoint.__file__).parent).encode() not in content


def test_what_is_there_is_not_overwritten_unasked(model: Path, tmp_path: Path) -> None:
    contract = load_contract(model)
    network = load_network(model, contract)
    copy = tmp_path / 'copy'
    shutil.copytree(model, copy)
    with pytest.raises(SurfaceError, match='holds a model already'):
        save_model(copy, network, contract)
    save_model(copy, network, contract, overwrite=True)
    (tmp_path / 'notes').mkdir()
    with pytest.raises(SurfaceError, match='is not a model'):
        save_model(tmp_path / 'notes', network, contract, overwrite=True)
