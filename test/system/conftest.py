# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Processes, a graph that watches them, and a model that is made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from real_recordings import BOREALTC_WINDOWS
from untrained_model import save_untrained_model

from surface_classifier.signal.window_config import default_window_config

if TYPE_CHECKING:
    from node_process import Launcher


@pytest.fixture
def launch(ros_domain: int, tmp_path: Path) -> Iterator[Launcher]:  # noqa: ARG001 - the processes inherit the domain
    """Give a function that starts executables; they end with the test."""
    from node_process import open_launcher

    with open_launcher(tmp_path) as launcher:
        yield launcher


@pytest.fixture(scope='session')
def borealtc_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an untrained model for windows of BorealTC's motor currents."""
    path = tmp_path_factory.mktemp('models') / 'borealtc'
    save_untrained_model(path, BOREALTC_WINDOWS)
    return path


@pytest.fixture(scope='session')
def default_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an untrained model for windows of the simulated robot."""
    path = tmp_path_factory.mktemp('models') / 'default'
    save_untrained_model(path, default_window_config())
    return path
