# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The whole chain on a simulated robot, without a question asked: record, train, classify live, and say what was right.

A simulated robot drives over six surfaces, faster than real time, while the trainer node records labelled bags. A data
set is built from the bags and an LSTM is trained on it. Then the live graph (driver, preprocessor and classifier, each
a process) classifies an unseen drive. `make demo` runs it.

Exit status: 0 the live labels are good enough, 1 they are not, 2 something is in the way, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from live_report import LiveResult, print_result, write_live_report
from live_scores import score_drive, segments_of
from rich.console import Console
from steps import Steps, exit_status, shown

from current_driver.errors import SurfaceError
from surface_classifier.startup.node_processes import (
    NodeProcesses,
    ParameterValue,
    free_domain_id,
)

ROOT = Path(__file__).resolve().parents[1]

SURFACES = ('carpet', 'concrete', 'grass', 'gravel', 'parquet', 'tiles')
FIRST_SEED = 1
LIVE_SEED = 1001
TRAINING_SEED = 0
WINDOW_STRIDE_S = 0.25
DRIVE_TIMEOUT_S = 180.0
COLUMN_NS = 2_000_000_000

REQUIRED_BALANCED_ACCURACY = 0.60
REQUIRED_LEAD = 0.15


@dataclass(frozen=True)
class Plan:
    """How long the demo drives and trains.

    Attributes:
        drives: Recorded drives over all surfaces.
        seconds_per_surface: Time on each surface before the next one [s].
        rounds: How often each drive comes over every surface.
        live_rate: Speed of the live drive as a factor on real time; 0: as fast as the nodes follow.
        epochs: Most epochs to train; None: what the recipe says.
    """

    drives: int = 6
    seconds_per_surface: float = 20.0
    rounds: int = 2
    live_rate: float = 10.0
    epochs: int | None = None

    @property
    def drive_s(self) -> float:
        """Length of one drive [s]."""
        return self.seconds_per_surface * self.rounds * len(SURFACES)


def main(argv: list[str] | None = None) -> int:
    """Runs the demo; returns the exit status."""
    args = _parser().parse_args(argv)
    console = Console(highlight=False)
    plan = Plan(drives=args.drives, live_rate=args.live_rate, epochs=args.epochs)
    demo = Demo(args.output, plan, console, plain=args.plain, shuffle_labels=args.shuffle_labels)
    return exit_status('demo', console, lambda: demo.run(args.recordings))


