# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of layout and files: each finds what it is for, and this repository passes."""

from __future__ import annotations

from pathlib import Path

import check_files
import pytest
from check_layout import LONGEST_FUNCTION, ROOT, find_cycles, layout_problems, layout_table, main, read_modules


def write_package(root: Path, files: dict[str, str]) -> None:
    """Write a small repository: `current_driver` with an empty `__init__`, and the files given."""
    for package in ('current_driver', 'surface_classifier'):
        path = root / 'src' / package / package / '__init__.py'
        path.parent.mkdir(parents=True)
        path.write_text('"""A package."""\n')
    for name, text in files.items():
        path = root / 'src' / name.partition('/')[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_this_repository_is_in_order() -> None:
    assert layout_problems(ROOT) == []
    assert main([]) == 0


@pytest.mark.parametrize(
    'back',
    [
        'import surface_classifier.first\n',
        'from surface_classifier import first\n',
        'from surface_classifier.first import name\n',
        'def f():\n    from surface_classifier.first import name\n',
        'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from surface_classifier.first import name\n',
    ],
)
def test_a_cycle_is_found_wherever_the_import_stands(tmp_path: Path, back: str) -> None:
    files = {
        'surface_classifier/first.py': 'from surface_classifier.second import other\n',
        'surface_classifier/second.py': 'from surface_classifier.third import other\n',
        'surface_classifier/third.py': back,
    }
    write_package(tmp_path, files)
    cycle = ['surface_classifier.first', 'surface_classifier.second', 'surface_classifier.third']
    assert find_cycles(read_modules(tmp_path / 'src')) == [cycle]
    (problem,) = [text for text in layout_problems(tmp_path) if 'cycle' in text]
    assert problem == f'import cycle: {" <-> ".join(cycle)}'


def test_imports_one_way_are_no_cycle(tmp_path: Path) -> None:
    files = {
        'surface_classifier/first.py': 'import surface_classifier.second, surface_classifier.third\n',
        'surface_classifier/second.py': 'from surface_classifier import third\n',
        'surface_classifier/third.py': 'import numpy\n',
    }
    write_package(tmp_path, files)
    assert find_cycles(read_modules(tmp_path / 'src')) == []


def test_a_large_folder_is_found(tmp_path: Path) -> None:
    files = {f'surface_classifier/sub/module_{number}.py': '' for number in range(16)}
    write_package(tmp_path, {**files, 'surface_classifier/sub/__init__.py': '__all__ = []\n'})
    assert 'surface_classifier.sub has 17 Python files; at most 16' in layout_problems(tmp_path)


def test_a_folder_with_most_of_the_lines_is_found(tmp_path: Path) -> None:
    files = {'surface_classifier/sub/__init__.py': '__all__ = []\n', 'surface_classifier/sub/long.py': 'x = 1\n' * 50}
    write_package(tmp_path, files)
    assert any('surface_classifier.sub has 96% of the lines' in text for text in layout_problems(tmp_path))


def test_imports_of_what_is_not_public_are_found(tmp_path: Path) -> None:
    files = {
        'surface_classifier/sub/__init__.py': "__all__ = ['shown', 'gone']\n",
        'surface_classifier/sub/shown.py': 'from surface_classifier.sub import hidden\n',
        'surface_classifier/sub/hidden.py': '',
        'surface_classifier/use.py': 'from surface_classifier.sub import shown\nimport surface_classifier.sub.hidden\n',
    }
    write_package(tmp_path, files)
    found = [text for text in layout_problems(tmp_path) if '__all__' in text]
    hidden = 'surface_classifier.sub.hidden, which is not in the __all__ of surface_classifier.sub'
    missing = "surface_classifier.sub: __all__ names 'gone', which is no module of it"
    assert sorted(found) == [missing, f'surface_classifier.use, line 2: imports {hidden}']


def test_repeated_file_names_are_found_but_for_verbs(tmp_path: Path) -> None:
    names = ('surface_classifier/a/config.py', 'surface_classifier/b/config.py', 'surface_classifier/cli/config.py')
    write_package(tmp_path, dict.fromkeys(names, ''))
    found = [text for text in layout_problems(tmp_path) if 'occurs' in text]
    assert found == [
        'surface_classifier: config.py occurs 2 times: surface_classifier.a.config, surface_classifier.b.config'
    ]


def test_the_table_has_a_row_for_each_subpackage() -> None:
    rows = layout_table(read_modules(ROOT / 'src')).splitlines()
    assert any(row.startswith('| `surface_classifier.signal` |') for row in rows)
    assert all(row.count('|') == 5 for row in rows)
    sentences = [row.rsplit('|', 2)[1].strip() for row in rows[2:-1]]
    assert all(sentences), 'an __init__ has no docstring'


def test_large_files_and_wrong_run_bits_are_found(tmp_path: Path) -> None:
    script, text, large = tmp_path / 'script', tmp_path / 'text', tmp_path / 'large'
    script.write_text('#!/bin/sh\n')
    text.write_text('plain\n')
    text.chmod(0o755)
    large.write_bytes(bytes(2_000_001))
    (tmp_path / 'link').symlink_to('nowhere')
    found = {path.name: check_files.file_problems(path) for path in sorted(tmp_path.iterdir())}
    assert found['link'] == []
    assert found['script'] == [f'{script} begins with #! but may not be run: chmod +x {script}']
    assert found['text'] == [f'{text} may be run but does not begin with #!: chmod -x {text}']
    assert found['large'] == [f'{large} has 2000001 bytes; at most 2000000']
    assert check_files.main([str(script)]) == 1
    script.chmod(0o755)
    assert check_files.main([str(script)]) == 0


@pytest.mark.parametrize('folder', ['current_driver', '../bench', 'current_driver/test/unit'])
def test_a_long_function_is_found_wherever_it_is(tmp_path: Path, folder: str) -> None:
    body = '    pass\n' * (LONGEST_FUNCTION - 1)
    decorated = '@functools.cache\ndef cached() -> None:\n' + body
    nested = 'class Long:\n    async def inner(self) -> None:\n' + '        pass\n' * LONGEST_FUNCTION
    text = f'import functools\n\n\ndef just_right() -> None:\n{body}\n\n{decorated}\n\n{nested}'
    write_package(tmp_path, {})
    file = tmp_path / 'src' / 'current_driver' / folder / 'long.py'
    if folder != 'current_driver':
        file = (tmp_path / 'src' / folder / 'long.py').resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    problems = [text for text in layout_problems(tmp_path) if 'lines; at most 90' in text]
    assert [problem.partition(': ')[2] for problem in problems] == [
        'cached has 91 lines; at most 90',
        'inner has 91 lines; at most 90',
    ]
    assert all(problem.startswith(str(file.relative_to(tmp_path))) for problem in problems)
