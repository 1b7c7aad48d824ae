# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures `surface diagnose`: known faults put into healthy trainings, what it says, and whether its advice helps.

Every case is a data set and a recipe with a known fault (`diagnosis_cases.py`). It is diagnosed, and trained as it is,
as its twin without the fault, after the advice of the first verdict, and after a change drawn at random from the same
menu (`diagnosis_runs.py`). `diagnosis_scores.py` says what is counted and how.

| suite | what is in it |
|---|---|
| `--smoke` | a few small cases, under two minutes: shows that everything runs |
| `--tune` | generators `texture` and `ripple`: what thresholds are chosen on |
| `--turn` | `simulator`, which nothing was tuned on: every fault, two severities, five data sets; 60 healthy |
| `--full` | all generators, 98 and 400 windows, pairs of faults too; a larger `--rounds` adds cases to the same file |

Each finished case is a line of JSON in the output file, and is not done again: a run that was interrupted goes on.

Example:
    tools/run_in_environment python bench/diagnosis.py --turn --output turn.jsonl --json turn.json
    tools/run_in_environment python bench/diagnosis.py --tune --only aliasing --rounds 2 --output tune.jsonl
    tools/run_in_environment python bench/diagnosis.py --turn --output turn.jsonl --peer neuraldbg
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

# Networks of this size are fastest on one thread, and each process has a core; set before anything loads a library.
os.environ['OMP_NUM_THREADS'] = '1'
sys.path.append(str(Path(__file__).resolve().parent / 'peers'))

from diagnosis_cases import FAULTS, SEVERITIES, VERSION, Case, CaseKey, make_case
from diagnosis_scores import HEALTHY, OURS, Interval, Scores, Share, SystemScore, score
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from current_driver.errors import SurfaceError
from surface_classifier.reproduce.forum_task import Generator

Record = dict[str, Any]

