# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Check the tracked files: none is large, and exactly those with a `#!` line may be run.

`make lint` runs it, and pre-commit with the files of a commit. Exit status: 0 all files are in order, 1 some are not.

Example:
    python3 tools/check_files.py
    python3 tools/check_files.py README.md tools/run_in_environment
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST_BYTES = 2_000_000


def file_problems(path: Path) -> list[str]:
    """Return what is wrong with a file, one line each."""
    if path.is_symlink() or not path.is_file():
        return []
    found = []
    status = path.stat()
    if status.st_size > LARGEST_BYTES:
        found.append(f'{path} has {status.st_size} bytes; at most {LARGEST_BYTES}')
    with path.open('rb') as file:
        is_script = file.read(2) == b'#!'
    may_run = bool(status.st_mode & 0o111)
    if is_script and not may_run:
        found.append(f'{path} begins with #! but may not be run: chmod +x {path}')
    if may_run and not is_script:
        found.append(f'{path} may be run but does not begin with #!: chmod -x {path}')
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files given, or every tracked one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', metavar='FILE', nargs='*', type=Path, help='files to check (every tracked one)')
    files: list[Path] = parser.parse_args(arguments).files
    if not files:
        command = ['git', 'ls-files', '-z']
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        files = [ROOT / name for name in listed.split('\0') if name]
    problems = [problem for path in files for problem in file_problems(path)]
    for problem in problems:
        print(f'check_files: {problem}', file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
