# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how long an epoch of training takes beside Keras 3 and a plain PyTorch loop, in turns.

The task has the shape of the forum question: 98 windows of 100 samples of one motor current, six surfaces. The small
network is the preset `fluctuating-loss` (LSTM of 32 units), the large one `fluctuating-loss-large` (two LSTMs of 128
units, dropout 0.2 after each); both train with RMSprop in batches of 32 and of 4.

- peers: a plain PyTorch loop with a DataLoader (`peers/peer_torch.py`), and Keras 3 `fit` on JAX, torch and TensorFlow
  (`peers/peer_keras.py`, in the environment that `make peers` makes). Each lives in a process of its own, once with the
  threads it takes by default and once with one thread; the better of the two counts;
- ours: one model alone (`train`, with torch and with the compiled kernel), and several seeds together
  (`train_in_parallel`).

In every round each contestant trains for about as long, and another one begins. The time of an epoch is taken between
the ends of epochs, so that set-up, compilation and the first epoch stay out; of models that train together it is
divided by their number. The peers begin with weights of ours, and the loss of these weights is compared, so that
every contestant trains the same network. What trained together is compared with training one by one.

Example:
    tools/run_in_environment python bench/epoch_time.py --rounds 5 --seconds 2 --json epoch_time.json
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
import psutil
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.nn import functional

from current_driver.errors import SurfaceError
from surface_classifier import __version__
from surface_classifier.data.dataset import Dataset
from surface_classifier.reproduce.forum_task import Generator, forum_task
from surface_classifier.training.loop import EngineKind, TrainingResult, train
from surface_classifier.training.parallel_training import TrainingRun, train_in_parallel
from surface_classifier.training.prepared_windows import resident
from surface_classifier.training.torch_state import one_thread
from surface_classifier.training.training_config import PRESETS, TrainingConfig

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
PRESET_OF = {'small': 'fluctuating-loss', 'large': 'fluctuating-loss-large'}
BATCH_SIZES = (32, 4)
TOGETHER = (5, 10)
PLAIN = 'PyTorch loop'
BACKENDS = {'jax': 'Keras on JAX', 'torch': 'Keras on torch', 'tensorflow': 'Keras on TensorFlow'}
GENERATOR: Generator = 'texture'
SEED = 4
WARM_UP_EPOCHS = 2
# Steps after which weights are compared. Each step that divides by the size of the gradient amplifies the rounding of
# the ones before it: 75 such steps of the large network in batches of 4 make 1e-7 more than 1e-4 with any two programs.
CHECK_STEPS = 25
# A setting this many times slower than the other in the warm-up is left out: on a busy machine, two threads that wait
# for each other would take hours.
HOPELESS = 4.0
TOLERANCE = 1e-4
THREADS = ('1', 'default')
# What sets a library's threads; none is inherited from the caller.
THREAD_VARIABLES = (
    *('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NPROC', 'XLA_FLAGS'),
    *('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS'),
)
ONE_THREAD = {
    **dict.fromkeys(THREAD_VARIABLES, '1'),
    'XLA_FLAGS': '--xla_cpu_multi_thread_eigen=false',
}


@dataclass(frozen=True)
class Case:
    """One network and batch size with everything the contestants need.

    Attributes:
        network: `small` or `large`.
        batch_size: Windows in a step.
        config: How ours is trained; the number of epochs is put in for each turn.
        dataset: The windows.
        data_file: The standardised windows and labels, for the peers.
        weights_file: The first weights, for the peers.
        parameters: Of our network.
        steps: Steps in an epoch of ours.
        loss: Loss of the first weights over all windows [nat].
    """

    network: str
    batch_size: int
    config: TrainingConfig
    dataset: Dataset
    data_file: Path
    weights_file: Path
    parameters: int
    steps: int
    loss: float

    @property
    def name(self) -> str:
        """Network and batch size."""
        return f'{self.network} {self.batch_size}'


@dataclass(frozen=True)
class Turn:
    """What one turn gave.

    Attributes:
        epoch_s: Time of an epoch, for each model [s].
        turn_epoch_s: The same for all models together: what an epoch of the turn takes [s].
        cores: CPU time of the turn by its duration: how many cores it kept busy [1].
    """

    epoch_s: float
    turn_epoch_s: float
    cores: float


