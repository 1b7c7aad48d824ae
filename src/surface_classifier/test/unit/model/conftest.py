# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of models."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model with random weights; the test skips without torch."""
    from model_samples import save_random_model

    path = tmp_path_factory.mktemp('models') / 'model'
    save_random_model(path)
    return path
