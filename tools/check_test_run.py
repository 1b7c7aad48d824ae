# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Check that a test run ran the tests: a green result with nothing run is a failure.

It compares the JUnit file of a run with what `pytest --collect-only` finds now, and with the test files in the folders:
a file may be missing only when it lacks a module named with --without. A run whose arguments selected tests (-k, -m,
--deselect, ...) is not checked. Exit status: 0 enough ran, 1 too few.

Example:
    python tools/check_test_run.py build/current_driver/pytest.xml --folder src/current_driver --tests test/unit
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from current_driver.testing.collection import missing_modules

LEAST_FRACTION = 0.95
# Options of pytest after which fewer tests run than it collects without them; short ones may hold their value.
SELECTING_SHORT = ('-k', '-m')
SELECTING_LONG = ('--deselect', '--ignore', '--ignore-glob', '--last-failed', '--lf', '--stepwise', '--sw')


def selecting_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of pytest that select tests."""
    return [
        argument
        for argument in arguments
        if argument.partition('=')[0] in SELECTING_LONG or '::' in argument or argument[:2] in SELECTING_SHORT
    ]


def tests_run(result: Path) -> tuple[int, int]:
    """Return how many tests a JUnit file holds that ran, and how many were skipped."""
    cases = list(ElementTree.parse(result).getroot().iter('testcase'))
    skipped = sum(case.find('skipped') is not None for case in cases)
    return len(cases) - skipped, skipped


def tests_collected(folder: Path, tests: Sequence[str]) -> dict[str, int]:
    """Return how many tests pytest collects, by file."""
    command = [sys.executable, '-m', 'pytest', '--collect-only', '-q', '-p', 'no:cacheprovider', *tests]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 5):
        raise SystemExit(
            f'check_test_run: error: the tests of {folder} cannot be collected\n{done.stdout}{done.stderr}'
        )
    found: dict[str, int] = {}
    for file in re.findall(r'^(\S+\.py)::', done.stdout, re.MULTILINE):
        found[file] = found.get(file, 0) + 1
    return found


def unexplained_files(folder: Path, tests: Sequence[str], collected: set[Path], without: set[str]) -> list[str]:
    """Return the test files that were not collected although they need no module that may be missing."""
    files: set[Path] = set()
    for name in tests:
        path = folder / name
        files |= set(path.rglob('test_*.py')) if path.is_dir() else {path}
    found = []
    for file in sorted(path.resolve() for path in files):
        missing = missing_modules(file)
        if file not in collected and not missing & without:
            reason = f'not installed: {", ".join(sorted(missing))}' if missing else 'no test was collected'
            found.append(f'{file.name}: {reason}')
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one run; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.usage = '%(prog)s RESULT [options] [-- ARGUMENTS OF PYTEST]'
    parser.add_argument('result', type=Path, help='JUnit file of the run')
    parser.add_argument('--folder', type=Path, default=Path(), help='folder in which pytest ran (.)')
    parser.add_argument('--tests', nargs='+', default=['test'], help='what was given to pytest (test)')
    parser.add_argument('--without', nargs='*', default=[], metavar='MODULE', help='modules that may be missing')
    own = list(sys.argv[1:] if arguments is None else arguments)
    end = own.index('--') if '--' in own else len(own)
    given = parser.parse_args(own[:end])
    if selecting := selecting_arguments(own[end + 1 :]):
        print(f'{given.result}: not checked whether enough tests ran, since {" ".join(selecting)} selects some')
        return 0
    ran, skipped = tests_run(given.result)
    by_file = tests_collected(given.folder, given.tests)
    collected = {(given.folder / file).resolve() for file in by_file}
    total = sum(by_file.values())
    missing = unexplained_files(given.folder, given.tests, collected, set(given.without))
    print(f'{given.result}: {ran} of {total} tests ran, {skipped} were skipped')
    for line in missing:
        print(f'check_test_run: error: {line}', file=sys.stderr)
    if ran < LEAST_FRACTION * total or not ran:
        print(
            f'check_test_run: error: {given.result}: {ran} of {total} tests ran; at least {LEAST_FRACTION:.0%} must',
            file=sys.stderr,
        )
        return 1
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
