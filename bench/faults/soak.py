# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the composed chain for half an hour, and checks that its memory stays and that every window is accounted for.

A simulated robot with four motors sends 1,000 samples a second; driver, preprocessor and classifier are one process
(`bringup`). The model is made by the commands as a user gives them: `surface simulate`, `surface dataset build`,
`surface train`. Measured are the proportional set size (PSS) of the process, and the counters on `/diagnostics`:
every window that is complete by its samples must have left the preprocessor or be counted as voided, and every window
that left must be a label, or be counted as dropped, late or refused.

Example:
    tools/run_in_environment python bench/faults/soak.py --minutes 30 --json soak.json
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_benchmark import run_benchmark
from rich.console import Console
from rich.table import Table

from current_driver.errors import SurfaceError
from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.model.contract import load_contract
from surface_classifier.startup.node_processes import NodeProcess, NodeProcesses, free_domain_id

MOTORS = 4
RATE_HZ = 1000
WINDOW_S, STRIDE_S = 0.1, 0.01
EPOCHS = 2
DRIVES = 4
START_S = 60.0
SAMPLE_PERIOD_S = 5.0
LEFT_WINDOWS = ('labels', 'dropped', 'late', 'refused', 'queue')
# The first report of the preprocessor may come a moment before or after that of the classifier: at most so many
# windows are between the two.
BETWEEN_REPORTS_S = 1.5
LIMIT_MB = 1.0


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=30.0, help='length of the run (%(default)g)')
    parser.add_argument('--model', type=Path, help='model of these windows, of an earlier run; none: train one')
    parser.add_argument('--keep-model', type=Path, help='folder to make for the model that is trained')
    parser.add_argument('--json', type=Path, help='write the result here')
    status, result = run_benchmark('soak', parser.parse_args(), _run, _print)
    return status or int(bool(result and result['faults']))


def _run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    os.environ['OMP_NUM_THREADS'] = '1'
    with tempfile.TemporaryDirectory(prefix='soak_') as folder:
        model = args.model or _train(Path(folder), args.keep_model or Path(folder) / 'model', console)
        graph = Graph(int(os.environ['ROS_DOMAIN_ID']))
        try:
            with NodeProcesses(Path(folder) / 'log', os.environ) as nodes:
                return _soak(graph, nodes, model, args.minutes, console)
        finally:
            graph.close()


def _train(folder: Path, model: Path, console: Console) -> Path:
    """Make a model as a user does, of few and short drives: its size counts, its accuracy does not.

    Raises:
        SurfaceError: A command failed.
    """
    drives, dataset = folder / 'drives', folder / 'dataset'
    drives.mkdir()
    commands = [
        [
            *('simulate', '-o', str(drives / f'drive_{seed}'), '--seed', str(seed), '--motors', str(MOTORS)),
            *('--sample-rate', str(RATE_HZ), '--seconds-per-surface', '4'),
        ]
        for seed in range(DRIVES)
    ]
    build = ['dataset', 'build', str(drives), '-o', str(dataset), '--window-seconds', str(WINDOW_S)]
    commands.append([*build, '--sample-rate', str(RATE_HZ), '--stride-seconds', str(STRIDE_S), '--jobs', '1'])
    commands.append(['train', str(dataset), '-o', str(model), '--epochs', str(EPOCHS)])
    for command in commands:
        console.print('surface', *command)
        done = subprocess.run(
            [sys.executable, '-m', 'surface_classifier.cli.main', *command],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SurfaceError(f'surface {" ".join(command)} failed: {done.stderr[-2000:]}')
    return model


def _soak(graph: Graph, nodes: NodeProcesses, model: Path, minutes: float, console: Console) -> dict[str, Any]:
    config = load_contract(model).config
    reports: dict[str, DiagnosticStatus] = {}
    texts: dict[str, int] = {}

    def hear(message: DiagnosticArray) -> None:
        for status in message.status:
            reports[status.name] = status
            if level_of(status):
                text = f'{status.name}: {status.message}'
                texts[text] = texts.get(text, 0) + 1

    graph.watcher.create_subscription(DiagnosticArray, '/diagnostics', hear, 100)
    process = nodes.start(
        'surface_classifier',
        'bringup',
        {
            'model': str(model),
            'source': 'simulator',
            'block_samples': 10,
            'simulator.motors': MOTORS,
            'simulator.sample_rate_hz': float(RATE_HZ),
        },
    )
    _wait(graph, lambda: {'preprocessor', 'classifier'} <= reports.keys(), 'the nodes')
    _wait(graph, lambda: int(values_of(reports['classifier'])['labels']) > 0, 'the first label')
    began_s = time.monotonic()
    memory: list[tuple[float, float]] = []
    while (passed_s := time.monotonic() - began_s) < 60.0 * minutes:
        nodes.check()
        memory.append((passed_s / 60.0, _pss_mb(process)))
        if len(memory) % 24 == 1:
            console.print(f'{memory[-1][0]:5.1f} min, {memory[-1][1]:.2f} MB, load {os.getloadavg()[0]:.1f}')
        time.sleep(SAMPLE_PERIOD_S)
    counts = {name: values_of(status) for name, status in reports.items()}
    result: dict[str, Any] = {
        'minutes': minutes,
        'load': os.getloadavg(),
        'memory': memory,
        'counts': counts,
        'warnings': texts,
        'growth_mb': _growth_mb(memory, minutes),
    }
    result['faults'] = _faults(result, config.window_s, config.stride_s)
    return result


def _wait(graph: Graph, condition: Any, what: str) -> None:
    try:
        graph.wait_for(condition, what, START_S)
    except AssertionError as error:
        raise SurfaceError(str(error)) from error


def _pss_mb(node: NodeProcess) -> float:
    """Return the proportional set size of a process [MB]."""
    for line in Path(f'/proc/{node.process.pid}/smaps_rollup').read_text(encoding='ascii').splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) * 1024 / 1e6
    raise SurfaceError('/proc/PID/smaps_rollup has no line Pss; a Linux kernel from 4.14 on has one')