TUNING: tuple[Generator, ...] = ('texture', 'ripple')
UNSEEN: Generator = 'simulator'
PEERS = ('neuraldbg',)
# Columns of the table: a peer may be read in several ways.
SYSTEMS_OF: Mapping[str, Sequence[str]] = {OURS: (OURS,), 'neuraldbg': ('neuraldbg', 'neuraldbg-lasting')}
SMOKE_FAULTS = ('mislabelled_windows', 'learning_rate_too_high')
ROUNDS = {'smoke': 1, 'tune': 3, 'turn': 5, 'full': 5}
# Faults of which one does not undo what the other is made of.
PAIRS = (
    ('learning_rate_too_high', 'mislabelled_windows'),
    ('batch_too_small', 'mislabelled_windows'),
    ('class_imbalance', 'batch_too_small'),
    ('class_imbalance', 'learning_rate_too_high'),
    ('unscaled_input', 'mislabelled_windows'),
    ('bad_sensor', 'learning_rate_too_low'),
    ('bad_sensor', 'mislabelled_windows'),
    ('recording_leakage', 'learning_rate_too_high'),
    ('uninformative_input', 'batch_too_small'),
    ('uninformative_input', 'mislabelled_windows'),
    ('aliasing', 'learning_rate_too_high'),
    ('exploding_gradient', 'mislabelled_windows'),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of a suite, and print its scores."""
    args = _parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)  # tables in a file are not cut to 80 characters
    keys = [key for key in suite(args.suite, args.rounds) if not args.only or set(args.only) & set(key.faults)]
    try:
        for peer in args.peer:
            _check_peer(peer)
        known = read_records(args.output)
        reused = read_records(args.runs_from) if args.runs_from else {}
        wanted = [system for name in (OURS, *args.peer) for system in SYSTEMS_OF[name]]
        tasks = []
        for key in keys:
            done = known.get(key.name, {}).get('systems', {})
            if todo := [name for name in wanted if name not in done]:
                tasks.append((key, todo, reused.get(key.name, {}).get('runs', {})))
        _run(tasks, args.jobs, args.output, console)
        records = read_records(args.output)
    except SurfaceError as error:
        print(f'diagnosis.py: error: {error}', file=sys.stderr)
        return 2
    found = [records[key.name] for key in keys if key.name in records]
    if not found:
        print('diagnosis.py: error: no case of the suite holds that fault', file=sys.stderr)
        return 2
    scores = score(found)
    print_scores(scores, console)
    if args.json:
        text = json.dumps({'suite': args.suite, 'version': VERSION, **scores.to_dict()}, indent=1) + '\n'
        Path(args.json).write_text(text, encoding='utf-8')
    return 1 if any(system.failures for system in scores.systems.values()) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suites = parser.add_mutually_exclusive_group(required=True)
    for name in ROUNDS:
        suites.add_argument(f'--{name}', dest='suite', action='store_const', const=name, help=f'the suite {name}')
    parser.add_argument('--output', metavar='FILE', type=Path, required=True, help='records, one line of JSON a case')
    parser.add_argument('--json', metavar='FILE', help='write the scores there too')
    parser.add_argument(
        '--only', metavar='ID', action='append', choices=list(FAULTS), help='only cases with this fault'
    )
    parser.add_argument('--rounds', metavar='N', type=int, help='data sets of each kind of case')
    parser.add_argument('--jobs', metavar='N', type=int, default=2, help='processes, one core each (%(default)d)')
    parser.add_argument('--peer', action='append', choices=PEERS, default=[], help='another tool on the same cases')
    parser.add_argument(
        '--runs-from', metavar='FILE', type=Path, help='records whose trainings are taken over; only diagnose again'
    )
    return parser.parse_args(arguments)


def suite(name: str, rounds: int | None = None) -> list[CaseKey]:
    """Return the cases of a suite, in an order in which any beginning of it is a fair sample.

    Args:
        name: `smoke`, `tune`, `turn` or `full`.
        rounds: Data sets of each kind of case; the suite's own number when None.
    """
    rounds = ROUNDS[name] if rounds is None else rounds
    return [key for number in range(rounds) for key in _round_of(name, number)]


def _round_of(name: str, number: int) -> Iterator[CaseKey]:
    """Cases of one round: every fault in both severities, and 12 healthy ones for each generator and size."""
    if name == 'smoke':
        for fault in SMOKE_FAULTS:
            yield CaseKey('texture', 60, (fault,), 'severe', number, name)
        yield CaseKey('texture', 60, (), 'mild', number, name)
        return
    generators: tuple[Generator, ...] = {'tune': TUNING, 'turn': (UNSEEN,), 'full': (*TUNING, UNSEEN)}[name]
    combinations = [(fault,) for fault in FAULTS] + (list(PAIRS) if name == 'full' else [])
    for windows in (98, 400) if name == 'full' else (98,):
        for generator in generators:
            for faults in combinations:
                for severity in SEVERITIES:
                    yield CaseKey(generator, windows, faults, severity, number, name)
            for place in range(12):
                # Twins of every fault in turn, and plain ones: 17 kinds, so that rounds differ.
                kinds = [(), *((fault,) for fault in FAULTS)]
                like = kinds[(12 * number + place) % len(kinds)]
                yield CaseKey(generator, windows, (), SEVERITIES[place % 2], number * 12 + place, name, like)


def read_records(path: Path) -> dict[str, Record]:
    """Read the records of a file by the name of the case; those of other versions of the cases are left out.

    A later line of a case adds to what an earlier one holds, as when a peer was run later. The last may be cut off.

    Raises:
        SurfaceError: The file is of something else.
    """
    if not path.is_file():
        return {}
    lines = path.read_text(encoding='utf-8').splitlines()
    records: dict[str, Record] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if record['version'] != VERSION:
                continue
            name = record['case']
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise SurfaceError(
                f'{path}, line {number}: is no record of a case ({error!r}); name another file'
            ) from error
        before = records.get(name, {'runs': {}, 'systems': {}})
        merged = {**before, **record}
        for part in ('runs', 'systems'):
            merged[part] = {**before[part], **record[part]}
        records[name] = merged
    return records


def _run(
    tasks: Sequence[tuple[CaseKey, list[str], Mapping[str, Any]]], jobs: int, output: Path, console: Console
) -> None:
    if not tasks:
        return
    _end_last_line(output)
    columns = (TextColumn('diagnosing'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    context = multiprocessing.get_context('spawn')
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        output.open('a', encoding='utf-8') as file,
        ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool,
    ):
        bar = progress.add_task('', total=len(tasks))
        futures = [pool.submit(run_case, *task) for task in tasks]
        try:
            for future in as_completed(futures):
                file.write(json.dumps(future.result()) + '\n')
                file.flush()
                progress.advance(bar)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_last_line(path: Path) -> None:
    """Let the next record begin on a line of its own, where the last one was cut off."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b'\n'):
        path.write_bytes(content[: content.rfind(b'\n') + 1])


def run_case(key: CaseKey, systems: Sequence[str], reused: Mapping[str, Any]) -> Record:
    """Do one case, in a process of its own core.

    Args:
        key: Which one.
        systems: Whom to ask: `surface` and peers.
        reused: Trainings that are known already, by name; the one after our advice is not among them.

    Returns:
        Its record, as in `diagnosis_scores.py`.
    """
    import numpy as np
    from diagnosis_runs import Change, advised_change, changed_setup, random_change, train_and_test

    seed = key.seed % 2**31
    record: Record = {
        'version': VERSION,
        'case': key.name,
        'generator': key.generator,
        'windows': key.windows,
        'number': key.number,
        'truth': list(key.faults),
        'severity': key.severity,
        'runs': {},
        'systems': {},
    }
    with tempfile.TemporaryDirectory(prefix='diagnosis_') as name:
        folder = Path(name)
        case = make_case(key, folder)
        done: dict[str, Any] = {}

        def run(what: str, change: Change | None) -> None:
            """Train after a change, unless just that was done before."""
            place = 'nothing' if change is None else json.dumps([change.text, change.drop_windows])
            if place not in done:
                setup = case.setup if change is None else changed_setup(case, change, folder / what)
                done[place] = train_and_test(setup, seed)
            record['runs'][what] = {**done[place], **({} if change is None else {'change': change.text})}

        kept = {what: reused[what] for what in ('case', 'twin', 'random') if what in reused}
        record['runs'].update(kept)
        if 'case' in kept:
            done['nothing'] = kept['case']
        if OURS in systems:
            if 'case' not in kept:
                run('case', None)
            if 'twin' not in kept:
                # A healthy case has no twin: another seed of the same shows how much chance does.
                record['runs']['twin'] = train_and_test(case.twin, seed if key.faults else seed + 1)
            if key.faults and 'random' not in kept:
                run('random', random_change(case, np.random.default_rng((key.seed, 7))))
        if OURS in systems:
            record['systems'][OURS] = _timed(lambda: _ask_ours(case, seed))
            if key.faults:
                verdicts = [v for v in record['systems'][OURS].get('verdicts', ()) if v['id'] != HEALTHY]
                run('fix', advised_change(case, verdicts[0]) if verdicts else None)
        if wanted := [name for name in systems if name in SYSTEMS_OF['neuraldbg']]:
            said = _timed(lambda: _ask_neuraldbg(case, seed))
            for system in wanted:
                record['systems'][system] = {key: said[key] for key in ('error', 'seconds') if key in said}
                if system in said:
                    record['systems'][system]['verdicts'] = said[system]
    return record


def _timed(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    begin = time.perf_counter()
    try:
        said = ask()
    except Exception:  # a tool that fails has missed the case, and the rest goes on
        said = {'error': traceback.format_exc(limit=-3)}
    return {**said, 'seconds': time.perf_counter() - begin}


def _ask_ours(case: Case, seed: int) -> dict[str, Any]:
    from surface_classifier.diagnosis.diagnose import diagnose

    found = diagnose(case.setup.dataset, case.setup.config, seed, jobs=1).to_dict()
    # Curves are left out: they would make the file a hundred times as long.
    return {key: found[key] for key in ('verdicts', 'cannot_tell', 'measured')}


def _ask_neuraldbg(case: Case, seed: int) -> dict[str, Any]:
    from peer_neuraldbg import LASTING_SHARE, findings, watch_training

    events, steps = watch_training(case.setup.dataset, case.setup.config, seed)
    return {'neuraldbg': findings(events, steps, 0.0), 'neuraldbg-lasting': findings(events, steps, LASTING_SHARE)}


def _check_peer(name: str) -> None:
    from peer_neuraldbg import why_not_available

    reason = why_not_available()
    if reason:
        raise SurfaceError(f'--peer {name}: {reason}')


def print_scores(scores: Scores, console: Console) -> None:
    """Print the tables."""
    console.print(
        f'{scores.cases} cases: {scores.effective} with a fault that changes something, {scores.ineffective} with one '
        f'that changes nothing against its twin (not counted), {scores.healthy} healthy'
    )
    overview = Table(box=SIMPLE_HEAD, title='Systems')
    overview.add_column('')
    for name in scores.systems:
        overview.add_column(name)
    rows: list[tuple[str, Callable[[SystemScore], str]]] = [
        ('detection', lambda system: _share(system.detection)),
        ('top-1', lambda system: _share(system.top1)),
        ('false alarms', lambda system: _share(system.false_alarms)),
        ('abstentions', lambda system: _share(system.abstentions)),
        ('failures', lambda system: str(system.failures)),
        ('macro precision', lambda system: f'{system.macro_precision:.2f}'),
        ('macro recall', lambda system: f'{system.macro_recall:.2f}'),
        ('time, median [s]', lambda system: f'{system.seconds_median:.1f}'),
        ('time, 95 % [s]', lambda system: f'{system.seconds_95:.1f}'),
    ]
    rows += [
        (f'detection, {severity}', lambda system, s=severity: _share(system.by_severity[s]))  # type: ignore[misc]
        for severity in SEVERITIES
        if all(severity in system.by_severity for system in scores.systems.values())
    ]
    for title, show in rows:
        overview.add_row(title, *(show(system) for system in scores.systems.values()))
    console.print(overview)
    for name, system in scores.systems.items():
        _print_ids(name, system, console)
    fixes = Table(box=SIMPLE_HEAD, title='What the first advice is worth')
    for column in ('', 'mean', '95 % interval', 'cases'):
        fixes.add_column(column)
    for title, interval in (
        ('harm taken away by the advice', scores.repaired),
        ('harm taken away by a random change', scores.repaired_by_chance),
        ('fix score: the difference', scores.fix_score),
        ('held-out accuracy, advice less random', scores.held_out_gain),
    ):
        fixes.add_row(title, f'{interval.mean:.3f}', _ends(interval), str(interval.cases))
    console.print(fixes)
    spread = ', '.join(f'{name} {value:.3f}' for name, value in scores.healthy_spread.items())
    console.print(f'Healthy set-ups, 99 % of differences between two seeds: {spread}')


def _print_ids(name: str, system: SystemScore, console: Console) -> None:
    table = Table(box=SIMPLE_HEAD, title=f'{name}: ids')
    for column in ('injected', 'precision', 'recall', 'top-1', 'no effect', 'said instead or beside'):
        table.add_column(column)
    for fault in [*system.ids, HEALTHY]:
        said = system.confusion.get(fault, {})
        others = ', '.join(f'{k} {n}' for k, n in sorted(said.items(), key=lambda item: -item[1]) if k != fault)
        entry = system.ids.get(fault)
        if entry is None:
            table.add_row(fault, '', '', '', '', others)
        else:
            shares = (_share(part) for part in (entry.precision, entry.recall, entry.top1))
            table.add_row(fault, *shares, str(entry.ineffective or ''), others)
    console.print(table)


def _share(share: Share) -> str:
    return f'{share.share:.2f} [{share.low:.2f}, {share.high:.2f}] {share.hits}/{share.of}' if share.of else '-'


def _ends(interval: Interval) -> str:
    return f'[{interval.low:.3f}, {interval.high:.3f}]'


if __name__ == '__main__':
    sys.exit(main())
