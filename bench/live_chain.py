# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the live chain beside a baseline node: latency, CPU, memory, and whether it is right.

Four motors, a window of 100 samples and a label every 10 samples, at 100 Hz and 1 kHz. The same simulated samples and
the same LSTM(64) go through three systems, in turns, so that a busy machine is busy for all of them:

- peer: one JointState a sample, sensor-data quality of service, a deque of 100 samples, torch on one thread in the
  callback (`peers/peer_driver.py`, `peers/peer_classifier.py`); two processes;
- three processes: our driver, preprocessor and classifier with ONNX Runtime;
- composed: the same three in one process (`bringup`).

Latency is the time from a sample to the publication of the label that waited for it: from the newest sample, and from
the oldest of the ten new ones. The newest sample's moment is when its source published the message it came in; for
that, our blocks are listened to after CPU and memory have been measured. A publication is the moment the middleware
took a message. Every label is compared with what the model says offline of the samples it should be of.

Example:
    tools/run_in_environment python bench/live_chain.py --rounds 3 --seconds 10 --json live_chain.json
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import rclpy
from node_benchmark import run_benchmark
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sensor_msgs.msg import JointState

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.simulation.simulator import Simulator, SimulatorConfig
from surface_classifier import __version__
from surface_classifier.model.contract import ModelContract
from surface_classifier.model.engine import InferenceEngine, load_engine
from surface_classifier.nodes.conversion import WindowWriter, to_ns
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import Window
from surface_classifier.startup.node_processes import (
    NodeProcesses,
    ParameterValue,
    free_domain_id,
)
from surface_msgs.msg import CurrentWindow, MotorCurrent, SurfaceLabel