class Contestant(Protocol):
    """What trains.

    Attributes:
        name: What it is called in the table.
        threads: How many; `default`: as many as the library takes.
        models: How many models it trains at once.
    """

    name: str
    threads: str
    models: int

    def start(self, case: Case) -> Mapping[str, Any]:
        """Make ready for a case; return parameters, steps in an epoch and loss of the first weights."""

    def turn(self, case: Case, epochs: int) -> Turn:
        """Train for so many epochs after one that does not count."""


@dataclass
class Scores:
    """One contestant in one case, over the rounds.

    Attributes:
        started: What it said when it was made ready.
        estimate_s: Time of an epoch of all its models in the warm-up [s].
        turns: One for each round.
    """

    started: Mapping[str, Any]
    estimate_s: float
    turns: list[Turn] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """Median time of an epoch, for each model [s]."""
        return statistics.median(turn.epoch_s for turn in self.turns)


class PeerEndedError(SurfaceError):
    """A peer's process ended, most likely because it is not installed; the message says why."""


class Peer:
    """A peer in a process of its own."""

    models = 1

    def __init__(
        self, name: str, threads: str, command: Sequence[str], variables: Mapping[str, str], log: Path
    ) -> None:
        """Start the process.

        Args:
            name: What it is called in the table.
            threads: `default` or `1`.
            command: Starts it.
            variables: Its environment variables beside those of this process.
            log: File for what it says.
        """
        self.name, self.threads, self._log = name, threads, log
        environment = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
        # CPUs are compared, with nothing but errors in the log.
        environment |= {'CUDA_VISIBLE_DEVICES': '', 'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '2'}
        environment |= {**(ONE_THREAD if threads == '1' else {}), **variables}
        with log.open('wb') as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment, text=True
            )

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, case: Case) -> Mapping[str, Any]:
        """Build and compile the network of a case."""
        return self._ask(
            {
                'do': 'start',
                'case': case.name,
                'hidden_sizes': case.config.network.hidden_sizes,
                'dropout': case.config.network.dropout,
                'batch_size': case.batch_size,
                'learning_rate': case.config.learning_rate,
                'data': str(case.data_file),
                'weights': str(case.weights_file),
            }
        )

    def turn(self, case: Case, epochs: int) -> Turn:
        """Train for so many epochs after one that does not count."""
        process = psutil.Process(self._process.pid)
        begin_s, cpu_s = time.perf_counter(), _cpu_s(process)
        ends_s = self._ask({'do': 'train', 'case': case.name, 'epochs': epochs + 1})['ends_s']
        cores = (_cpu_s(process) - cpu_s) / (time.perf_counter() - begin_s)
        epoch_s = (ends_s[-1] - ends_s[0]) / epochs
        return Turn(epoch_s, epoch_s, cores)

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError('the process has no pipes')
        try:
            self._process.stdin.write(json.dumps(request) + '\n')
            self._process.stdin.flush()
        except BrokenPipeError:
            line = ''
        else:
            line = self._process.stdout.readline()
        if not line:
            said = self._log.read_text(encoding='utf-8', errors='replace').strip().splitlines()
            last = said[-1] if said else 'it said nothing'
            raise PeerEndedError(f'{self.name} ended with status {self._process.wait()}: {last}')
        answer: dict[str, Any] = json.loads(line)
        return answer


class Ours:
    """The project's own training, in this process."""

    def start(self, case: Case) -> Mapping[str, Any]:
        """Nothing is to be made ready."""
        return {'parameters': case.parameters, 'steps': case.steps, 'loss': case.loss}


class Alone(Ours):
    """Ours, one model."""

    threads, models = '1', 1

    def __init__(self, engine: EngineKind) -> None:
        """Take what the steps are taken by."""
        self.name, self._engine = f'ours, alone, {engine}', engine

    def turn(self, case: Case, epochs: int) -> Turn:
        """Train for so many epochs after one that does not count."""
        ends_s: list[float] = []
        process = psutil.Process()
        begin_s, cpu_s = time.perf_counter(), _cpu_s(process)
        config = _for(case, epochs + 1)
        train(case.dataset, config, SEED, on_epoch=lambda _: ends_s.append(time.perf_counter()), engine=self._engine)
        cores = (_cpu_s(process) - cpu_s) / (time.perf_counter() - begin_s)
        epoch_s = (ends_s[-1] - ends_s[0]) / epochs
        return Turn(epoch_s, epoch_s, cores)


