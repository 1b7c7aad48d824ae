# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures whether loading a model delays labels: the intervals between labels, without loads and during loads.

A classifier in a process of its own gets windows at an even pace. In the second phase `~/load_model` is called again as
soon as it has answered. The 99th percentile may be 50 ms above the stride.

Example:
    tools/run_in_environment python bench/faults/model_swaps.py --model MODEL
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from node_benchmark import run_benchmark
from rich.console import Console
from rich.table import Table

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.testing.ros_graph import Graph
from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.conversion import WindowWriter
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import Window
from surface_classifier.startup.node_processes import NodeProcesses, free_domain_id
from surface_msgs.msg import CurrentWindow, SurfaceLabel
from surface_msgs.srv import LoadModel

ALLOWED_MS = 50.0
SERVICE = 'classifier/load_model'


def main() -> int:
    """Run the benchmark; exit status 1 when loading delays labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', type=Path, required=True, help='any model')
    parser.add_argument('--stride', type=float, default=0.1, help='time between windows [s] (%(default)g)')
    parser.add_argument('--seconds', type=float, default=60.0, help='of each phase (%(default)g)')
    parser.add_argument('--json', type=Path, help='write the result here')
    status, result = run_benchmark('model_swaps', parser.parse_args(), _run, _print)
    return status or int(result is not None and not result['kept'])


def _run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    graph = Graph(int(os.environ['ROS_DOMAIN_ID']))
    came_s: list[float] = []
    sent_s: list[float] = []
    ended = threading.Event()
    try:
        with tempfile.TemporaryDirectory() as folder, NodeProcesses(Path(folder), os.environ) as nodes:
            nodes.start('surface_classifier', 'classifier_node', {'model': str(args.model)})
            graph.watcher.create_subscription(
                SurfaceLabel, 'surface_label', lambda _: came_s.append(time.monotonic()), stream_qos(100, reliable=True)
            )
            client = graph.watcher.create_client(LoadModel, SERVICE)
            graph.wait_for(client.service_is_ready, 'the service', 60.0)
            publisher = graph.publisher(CurrentWindow, 'current_window')
            config = load_contract(args.model).config
            sender = threading.Thread(target=_send, args=(publisher, config, args.stride, sent_s, ended), daemon=True)
            sender.start()
            graph.wait_for(lambda: len(came_s) >= 10, 'ten labels', 60.0)
            result: dict[str, Any] = {'stride_s': args.stride}
            for phase in ('without loads', 'with loads'):
                begin_s, loads = time.monotonic(), 0
                while time.monotonic() < begin_s + args.seconds:
                    if phase == 'with loads':
                        answer = graph.result(client.call_async(LoadModel.Request(path=str(args.model))), 60.0)
                        if not answer.success:
                            raise SurfaceError(answer.message)
                        loads += 1
                    else:
                        time.sleep(0.1)
                end_s = time.monotonic()
                result[phase] = {
                    'loads': loads,
                    'labels': _intervals_ms(came_s, begin_s, end_s),
                    'windows': _intervals_ms(sent_s, begin_s, end_s),
                }
                console.print(f'{phase}: {result[phase]}')
            ended.set()
            sender.join()
    finally:
        ended.set()
        graph.close()
    result['kept'] = result['with loads']['labels']['p99'] <= 1e3 * args.stride + ALLOWED_MS
    return result


def _send(publisher: Any, config: WindowConfig, stride_s: float, sent_s: list[float], ended: threading.Event) -> None:
    rng = np.random.default_rng(0)
    writer = WindowWriter(config)
    begin_s = time.monotonic()
    names = [part.name for part in config.parts]
    index = 0
    while not ended.wait(max(0.0, begin_s + index * stride_s - time.monotonic())):
        stamp_ns = time.time_ns()
        shapes = [(config.samples_of_part(number), len(part.channels)) for number, part in enumerate(config.parts)]
        window = Window(
            index=index,
            start_ns=stamp_ns - int(1e9 * config.window_s),
            end_ns=stamp_ns,
            parts={name: rng.normal(5.0, 1.0, shape) for name, shape in zip(names, shapes, strict=True)},
            coverage=1.0,
            part_starts_ns=dict.fromkeys(names, stamp_ns - int(1e9 * config.window_s)),
            part_coverage=dict.fromkeys(names, 1.0),
        )
        publisher.publish(writer.message(window, 0, 'base_link'))
        sent_s.append(time.monotonic())
        index += 1


def _intervals_ms(times_s: list[float], begin_s: float, end_s: float) -> dict[str, float]:
    intervals = 1e3 * np.diff([at_s for at_s in times_s if begin_s <= at_s <= end_s])
    if len(intervals) < 2:
        raise SurfaceError('no labels came; see the log of the classifier')
    p50, p99 = np.quantile(intervals, [0.5, 0.99])
    return {'count': len(intervals), 'p50': float(p50), 'p99': float(p99), 'largest': float(intervals.max())}


def _print(result: dict[str, Any], console: Console) -> None:
    table = Table('phase', 'loads', 'intervals of', 'count', 'median [ms]', 'p99 [ms]', 'largest [ms]')
    for phase in ('without loads', 'with loads'):
        for kind in ('windows', 'labels'):
            row = result[phase][kind]
            table.add_row(
                phase,
                str(result[phase]['loads']),
                kind,
                str(row['count']),
                *(f'{row[key]:.1f}' for key in ('p50', 'p99', 'largest')),
            )
    console.print(table)


if __name__ == '__main__':
    sys.exit(main())
