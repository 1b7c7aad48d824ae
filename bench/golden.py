# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the results of the working tree with those of a commit: a change of structure must change none.

| stage | what is recorded | must be equal |
|---|---|---|
| `demo_windows` | digests of the windows of the demo's drives | to the bit |
| `borealtc_windows` | digests of the windows of BorealTC, 5 s | to the bit |
| `diagnosis` | verdict ids of `bench/diagnosis.py --smoke` | to the letter |
| `json_keys` | keys of every `--json` | to the letter, through a table of renamed keys |
| `demo_labels` | training with seed 0 on the demo's data, labels of its live drive | to 1e-6; whole numbers exactly |
| `borealtc_default`, `borealtc_accurate` | every score of repetition 0 | to 1e-6; whole numbers exactly |

Both trees run on this machine, at the same time, on one core each. The stages of BorealTC need `SURFACE_DATA_DIR`.
The record of a commit is kept in the folder of `--keep` and is not made again; that of the working tree is, unless
`--continue` is given.

Exit status: 0 all stages are equal, 1 some differ, 2 a stage failed or was left out.

Example:
    SURFACE_DATA_DIR=data tools/run_in_environment python bench/golden.py --against HEAD~10
    tools/run_in_environment python bench/golden.py --against HEAD~1 --only demo_windows json_keys
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden_record.compare import VOLATILE, differences
from golden_record.stages import NEED_DATA, NEEDS, STAGES, Record, StageError, Tree, run_stage

ROOT = Path(__file__).resolve().parents[1]
MOST_SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """Comparison of one stage.

    Attributes:
        stage: Name of the stage.
        found: What differs; None: the stage did not run on both trees.
        problem: Why it did not run.
    """

    stage: str
    found: list[str] | None
    problem: str = ''

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        return {'stage': self.stage, 'equal': self.found == [], 'differences': self.found, 'problem': self.problem}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages on both trees and print where they differ."""
    args = _parse(arguments)
    data = os.environ.get('SURFACE_DATA_DIR')
    folder = Path(data).resolve() if data else None
    try:
        commit = _git('rev-parse', '--verify', f'{args.against}^{{commit}}')
    except subprocess.CalledProcessError as error:
        print(f'golden.py: error: {args.against}: {error.stderr.strip()}', file=sys.stderr)
        return 2
    stages = _with_needs(args.only or list(STAGES))
    left_out = [] if folder else [name for name in stages if name in NEED_DATA]
    with tempfile.TemporaryDirectory(prefix='golden-') as scratch:
        keep = args.keep.resolve() if args.keep else Path(scratch, 'records')
        checkout = Path(scratch, 'before')
        _git('worktree', 'add', '--detach', str(checkout), commit)
        try:
            before = Tree(checkout, keep / commit, folder)
            now = Tree(ROOT, keep / 'working_tree', folder)
            if not args.resume:
                shutil.rmtree(now.work, ignore_errors=True)
            outcomes = _compare(before, now, [name for name in stages if name not in left_out])
        except StageError as error:
            print(f'golden.py: error: {error}', file=sys.stderr)
            return 2
        finally:
            _git('worktree', 'remove', '--force', str(checkout))
    outcomes += [Outcome(name, None, 'SURFACE_DATA_DIR is not set') for name in left_out]
    for outcome in outcomes:
        _print(outcome)
    if args.json:
        result = {'against': commit, 'stages': [outcome.to_dict() for outcome in outcomes]}
        args.json.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    if any(outcome.found is None for outcome in outcomes):
        return 2
    return 1 if any(outcome.found for outcome in outcomes) else 0


def _compare(before: Tree, now: Tree, stages: Sequence[str]) -> list[Outcome]:
    outcomes = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for tree in (before, now):
            tree.check_packages()
        for stage in stages:
            begin_s = time.monotonic()
            tasks = [pool.submit(run_stage, tree, stage) for tree in (before, now)]
            problems = [str(error) for task in tasks if (error := _stage_error(task))]
            # The keys themselves are what `json_keys` compares, so none is skipped there.
            skip = None if stage == 'json_keys' else VOLATILE
            found = None if problems else differences(*(task.result() for task in tasks), skip=skip)
            outcomes.append(Outcome(stage, found, '\n'.join(problems)))
            print(f'{stage}: {time.monotonic() - begin_s:.0f} s', file=sys.stderr, flush=True)
    return outcomes


def _stage_error(task: Future[Record]) -> StageError | None:
    """Wait for a stage; return the error of a command of it, and raise every other one."""
    error = task.exception()
    if error is not None and not isinstance(error, StageError):
        raise error
    return error


def _print(outcome: Outcome) -> None:
    if outcome.found is None:
        print(f'{outcome.stage:<20} did not run: {outcome.problem}')
        return
    print(f'{outcome.stage:<20} ' + (f'{len(outcome.found)} differences' if outcome.found else 'equal'))
    for line in outcome.found[:MOST_SHOWN]:
        print(f'    {line}')
    if len(outcome.found) > MOST_SHOWN:
        print(f'    and {len(outcome.found) - MOST_SHOWN} more')


def _with_needs(stages: Sequence[str]) -> list[str]:
    wanted = {*stages, *(need for stage in stages for need in NEEDS.get(stage, ()))}
    return [name for name in STAGES if name in wanted]


def _git(*arguments: str) -> str:
    done = subprocess.run(['git', *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--against', metavar='COMMIT', required=True, help='commit to compare the working tree with')
    parser.add_argument('--only', metavar='STAGE', nargs='+', choices=list(STAGES), help='run these stages (all)')
    parser.add_argument('--keep', metavar='DIR', type=Path, help='keep the records here and use those of COMMIT again')
    parser.add_argument(
        '--continue', dest='resume', action='store_true', help='use the kept records of the working tree, too'
    )
    parser.add_argument('--json', metavar='FILE', type=Path, help='write the comparison as JSON')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
