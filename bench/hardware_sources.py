# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the driver's devices: samples lost, jitter of the stamps and CPU, alone or while a training runs.

Four motors at 1 kHz, as binary frames over a pseudo-terminal and as VESC status frames over python-can's multicast bus
(inside this machine), sent by a process of its own (`hardware_device.py`) and received by `current_driver_node`. Each
sample carries its number, and the sender notes when it was measured: what is lost, and whether the driver's numbers and
stamps are right, is judged by that and not by the driver's own counters, which are shown beside it.

- stamp error: stamp minus time of measurement; its median is the shortest delay, its spread the jitter of the stamps;
- arrival: the driver's own measure of how unevenly data came in, which its stamps are to be free of;
- age: from the measurement to the newest sample's arrival at a subscriber, in another process.

Example:
    tools/run_in_environment python bench/hardware_sources.py --seconds 300 --train --json hardware_sources.json
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from hardware_device import CAN_GROUP, CAN_NUMBERS, MOTORS
from node_benchmark import run_benchmark
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from surface_classifier import __version__
from surface_classifier.nodes.conversion import to_ns
from surface_classifier.startup.node_processes import (
    NodeProcesses,
    ParameterValue,
    free_domain_id,
)
from surface_msgs.msg import MotorCurrent

BENCH = Path(__file__).resolve().parent
SOURCES = ('serial', 'can')
MOTOR_NAMES = ('front_left', 'front_right', 'rear_left', 'rear_right')
START_TIMEOUT_S = 30.0
SETTLE_S = 2.0
LAST_BLOCKS_S = 1.0
BLOCK_SAMPLES = 10


@dataclass
class Received:
    """What a subscriber received.

    Attributes:
        numbers: The driver's number of each sample.
        stamps_ns: Its stamps [ns].
        currents: Shape (samples, motors).
        arrivals: Of each block, index of its newest sample and time of arrival [ns].
        streams: Ids of the streams.
        diagnostics: The driver's last report.
        count: Samples received.
    """

    numbers: list[npt.NDArray[np.int64]] = field(default_factory=list)
    stamps_ns: list[npt.NDArray[np.int64]] = field(default_factory=list)
    currents: list[npt.NDArray[np.float64]] = field(default_factory=list)
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    streams: set[int] = field(default_factory=set)
    diagnostics: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def take_block(self, message: MotorCurrent) -> None:
        """Take in a block."""
        count = len(message.offsets_ns)
        self.numbers.append(message.first_sample + np.arange(count))
        self.stamps_ns.append(to_ns(message.header.stamp) + np.array(message.offsets_ns))
        self.currents.append(np.array(message.current).reshape(count, -1))
        self.count += count
        self.arrivals.append((self.count - 1, time.time_ns()))
        self.streams.add(message.stream_id)

    def take_diagnostics(self, message: DiagnosticArray) -> None:
        """Take in the driver's report."""
        for status in message.status:
            if status.name == 'current_driver':
                self.diagnostics = {item.key: item.value for item in status.values}


