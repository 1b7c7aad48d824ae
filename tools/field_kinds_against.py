#!/usr/bin/env python3
# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the table of odd inputs (`test/unit/field_kinds`) with the code of another commit, and lists what each row does.

The tests are those of the working tree, the code is that of the commit, in a worktree of its own. Rows that pass there
are listed as well: they show what was right already.

Example:
    tools/run_in_environment python tools/field_kinds_against.py 8d7feef
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ('current_driver', 'surface_classifier')
KINDS = ROOT / 'src' / 'surface_classifier' / 'test' / 'unit' / 'field_kinds'
_LINE = re.compile(r'^(?P<outcome>PASSED|FAILED|ERROR)\s+(?P<file>\S*?)(?P<name>test_\w+\.py::.*?)(?: - .*)?$')


def run_against(commit: str, timeout_s: float) -> list[tuple[str, str]]:
    """Return the outcome and the name of each row with the code of a commit.

    Args:
        commit: The commit.
        timeout_s: Longest time for all rows [s].

    Raises:
        subprocess.CalledProcessError: There is no such commit.
        subprocess.TimeoutExpired: The rows take longer.
    """
    with tempfile.TemporaryDirectory(prefix='field_kinds_') as folder:
        tree = Path(folder) / 'tree'
        subprocess.run(['git', '-C', str(ROOT), 'worktree', 'add', '-q', '--detach', str(tree), commit], check=True)
        try:
            support = [str(ROOT / 'src' / package / 'test' / 'support') for package in PACKAGES]
            paths = [*(str(tree / 'src' / package) for package in PACKAGES), *support]
            environment = os.environ | {'PYTHONPATH': os.pathsep.join([*paths, os.environ.get('PYTHONPATH', '')])}
            # Of the project's configuration nothing is used: it adds paths of the working tree.
            command = [sys.executable, '-m', 'pytest', '-q', '-rA', '--tb=no', '--noconftest', '-p', 'no:cacheprovider']
            done = subprocess.run(
                [*command, '-c', os.devnull, '--rootdir', folder, str(KINDS)],
                env=environment,
                cwd=folder,
                capture_output=True,
                encoding='utf-8',
                timeout=timeout_s,
                check=False,
            )
        finally:
            subprocess.run(['git', '-C', str(ROOT), 'worktree', 'remove', '--force', str(tree)], check=True)
    matches = (_LINE.match(line) for line in done.stdout.splitlines())
    found = [(match['outcome'], match['name']) for match in matches if match is not None]
    if not found:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
    return sorted(found)


def main(argv: list[str] | None = None) -> int:
    """Print the rows; exit status 1 when none could be run."""
    parser = argparse.ArgumentParser(description='Run the table of odd inputs with the code of another commit.')
    parser.add_argument('commit', help='the commit, such as 8d7feef')
    parser.add_argument('--timeout', type=float, default=3600.0, help='longest time for all rows [s] (%(default)g)')
    args = parser.parse_args(argv)
    rows = run_against(args.commit, args.timeout)
    for outcome, name in rows:
        print(f'{outcome:<7} {name}')
    failed = sum(outcome != 'PASSED' for outcome, _ in rows)
    print(f'{failed} of {len(rows)} rows fail with {args.commit}')
    return 0 if rows else 1


if __name__ == '__main__':
    sys.exit(main())