class Together(Ours):
    """Ours, several seeds together."""

    def __init__(self, models: int, jobs: int) -> None:
        """Take how many models, and on how many threads, each of which trains one model after another."""
        self.name, self.models, self._jobs = f'ours, {models} together', models, jobs
        self.threads = str(jobs)

    def turn(self, case: Case, epochs: int) -> Turn:
        """Train for so many epochs after one of each model that does not count."""
        ends_s: list[float] = []
        process = psutil.Process()
        begin_s, cpu_s = time.perf_counter(), _cpu_s(process)
        runs = _runs(case, self.models, epochs + 1)
        train_in_parallel(runs, jobs=self._jobs, on_epoch=lambda *_: ends_s.append(time.perf_counter()))
        cores = (_cpu_s(process) - cpu_s) / (time.perf_counter() - begin_s)
        epoch_s = (ends_s[-1] - ends_s[self.models - 1]) / (len(ends_s) - self.models)
        return Turn(epoch_s, epoch_s * self.models, cores)


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; returns the exit status: 1 where networks or results are not the same."""
    args = _parser().parse_args(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        result = run(args, console)
    except KeyboardInterrupt:
        console.print('interrupted; every peer was stopped')
        return 130
    except SurfaceError as error:
        console.print(f'epoch_time: error: {error}', markup=False, soft_wrap=True)
        return 2
    print_result(result, console)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    return 0 if result['same'] else 1


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measures every contestant in every case and returns the result as JSON types."""
    networks, batch_sizes = (['small'], [32]) if args.quick else (args.networks, args.batch_sizes)
    with tempfile.TemporaryDirectory(prefix='epoch_time_') as name, ExitStack() as stack:
        folder = Path(name)
        dataset = forum_task(GENERATOR, SEED).save(folder / 'dataset')
        cases = [_prepare(folder, dataset, network, size) for network in networks for size in batch_sizes]
        contestants, absent = _contestants(folder, args, stack)
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task('', total=len(cases) * (len(contestants) * (1 + args.rounds) + 1))

        checks = []
        for case in cases:
            progress.update(task, description=f'comparing results, {case.name}')
            checks.append(_check(case))
            progress.advance(task)

        scores: dict[tuple[str, str, str], Scores] = {}
        for contestant in list(contestants):
            progress.update(task, description=f'warming up, {contestant.name}')
            try:
                warm = {case.name: _warm_up(contestant, case) for case in cases}
            except PeerEndedError as error:
                absent[contestant.name] = str(error)
                contestants.remove(contestant)
            else:
                scores |= {(name, contestant.name, contestant.threads): found for name, found in warm.items()}
            progress.advance(task, len(cases))
        left_out = _remove_hopeless(scores)

        for round_ in range(args.rounds):
            for case in cases:
                # Another one begins in each round.
                first = round_ * len(contestants) // args.rounds
                for contestant in contestants[first:] + contestants[:first]:
                    progress.update(task, description=f'round {round_ + 1}, {case.name}, {contestant.name}')
                    found = scores.get((case.name, contestant.name, contestant.threads))
                    if found is not None:
                        epochs = max(2, min(1000, math.ceil(args.seconds / found.estimate_s)))
                        found.turns.append(contestant.turn(case, epochs))
                    progress.advance(task)
    results = [_case_result(case, scores, left_out) for case in cases]
    return {
        'versions': _versions(scores),
        'machine': {'cores': os.cpu_count(), 'load_average': os.getloadavg(), 'architecture': platform.machine()},
        'settings': {
            'windows': len(dataset),
            'samples': dataset.config.window_samples,
            'rounds': args.rounds,
            'seconds': args.seconds,
            'generator': GENERATOR,
            'seed': SEED,
        },
        'absent': absent,
        'checks': checks,
        'cases': results,
        'same': all(check['same'] for check in checks) and all(result['same'] for result in results),
    }