BENCH = Path(__file__).resolve().parent
MOTORS = 4
WINDOW_SAMPLES = 100
STRIDE_SAMPLES = 10
HIDDEN = 64
CLASSES = ('carpet', 'concrete', 'grass', 'gravel', 'parquet', 'tiles')
SEED = 4
PEER, APART, COMPOSED = 'peer', 'three processes', 'composed'
SYSTEMS = (PEER, APART, COMPOSED)
START_TIMEOUT_S = 30.0
READY_TEXT = 'ready to label'
SETTLE_S = 1.5
OURS_TOLERANCE = 1e-6
PEER_TOLERANCE = 1e-5
NANOSECONDS = 1_000_000_000
LATENCIES = ('newest\n[ms]', 'p99', 'oldest\n[ms]', 'p99')

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One sample rate with everything the systems need at it.

    Attributes:
        rate_hz: Sample rate [Hz].
        block_samples: Samples in one message of our driver.
        samples_a: (samples, motors) currents [A], from the start of the drive.
        samples_file: The same as a file, for the peer.
        model: Folder of the model.
        engine: The model, for the offline answer.
    """

    rate_hz: float
    block_samples: int
    samples_a: Floats
    samples_file: Path
    model: Path
    engine: InferenceEngine

    @property
    def period_ns(self) -> float:
        """Time from sample to sample [ns]."""
        return NANOSECONDS / self.rate_hz


@dataclass(frozen=True)
class TimedLabel:
    """One label.

    Attributes:
        last_sample: Number of the last sample of its window.
        newest_sample: Number of the newest sample it waited for: later by what is left of a block.
        newest_ns: When that sample was published; None where no node listened [ns].
        published_ns: When the label was published [ns].
        probabilities: Shape (classes,).
    """

    last_sample: int
    newest_sample: int
    newest_ns: int | None
    published_ns: int
    probabilities: Floats


@dataclass
class Measurement:
    """One system in one round.

    Attributes:
        newest_ms: Latency from the newest sample each label waited for [ms].
        oldest_ms: Latency from the oldest of the new samples [ms].
        cpu_percent: CPU of each process, in percent of one core.
        rss_mb: Resident memory of each process [MB].
        pss_mb: The same with shared pages divided among their users [MB]; empty where the system does not report it.
        labels: Labels in the measured time.
        missing: Windows in the measured time that got no label.
        wrong: Labels that differ from what the model says offline.
    """

    newest_ms: list[float] = field(default_factory=list)
    oldest_ms: list[float] = field(default_factory=list)
    cpu_percent: dict[str, float] = field(default_factory=dict)
    rss_mb: dict[str, float] = field(default_factory=dict)
    pss_mb: dict[str, float] = field(default_factory=dict)
    labels: int = 0
    missing: int = 0
    wrong: int = 0


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; returns the exit status."""
    return run_benchmark('live_chain', _parser().parse_args(argv), run, print_result)[0]


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measures every system at every rate and returns the result as JSON types."""
    os.environ['OMP_NUM_THREADS'] = '1'
    # The nodes inherit it, and this process joins them there.
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    measured: dict[tuple[float, str], list[Measurement]] = {}
    with tempfile.TemporaryDirectory(prefix='live_chain_') as folder:
        cases = [_prepare(Path(folder), rate_hz, args.block_samples, args.seconds) for rate_hz in args.rates]
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task('measuring', total=args.rounds * len(cases) * len(SYSTEMS) + args.rounds)
            startup = []
            for round_ in range(args.rounds):
                for case in cases:
                    # Another system goes first in each round.
                    for name in SYSTEMS[round_ % 3 :] + SYSTEMS[: round_ % 3]:
                        progress.update(task, description=f'{name} at {case.rate_hz:g} Hz')
                        log = Path(folder, 'log', f'{round_}_{case.rate_hz:g}_{name.replace(" ", "_")}')
                        measure = _measure_peer if name == PEER else _measure_ours
                        found = measure(case, name, log, args.seconds)
                        measured.setdefault((case.rate_hz, name), []).append(found)
                        progress.advance(task)
                progress.update(task, description='start-up')
                startup.append(_measure_startup(cases[0], Path(folder, 'log', f'{round_}_startup')))
                progress.advance(task)
    return {
        'versions': {'surface_classifier': __version__, 'python': platform.python_version()},
        'machine': {'cores': os.cpu_count(), 'load_average': os.getloadavg()},
        'settings': {
            'motors': MOTORS,
            'window_samples': WINDOW_SAMPLES,
            'stride_samples': STRIDE_SAMPLES,
            'hidden': HIDDEN,
            'block_samples': args.block_samples,
            'filter_delay_ms': 0.0,
            'seconds': args.seconds,
            'rounds': args.rounds,
        },
        'classifier_startup_s': startup,
        'systems': [_summary(rate_hz, name, rounds) for (rate_hz, name), rounds in measured.items()],
    }


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Prints the tables."""
    settings = result['settings']
    for rate_hz in sorted({entry['rate_hz'] for entry in result['systems']}):
        block_ms = 1e3 * settings['block_samples'] / rate_hz
        console.print(
            f'\n[bold]{settings["motors"]} motors at {rate_hz:g} Hz[/bold], a label every '
            f'{settings["stride_samples"]} samples (our blocks last {block_ms:g} ms; no low-pass, so no filter delay)'
        )
        table = Table(box=SIMPLE_HEAD)
        for heading in ('', 'CPU\n[%]', 'RSS\n[MB]', 'PSS\n[MB]', *LATENCIES, 'labels', 'missing', 'wrong'):
            table.add_column(heading, justify='right' if heading else 'left', no_wrap=True)
        for entry in result['systems']:
            if entry['rate_hz'] != rate_hz:
                continue
            latencies = [
                f'{entry[name][value]:.1f}' for name in ('newest_ms', 'oldest_ms') for value in ('median', 'p99')
            ]
            counts = [str(entry[name]) for name in ('labels', 'missing', 'wrong')]
            table.add_row(entry['system'], *_load_cells(entry), *latencies, *counts, style='bold')
            if len(entry['processes']) > 1:
                for process, values in entry['processes'].items():
                    table.add_row(f'  {process}', *_load_cells(values), style='dim')
        console.print(table)
    startup = result['classifier_startup_s']
    if startup:
        ready_s, label_s = (statistics.median(times[name] for times in startup) for name in ('ready', 'first_label'))
        console.print(
            f'classifier_node with the CPU engine: ready {ready_s:.2f} s after its start, first label after '
            f'{label_s:.2f} s, the discovery by the middleware included (medians of {len(startup)})',
            soft_wrap=True,
        )


def _load_cells(values: Mapping[str, float]) -> list[str]:
    return [f'{values["cpu_percent"]:.1f}', f'{values["rss_mb"]:.0f}', f'{values["pss_mb"]:.0f}']