class Training:
    """A training that runs again and again until it is stopped; a context manager."""

    def __init__(self, folder: Path, niceness: int) -> None:
        """Make the data set.

        Args:
            folder: Where to.
            niceness: How much nicer the training is than this process.
        """
        self._folder = folder
        self._nice = ['nice', '-n', str(niceness)]
        self._surface = str(Path(sys.executable).parent / 'surface')
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None
        self.runs = 0
        self.cpu_s = 0.0
        for seed in range(1, 5):
            self._run('simulate', '-o', str(folder / 'recordings' / str(seed)), '--seed', str(seed))
        self._run('dataset', 'build', str(folder / 'recordings'), '-o', str(folder / 'dataset'))
        self._thread = threading.Thread(target=self._train, daemon=True)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self._surface, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SurfaceError(f'surface {" ".join(arguments)}: {done.stderr}')

    def _train(self) -> None:
        while not self._stopped:
            command = ['train', str(self._folder / 'dataset'), '-o', str(self._folder / 'model'), '--overwrite']
            with (self._folder / 'training.log').open('wb') as log:
                command = [*self._nice, self._surface, *command]
                self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
                _, status, usage = os.wait4(self._process.pid, 0)
                self._process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.runs += self._process.returncode == 0

    def __enter__(self) -> Training:
        """Begin to train."""
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the training."""
        self._stopped = True
        if self._process is not None:
            self._process.terminate()
        self._thread.join()


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; returns the exit status."""
    return run_benchmark('hardware_sources', _parser().parse_args(argv), run, print_result)[0]


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measures every source and returns the result as JSON types."""
    os.environ['OMP_NUM_THREADS'] = '1'
    try:
        os.nice(args.nice)
    except PermissionError:
        raise SurfaceError(f'--nice {args.nice}: only root may be less nice than others') from None
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    found = []
    with (
        tempfile.TemporaryDirectory(prefix='hardware_sources_') as folder,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task('measuring', total=len(args.sources) * args.seconds)
        for source in args.sources:
            progress.update(task, description=source)
            place = Path(folder, source)
            place.mkdir()

            def advance(seconds: float) -> None:
                progress.advance(task, seconds)

            if args.train:
                progress.update(task, description='making a data set')
                with Training(place, -args.nice) as training:
                    progress.update(task, description=f'{source}, while a training runs')
                    begin_s = time.monotonic()
                    measured = measure(source, args.rate, args.seconds, args.priority, place, advance)
                measured['training_runs'] = training.runs
                measured['training_cpu_percent'] = 100.0 * training.cpu_s / (time.monotonic() - begin_s)
            else:
                measured = measure(source, args.rate, args.seconds, args.priority, place, advance)
            found.append(measured)
    return {
        'versions': {'surface_classifier': __version__, 'python': platform.python_version()},
        'machine': {'cores': os.cpu_count(), 'load_average': os.getloadavg()},
        'settings': {
            'motors': MOTORS,
            'rate_hz': args.rate,
            'seconds': args.seconds,
            'block_samples': BLOCK_SAMPLES,
            'training': args.train,
            'priority': args.priority,
            'nice': args.nice,
        },
        'sources': found,
    }


def measure(
    source: str, rate_hz: float, seconds: float, priority: int, folder: Path, advance: Callable[[float], None]
) -> dict[str, Any]:
    """Measures one source.

    Args:
        source: serial or can.
        rate_hz: Samples a second [Hz].
        seconds: How long [s].
        priority: Real-time priority of the driver's sampling thread; 0: none.
        folder: Folder for logs.
        advance: Called for each second that has passed.

    Raises:
        SurfaceError: A process ended, or nothing came.
    """
    times_file = folder / 'times.npy'
    command = [sys.executable, str(BENCH / 'hardware_device.py'), source, '--rate', str(rate_hz)]
    command += ['--times', str(times_file), '--port', str(random.SystemRandom().randrange(20_000, 60_000))]
    received = Received()
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    node = Node('hardware_sources', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.create_subscription(MotorCurrent, 'motor_current', received.take_block, stream_qos(5000, reliable=True))
    node.create_subscription(DiagnosticArray, '/diagnostics', received.take_diagnostics, 100)

    def listen(seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left_s)

    device = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert device.stdin is not None
        assert device.stdout is not None
        where = device.stdout.readline().strip()
        if not where:
            raise SurfaceError(f'{source}: the device did not start')
        with NodeProcesses(folder / 'log', os.environ) as nodes:
            driver = nodes.start(
                'current_driver',
                'current_driver_node',
                {**driver_parameters(source, where), 'device.priority': priority},
            )
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not received.numbers:
                nodes.check()
                if time.monotonic() > deadline_s:
                    raise SurfaceError(f'{source}: no sample for {START_TIMEOUT_S:g} s\n{driver.log_end()}')
                listen(0.1)
            listen(SETTLE_S)
            settled = len(received.arrivals)
            watched = {'driver': psutil.Process(driver.process.pid), 'device': psutil.Process(device.pid)}
            begin_s = time.monotonic()
            cpu_before = {name: _cpu_s(process) for name, process in watched.items()}
            while (left_s := begin_s + seconds - time.monotonic()) > 0:
                step_s = min(1.0, left_s)
                listen(step_s)
                nodes.check()
                advance(step_s)
            elapsed_s = time.monotonic() - begin_s
            cpu = {name: 100.0 * (_cpu_s(process) - cpu_before[name]) / elapsed_s for name, process in watched.items()}
            memory_mb = watched['driver'].memory_info().rss / 1e6
            listen(LAST_BLOCKS_S)
            device.stdin.write(f'{begin_s}\n')
            device.stdin.close()
            dropped, real_time = map(int, device.stdout.readline().split())
            device.wait(START_TIMEOUT_S)
    finally:
        device.kill()
        device.wait()
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
    result = judge(source, received, np.load(times_file), settled)
    return {
        **result,
        'dropped_by_the_device': dropped,
        'device_at_real_time_priority': bool(real_time),
        'cpu_percent': cpu['driver'],
        'device_cpu_percent': cpu['device'],
        'rss_mb': memory_mb,
        'diagnostics': received.diagnostics,
    }


def driver_parameters(source: str, where: str) -> dict[str, ParameterValue]:
    """Return the driver's parameters.

    Args:
        source: serial or can.
        where: Port of the board, or of the multicast bus.
    """
    if source == 'serial':
        return {
            'source': 'serial',
            'block_samples': BLOCK_SAMPLES,
            'serial.port': where,
            'serial.format': 'binary',
            'serial.columns': MOTOR_NAMES,
        }
    return {
        'source': 'can',
        'block_samples': BLOCK_SAMPLES,
        'can.interface': 'udp_multicast',
        'can.channel': CAN_GROUP,
        'can.options': [f'port={where}', 'hop_limit=0'],
        'can.motors': [f'{name}={number + 1}' for number, name in enumerate(MOTOR_NAMES)],
    }


def judge(source: str, received: Received, times_ns: npt.NDArray[np.int64], settled: int) -> dict[str, Any]:
    """Compare what was received with what was sent.

    Args:
        source: serial or can.
        received: What was received.
        times_ns: When each sample was measured [ns].
        settled: Blocks received before the start was over; everything but their age is judged as well.

    Raises:
        SurfaceError: The device was lost in between.
    """
    if len(received.streams) > 1:
        raise SurfaceError(f'{source}: the device was lost {len(received.streams) - 1} times')
    numbers = np.concatenate(received.numbers)
    stamps_ns = np.concatenate(received.stamps_ns)
    currents = np.concatenate(received.currents)
    # The value of each motor is the number of the sample; in CAN frames it starts over.
    values = currents if source == 'serial' else np.round(10.0 * currents)
    mixed = int((values != values[:, :1]).any(axis=1).sum())
    sent = np.nanmax(values, axis=1)
    sent = (sent if source == 'serial' else np.unwrap(sent, period=CAN_NUMBERS)).astype(np.int64)
    missing = int(sent[-1] - sent[0] + 1 - len(np.unique(sent)))
    # The driver counts from the first sample that it saw, before anybody subscribed.
    wrong = int((numbers - numbers[0] != sent - sent[0]).sum())
    errors_ms = (stamps_ns - times_ns[sent]) / 1e6
    ages_ms = np.array(
        [(arrival_ns - times_ns[sent[index]]) / 1e6 for index, arrival_ns in received.arrivals[settled:]]
    )
    return {
        'source': source,
        'samples': len(numbers),
        'lost': missing,
        'wrong': wrong,
        'mixed': mixed,
        'counted_as_lost': int(received.diagnostics.get('lost samples', -1)),
        'stamp_error_ms': {
            'median': float(np.median(errors_ms)),
            'std': float(errors_ms.std()),
            'p99_from_median': float(np.percentile(np.abs(errors_ms - np.median(errors_ms)), 99)),
            'max_from_median': float(np.abs(errors_ms - np.median(errors_ms)).max()),
        },
        'device_jitter_ms': float(np.diff(times_ns[sent[0] : sent[-1] + 1]).std() / 1e6),
        'age_ms': {
            'median': float(np.median(ages_ms)),
            'p99': float(np.percentile(ages_ms, 99)),
            'max': float(ages_ms.max()),
        },
    }


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Prints the table."""
    settings = result['settings']
    console.print(
        f'\n[bold]{settings["motors"]} motors at {settings["rate_hz"]:g} Hz for {settings["seconds"]:g} s[/bold]'
        + (', while a training runs' if settings['training'] else '')
        + f', blocks of {settings["block_samples"]}; milliseconds'
    )
    table = Table(box=SIMPLE_HEAD)
    headings = (
        '',
        'samples',
        'lost',
        'wrong',
        'stamp error\nmedian',
        'std',
        'p99',
        'device\njitter',
        'arrival\njitter',
    )
    for heading in (*headings, 'age\nmedian', 'p99', 'CPU\n[%]', 'training\nCPU [%]'):
        table.add_column(heading, justify='right' if heading else 'left', no_wrap=True)
    for entry in result['sources']:
        error, age = entry['stamp_error_ms'], entry['age_ms']
        table.add_row(
            entry['source'],
            *(str(entry[name]) for name in ('samples', 'lost', 'wrong')),
            *(f'{error[name]:.3f}' for name in ('median', 'std', 'p99_from_median')),
            f'{entry["device_jitter_ms"]:.3f}',
            entry['diagnostics'].get('arrival jitter [ms]', ''),
            *(f'{age[name]:.1f}' for name in ('median', 'p99')),
            f'{entry["cpu_percent"]:.1f}',
            f'{entry["training_cpu_percent"]:.0f}' if 'training_cpu_percent' in entry else '',
        )
    console.print(table)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _parser() -> argparse.ArgumentParser:
    description, _, example = (__doc__ or '').partition('Example:')
    parser = argparse.ArgumentParser(
        prog='hardware_sources.py',
        description=description,
        epilog=f'example:{example}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--sources', nargs='+', choices=SOURCES, default=list(SOURCES), help='what is measured (both)')
    parser.add_argument('--rate', type=float, default=1000.0, metavar='HZ', help='samples a second (%(default)s)')
    parser.add_argument('--seconds', type=float, default=300.0, metavar='S', help='time for each (%(default)s)')
    parser.add_argument(
        '--priority', type=int, default=0, metavar='N', help="the driver's device.priority (%(default)s)"
    )
    parser.add_argument(
        '--nice',
        type=int,
        default=0,
        metavar='N',
        help='niceness of everything but the training, negative on a machine that others load (%(default)s)',
    )
    parser.add_argument('--train', action='store_true', help='train all the time beside it')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything to FILE')
    return parser


if __name__ == '__main__':
    sys.exit(main())
