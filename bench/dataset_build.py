# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how long a data set takes to build, and how much memory: by number of recordings, and with more workers.

Recordings of 60 s, two motors at 100 Hz in blocks of ten samples (MCAP), over two surfaces. A few are simulated as
noise about a level, the others are copies of them under other names. Each build is a process of its own that does what
`surface dataset build` does: look for recordings, find the window configuration, cut, digest. Peak memory is that of
the process, and of its largest worker (resident, getrusage). Rounds go through all builds in turn.

The exit status is 1 when the number of workers changes the data set, or when memory grows with the recordings by more
than a few KB each, which is what is kept of a recording to write its line into the description.

Example:
    tools/run_in_environment python bench/dataset_build.py --json dataset_build.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from current_driver import messages
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.recordings.writing.recording_writer import RecordingWriter
from surface_classifier import __version__

RATE_HZ = 100
BLOCK_SAMPLES = 10
ORIGINALS = 10  # recordings that are simulated
LEVELS_A = {'carpet': 1.0, 'tile': 1.4}
# Kept of each recording: its description, which is some 2 KB of Python objects, and the places it is on the way.
MOST_KB_PER_RECORDING = 24.0

_BUILD = """
import json, resource, sys, time
from surface_classifier.data.dataset_builder import build_dataset, motor_window_config, recording_seconds
from surface_classifier.data.dataset_sources import find_sources
from surface_classifier.data.executor import make_executor

source, target, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])

def main():
    begin = time.perf_counter()
    recordings = find_sources([source]).recordings
    config = motor_window_config(recordings)
    recording_seconds(recordings)
    with make_executor('local', jobs) as executor:
        dataset = build_dataset(recordings, config, target, executor=executor).dataset
    seconds = time.perf_counter() - begin
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({
        'seconds': seconds,
        'cpu_seconds': own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        'peak_mb': own.ru_maxrss / 1024,
        'worker_peak_mb': children.ru_maxrss / 1024,
        'windows': len(dataset),
        'digest': dataset.digest,
    }))

if __name__ == '__main__':
    main()
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    args = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix='dataset_build_', dir=args.folder) as name:
        folder = Path(name)
        program = folder / 'build.py'
        program.write_text(_BUILD)
        plan = [(count, jobs) for _ in range(args.rounds) for count in args.recordings for jobs in args.jobs]
        runs = []
        with Progress(console=Console(stderr=True), transient=True) as progress:
            made = progress.add_task('making recordings', total=max(args.recordings))
            sources = {}
            for count in sorted(set(args.recordings)):
                sources[count] = folder / f'recordings_{count}'
                make_recordings(sources[count], count, args.seconds)
                progress.update(made, completed=count)
            built = progress.add_task('building', total=len(plan))
            for count, jobs in plan:
                runs.append(
                    {'recordings': count, 'jobs': jobs, **_build(program, sources[count], folder / 'set', jobs)}
                )
                progress.advance(built)
    rows = summarise(runs)
    problems = find_problems(rows)
    result = {
        'rows': rows,
        'problems': problems,
        'runs': runs,
        'seconds_each': args.seconds,
        'rate_hz': RATE_HZ,
        'cores': os.cpu_count(),
        'machine': platform.processor() or platform.machine(),
        'version': __version__,
    }
    if args.json == '-':
        print(json.dumps(result, indent=1))
    else:
        _print(rows, args.seconds)
        for problem in problems:
            print(problem)
        if args.json:
            Path(args.json).write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    return 1 if problems else 0


def make_recordings(folder: Path, count: int, seconds: float) -> None:
    """Write recordings: a few simulated ones, and copies of them.

    Args:
        folder: Folder to make.
        count: Number of recordings.
        seconds: Length of each [s].
    """
    for index in range(count):
        path = folder / f'drive_{index:05d}'
        if index < ORIGINALS:
            _simulate(path, index, seconds)
        else:
            shutil.copytree(folder / f'drive_{index % ORIGINALS:05d}', path)


def summarise(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each number of recordings and of jobs: medians over the rounds, memory as the highest."""
    rows = []
    for key in dict.fromkeys((run['recordings'], run['jobs']) for run in runs):
        mine = [run for run in runs if (run['recordings'], run['jobs']) == key]
        rows.append(
            {
                'recordings': key[0],
                'jobs': key[1],
                'seconds': statistics.median(run['seconds'] for run in mine),
                'fastest_seconds': min(run['seconds'] for run in mine),
                'cpu_seconds': statistics.median(run['cpu_seconds'] for run in mine),
                'peak_mb': max(run['peak_mb'] for run in mine),
                'worker_peak_mb': max(run['worker_peak_mb'] for run in mine) if key[1] > 1 else None,
                'windows': mine[0]['windows'],
                'digests': sorted({run['digest'] for run in mine}),
            }
        )
    return rows


