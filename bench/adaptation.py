# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures `surface adapt`: accuracy on another simulated robot against minutes of its labelled drives.

A model is trained on drives of the simulated robot as it is. The other robots have sensors of gain x 0.6 and x 1.6, 20
kg of payload and three times the sensor noise. Each is scored on drives of its own that nothing was adapted on: the
model as it is, with the normalisation of the unlabelled drives alone (0 minutes), and adapted on 1, 3 and 10 labelled
minutes; beside it a model of the same recipe that was trained on the same 10 minutes of that robot alone, and what the
adapted weights score on the old robot with the old normalisation.

Example:
    tools/run_in_environment python bench/adaptation.py --json adaptation.json
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from current_driver.simulation.simulator import RobotParameters, Simulator, SimulatorConfig
from current_driver.simulation.surfaces import SURFACES
from surface_classifier.data.dataset import Dataset, RecordingInfo
from surface_classifier.model.network.ensemble import Network
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.training.adapt import HEAD_PULL, RobotWindows, adapt_network
from surface_classifier.training.parallel_training import TrainingRun, train_in_parallel
from surface_classifier.training.prepared_windows import predict_logits
from surface_classifier.training.training_config import PRESETS

MOTOR_CURRENT = 'surface_msgs/msg/MotorCurrent'
RATE_HZ = 100.0
WINDOW, STRIDE = 100, 50
MINUTES = (1, 3, 10)
# A change of surface every so many seconds, so that a minute holds all six.
SECONDS_PER_SURFACE = 10.0
CLASSES = tuple(sorted(SURFACES))
OTHER_ROBOTS = {'gain x 0.6': 0.6, 'gain x 1.6': 1.6}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--drives', type=int, default=12, help='training drives of three minutes (%(default)d)')
    parser.add_argument('--seed', type=int, default=100, help='first seed of the drives (%(default)d)')
    parser.add_argument('--pull', type=float, default=HEAD_PULL, help='how strongly the head is held (%(default)g)')
    parser.add_argument('--json', help='write the result to this file')
    args = parser.parse_args(arguments)
    robot = RobotParameters()
    noisy = replace(robot, sensor_noise_a=3.0 * robot.sensor_noise_a)
    old_train = [drive(args.seed + k, 180.0) for k in range(args.drives)]
    old_test = join([drive(args.seed + 50 + k, 180.0) for k in range(4)])
    jobs = {'old': old_train}
    tests = {}
    for number, (name, gain) in enumerate(OTHER_ROBOTS.items()):
        first = args.seed + 1000 * (number + 1)
        # Ten drives of a minute; payload, gain and noise are the other robot's throughout.
        jobs[name] = [drive(first + k, 60.0, gain=gain, payload_kg=20.0, robot=noisy) for k in range(MINUTES[-1])]
        tests[name] = join([drive(first + 50 + k, 180.0, gain=gain, payload_kg=20.0, robot=noisy) for k in range(4)])
    with tempfile.TemporaryDirectory() as folder:
        networks = train(Path(folder), jobs)
    old = networks['old']
    result: dict[str, Any] = {'old robot': accuracy(old, old_test), 'robots': {}}
    print(f'old robot {result["old robot"]:.3f}')
    for name, test in tests.items():
        row: dict[str, Any] = {'as it is': accuracy(old, test), 'trained alone': accuracy(networks[name], test)}
        everything = join(jobs[name])
        row['0'] = accuracy(adapt_network(old, everything, use_labels=False), test)
        for minutes in MINUTES:
            adapted = adapt_network(old, join(jobs[name][:minutes]), head_pull=args.pull)
            row[str(minutes)] = accuracy(adapted, test)
            row[f'old robot after {minutes}'] = accuracy(with_head(old, adapted), old_test)
        result['robots'][name] = row
        print(name, ', '.join(f'{key}: {value:.3f}' for key, value in row.items()))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    last = str(MINUTES[-1])
    near = all(row[last] >= row['trained alone'] - 0.03 for row in result['robots'].values())
    kept = all(row[f'old robot after {last}'] >= result['old robot'] - 0.02 for row in result['robots'].values())
    print(f'10 minutes within 3 points of a model trained alone: {near}; old robot loses at most 2 points: {kept}')
    return 0 if near and kept else 1