def _growth_mb(memory: list[tuple[float, float]], minutes: float) -> float:
    """Return by how much the median of the last third lies above that of the second third [MB]."""
    second = [pss_mb for at, pss_mb in memory if minutes / 3 <= at < 2 * minutes / 3]
    last = [pss_mb for at, pss_mb in memory if at >= 2 * minutes / 3]
    return statistics.median(last) - statistics.median(second)


def _faults(result: dict[str, Any], window_s: float, stride_s: float) -> list[str]:
    """Say what falls short, one sentence each."""
    faults = []
    if result['growth_mb'] > LIMIT_MB:
        faults.append(f'memory grows by {result["growth_mb"]:.2f} MB from the second third to the last')
    cut, labelled = result['counts']['preprocessor'], result['counts']['classifier']
    samples, windows = int(cut['samples']), int(cut['windows']) + int(cut['voided'])
    complete = (samples / RATE_HZ - window_s) / stride_s
    if abs(complete - windows) > 2 + window_s / stride_s:
        faults.append(f'{samples} samples hold {complete:.0f} windows, {windows} were cut or voided')
    if int(cut['voided']) or int(cut['skipped']):
        faults.append(f'{cut["voided"]} windows were voided and {cut["skipped"]} messages skipped')
    accounted = sum(int(labelled[name]) for name in LEFT_WINDOWS)
    if abs(accounted - int(labelled['received'])) > 1:
        faults.append(f'{labelled["received"]} windows came, {accounted} are accounted for')
    if abs(int(labelled['received']) - int(cut['windows'])) > BETWEEN_REPORTS_S / stride_s:
        faults.append(f'{cut["windows"]} windows left, {labelled["received"]} came')
    return faults


def _print(result: dict[str, Any], console: Console) -> None:
    table = Table('counter', 'preprocessor', 'classifier')
    cut, labelled = result['counts']['preprocessor'], result['counts']['classifier']
    for name in ('samples', 'windows', 'voided', 'skipped', 'received', *LEFT_WINDOWS):
        table.add_row(name, cut.get(name, ''), labelled.get(name, ''))
    console.print(table)
    console.print(f'growth of the PSS: {result["growth_mb"]:+.2f} MB, load {result["load"][0]:.1f}')
    for text, count in result['warnings'].items():
        console.print(f'{count} × {text}', markup=False)
    for fault in result['faults'] or ['every window is accounted for, and the memory stays']:
        console.print(fault, markup=False)


if __name__ == '__main__':
    sys.exit(main())
