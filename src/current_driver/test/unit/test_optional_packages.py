# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What is missing is named with one command that installs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from current_driver import optional_packages
from current_driver.errors import SurfaceError
from current_driver.recordings.reading.open_recording import require_bag_packages


def test_an_environment_is_made_for_what_apt_does_not_have() -> None:
    assert optional_packages.install_command(['mcap', 'lz4']) == (
        'python3 -m venv --system-site-packages VENV && VENV/bin/pip install mcap lz4'
    )


def test_apt_is_named_where_it_has_the_package() -> None:
    command = optional_packages.install_command(['pyserial'])
    assert command.startswith('sudo apt-get install python3-serial, or: python3 -m venv')
    assert command.endswith('VENV/bin/pip install pyserial')


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    assert optional_packages.install_command(['psycopg[binary]', 'ray>=2.40']).endswith(
        "pip install 'psycopg[binary]' 'ray>=2.40'"
    )


def test_training_keeps_numpy_and_a_setuptools_that_colcon_can_use() -> None:
    """Apt's scipy and matplotlib are built for the numpy that is there; setuptools 80 has no `develop` command."""
    command = optional_packages.training_command()
    assert f'numpy=={np.__version__} ' in command
    assert "'setuptools<80' " in command
    for package in ('torch>=2.5', 'onnx>=1.16', 'onnxscript>=0.1', 'safetensors>=0.4', 'rosbags', 'mcap'):
        assert re.search(rf" '?{re.escape(package)}'?( |$)", command), package


def test_bounds_of_training_are_those_of_the_package() -> None:
    setup_file = Path(__file__).resolve().parents[3] / 'surface_classifier' / 'setup.py'
    bounded = {name for name in optional_packages.TRAINING_PACKAGES if '>=' in name}
    assert bounded
    assert not {name for name in bounded if f"'{name}'" not in setup_file.read_text(encoding='utf-8')}


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ('torch', 'onnx', 'onnxscript', 'safetensors', *optional_packages.BAG_PACKAGES):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, 'onnx', sys)
    assert optional_packages.missing_packages(optional_packages.BAG_PACKAGES) == list(optional_packages.BAG_PACKAGES)
    with pytest.raises(SurfaceError, match=r'training needs .* not installed: torch, onnxscript, safetensors; make an'):
        optional_packages.require_training_packages()
    with pytest.raises(SurfaceError, match=r'drive: reading bags needs .*: rosbags, mcap, zstandard, lz4; .* lz4$'):
        require_bag_packages(tmp_path / 'drive')