def _prepare(folder: Path, rate_hz: float, block_samples: int, seconds: float) -> Case:
    """Simulates the samples and writes them and a model with random weights."""
    import torch

    from surface_classifier.model.checkpoint import normalisation_of, save_model
    from surface_classifier.model.network.ensemble import make_network
    from surface_classifier.model.network_config import NetworkConfig

    simulator = Simulator(SimulatorConfig(seed=SEED, motors=MOTORS, sample_rate_hz=rate_hz))
    samples_a = simulator.step(round((seconds + START_TIMEOUT_S) * rate_hz)).current_a
    samples_file = folder / f'samples_{rate_hz:g}.npy'
    np.save(samples_file, samples_a)

    channels = tuple(
        ChannelConfig(name, 'motor_current', 'surface_msgs/msg/MotorCurrent', f'current[{name}]')
        for name in simulator.motor_names
    )
    config = WindowConfig((PartConfig('motor', rate_hz, channels),), WINDOW_SAMPLES, STRIDE_SAMPLES)
    torch.manual_seed(SEED)
    shape = NetworkConfig(hidden_sizes=(HIDDEN,), dropout=0.0, pooling='last')
    network = make_network(shape, [MOTORS], len(CLASSES))
    network.fit_normalisation([torch.from_numpy(samples_a[np.newaxis].astype(np.float32))])
    contract = ModelContract(
        config=config,
        classes=CLASSES,
        architecture=shape.to_dict(),
        normalisation=normalisation_of(network, config),
        calibration={'method': 'none', 'temperature': 1.0},
        training_data={},
        training={},
        seed=SEED,
        created_by=f'surface_classifier {__version__}',
        weights_sha256='',
        onnx_sha256='',
    )
    model = folder / f'model_{rate_hz:g}'
    save_model(model, network, contract)
    return Case(rate_hz, block_samples, samples_a, samples_file, model, load_engine(model, 'onnx'))


class _Ears:
    """A node of the benchmark that notes when labels were published; it alone is not measured."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=[])
        self.node = Node('live_chain', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def __enter__(self) -> _Ears:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def listen(self, until: Callable[[], bool], timeout_s: float, nodes: NodeProcesses, what: str) -> None:
        """Works off messages until a condition holds.

        Raises:
            SurfaceError: It does not hold in time, or a node ended.
        """
        deadline_s = time.monotonic() + timeout_s
        while not until():
            self.executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > deadline_s:
                raise SurfaceError(f'{what}: nothing for {timeout_s:g} s')
            nodes.check()

    def listen_for(self, seconds: float) -> None:
        """Works off messages for some time."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)


def _measure_peer(case: Case, name: str, log: Path, seconds: float) -> Measurement:
    labels: list[TimedLabel] = []

    def take(message: JointState, info: Mapping[str, int]) -> None:
        # The header is that of the newest sample: its stamp is the moment it was published, its frame its number.
        number = int(message.header.frame_id)
        newest_ns = to_ns(message.header.stamp)
        labels.append(TimedLabel(number, number, newest_ns, info['source_timestamp'], np.array(message.effort)))

    with NodeProcesses(log, os.environ) as nodes, _Ears() as ears:
        weights = str(case.model / 'weights.safetensors')
        classifier = [sys.executable, str(BENCH / 'peers' / 'peer_classifier.py'), weights, *CLASSES]
        driver = [sys.executable, str(BENCH / 'peers' / 'peer_driver.py'), str(case.samples_file), str(case.rate_hz)]
        processes = {
            'classifier': nodes.start_command('peer_classifier', classifier).process.pid,
            'driver': nodes.start_command('peer_driver', driver).process.pid,
        }
        ears.node.create_subscription(JointState, 'label', take, stream_qos(1000, reliable=True))
        ears.listen(lambda: len(labels) > 5, START_TIMEOUT_S, nodes, name)
        ears.listen_for(SETTLE_S)
        first = len(labels)
        result = _measure_load(processes, ears, seconds)
        _judge(case, name, labels[first:], result)
        return result


