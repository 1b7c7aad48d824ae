# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""README's tree names every tracked file, with the purpose that the file states."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope='module')
def writer() -> ModuleType:
    """The tool that writes the tree."""
    if subprocess.run(['git', 'rev-parse'], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip('not a git checkout: which files belong to the project is not known')
    spec = importlib.util.spec_from_file_location('write_readme_tree', ROOT / 'tools' / 'write_readme_tree.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_tree_is_up_to_date(writer: ModuleType) -> None:
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert writer.BEGIN in readme
    assert writer.with_tree(readme) == readme, 'run `make tree` and commit README.md'


def test_file_without_a_purpose_is_refused(writer: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / 'silent.py').write_text('x = 1\n', encoding='utf-8')
    monkeypatch.setattr(writer, 'ROOT', tmp_path)
    with pytest.raises(SystemExit, match=r'silent\.py does not say what it is for'):
        writer.purpose(writer.PurePosixPath('silent.py'))
