# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The same chain on real motor currents: BorealTC, a Husky A200 on five terrains. `make demo-real` runs it.

Imports the recordings, scores the LSTM and the baselines on given folds by recording, trains on all folds but the first
of repetition 0, replays the recordings of that first fold through the live nodes as fast as they follow, and compares
every live window and label with the offline ones.

Exit status: 0 live equals offline, 1 it does not, 2 something is in the way, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from steps import Steps, exit_status, shown

from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording, find_recordings, surface_of_span
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import Fold, folds_from_file
from surface_classifier.model.engine import load_engine
from surface_classifier.model.label import Label
from surface_classifier.model.labeller import Labeller
from surface_classifier.nodes.clients.drive_observer import Drive, observe_drive
from surface_classifier.signal.window_stream import Window, WindowStream
from surface_classifier.startup.node_processes import (
    NodeProcesses,
    ParameterValue,
    free_domain_id,
)
from surface_classifier.terminal.screen import Screen
from surface_classifier.terminal.watch_view import render

ROOT = Path(__file__).resolve().parents[1]
DATA_VARIABLE = 'SURFACE_DATA_DIR'
UNLABELLED = 'MIXED'
REPETITION = 0
LIVE_FOLD = 0
TRAINING_SEED = 0
LABEL_TOLERANCE = 1e-6
REPLAYED_TOPICS = ('motor_current', 'surface_truth')
COLUMN_NS = 4_000_000_000

HOW_TO_GET_DATA = f"""\
{{problem}}

make demo-real needs the BorealTC data set (LaRocque et al. 2024, "Proprioception Is All You Need: Terrain
Classification for Boreal Forests", arXiv:2403.16877; licence CC0), which its authors publish at
https://github.com/norlab-ulaval/BorealTC. Lay it out like this and say where it is:

  DIRECTORY/borealtc/ASPHALT/pro_00.csv      one folder per class, one pro_NN.csv per recording
  DIRECTORY/borealtc/ASPHALT/imu_00.csv      its IMU, where there is one
  DIRECTORY/borealtc/...                     FLOORING, ICE, SANDY_LOAM, SNOW; {UNLABELLED} is left out
  DIRECTORY/folds.json                       {{{{"repetitions": [{{{{"ASPHALT/00": 3, "ASPHALT/01": 0, ...}}}}]}}}}

  {DATA_VARIABLE}=DIRECTORY make demo-real"""


@dataclass(frozen=True)
class OfflineLabel:
    """One window and its label as the offline path gives them, and the true surface."""

    window: Window
    label: Label
    truth: str


@dataclass(frozen=True)
class Comparison:
    """Live against offline, matched by the stamp of the window's end.

    Attributes:
        windows: Offline windows.
        missing: Offline windows without a live label.
        unexpected: Live labels without an offline window.
        different_windows: Live windows that differ from the offline ones in any bit.
        different_labels: Live labels that differ in name, or in a probability by more than 1e-6.
        largest_difference: Largest difference of a probability [1].
    """

    windows: int
    missing: int
    unexpected: int
    different_windows: int
    different_labels: int
    largest_difference: float

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.windows > 0 and not (
            self.missing or self.unexpected or self.different_windows or self.different_labels
        )


def main(argv: list[str] | None = None) -> int:
    """Runs the demo; returns the exit status."""
    args = _parser().parse_args(argv)
    console = Console(highlight=False)
    return exit_status('demo_real', console, lambda: run(args, console))


