# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Kills commands while they replace their output, and checks that the old or the new output is under its name.

Each of `dataset build`, `train`, `dataset relabel --in-place` and `sweep` replaces an output that is there. It is
killed (`kill -9`) at random moments of its run, and exactly between the two renames (`sweep`: before the rename of
best.yaml). After each kill the output is read with its digest, then the command runs again to its end, and nothing but
the output may be left.

Example:
    tools/run_in_environment python bench/faults/kill_outputs.py --times 20 --json kill_outputs.json
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from current_driver.errors import SurfaceError
from current_driver.files.documents import read_yaml
from current_driver.files.output_folders import complete_replacement
from current_driver.files.result_files import write_result
from current_driver.testing.drives import write_drive
from surface_classifier.data.dataset import Dataset
from surface_classifier.model.contract import ONNX_FILE, WEIGHTS_FILE, load_contract, read_verified

RECIPE = 'network: {hidden_sizes: [8]}\nepochs: 2\nbatch_size: 16\nlearning_rate: 0.02\n'
COMMAND = (sys.executable, '-m', 'surface_classifier.cli.main')
# Runs a command that is killed at its rename of an output: 0 for the first one.
KILLED_AT_A_RENAME = """\
import os, signal, sys
from pathlib import Path
from surface_classifier.cli.main import main

last, count, names = int(sys.argv[1]), 0, sys.argv[2].split(',')

def counted(rename):
    def wrapper(self, target):
        global count
        if Path(target).name in names or self.name in names:
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
        return rename(self, target)
    return wrapper

Path.rename, Path.replace = counted(Path.rename), counted(Path.replace)
sys.exit(main(sys.argv[3:]))
"""


@dataclass
class KillCase:
    """One command whose output is replaced.

    Attributes:
        name: The verb.
        arguments: What to type behind `surface`; `{label}` is a label that the first window does not carry.
        output: What it replaces.
        state: Reads the output, and returns what distinguishes the old from the new one.
        rename: Number of the rename before which the second kind of kill comes.
    """

    name: str
    arguments: list[str]
    output: Path
    state: Callable[[Path], str]
    rename: int

    def command_line(self) -> list[str]:
        """Return what to type now."""
        if '{label}' not in self.arguments:
            return self.arguments
        dataset = Dataset.load(self.output)
        other = 'ice' if dataset.classes[dataset.labels[0]] == 'mud' else 'mud'
        return [other if argument == '{label}' else argument for argument in self.arguments]


@dataclass
class KillResult:
    """What became of one command's output.

    Attributes:
        verb: The verb.
        kills: Kills at random moments.
        killed_running: Those that met the command before its end.
        old: Outputs that were the old one afterwards.
        new: Outputs that were the new one.
        between: Kills exactly between the renames.
        failures: What was wrong.
    """

    verb: str
    kills: int = 0
    killed_running: int = 0
    old: int = 0
    new: int = 0
    between: int = 0
    failures: list[str] = field(default_factory=list)


def dataset_state(path: Path) -> str:
    """Return the digest of a data set and the length of its history; its content is compared with the digest."""
    dataset = Dataset.load(path)
    return f'{dataset.digest} {len(dataset.history)} {dataset.history[-1]["time"]}'


def model_state(path: Path) -> str:
    """Return what distinguishes one training from another; the files are compared with their digests."""
    contract = load_contract(path)
    for name, digest in ((WEIGHTS_FILE, contract.weights_sha256), (ONNX_FILE, contract.onnx_sha256)):
        read_verified(path / name, digest)
    return f'{contract.seed} {contract.weights_sha256}'


def recipe_state(path: Path) -> str:
    """Return a recipe as text."""
    return json.dumps(read_yaml(path), sort_keys=True)


