# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Processes, a graph that watches them, and a model that is made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from model_fixtures import borealtc_model, default_model

if TYPE_CHECKING:
    from node_process import Launcher

__all__ = ['borealtc_model', 'default_model', 'launch']


@pytest.fixture
def launch(ros_domain: int, tmp_path: Path) -> Iterator[Launcher]:  # noqa: ARG001 - the processes inherit the domain
    """Give a function that starts executables; they end with the test."""
    from node_process import open_launcher

    with open_launcher(tmp_path) as launcher:
        yield launcher
