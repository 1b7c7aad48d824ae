# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Leaves out test files whose modules are not installed, before pytest imports them.

A skip at module level is no substitute: under the plugin of launch_testing, which every ROS 2 installation has, one
such skip ends the whole collection, and `colcon test` is green with no test run.

A file needs what it imports at module level, directly or through modules of this project, and what it lists as
`REQUIRES = ('name', …)`: modules that are imported only while its tests run. A single test lists them with
`@pytest.mark.requires('name', …)`. A `conftest.py` imports the three hooks.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROJECT = ('current_driver', 'surface_classifier')
_NOT_COLLECTED = pytest.StashKey[dict[Path, str]]()
_DESELECTED = pytest.StashKey[dict[Path, dict[str, int]]]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a test file whose modules are not installed."""
    if collection_path.suffix != '.py' or not collection_path.name.startswith('test_'):
        return None
    missing = missing_modules(collection_path)
    if not missing:
        return None
    config.stash.setdefault(_NOT_COLLECTED, {})[collection_path.resolve()] = ', '.join(sorted(missing))
    return True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests whose modules are not installed."""
    kept, left_out = [], []
    for item in items:
        needed = {name for mark in item.iter_markers('requires') for name in mark.args}
        missing = ', '.join(sorted(name for name in needed if not _is_installed(name)))
        if not missing:
            kept.append(item)
            continue
        left_out.append(item)
        of_file = config.stash.setdefault(_DESELECTED, {}).setdefault(item.path.resolve(), {})
        of_file[missing] = of_file.get(missing, 0) + 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the test files that were left out, with the modules they lack."""
    left_out = config.stash.get(_NOT_COLLECTED, {})
    tests = config.stash.get(_DESELECTED, {})
    if left_out or tests:
        terminalreporter.section('test files that were not collected')
    for path, modules in sorted(left_out.items()):
        terminalreporter.write_line(f'{path.name}: not installed: {modules}')
    for path, counts in sorted(tests.items()):
        for modules, count in counts.items():
            terminalreporter.write_line(f'{path.name}: {count} of its tests: not installed: {modules}')
    # Several conftest files may import this hook.
    left_out.clear()
    tests.clear()


def missing_modules(path: Path) -> set[str]:
    """Return the top-level modules that a test file needs and that are not installed.

    Args:
        path: The test file.
    """
    return {name for name in needed_modules(path) if not _is_installed(name)}


def needed_modules(path: Path) -> set[str]:
    """Return the top-level modules that are imported when a file is, directly or through modules of this project.

    Args:
        path: A Python file.
    """
    needed: set[str] = set()
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        names, required = _imports(file)
        needed.update(required)
        for name in names:
            top = name.partition('.')[0]
            found = list(_project_files(name)) if top in _PROJECT else _support_file(top)
            if found:
                waiting.extend(found)
            else:
                needed.add(top)
    return needed


@functools.cache
def _imports(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the dotted names that a file imports at module level, and what it lists as REQUIRES."""
    names: set[str] = set()
    required: set[str] = set()
    for node in _module_level(ast.parse(path.read_text(encoding='utf-8')).body):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ['REQUIRES']:
            required.update(ast.literal_eval(node.value))
    return frozenset(names), frozenset(required)


def _module_level(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, without those for type checkers."""
    for node in statements:
        yield node
        if isinstance(node, ast.If) and 'TYPE_CHECKING' not in ast.unparse(node.test):
            yield from _module_level([*node.body, *node.orelse])
        elif isinstance(node, ast.With):
            yield from _module_level(node.body)


def _project_files(name: str) -> Iterator[Path]:
    """Yield the files that importing a module of the project runs; none where a name is not a module."""
    words = name.split('.')
    spec = importlib.util.find_spec(words[0])
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent
    yield folder / '__init__.py'
    for word in words[1:]:
        for file in (folder / word / '__init__.py', folder / f'{word}.py'):
            if file.is_file():
                yield file
        folder = folder / word


def _support_file(name: str) -> list[Path]:
    """Return the file of a helper module of the tests, which a folder `support` holds."""
    spec = importlib.util.find_spec(name)
    origin = Path(spec.origin) if spec is not None and spec.origin else Path()
    return [origin] if origin.suffix == '.py' and origin.parent.name == 'support' else []


@functools.cache
def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package of a module
        return False
    except ValueError:  # a module that was put into sys.modules without a spec
        return True
