# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Check the layout of the code: import cycles, large folders, public modules, file names, long functions.

| check | rule |
|---|---|
| cycle | no import cycle in `src/`; imports inside functions and for type checking count |
| size | at most 16 Python files directly in a folder, 24 in `cli/`; in `src/` at most 15 % of the lines |
| public | a module that another subpackage imports is in the `__all__` of its own; every name there exists |
| names | a file name occurs once in a package; verbs of the command may have the name of what they call |
| length | a function, its decorators and docstring included, has at most 90 lines |

`make lint` runs it. Exit status: 0 the layout is in order, 1 it is not.

Example:
    python3 tools/check_layout.py
    python3 tools/check_layout.py --table
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('current_driver', 'surface_classifier')
LARGEST_FOLDER = 16
LARGER_FOLDERS = {'surface_classifier.cli': 24}
LARGEST_SHARE = 0.15
LONGEST_FUNCTION = 90
# Folders of Python files beside the packages.
OTHER_FOLDERS = ('bench', 'demo', 'test', 'tools', 'src/current_driver/test', 'src/surface_classifier/test')


@dataclass(frozen=True)
class Module:
    """A Python file of a package.

    Attributes:
        name: Dotted name; a package has the name of its folder.
        path: The file.
        lines: Number of its lines.
        imports: Modules of the packages that it imports, and the line of the first import of each.
        public: Names in its `__all__`; None where it has none.
        long_functions: Line, name and length of each function that is too long.
    """

    name: str
    path: Path
    lines: int
    imports: Mapping[str, int]
    public: tuple[str, ...] | None
    long_functions: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Dotted name of the folder that the file is in."""
        return self.name if self.path.name == '__init__.py' else self.name.rpartition('.')[0]


def read_modules(source: Path) -> dict[str, Module]:
    """Read every module of the packages.

    Args:
        source: Folder that holds the packages' folders.
    """
    paths = {}
    for package in PACKAGES:
        for path in sorted((source / package / package).rglob('*.py')):
            parts = path.relative_to(source / package).with_suffix('').parts
            paths['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    found = {}
    for name, path in paths.items():
        text = path.read_text(encoding='utf-8')
        tree = ast.parse(text, filename=str(path))
        imports: dict[str, int] = {}
        for target, line in _imported(tree):
            # `from package import name` imports a module, or a name of the package.
            module = target if target in paths else target.rpartition('.')[0]
            if module in paths and module != name:
                imports.setdefault(module, line)
        long_functions = tuple(_long_functions(tree.body))
        found[name] = Module(name, path, len(text.splitlines()), imports, _public(tree), long_functions)
    return found


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f'{node.module}.{alias.name}', node.lineno) for alias in node.names)


def _public(tree: ast.Module) -> tuple[str, ...] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ['__all__']:
            return tuple(ast.literal_eval(node.value))
    return None


def find_cycles(modules: Mapping[str, Module]) -> list[list[str]]:
    """Return the strongly connected groups of modules, two modules or more each (Tarjan, 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in modules[name].imports:
            if other not in index:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], index[other])
        if lowest[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in modules:
        if name not in index:
            visit(name)
    return found


def layout_problems(root: Path) -> list[str]:
    """Return what is wrong with the layout of a checkout, one line each."""
    modules = read_modules(root / 'src')
    problems = [f'import cycle: {" <-> ".join(cycle)}' for cycle in find_cycles(modules)]
    problems += _large_folders(modules)
    for folder in OTHER_FOLDERS:
        problems += _large_other_folders(root, root / folder)
    problems += _public_problems(modules)
    problems += _repeated_names(modules)
    for module in modules.values():
        problems += [f'{module.path.relative_to(root)}, {text}' for text in module.long_functions]
    for path in (path for folder in OTHER_FOLDERS for path in _python_files(root / folder)):
        tree = ast.parse(path.read_text(encoding='utf-8'), filename=str(path))
        problems += [f'{path.relative_to(root)}, {text}' for text in _long_functions(tree.body)]
    return problems


def _large_folders(modules: Mapping[str, Module]) -> list[str]:
    files = Counter(module.folder for module in modules.values())
    lines: Counter[str] = Counter()
    for module in modules.values():
        lines[module.folder] += module.lines
    total = sum(lines.values())
    found = []
    for folder, count in files.items():
        limit = LARGER_FOLDERS.get(folder, LARGEST_FOLDER)
        if count > limit:
            found.append(f'{folder} has {count} Python files; at most {limit}')
        if lines[folder] > LARGEST_SHARE * total:
            found.append(f'{folder} has {lines[folder] / total:.0%} of the lines; at most {LARGEST_SHARE:.0%}')
    return found


def _large_other_folders(root: Path, top: Path) -> list[str]:
    found = []
    for folder in [top, *(path for path in top.rglob('*') if path.is_dir() and not path.is_symlink())]:
        count = len(list(folder.glob('*.py')))
        if count > LARGEST_FOLDER:
            found.append(f'{folder.relative_to(root)} has {count} Python files; at most {LARGEST_FOLDER}')
    return found


def _python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a folder and of those below it, links left out."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            yield from _python_files(path)
        elif path.suffix == '.py':
            yield path


def _long_functions(statements: Sequence[ast.AST]) -> Iterator[str]:
    """Yield what is wrong with the functions among some statements and inside them: line, name and length."""
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines = (node.end_lineno or first) - first + 1
            if lines > LONGEST_FUNCTION:
                yield f'line {node.lineno}: {node.name} has {lines} lines; at most {LONGEST_FUNCTION}'
        for inner in ('body', 'orelse', 'finalbody', 'handlers', 'cases'):
            yield from _long_functions(getattr(node, inner, ()))


def _public_problems(modules: Mapping[str, Module]) -> list[str]:
    found = []
    for module in modules.values():
        if module.path.name == '__init__.py' and '.' in module.name:
            if module.public is None:
                found.append(f'{module.name} lists no public modules: give its __init__ an __all__')
            missing = [name for name in module.public or () if f'{module.name}.{name}' not in modules]
            found += [f'{module.name}: __all__ names {name!r}, which is no module of it' for name in missing]
        for target, line in module.imports.items():
            folder, _, name = target.rpartition('.')
            # A subpackage may use what is private to the folders that it is in.
            inside = module.folder == folder or module.folder.startswith(f'{folder}.')
            public = modules[folder].public if folder in modules else None
            if not inside and public is not None and name not in public:
                found.append(f'{module.name}, line {line}: imports {target}, which is not in the __all__ of {folder}')
    return found


def _repeated_names(modules: Mapping[str, Module]) -> list[str]:
    found = []
    for package in PACKAGES:
        places: dict[str, list[str]] = defaultdict(list)
        for module in modules.values():
            if module.name.startswith(f'{package}.') and module.path.name != '__init__.py':
                places[module.path.name].append(module.name)
        for name, owners in places.items():
            others = [owner for owner in owners if not owner.startswith(f'{package}.cli.')]
            if len(others) > 1:
                found.append(f'{package}: {name} occurs {len(others)} times: {", ".join(others)}')
    return found


def layout_table(modules: Mapping[str, Module]) -> str:
    """Return a table of the subpackages: Python files, lines and the sentence of each `__init__`."""
    lines: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for module in modules.values():
        lines[module.folder] += module.lines
        files[module.folder] += 1
    rows = ['| subpackage | files | lines | holds |', '|---|---|---|---|']
    for folder in sorted(files):
        text = ast.get_docstring(ast.parse(modules[folder].path.read_text(encoding='utf-8'))) or ''
        rows.append(f'| `{folder}` | {files[folder]} | {lines[folder]} | {text.partition(chr(10))[0]} |')
    return '\n'.join([*rows, f'| all | {sum(files.values())} | {sum(lines.values())} | |'])


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the layout, or print the table of the subpackages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--table', action='store_true', help='print files and lines of each subpackage instead')
    args = parser.parse_args(arguments)
    if args.table:
        print(layout_table(read_modules(ROOT / 'src')))
        return 0
    problems = layout_problems(ROOT)
    for problem in problems:
        print(f'check_layout: {problem}', file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