def _warm_up(contestant: Contestant, case: Case) -> Scores:
    started = contestant.start(case)
    return Scores(started, contestant.turn(case, WARM_UP_EPOCHS).turn_epoch_s)


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Prints the tables."""
    settings = result['settings']
    for case in result['cases']:
        console.print(
            f'\n[bold]{case["network"]} network, batches of {case["batch_size"]}[/bold] ({case["parameters"]:,} '
            f'parameters, {settings["windows"]} windows of {settings["samples"]} samples): an epoch of one model',
            soft_wrap=True,
        )
        table = Table(box=SIMPLE_HEAD)
        headings = ('', 'threads', 'min\n[ms]', 'median\n[ms]', 'CPU\n[ms]', 'of the loop\nmedian', 'low to high')
        for heading in headings:
            table.add_column(heading, justify='right' if heading else 'left', no_wrap=True)
        for entry in case['contestants']:
            times, ratio = entry['epoch_ms'], entry['ratio']
            table.add_row(
                entry['contestant'],
                entry['threads'],
                _figure(times['min']),
                _figure(times['median']),
                _figure(entry['cpu_ms']),
                f'{ratio["median"]:.2f}',
                f'{ratio["low"]:.2f} to {ratio["high"]:.2f}',
                style='bold' if entry['ours'] else '',
            )
        console.print(table)
        for entry in case['contestants']:
            if entry['ours']:
                against = entry['fastest_peer']
                console.print(
                    f'{entry["contestant"]}: {against["median"]:.2f} of the fastest peer '
                    f'({against["low"]:.2f} to {against["high"]:.2f}), faster than every peer in '
                    f'{against["faster_rounds"]} of {settings["rounds"]} rounds',
                    soft_wrap=True,
                )
    console.print(
        f'\n[bold]The same mathematics[/bold], largest difference (allowed in loss and weight: {TOLERANCE:g})'
    )
    for check in result['checks']:
        console.print(
            f'{"same" if check["same"] else "NOT THE SAME"}: {check["case"]}, {check["models"]} seeds together and '
            f'one by one, {check["steps"]} steps: loss {check["loss"]:.1e}, '
            f'probability {check["probability"]:.1e}, weight {check["weight"]:.1e}',
            soft_wrap=True,
        )
    for case in result['cases']:
        for entry in case['contestants']:
            if not entry['same']:
                console.print(
                    f'NOT THE SAME: {case["case"]}, {entry["contestant"]}: {entry["steps"]} steps an epoch (ours: '
                    f'{case["steps"]}), first loss {entry["loss"]:.6f} (ours: {case["loss"]:.6f})',
                    soft_wrap=True,
                )
        largest = max(abs(entry['loss'] - case['loss']) for entry in case['contestants'])
        console.print(f'{case["case"]}: the first weights have the same loss for every contestant to {largest:.1e}')
    for name, why in result['absent'].items():
        console.print(f'left out: {name}: {why}', markup=False, soft_wrap=True)


def _figure(milliseconds: float) -> str:
    return f'{milliseconds:.0f}' if milliseconds >= 100 else f'{milliseconds:.3g}'


def _prepare(folder: Path, dataset: Dataset, network: str, batch_size: int) -> Case:
    """Trains one epoch of ours: that gives the first weights of everybody, and warms torch up."""
    preset = PRESETS[PRESET_OF[network]]
    config = replace(preset, epochs=1, batch_size=batch_size, validation_fraction=0.0)
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    trained = train(dataset, config, SEED, cancelled=count, engine='torch').network
    steps = asked
    (windows,) = resident(dataset, np.arange(len(dataset)))
    labels = np.array(dataset.labels, dtype=np.int64)
    with torch.no_grad():
        loss = float(functional.cross_entropy(trained(windows), torch.from_numpy(labels)))
    standardised = ((windows - trained.mean_of(0)) / trained.scale_of(0)).numpy()
    data_file, weights_file = folder / 'windows.npz', folder / f'{network}_{batch_size}.npz'
    np.savez(data_file, windows=standardised, labels=labels, classes=len(dataset.classes))
    weights = {name: values.detach().numpy() for name, values in trained.named_parameters()}
    np.savez(weights_file, **weights)
    return Case(
        network=network,
        batch_size=batch_size,
        config=config,
        dataset=dataset,
        data_file=data_file,
        weights_file=weights_file,
        parameters=sum(values.size for values in weights.values()),
        steps=steps,
        loss=loss,
    )


def _contestants(folder: Path, args: argparse.Namespace, stack: ExitStack) -> tuple[list[Contestant], dict[str, str]]:
    """Starts every peer that is here, and names those that are not with the reason."""
    absent: dict[str, str] = {}
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        PLAIN: ([sys.executable, str(BENCH / 'peers' / 'peer_torch.py')], {})
    }
    python = args.peers / 'bin' / 'python'
    for backend, name in BACKENDS.items():
        if python.is_file():
            commands[name] = ([str(python), str(BENCH / 'peers' / 'peer_keras.py')], {'KERAS_BACKEND': backend})
        else:
            absent[name] = f'there is no {python}: run `make peers`'
    contestants: list[Contestant] = []
    for name, (command, variables) in commands.items():
        for threads in args.threads:
            log = folder / f'{name.replace(" ", "_")}_{threads}.log'
            contestants.append(stack.enter_context(Peer(name, threads, command, variables, log)))
    contestants += [Alone(engine) for engine in get_args(EngineKind)]
    contestants += [Together(models, jobs) for models in TOGETHER for jobs in sorted({1, os.cpu_count() or 1})]
    return contestants, absent


def _remove_hopeless(scores: dict[tuple[str, str, str], Scores]) -> dict[tuple[str, str, str], float]:
    """Removes settings that were many times slower in the warm-up than another of the same contestant.

    Returns:
        By case, contestant and threads, how many times slower each was.
    """
    best_s: dict[tuple[str, str], float] = {}
    for (case, name, _), found in scores.items():
        best_s[case, name] = min(found.estimate_s, best_s.get((case, name), math.inf))
    slower = {key: found.estimate_s / best_s[key[:2]] for key, found in scores.items()}
    left_out = {key: factor for key, factor in slower.items() if factor > HOPELESS}
    for key in left_out:
        del scores[key]
    return left_out


def _check(case: Case) -> dict[str, Any]:
    """Compares seeds that train together with training one by one, with torch."""
    epochs = math.ceil(CHECK_STEPS / case.steps)
    runs = _runs(case, TOGETHER[0], epochs)
    together = train_in_parallel(runs)
    alone = [train(run.dataset, run.config, run.seed, engine='torch') for run in runs]
    pairs = list(zip(together, alone, strict=True))
    differences = {
        'loss': max(float(np.abs(_losses(one) - _losses(other)).max()) for one, other in pairs),
        'probability': max(
            float((_probabilities(case, one) - _probabilities(case, other)).abs().max()) for one, other in pairs
        ),
        'weight': max(
            float((weights - other.network.state_dict()[name]).abs().max())
            for one, other in pairs
            for name, weights in one.network.state_dict().items()
        ),
    }
    return {
        'case': case.name,
        'models': len(runs),
        'epochs': epochs,
        'steps': epochs * case.steps,
        **differences,
        # Probabilities are reported, not judged: a change of 1e-6 in the weights may change them by 1e-3.
        'same': max(differences['loss'], differences['weight']) <= TOLERANCE,
    }


def _losses(result: TrainingResult) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([epoch.loss for epoch in result.epochs])


def _probabilities(case: Case, result: TrainingResult) -> torch.Tensor:
    with one_thread(), torch.no_grad():
        windows = resident(case.dataset, np.arange(len(case.dataset)))
        return functional.softmax(result.network(*windows), dim=1)


def _case_result(
    case: Case, scores: Mapping[tuple[str, str, str], Scores], left_out: Mapping[tuple[str, str, str], float]
) -> dict[str, Any]:
    """Takes every contestant's better setting and compares them round by round."""
    settings: dict[str, dict[str, Scores]] = {}
    for (case_name, name, threads), found in scores.items():
        if case_name == case.name:
            settings.setdefault(name, {})[threads] = found
    chosen = {name: min(found, key=lambda threads: found[threads].median_s) for name, found in settings.items()}
    rounds_s = {name: [turn.epoch_s for turn in settings[name][threads].turns] for name, threads in chosen.items()}
    peers = [name for name in settings if name in (PLAIN, *BACKENDS.values())]
    fastest_peer_s = [min(times) for times in zip(*(rounds_s[name] for name in peers), strict=True)]
    entries = []
    for name, threads in chosen.items():
        found = settings[name][threads]
        entry = {
            'contestant': name,
            'ours': name not in peers,
            'threads': threads,
            **{key: found.started[key] for key in ('parameters', 'steps', 'loss')},
            'same': found.started['steps'] == case.steps and abs(found.started['loss'] - case.loss) <= TOLERANCE,
            'epoch_ms': {
                'min': 1e3 * min(rounds_s[name]),
                'median': 1e3 * found.median_s,
                'rounds': [1e3 * seconds for seconds in rounds_s[name]],
            },
            'cpu_ms': 1e3 * statistics.median(turn.epoch_s * turn.cores for turn in found.turns),
            'ratio': _spread(rounds_s[name], rounds_s[PLAIN]),
            'settings_ms': {setting: 1e3 * other.median_s for setting, other in settings[name].items()},
            'left_out': {key[2]: factor for key, factor in left_out.items() if key[:2] == (case.name, name)},
        }
        if entry['ours']:
            faster = sum(ours < peer for ours, peer in zip(rounds_s[name], fastest_peer_s, strict=True))
            entry['fastest_peer'] = {**_spread(rounds_s[name], fastest_peer_s), 'faster_rounds': faster}
        entries.append(entry)
    return {
        'case': case.name,
        'network': case.network,
        'batch_size': case.batch_size,
        'parameters': case.parameters,
        'steps': case.steps,
        'loss': case.loss,
        'contestants': entries,
        'same': all(entry['same'] for entry in entries),
    }


