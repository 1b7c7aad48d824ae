# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: what is taken when nothing is said, what is refused, and that the robot's engine needs no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from model_samples import MOTOR_CONFIG, save_random_model

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import ONNX_FILE
from surface_classifier.model.engine import load_engine

REQUIRES = ('torch',)


def test_the_robot_s_engine_imports_neither_torch_nor_safetensors_nor_sklearn(model: Path) -> None:
    code = (
        'import sys, numpy\n'
        'from surface_classifier.model.engine import load_engine\n'
        'from surface_classifier.model.labeller import Labeller\n'
        'engine = load_engine(sys.argv[1])\n'
        'engine.warm_up()\n'
        'Labeller(engine)\n'
        "heavy = {'torch', 'safetensors', 'sklearn', 'onnx', 'onnxscript', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        'sys.exit(", ".join(sorted(heavy)) or 0)\n'
    )
    done = subprocess.run([sys.executable, '-c', code, str(model)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_robot_s_engine_writes_nothing_to_the_home_folder(model: Path, tmp_path: Path) -> None:
    # ONNX Runtime's official builds keep a device id there and report to their maker, unless that is switched off.
    code = (
        'import sys\n'
        'from surface_classifier.model.engine import load_engine\n'
        'load_engine(sys.argv[1], "onnx").warm_up()\n'
    )
    variables = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    variables |= {'HOME': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path / 'cache')}
    command = [sys.executable, '-c', code, str(model)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('engine', ['onnx', 'torch', 'numpy'])
def test_a_window_gets_the_same_probabilities_alone_and_among_others(model: Path, engine: str) -> None:
    loaded = load_engine(model, engine, 'cpu')  # type: ignore[arg-type]
    windows = 5.0 + 2.0 * np.random.default_rng(0).normal(size=(40, 12, 2))
    together = loaded.predict([windows])
    alone = np.concatenate([loaded.predict([window[np.newaxis]]) for window in windows])
    np.testing.assert_allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize('engine', ['onnx', 'torch', 'numpy'])
def test_infinite_values_give_no_number(model: Path, engine: str) -> None:
    loaded = load_engine(model, engine, 'cpu')  # type: ignore[arg-type]
    windows = np.full((2, 12, 2), 5.0)
    windows[0, 4, 0], windows[0, 4, 1] = np.inf, -np.inf
    found = loaded.predict([windows])
    assert np.isnan(found[0]).all() or np.isfinite(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_windows_of_another_shape_are_an_error(model: Path) -> None:
    engine = load_engine(model)
    with pytest.raises(Exception, match=r'12'):
        engine.predict([np.zeros((1, 13, 2))])
    with pytest.raises(ValueError, match='zip'):
        engine.predict([np.zeros((1, 12, 2)), np.zeros((1, 12, 2))])


def test_nothing_said_means_onnx_on_the_cpu(model: Path) -> None:
    engine = load_engine(model)
    assert engine.description == 'onnx on cpu'
    assert engine.contract.config == MOTOR_CONFIG


def test_without_onnx_runtime_numpy_runs_the_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    assert load_engine(model).description == 'numpy on cpu'
    with pytest.raises(SurfaceError, match=r'needs the Python package `onnxruntime`.*engine numpy or auto'):
        load_engine(model, 'onnx')


def test_a_model_without_an_onnx_file_is_run_by_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    save_random_model(tmp_path / 'model')
    assert not (tmp_path / 'model' / ONNX_FILE).exists()
    assert load_engine(tmp_path / 'model').description == 'numpy on cpu'
    with pytest.raises(SurfaceError, match=r'has no model.onnx.*use engine numpy or auto'):
        load_engine(tmp_path / 'model', 'onnx')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a CUDA device here')
@pytest.mark.parametrize('engine', ['auto', 'torch'])
def test_cuda_without_a_gpu_is_an_error_with_a_remedy(model: Path, engine: str) -> None:
    with pytest.raises(SurfaceError, match=r'no CUDA device.*use device cpu'):
        load_engine(model, engine, 'cuda')  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_cuda_gives_what_the_cpu_gives(model: Path) -> None:
    windows = [5.0 + 2.0 * np.random.default_rng(0).normal(size=(40, 12, 2))]
    found = load_engine(model, 'torch', 'cuda').predict(windows)
    np.testing.assert_allclose(found, load_engine(model, 'torch', 'cpu').predict(windows), atol=1e-4)


@pytest.mark.parametrize(
    ('engine', 'device', 'expected'),
    [
        ('tensorrt', 'auto', "engine 'tensorrt'"),
        ('auto', 'tpu', "device 'tpu'"),
        ('onnx', 'cuda', 'CPU only'),
        ('numpy', 'cuda', 'CPU only'),
    ],
)
def test_what_there_is_not_is_refused_by_name(model: Path, engine: str, device: str, expected: str) -> None:
    with pytest.raises(SurfaceError, match=expected):
        load_engine(model, engine, device)  # type: ignore[arg-type]
