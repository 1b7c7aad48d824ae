# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Which test files are collected: by what they import, directly or through modules of the project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from current_driver.testing.collection import missing_modules, needed_modules

PACKAGE = Path(__file__).resolve().parents[3]
HOOKS = 'from current_driver.testing.collection import pytest_ignore_collect, pytest_terminal_summary\n'
# As the plugin of launch_testing does: it imports a test file while it makes the collector.
LAUNCH_TESTING_HOOK = """
import importlib.util

def pytest_pycollect_makemodule(module_path, parent):
    spec = importlib.util.spec_from_file_location(module_path.stem, module_path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


def write(path: Path, text: str) -> Path:
    """Write a test file."""
    path.write_text(text)
    return path


def test_a_file_needs_what_it_imports_and_what_it_requires(tmp_path: Path) -> None:
    path = write(
        tmp_path / 'test_some.py',
        'from __future__ import annotations\n'
        'import no_such_module.part as part\n'
        'from typing import TYPE_CHECKING\n'
        'if TYPE_CHECKING:\n    import only_for_types\n'
        "REQUIRES = ('loaded_while_it_runs',)\n"
        'def test_it():\n    import inside_a_function\n',
    )
    assert missing_modules(path) == {'no_such_module', 'loaded_while_it_runs'}


def test_a_file_needs_what_modules_of_the_project_import(tmp_path: Path) -> None:
    path = write(tmp_path / 'test_some.py', 'from current_driver.node import base_node\n')
    assert {'rclpy', 'diagnostic_msgs'} <= needed_modules(path)
    path = write(tmp_path / 'test_errors.py', 'from current_driver.errors import SurfaceError\n')
    assert 'rclpy' not in needed_modules(path)


def run_pytest(folder: Path) -> str:
    """Run pytest in a folder and return its summary."""
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '--rootdir', str(folder), str(folder)]
    # colcon hands its own options to every pytest in this variable, the file of results among them.
    environment = {name: value for name, value in os.environ.items() if name != 'PYTEST_ADDOPTS'}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.timeout(120)
def test_one_file_left_out_leaves_the_others_to_run(tmp_path: Path) -> None:
    write(tmp_path / 'test_good.py', 'def test_runs():\n    pass\n')
    lacking = tmp_path / 'test_lacking.py'
    # What a skip at module level does there: nothing runs, and the result is no failure.
    write(lacking, "import pytest\npytest.importorskip('no_such_module')\ndef test_more():\n    pass\n")
    write(tmp_path / 'conftest.py', LAUNCH_TESTING_HOOK)
    assert '1 passed' not in run_pytest(tmp_path)
    write(lacking, "import no_such_module\nREQUIRES = ('another',)\ndef test_more():\n    pass\n")
    write(tmp_path / 'conftest.py', HOOKS + LAUNCH_TESTING_HOOK)
    output = run_pytest(tmp_path)
    assert '1 passed' in output, output
    assert 'test_lacking.py: not installed: another, no_such_module' in output


def test_one_test_left_out_leaves_the_others_of_its_file_to_run(tmp_path: Path) -> None:
    names = 'pytest_collection_modifyitems, pytest_ignore_collect, pytest_terminal_summary'
    write(tmp_path / 'conftest.py', f'from current_driver.testing.collection import {names}\n')
    write(tmp_path / 'pytest.ini', '[pytest]\nmarkers =\n    requires: modules\naddopts = --strict-markers\n')
    write(
        tmp_path / 'test_some.py',
        'import pytest\n'
        "@pytest.mark.requires('json', 'no_such_module')\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        'def test_left_out(number):\n    raise AssertionError\n'
        "@pytest.mark.requires('json')\n"
        'def test_kept():\n    pass\n',
    )
    summary = run_pytest(tmp_path)
    assert '1 passed, 2 deselected' in summary
    assert 'test_some.py: 2 of its tests: not installed: no_such_module' in summary


def test_no_test_file_skips_at_module_level() -> None:
    folders = [path for path in (PACKAGE.parent / 'surface_classifier' / 'test', PACKAGE / 'test') if path.is_dir()]
    found = [
        str(path)
        for folder in folders
        for path in folder.rglob('*.py')
        if re.search(r'^(pytest\.importorskip|pytest\.skip|\w+ = pytest\.importorskip)', path.read_text(), re.MULTILINE)
    ]
    assert not found, found