def _measure_ours(case: Case, name: str, log: Path, seconds: float) -> Measurement:
    received: list[tuple[SurfaceLabel, int]] = []
    # When each block was published [ns], by the number of its last sample.
    blocks_ns: dict[int, int] = {}
    start_stamps_ns: list[float] = []

    def take_block(message: MotorCurrent, info: Mapping[str, int]) -> None:
        blocks_ns[message.first_sample + len(message.offsets_ns) - 1] = info['source_timestamp']
        start_stamps_ns.append(to_ns(message.header.stamp) - message.first_sample * case.period_ns)

    def take_label(message: SurfaceLabel, info: Mapping[str, int]) -> None:
        received.append((message, info['source_timestamp']))

    parameters: dict[str, ParameterValue] = {
        'model': str(case.model),
        'source': 'simulator',
        'block_samples': case.block_samples,
        'simulator.seed': SEED,
        'simulator.motors': MOTORS,
        'simulator.sample_rate_hz': case.rate_hz,
    }
    with NodeProcesses(log, os.environ) as nodes, _Ears() as ears:
        driver_parameters = {key: value for key, value in parameters.items() if key != 'model'}
        if name == COMPOSED:
            processes = {'bringup': nodes.start('surface_classifier', 'bringup', parameters).process.pid}
        else:
            model = {'model': parameters['model']}
            started = {
                'classifier': nodes.start('surface_classifier', 'classifier_node', model),
                'preprocessor': nodes.start('surface_classifier', 'preprocessor_node', model),
                'driver': nodes.start('current_driver', 'current_driver_node', driver_parameters),
            }
            processes = {key: node.process.pid for key, node in started.items()}
        ears.node.create_subscription(SurfaceLabel, 'surface_label', take_label, stream_qos(1000, reliable=True))
        ears.listen(lambda: len(received) > 5, START_TIMEOUT_S, nodes, name)
        ears.listen_for(SETTLE_S)
        first = len(received)
        result = _measure_load(processes, ears, seconds)
        ears.node.create_subscription(MotorCurrent, 'motor_current', take_block, stream_qos(50, reliable=False))
        ears.listen(lambda: bool(blocks_ns), START_TIMEOUT_S, nodes, name)
        ears.listen_for(seconds)

    labels = []
    for message, published_ns in received[first:]:
        last_sample = round((to_ns(message.header.stamp) - start_stamps_ns[0]) / case.period_ns)
        # The label waited for the whole block that holds the last sample of its window.
        newest = (last_sample // case.block_samples + 1) * case.block_samples - 1
        probabilities = np.array(message.probabilities)
        labels.append(TimedLabel(last_sample, newest, blocks_ns.get(newest), published_ns, probabilities))
    _judge(case, name, labels, result)
    return result


def _measure_load(processes: Mapping[str, int], ears: _Ears, seconds: float) -> Measurement:
    """Measures CPU and memory of processes while they work."""
    watched = {key: psutil.Process(pid) for key, pid in processes.items()}
    begin_s = time.monotonic()
    cpu_before = {key: _cpu_s(process) for key, process in watched.items()}
    ears.listen_for(seconds)
    cpu_after = {key: _cpu_s(process) for key, process in watched.items()}
    elapsed_s = time.monotonic() - begin_s
    result = Measurement()
    for key, process in watched.items():
        memory = process.memory_full_info()
        result.cpu_percent[key] = 100.0 * (cpu_after[key] - cpu_before[key]) / elapsed_s
        result.rss_mb[key] = memory.rss / 1e6
        result.pss_mb[key] = getattr(memory, 'pss', float('nan')) / 1e6
    return result


def _judge(case: Case, name: str, labels: list[TimedLabel], result: Measurement) -> None:
    """Fills in latencies and compares every label with the offline answer."""
    if not labels:
        raise SurfaceError(f'{name}: no label in the measured time')
    result.labels = len(labels)
    numbers = [label.last_sample for label in labels]
    result.missing = (max(numbers) - min(numbers)) // STRIDE_SAMPLES + 1 - len(set(numbers))
    for label in labels:
        if label.newest_ns is None:
            continue
        newest_ms = (label.published_ns - label.newest_ns) / 1e6
        waited = label.newest_sample - (label.last_sample - STRIDE_SAMPLES + 1)
        result.newest_ms.append(newest_ms)
        result.oldest_ms.append(newest_ms + waited * case.period_ns / 1e6)
    ends = np.array(numbers)
    rows = ends[:, np.newaxis] + np.arange(1 - WINDOW_SAMPLES, 1)
    expected = np.concatenate([case.engine.predict([case.samples_a[row][np.newaxis]]) for row in rows])
    given = np.stack([label.probabilities for label in labels])
    tolerance = PEER_TOLERANCE if name == PEER else OURS_TOLERANCE
    result.wrong = int((np.abs(given - expected).max(axis=1) > tolerance).sum())


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _measure_startup(case: Case, log: Path) -> dict[str, float]:
    """Times from the start of the classifier's process, with a window on offer all the time.

    Returns:
        `ready`: until it says so; `first_label`: until a label arrives, the middleware's discovery included [s].
    """
    contract = case.engine.contract
    samples = case.samples_a[:WINDOW_SAMPLES]
    with NodeProcesses(log, os.environ) as nodes, _Ears() as ears:
        windows = ears.node.create_publisher(CurrentWindow, 'current_window', stream_qos(1, reliable=True))
        labels: list[SurfaceLabel] = []
        ears.node.create_subscription(SurfaceLabel, 'surface_label', labels.append, stream_qos(10, reliable=True))
        window = Window(
            index=0,
            start_ns=0,
            end_ns=round((WINDOW_SAMPLES - 1) * case.period_ns),
            parts={'motor': samples},
            coverage=1.0,
            part_starts_ns={'motor': 0},
            part_coverage={'motor': 1.0},
        )
        message = WindowWriter(contract.config).message(window, voided=0, frame_id='')
        ears.node.create_timer(0.02, lambda: windows.publish(message))
        begin_s = time.monotonic()
        node = nodes.start('surface_classifier', 'classifier_node', {'model': str(case.model), 'engine': 'onnx'})
        times_s: dict[str, float] = {}

        def complete() -> bool:
            if READY_TEXT in node.log.read_text(encoding='utf-8'):
                times_s.setdefault('ready', time.monotonic() - begin_s)
            if labels:
                times_s.setdefault('first_label', time.monotonic() - begin_s)
            return len(times_s) == 2

        ears.listen(complete, START_TIMEOUT_S, nodes, 'start-up')
        return times_s


def _summary(rate_hz: float, system: str, rounds: list[Measurement]) -> dict[str, Any]:
    """Joins the rounds: latencies are pooled, CPU and memory are medians over the rounds."""

    def latency(name: str) -> dict[str, float]:
        values = [value for found in rounds for value in getattr(found, name)]
        return {'median': float(np.median(values)), 'p99': float(np.percentile(values, 99)), 'max': max(values)}

    processes = {
        process: {
            name: statistics.median(getattr(found, name)[process] for found in rounds)
            for name in ('cpu_percent', 'rss_mb', 'pss_mb')
        }
        for process in rounds[0].cpu_percent
    }
    totals = {
        name: statistics.median(sum(getattr(found, name).values()) for found in rounds)
        for name in ('cpu_percent', 'rss_mb', 'pss_mb')
    }
    counts = {name: sum(getattr(found, name) for found in rounds) for name in ('labels', 'missing', 'wrong')}
    keep = ('cpu_percent', 'rss_mb', 'pss_mb', 'labels', 'missing', 'wrong')
    return {
        'rate_hz': rate_hz,
        'system': system,
        **totals,
        'newest_ms': latency('newest_ms'),
        'oldest_ms': latency('oldest_ms'),
        **counts,
        'processes': processes,
        'rounds': [{key: value for key, value in asdict(found).items() if key in keep} for found in rounds],
    }


def _parser() -> argparse.ArgumentParser:
    description, _, example = (__doc__ or '').partition('Example:')
    parser = argparse.ArgumentParser(
        prog='live_chain.py',
        description=description,
        epilog=f'example:{example}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rates', type=float, nargs='+', default=[100.0, 1000.0], metavar='HZ', help='sample rates')
    parser.add_argument('--rounds', type=int, default=3, metavar='N', help='turns of every system (%(default)s)')
    parser.add_argument(
        '--seconds', type=float, default=10.0, metavar='S', help='measured time of a turn (%(default)s)'
    )
    parser.add_argument(
        '--block-samples', type=int, default=10, metavar='N', help='samples in our blocks (%(default)s)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything to FILE')
    return parser


if __name__ == '__main__':
    sys.exit(main())