class Demo:
    """The steps of the demo, in their order."""

    def __init__(self, output: Path, plan: Plan, console: Console, *, plain: bool, shuffle_labels: bool) -> None:
        """Takes the folder everything goes to.

        Args:
            output: Folder to make; what an earlier run left there is replaced.
            plan: How long to drive and train.
            console: Where to print.
            plain: Print lines instead of the live view, even in a terminal.
            shuffle_labels: Train on labels that mean nothing, to see the demo fail.
        """
        self.output = output
        self.plan = plan
        self.console = console
        self.plain = plain
        self.shuffle_labels = shuffle_labels
        self.environment = {**os.environ, 'ROS_DOMAIN_ID': str(free_domain_id()), 'OMP_NUM_THREADS': '1'}
        self.steps = Steps(console, 5, self.environment)
        # The clients in this process must be in the domain of the nodes.
        os.environ['ROS_DOMAIN_ID'] = self.environment['ROS_DOMAIN_ID']

    def run(self, recordings: Path | None) -> int:
        """Runs all steps.

        Args:
            recordings: Bags of an earlier run to use instead of recording; None: record.
        """
        begin_s = time.monotonic()
        self._prepare(keep_recordings=recordings is not None)
        if recordings is None:
            self.steps.begin(f'Record {self.plan.drives} drives over {len(SURFACES)} surfaces with the trainer node')
            recordings = self.output / 'recordings'
            self._record(recordings)
        else:
            self.steps.begin(f'Use the recordings in {recordings}')

        self.steps.begin('Cut the bags into a data set')
        dataset = self.output / 'dataset'
        stride = str(WINDOW_STRIDE_S)
        self.steps.surface(
            'dataset', 'build', str(shown(recordings)), '-o', str(shown(dataset)), '--stride-seconds', stride
        )

        self.steps.begin('Train the LSTM')
        training_data = self._shuffled(dataset) if self.shuffle_labels else dataset
        model, curve = self.output / 'model', self.output / 'training.json'
        options = [] if self.plan.epochs is None else ['--epochs', str(self.plan.epochs)]
        seed = str(TRAINING_SEED)
        paths = [str(shown(training_data)), '-o', str(shown(model)), '--json', str(shown(curve))]
        self.steps.surface('train', *paths, '--seed', seed, *options)

        rate = f'{self.plan.live_rate:g} times real time' if self.plan.live_rate else 'full speed'
        self.steps.begin(f'Classify a new drive live, at {rate}')
        result = self._drive_live(model, dataset)

        self.steps.begin('What was right')
        passed = self._report(result, recordings, model, curve, dataset)
        self.console.print(f'The demo took {time.monotonic() - begin_s:.0f} s.')
        return 0 if passed else 1

    def _prepare(self, *, keep_recordings: bool) -> None:
        """Removes what an earlier run left, and nothing else."""
        folders = ['dataset', 'dataset_shuffled', 'model', 'log']
        for name in folders if keep_recordings else [*folders, 'recordings']:
            shutil.rmtree(self.output / name, ignore_errors=True)
        for name in ('training.json', 'result.json', 'report.html', 'live_view.svg'):
            (self.output / name).unlink(missing_ok=True)
        self.output.mkdir(parents=True, exist_ok=True)

    def _record(self, recordings: Path) -> None:
        from surface_classifier.nodes.clients.trainer_client import TrainerClient

        with NodeProcesses(self.output / 'log', self.environment) as nodes, TrainerClient() as trainer:
            nodes.start(
                'surface_classifier',
                'trainer_node',
                {
                    'output_dir': str(recordings),
                    'label_topic': 'surface_truth',
                    'surfaces': SURFACES,
                    'lossless': True,
                    'use_sim_time': True,
                },
            )
            for index in range(self.plan.drives):
                begin_s = time.monotonic()
                trainer.start_recording(
                    name=f'drive_{index + 1}',
                    operator_name='demo',
                    robot='simulated robot',
                    place='simulated building and yard',
                )
                driver = nodes.start(
                    'current_driver', 'current_driver_node', self._driver(FIRST_SEED + index, rate=0.0)
                )
                driver.wait(DRIVE_TIMEOUT_S)
                done = trainer.stop_recording()
                nodes.check()
                speed = done.duration / (time.monotonic() - begin_s)
                self.console.print(
                    f'  drive {index + 1} of {self.plan.drives}: {done.duration:.0f} s at {speed:.0f} times real time, '
                    f'{done.messages} messages, {len(done.surfaces)} surfaces -> {shown(Path(done.path))}',
                    soft_wrap=True,
                )
                self._check_recording(done.duration, list(done.surfaces), done.path)

    def _check_recording(self, duration_s: float, surfaces: list[str], path: str) -> None:
        if abs(duration_s - self.plan.drive_s) > 1.0 or set(surfaces) != set(SURFACES):
            raise SurfaceError(
                f'{path}: recorded {duration_s:.1f} s over {", ".join(sorted(surfaces)) or "nothing"}; '
                f'the drive had {self.plan.drive_s:.0f} s over {", ".join(SURFACES)}'
            )

    def _drive_live(self, model: Path, dataset: Path) -> LiveResult:
        from surface_classifier.data.dataset import Dataset
        from surface_classifier.evaluation.baselines import fit_nearest_mean
        from surface_classifier.nodes.clients.drive_observer import observe_drive
        from surface_classifier.terminal.screen import Screen
        from surface_classifier.terminal.watch_view import render

        data = Dataset.load(dataset)
        names = [part.name for part in data.config.input_parts]
        nearest_mean = fit_nearest_mean(data.inputs(), data.labels)

        with NodeProcesses(self.output / 'log', self.environment) as nodes:
            common: dict[str, ParameterValue] = {'model': str(model), 'lossless': True, 'use_sim_time': True}
            nodes.start('surface_classifier', 'preprocessor_node', common)
            nodes.start('surface_classifier', 'classifier_node', common)
            started = []

            def start_driver() -> None:
                parameters = self._driver(LIVE_SEED, rate=self.plan.live_rate)
                started.append(nodes.start('current_driver', 'current_driver_node', parameters))

            def running() -> bool:
                nodes.check()
                return started[0].running

            with Screen(
                render, 'surface watch: a drive that was not used for training', self.console, plain=self.plain
            ) as screen:
                picture = self.output / 'live_view.svg'
                drive = observe_drive(start_driver, running, screen=screen, column_ns=COLUMN_NS, picture=picture)
            nodes.check()

        if not drive.labels:
            raise SurfaceError(f'no label came; see the logs in {self.output / "log"}')
        missing = len(drive.windows) - len(drive.labels)
        if missing or drive.voided:
            raise SurfaceError(
                f'{missing} labels are missing and {drive.voided} windows were voided in a lossless drive'
            )
        segments = segments_of(drive.truths, drive.labels[-1].end_ns + 1)
        spans_ns = [(label.start_ns, label.end_ns) for label in drive.labels]
        score = score_drive(spans_ns, [label.surface for label in drive.labels], segments, data.classes)
        steady = [drive.windows[drive.labels[position].window_index] for position in score.steady]
        baseline = nearest_mean([np.stack([parts[name] for parts in steady]) for name in names])
        return LiveResult(drive, data.classes, score, baseline)

    def _driver(self, seed: int, rate: float) -> dict[str, ParameterValue]:
        return {
            'source': 'simulator',
            'rate': rate,
            'lossless': True,
            'publish_clock': True,
            'exit_when_done': True,
            'simulator.seed': seed,
            'simulator.surfaces': SURFACES,
            'simulator.seconds_per_surface': self.plan.seconds_per_surface,
            'simulator.duration_s': self.plan.drive_s,
        }

    def _report(self, result: LiveResult, recordings: Path, model: Path, curve: Path, dataset: Path) -> bool:
        print_result(result, self.console)
        passed = result.lstm >= REQUIRED_BALANCED_ACCURACY and result.lstm - result.nearest_mean >= REQUIRED_LEAD
        report = write_live_report(
            self.output / 'report.html', result, dataset=dataset, model=model, training=curve, command='make demo'
        )
        summary = {
            'balanced_accuracy': result.lstm,
            'nearest_mean_balanced_accuracy': result.nearest_mean,
            'required_balanced_accuracy': REQUIRED_BALANCED_ACCURACY,
            'required_lead': REQUIRED_LEAD,
            'passed': passed,
            'windows': len(result.score.steady),
            'windows_over_a_change': len(result.score.changing),
            'right_over_a_change': result.score.changing_right,
        }
        (self.output / 'result.json').write_text(json.dumps(summary, indent=1) + '\n', encoding='utf-8')
        for name, path in (('bags', recordings), ('data set', dataset), ('model', model), ('report', report)):
            self.console.print(f'  {name:<9} {shown(path)}', soft_wrap=True)
        self.console.print()
        verdict = (
            f'balanced accuracy {result.lstm:.2f} (at least {REQUIRED_BALANCED_ACCURACY:.2f} is asked for), '
            f'{result.lstm - result.nearest_mean:+.2f} from the nearest mean (at least {REQUIRED_LEAD:+.2f})'
        )
        style = 'bold green' if passed else 'bold red'
        self.console.print(f'{"PASSED" if passed else "FAILED"}: {verdict}', style=style, soft_wrap=True)
        return passed

    def _shuffled(self, dataset: Path) -> Path:
        """Copies a data set with its labels in random order."""
        from dataclasses import fields

        from surface_classifier.data.dataset import Dataset

        data = Dataset.load(dataset)
        keep = {item.name: getattr(data, item.name) for item in fields(data) if item.name not in ('path', 'digest')}
        keep['labels'] = np.random.default_rng(TRAINING_SEED).permutation(data.labels)
        path = self.output / 'dataset_shuffled'
        Dataset.save(path, **keep)
        self.console.print(f'  labels shuffled: the model trained on {path} must fail', style='bold yellow')
        return path


def _parser() -> argparse.ArgumentParser:
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog='demo.py',
        description=(__doc__ or '').partition('\n\n')[0],
        epilog='example:\n  make demo\n  tools/run_in_environment python demo/demo.py --live-rate 1 --drives 8',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--output', type=Path, default=ROOT / 'out' / 'demo', metavar='DIR', help='where everything goes'
    )
    parser.add_argument('--drives', type=int, default=plan.drives, metavar='N', help='drives to record (%(default)s)')
    parser.add_argument('--epochs', type=int, metavar='N', help='most epochs to train (default: the recipe)')
    parser.add_argument(
        '--live-rate',
        type=float,
        default=plan.live_rate,
        metavar='X',
        help='speed of the live drive, 1 is real time, 0 as fast as possible (%(default)g)',
    )
    parser.add_argument('--recordings', type=Path, metavar='DIR', help='use these bags of an earlier run')
    parser.add_argument('--plain', action='store_true', help='print lines instead of the live view')
    # For a test: with labels that mean nothing the demo must fail. Kept out of the help, described in CONTRIBUTING.md.
    parser.add_argument('--shuffle-labels', action='store_true', help=argparse.SUPPRESS)
    return parser


if __name__ == '__main__':
    sys.exit(main())
