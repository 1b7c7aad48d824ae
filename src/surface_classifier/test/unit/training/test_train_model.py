# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The way of a data set through `train_model`: few files see it, and the pure part of it calls nothing above itself."""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from model_samples import learnable_dataset

import surface_classifier
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.training import train_model as train_model_file
from surface_classifier.training.train_model import train_model
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('torch',)

PACKAGE = Path(surface_classifier.__file__).parent
MOST_FILES = 9
MOST_CALLS_BACK = 3
# From the bottom to the top; a file of one layer may call those below it.
LAYERS = ('signal', 'data', 'model', 'training/confidence', 'training/engines', 'training')


@functools.cache
def _in_package(path: str) -> str | None:
    """Name of a file in the package; None: it is another one's."""
    return str(Path(path).relative_to(PACKAGE)) if path.startswith(f'{PACKAGE}/') else None


def _file(frame: FrameType | None) -> str | None:
    return None if frame is None else _in_package(frame.f_code.co_filename)


def _layer(file: str) -> int:
    above = [layer for layer in LAYERS if Path(file).is_relative_to(layer)]
    return LAYERS.index(max(above, key=len))


def _takes_a_dataset(frame: FrameType) -> bool:
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return any(isinstance(frame.f_locals.get(name), Dataset) for name in names)


def test_few_files_see_the_data_set_and_few_calls_go_back_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is written has no data set in it any more, and the exporter is slow to watch.
    monkeypatch.setattr(train_model_file, 'save_model', lambda _, __, contract, *___, **____: contract)
    dataset = learnable_dataset(tmp_path / 'set', recordings_per_class=6)
    network = NetworkConfig(hidden_sizes=(8,), pooling='mean_max')
    config = TrainingConfig(network=network, epochs=1, batch_size=64, validation_fraction=0.3, calibration_folds=2)
    files: set[str] = set()
    back: set[tuple[str, str]] = set()
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        callee = _file(frame)
        if event != 'call' or callee is None:
            return
        above = frame.f_back
        while above is not None and _file(above) is None:
            above = above.f_back
        caller = _file(above)
        if caller is None or caller == callee:
            return
        call = f'{caller} -> {callee}: {frame.f_code.co_name}'
        if _takes_a_dataset(frame):
            files.update((caller, callee))
            if call not in calls:
                calls.append(call)
        if _layer(callee) > _layer(caller):
            back.add((caller, callee))

    sys.setprofile(note)
    try:
        train_model(dataset, tmp_path / 'model', config)
    finally:
        sys.setprofile(None)
    print('\n'.join(calls))
    print('calls back to a higher layer:', sorted(back))
    assert 'training/train_model.py' in files
    assert len(files) <= MOST_FILES, calls
    assert len(back) <= MOST_CALLS_BACK, back


def test_confidence_is_a_function_of_predictions_alone() -> None:
    """Nothing there trains or loads a network: it imports neither torch nor the loop."""
    for file in sorted((PACKAGE / 'training' / 'confidence').glob('*.py')):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            modules = [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                assert module.partition('.')[0] != 'torch', file
                above = module.startswith('surface_classifier.training.')
                below = module.startswith('surface_classifier.training.confidence.')
                assert not above or below or module.endswith('.training_config'), (file, module)