def find_problems(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must not be: other data sets by other workers, memory that grows with the recordings."""
    problems = []
    for count in dict.fromkeys(row['recordings'] for row in rows):
        digests = {digest for row in rows if row['recordings'] == count for digest in row['digests']}
        if len(digests) > 1:
            problems.append(f'{count} recordings: the data set depends on the number of workers')
    for jobs in dict.fromkeys(row['jobs'] for row in rows):
        mine = sorted((row for row in rows if row['jobs'] == jobs), key=lambda row: int(row['recordings']))
        fewest, most = mine[0], mine[-1]
        more = most['recordings'] - fewest['recordings']
        if more and 1024 * (most['peak_mb'] - fewest['peak_mb']) / more > MOST_KB_PER_RECORDING:
            problems.append(
                f'{jobs} workers: {most["recordings"]} recordings take {most["peak_mb"]:.0f} MB, '
                f'{fewest["recordings"]} take {fewest["peak_mb"]:.0f} MB: memory grows with the recordings'
            )
    return problems


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or '').split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--recordings', nargs='+', type=int, default=[100, 300, 1000], help='how many')
    parser.add_argument('--seconds', type=float, default=60.0, help='length of each [s]')
    parser.add_argument('--jobs', nargs='+', type=int, default=[1, 2], help='workers')
    parser.add_argument('--rounds', type=int, default=1, help='builds of each')
    parser.add_argument(
        '--folder', metavar='FOLDER', help='where recordings are made, and removed again (the system says)'
    )
    parser.add_argument('--json', metavar='FILE', help='also write the result; - for standard output')
    return parser.parse_args(arguments)


def _simulate(path: Path, seed: int, seconds: float) -> None:
    rng = np.random.default_rng(seed)
    samples = round(seconds * RATE_HZ)
    start_ns = recording_base_ns(seed)
    period_ns = messages.NANOSECONDS // RATE_HZ
    half = samples // 2
    with RecordingWriter(path, flush_interval_s=None) as writer:
        for number, (surface, level) in enumerate(LEVELS_A.items()):
            begin = number * half
            stamp_ns = start_ns + begin * period_ns
            truth = messages.truth_message(stamp_ns, surface, 'simulator')
            writer.write_message('surface_truth', truth, stamp_ns, latched=True)
            for first in range(begin, begin + half, BLOCK_SAMPLES):
                stamps = start_ns + (first + np.arange(BLOCK_SAMPLES, dtype=np.int64)) * period_ns
                current = rng.normal(level, 0.2, (BLOCK_SAMPLES, 2))
                block = messages.CurrentBlock(stamps, current, ('left', 'right'), first)
                writer.write_message('motor_current', messages.current_block_message(block), int(stamps[-1]))


def _build(program: Path, source: Path, target: Path, jobs: int) -> dict[str, Any]:
    """Build in a process of its own; the data set is removed again."""
    command = [sys.executable, str(program), str(source), str(target), str(jobs)]
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _print(rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
    table = Table(box=SIMPLE_HEAD, title=f'recordings of {seconds:g} s, two motors at {RATE_HZ} Hz')
    for heading in ('recordings', 'workers', 'build [s]', 'CPU [s]', 'peak memory [MB]', 'of a worker [MB]', 'windows'):
        table.add_column(heading, justify='right')
    for row in rows:
        worker = row['worker_peak_mb']
        table.add_row(
            str(row['recordings']),
            str(row['jobs']),
            f'{row["seconds"]:.1f}',
            f'{row["cpu_seconds"]:.1f}',
            f'{row["peak_mb"]:.1f}',
            '' if worker is None else f'{worker:.1f}',
            str(row['windows']),
        )
    Console(width=100).print(table)


if __name__ == '__main__':
    sys.exit(main())
