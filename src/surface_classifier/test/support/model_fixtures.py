# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests with nodes: untrained models that are made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_recordings import BOREALTC_WINDOWS
from untrained_model import save_untrained_model

from surface_classifier.signal.window_config import default_window_config


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
