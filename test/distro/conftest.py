# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Executables that see no package of pip, and a small trained model.

The model was made with

    for n in 1 2 3; do
      surface simulate -o recordings/$n --seed $n --surfaces carpet gravel --seconds-per-surface 20 --duration 80
    done
    surface dataset build recordings -o data
    echo '{epochs: 2, network: {hidden_sizes: [8]}}' > recipe.yaml
    surface train data -o robot --config recipe.yaml --seed 0
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from node_process import Launcher

FOLDER = Path(__file__).parent


@pytest.fixture
def launch(ros_domain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launcher]:  # noqa: ARG001 - the processes inherit the domain
    """Give a function that starts executables in which imports of pip's packages fail."""
    from node_process import open_launcher

    paths = [str(FOLDER / 'without_pip'), *filter(None, [os.environ.get('PYTHONPATH')])]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))
    with open_launcher(tmp_path) as launcher:
        yield launcher


@pytest.fixture(scope='session')
def model() -> Path:
    """Give the model for the simulated robot's two motors; it knows carpet and gravel."""
    return FOLDER.parent / 'data' / 'robot_model'