def drive(
    seed: int,
    seconds: float,
    *,
    gain: float | None = None,
    payload_kg: float | None = None,
    robot: RobotParameters | None = None,
) -> RobotWindows:
    """Drive, and cut windows that lie on one surface."""
    simulator = Simulator(
        SimulatorConfig(
            seed=seed,
            duration_s=seconds,
            seconds_per_surface=SECONDS_PER_SURFACE,
            sensor_gain=gain,
            payload_kg=payload_kg,
            robot=robot or RobotParameters(),
        )
    )
    block = simulator.step(round(seconds * RATE_HZ))
    surface = simulator.surface_indices(0, round(seconds * RATE_HZ))
    names = [CLASSES.index(name) for name in simulator.surface_names]
    windows, labels, stamps_ns = [], [], []
    for start in range(0, len(surface) - WINDOW + 1, STRIDE):
        span = surface[start : start + WINDOW]
        if (span == span[0]).all():
            windows.append(block.current_a[start : start + WINDOW])
            labels.append(names[int(span[0])])
            stamps_ns.append(round((start + WINDOW - 1) / RATE_HZ * 1e9))
    return RobotWindows(
        parts=[np.stack(windows)],
        labels=np.array(labels, dtype=np.int64),
        recording=np.zeros(len(labels), dtype=np.int64),
        stamps_ns=np.array(stamps_ns, dtype=np.int64),
        recordings=(f'drive {seed}',),
    )


def join(drives: Sequence[RobotWindows]) -> RobotWindows:
    """Put the windows of drives together."""
    return RobotWindows(
        [np.concatenate([found.parts[0] for found in drives])],
        np.concatenate([found.labels for found in drives]),
        np.concatenate([np.full(len(found.labels), number) for number, found in enumerate(drives)]),
        np.concatenate([found.stamps_ns for found in drives]),
        tuple(name for found in drives for name in found.recordings),
    )


def train(folder: Path, jobs: dict[str, list[RobotWindows]]) -> dict[str, Network]:
    """Train the default recipe on the drives of each robot."""
    channels = tuple(
        ChannelConfig(name, 'motor_current', MOTOR_CURRENT, f'current[{name}]') for name in ('left', 'right')
    )
    config = WindowConfig((PartConfig('motor', RATE_HZ, channels, RATE_HZ),), WINDOW, STRIDE)
    runs = []
    for number, drives in enumerate(jobs.values()):
        both = join(drives)
        count = len(both.labels)
        start_ns = np.arange(count, dtype=np.int64) * 500_000_000
        dataset = Dataset.save(
            folder / str(number),
            config=config,
            classes=CLASSES,
            parts={'motor': both.parts[0]},
            labels=both.labels,
            start_ns=start_ns,
            end_ns=start_ns + 990_000_000,
            recording=np.repeat(np.arange(len(drives)), [len(found.labels) for found in drives]),
            recordings=[RecordingInfo(found.recordings[0], 60.0) for found in drives],
        )
        runs.append(TrainingRun(dataset, PRESETS['default'], 0))
    results = train_in_parallel(runs, jobs=1)
    return {name: result.network for name, result in zip(jobs, results, strict=True)}


def accuracy(network: Network, windows: RobotWindows) -> float:
    """Mean recall of the classes."""
    parts = [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in windows.parts]
    right = predict_logits(network, parts).argmax(dim=1).numpy() == windows.labels
    return float(np.mean([right[windows.labels == k].mean() for k in np.unique(windows.labels)]))


def with_head(network: Network, adapted: Network) -> Network:
    """The old network, its normalisation included, with the adapted head."""
    both = copy.deepcopy(network)
    both.head.load_state_dict(adapted.head.state_dict())
    return both


if __name__ == '__main__':
    sys.exit(main())