def _spread(times_s: Sequence[float], base_s: Sequence[float]) -> dict[str, float]:
    """Median and range of the ratios, round by round."""
    ratios = [time_s / other_s for time_s, other_s in zip(times_s, base_s, strict=True)]
    return {'median': statistics.median(ratios), 'low': min(ratios), 'high': max(ratios)}


def _versions(scores: Mapping[tuple[str, str, str], Scores]) -> dict[str, str]:
    versions = {'surface_classifier': __version__, 'python': platform.python_version(), 'torch': torch.__version__}
    for found in scores.values():
        versions |= {name: version for name, version in found.started.get('versions', {}).items() if name != 'torch'}
    return versions


def _for(case: Case, epochs: int) -> TrainingConfig:
    # Nothing is held out, so that no training ends early.
    return replace(case.config, epochs=epochs, patience=epochs)


def _runs(case: Case, models: int, epochs: int) -> list[TrainingRun]:
    return [TrainingRun(case.dataset, _for(case, epochs), SEED + k, None) for k in range(models)]


def _cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and of those it started, living or ended [s]."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _parser() -> argparse.ArgumentParser:
    description, _, example = (__doc__ or '').partition('Example:')
    parser = argparse.ArgumentParser(
        prog='epoch_time.py',
        description=description,
        epilog=f'example:{example}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='turns of every contestant (%(default)s)')
    parser.add_argument(
        '--seconds', type=float, default=2.0, metavar='S', help='about how long a turn lasts (%(default)s)'
    )
    parser.add_argument('--networks', nargs='+', choices=PRESET_OF, default=list(PRESET_OF), help='which (both)')
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', default=list(BATCH_SIZES), metavar='N', help='windows in a step (32 4)'
    )
    parser.add_argument(
        '--threads',
        nargs='+',
        choices=THREADS,
        default=list(THREADS),
        help='of the peers; on a busy machine, default threads wait for each other and take hours (both)',
    )
    parser.add_argument('--quick', action='store_true', help='the small network in batches of 32 only')
    parser.add_argument(
        '--peers', type=Path, default=ROOT / '.venv-peers', metavar='DIR', help='environment of Keras (.venv-peers)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything to FILE')
    return parser


if __name__ == '__main__':
    sys.exit(main())