def make_cases(folder: Path, names: list[str]) -> list[KillCase]:
    """Make recordings, a recipe and the old outputs of some commands."""
    for seed in range(4):
        write_drive(folder / 'recordings' / f'drive_{seed}', [('ice', 8.0), ('snow', 8.0)], seed=seed)
    write_result(folder / 'recipe.yaml', RECIPE)
    recipe = ['--config', str(folder / 'recipe.yaml')]
    data, built, edited = folder / 'data', folder / 'built', folder / 'edited'
    build = ['dataset', 'build', str(folder / 'recordings'), '-o']
    cases = [
        KillCase('build', [*build, str(built), '--overwrite'], built, dataset_state, 1),
        KillCase(
            'train',
            ['train', str(data), '-o', str(folder / 'model'), *recipe, '--overwrite'],
            folder / 'model',
            model_state,
            1,
        ),
        KillCase(
            'relabel',
            ['dataset', 'relabel', str(edited), '--to', '{label}', '--windows', '0', '--new-class', '--in-place'],
            edited,
            dataset_state,
            1,
        ),
        KillCase(
            'sweep',
            ['sweep', str(data), '-o', str(folder / 'sweep'), '--trials', '2', '--folds', '2', *recipe],
            folder / 'sweep' / 'best.yaml',
            recipe_state,
            0,
        ),
    ]
    run([*build, str(data)])
    shutil.copytree(data, edited)
    chosen = [case for case in cases if case.name in names]
    for case in chosen:
        if not case.output.exists():
            run(case.command_line())
    return chosen


def run(arguments: list[str]) -> None:
    """Run a command to its end.

    Raises:
        SurfaceError: It fails.
    """
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, encoding='utf-8', check=False)
    if done.returncode:
        raise SurfaceError(f'surface {" ".join(arguments)}: ended with {done.returncode}: {done.stderr[-500:]}')


def kill_case(case: KillCase, times: int, rng: random.Random) -> KillResult:
    """Kill one command again and again."""
    result = KillResult(case.name)
    begin = time.monotonic()
    run(case.command_line())
    duration_s = time.monotonic() - begin
    for _ in range(times):
        before = case.state(case.output)
        child = subprocess.Popen([*COMMAND, *case.command_line()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(rng.uniform(0.2, 1.05) * duration_s)
        except subprocess.TimeoutExpired:
            child.kill()
            result.killed_running += 1
        child.wait()
        result.kills += 1
        _check(case, before, result, 'at a random moment')
    for _ in range(max(1, times // 4)):
        before = case.state(case.output)
        names = case.output.name
        script = [sys.executable, '-c', KILLED_AT_A_RENAME, str(case.rename), names, *case.command_line()]
        child = subprocess.Popen(script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if child.wait() != -signal.SIGKILL:
            result.failures.append(f'ended with {child.returncode} before the rename')
        result.between += 1
        _check(case, before, result, 'between the renames')
    return result


def _check(case: KillCase, before: str, result: KillResult, when: str) -> None:
    """Read the output, run the command to its end, and look at what is left."""
    try:
        complete_replacement(case.output)
        after = case.state(case.output)
        result.old += after == before
        result.new += after != before
        run(case.command_line())
        case.state(case.output)
    except SurfaceError as error:
        result.failures.append(f'{when}: {error}')
        run(case.command_line() if case.output.exists() else case.arguments)
    hidden = [path.name for path in case.output.parent.iterdir() if path.name.startswith(f'.{case.output.name}.')]
    if hidden:
        result.failures.append(f'{when}: {", ".join(hidden)} is left')


def main(argv: list[str] | None = None) -> int:
    """Kill each command, print a table; exit status 1 when an output was lost or something was left."""
    parser = argparse.ArgumentParser(description='Kill commands while they replace their output.')
    parser.add_argument('--times', type=int, default=20, help='kills of each command (%(default)d)')
    parser.add_argument('--verbs', nargs='+', default=['build', 'train', 'relabel', 'sweep'], help='which (all four)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments (%(default)d)')
    parser.add_argument('--json', metavar='FILE', help='write the results as JSON')
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix='kill_outputs_') as folder:
        results = [kill_case(case, args.times, rng) for case in make_cases(Path(folder), args.verbs)]
    print(f'{"verb":<8} {"kills":>5} {"running":>7} {"between renames":>15} {"old":>4} {"new":>4} {"failures":>8}')
    for result in results:
        print(
            f'{result.verb:<8} {result.kills:>5} {result.killed_running:>7} {result.between:>15} {result.old:>4} '
            f'{result.new:>4} {len(result.failures):>8}'
        )
        for failure in result.failures:
            print(f'  {failure}')
    if args.json:
        write_result(args.json, json.dumps({'results': [asdict(result) for result in results]}, indent=1) + '\n')
    return 1 if any(result.failures for result in results) else 0


if __name__ == '__main__':
    sys.exit(main())