def run(args: argparse.Namespace, console: Console) -> int:
    """Runs all steps; returns 0 when live equals offline."""
    begin_s = time.monotonic()
    data = data_folder()
    output: Path = args.output
    recordings, dataset_folder, model = output / 'recordings', output / 'dataset', output / 'model'
    for folder in (recordings, dataset_folder, model, output / 'log'):
        shutil.rmtree(folder, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    steps = Steps(console, 5, {**os.environ, 'OMP_NUM_THREADS': '1'})

    steps.begin('Import the recordings')
    columns = str(shown(ROOT / 'config' / 'borealtc.yaml'))
    source, target = str(data / 'borealtc'), str(shown(recordings))
    steps.surface('import', 'csv', source, '-o', target, '--exclude', UNLABELLED, '--columns', columns)
    channels = str(shown(ROOT / 'config' / 'borealtc_window.yaml'))
    steps.surface('dataset', 'build', target, '-o', str(shown(dataset_folder)), '--channels', channels)

    steps.begin('Score the LSTM and the baselines on the given folds, by recording')
    folds_file = data / 'folds.json'
    report, scores = output / 'report.html', output / 'evaluation.json'
    options = [] if args.epochs is None else ['--epochs', str(args.epochs)]
    protocol = ['--folds-file', str(folds_file), '--repetition', str(REPETITION)]
    results = ['--json', str(shown(scores)), '--report', str(shown(report))]
    steps.surface('evaluate', str(shown(dataset_folder)), *protocol, *results, *options)

    dataset = Dataset.load(dataset_folder)
    fold = folds_from_file(dataset, folds_file, REPETITION).folds[LIVE_FOLD]
    steps.begin(f'Train on all folds but fold {LIVE_FOLD} of repetition {REPETITION}')
    train(dataset, model, fold, args.epochs, console)

    held_out = [recording for recording in find_recordings([recordings]) if recording.name in fold.test_recordings]
    steps.begin(f'Replay the {len(held_out)} recordings of fold {LIVE_FOLD} through the live nodes, at full speed')
    drive = replay(held_out, model, output / 'log', console, plain=args.plain)

    steps.begin('Compare live with offline')
    offline = classify_offline(held_out, model)
    comparison = compare(drive, offline)
    print_comparison(comparison, drive, offline, dataset.classes, console)
    summary = {**vars(comparison), 'equal': comparison.equal, 'accuracy': live_accuracy(drive, offline)}
    (output / 'result.json').write_text(json.dumps(summary, indent=1) + '\n', encoding='utf-8')
    for name, path in (('bags', recordings), ('data set', dataset_folder), ('model', model), ('report', report)):
        console.print(f'  {name:<9} {shown(path)}', soft_wrap=True)
    console.print(f'\nThe demo took {time.monotonic() - begin_s:.0f} s.')
    text = f'{comparison.windows} windows of {len(held_out)} recordings, {live_accuracy(drive, offline):.1%} right'
    if comparison.equal:
        console.print(f'PASSED: live equals offline in {text}', style='bold green', soft_wrap=True)
        return 0
    console.print(f'FAILED: live differs from offline in {text}', style='bold red', soft_wrap=True)
    return 1


def data_folder() -> Path:
    """The folder that SURFACE_DATA_DIR names.

    Raises:
        SurfaceError: It is not set, or does not hold the data; says what to download and how to lay it out.
    """
    value = os.environ.get(DATA_VARIABLE, '')
    if not value:
        raise SurfaceError(HOW_TO_GET_DATA.format(problem=f'{DATA_VARIABLE} is not set.'))
    folder = Path(value)
    if not any((folder / 'borealtc').glob('*/pro_*.csv')):
        problem = f'{DATA_VARIABLE} is {value}, but there is no {folder / "borealtc"}/CLASS/pro_NN.csv.'
        raise SurfaceError(HOW_TO_GET_DATA.format(problem=problem))
    if not (folder / 'folds.json').is_file():
        raise SurfaceError(HOW_TO_GET_DATA.format(problem=f'{folder / "folds.json"} is not there.'))
    return folder


def train(dataset: Dataset, model: Path, fold: Fold, epochs: int | None, console: Console) -> None:
    """Trains on the training windows of a fold and writes the model."""
    from dataclasses import replace

    from surface_classifier.cli.progress import show_progress
    from surface_classifier.training.loop import EpochResult
    from surface_classifier.training.train_model import train_model
    from surface_classifier.training.training_config import load_training_config

    config = load_training_config('default')
    if epochs is not None:
        config = replace(config, epochs=epochs)
    with show_progress('training', config.epochs, 'epochs') as bar:

        def show(epoch: EpochResult) -> None:
            bar.note(f'held-out balanced accuracy {epoch.validation_accuracy:.3f}')
            bar.advance()

        _, result = train_model(dataset, model, config, TRAINING_SEED, windows=fold.train, on_epoch=show)
    console.print(f'  {len(result.train_windows)} windows, {len(result.epochs)} epochs, {result.seconds:.0f} s')


def replay(recordings: Sequence[Recording], model: Path, log: Path, console: Console, *, plain: bool) -> Drive:
    """Replays recordings through driver, preprocessor and classifier, each a process, and keeps what they publish."""
    with NodeProcesses(log, os.environ) as nodes:
        common: dict[str, ParameterValue] = {'model': str(model), 'lossless': True, 'use_sim_time': True}
        nodes.start('surface_classifier', 'preprocessor_node', common)
        nodes.start('surface_classifier', 'classifier_node', common)
        started = []

        def start_driver() -> None:
            parameters: dict[str, ParameterValue] = {
                'source': 'replay',
                'rate': 0.0,
                'publish_clock': True,
                'exit_when_done': True,
                'replay.paths': [str(recording.path) for recording in recordings],
                'replay.topics': REPLAYED_TOPICS,
            }
            started.append(nodes.start('current_driver', 'current_driver_node', parameters))

        def running() -> bool:
            nodes.check()
            return started[0].running

        with Screen(render, 'surface watch: recordings of a Husky A200', console, plain=plain) as screen:
            drive = observe_drive(start_driver, running, screen=screen, column_ns=COLUMN_NS)
        nodes.check()
    return drive


def classify_offline(recordings: Sequence[Recording], model: Path) -> dict[int, OfflineLabel]:
    """Labels recordings without ROS, by the stamp of each window's end [ns].

    Raises:
        SurfaceError: A recording cannot be read, or too many of its messages are damaged.
    """
    labeller = Labeller(load_engine(model))
    return {stamp_ns: label for recording in recordings for stamp_ns, label in _classify_one(recording, labeller)}


def _classify_one(recording: Recording, labeller: Labeller) -> Iterator[tuple[int, OfflineLabel]]:
    stream = WindowStream(labeller.engine.contract.config)
    with recording.reader() as reader:
        segments = recording.segments(reader)
        topics = stream.resolve_topics(reader.topics)
        decoded = reader.decoded(topics, lambda stamped, error: stream.skipped.skip(topics[stamped.topic], error))
        for stamped, message in decoded:
            for window in stream.push_message(topics[stamped.topic], message, stamped.stamp_ns):
                truth = surface_of_span(segments, window.start_ns, window.end_ns) or ''
                yield window.end_ns, OfflineLabel(window, labeller.label(window), truth)
    stream.skipped.check()


def compare(drive: Drive, offline: dict[int, OfflineLabel]) -> Comparison:
    """Compares every live window and label with the offline ones."""
    live = {label.end_ns: label for label in drive.labels}
    different_windows = different_labels = 0
    largest = 0.0
    for end_ns in live.keys() & offline.keys():
        label, expected = live[end_ns], offline[end_ns]
        parts = drive.windows.get(label.window_index, {})
        same_parts = parts.keys() == expected.window.parts.keys() and all(
            parts[name].tobytes() == values.tobytes() for name, values in expected.window.parts.items()
        )
        different_windows += not same_parts
        difference = float(np.abs(label.probabilities - expected.label.probabilities).max())
        largest = max(largest, difference)
        different_labels += difference > LABEL_TOLERANCE or label.surface != expected.label.surface
    return Comparison(
        windows=len(offline),
        missing=len(offline.keys() - live.keys()),
        unexpected=len(drive.labels) - len(live.keys() & offline.keys()),
        different_windows=different_windows,
        different_labels=different_labels,
        largest_difference=largest,
    )


def live_accuracy(drive: Drive, offline: dict[int, OfflineLabel]) -> float:
    """Share of the live labels that are right."""
    right = [label.surface == offline[label.end_ns].truth for label in drive.labels if label.end_ns in offline]
    return float(np.mean(right)) if right else 0.0


def print_comparison(
    comparison: Comparison, drive: Drive, offline: dict[int, OfflineLabel], classes: Sequence[str], console: Console
) -> None:
    """Prints what differs, and what was right on each surface."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ('truth', 'windows', 'right'):
        table.add_column(heading, justify='left' if heading == 'truth' else 'right')
    for name in classes:
        mine = [label for label in drive.labels if label.end_ns in offline and offline[label.end_ns].truth == name]
        if mine:
            share = float(np.mean([label.surface == name for label in mine]))
            table.add_row(name, str(len(mine)), f'{share:.0%}')
    table.add_section()
    table.add_row('all', str(len(drive.labels)), f'{live_accuracy(drive, offline):.1%}', style='bold')
    console.print(table)
    for text, count in (
        ('windows without a live label', comparison.missing),
        ('live labels without an offline window', comparison.unexpected),
        ('windows that differ in any bit', comparison.different_windows),
        (f'labels that differ by more than {LABEL_TOLERANCE:g}', comparison.different_labels),
    ):
        console.print(f'  {count:>6} {text}')
    console.print(f'  largest difference of a probability: {comparison.largest_difference:.1e}\n')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='demo_real.py',
        description=(__doc__ or '').partition('\n\n')[0],
        epilog=f'example:\n  {DATA_VARIABLE}=~/data make demo-real',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    output = ROOT / 'out' / 'demo_real'
    parser.add_argument('--output', type=Path, default=output, metavar='DIR', help='where everything goes')
    parser.add_argument('--epochs', type=int, metavar='N', help='most epochs to train (default: the recipe)')
    parser.add_argument('--plain', action='store_true', help='print lines instead of the live view')
    return parser


if __name__ == '__main__':
    sys.exit(main())
