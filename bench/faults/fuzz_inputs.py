# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Sends random and damaged messages to every input of the graph while the trainer records.

Preprocessor, classifier and trainer run as processes of their own. On every topic that one of them reads (motor
currents, windows, labels, joystick) come messages of the right type with random content (NaN, infinite and huge
numbers, empty and unequal arrays, negative stamps, odd texts) and messages whose bytes are cut short, overwritten or
lengthened. At the end every node must run and answer, the recording must be whole: complete, readable, and with every
message that the trainer counted, and the memory of no node may have grown by more than the limit. Messages that were
sent and neither recorded nor refused are shown as missing.

Example:
    tools/run_in_environment python bench/faults/fuzz_inputs.py --model MODEL --seeds 5 --typed 10000 --damaged 5000
"""

from __future__ import annotations

import argparse
import os
import random
import string
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from node_benchmark import run_benchmark
from rclpy.serialization import serialize_message
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import Joy

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.recordings.recording import Recording
from current_driver.testing.ros_graph import Graph, values_of
from surface_classifier.model.contract import load_contract
from surface_classifier.startup.node_processes import NodeProcess, NodeProcesses, free_domain_id
from surface_msgs.msg import CurrentWindow, MotorCurrent, SurfaceTruth
from surface_msgs.srv import StartRecording, StopRecording

INPUTS = {'motor_current': MotorCurrent, 'current_window': CurrentWindow, 'external_truth': SurfaceTruth, 'joy': Joy}
RECORDED = ('motor_current', 'current_window')
NODES = ('preprocessor', 'classifier', 'trainer')
LIMIT_MB = 20.0
PACE = 50  # messages of each topic between two waits for the readers
PACE_S = 0.05
TIMEOUT_S = 120.0
ODD_NUMBERS = (0.0, -0.0, float('nan'), float('inf'), -float('inf'), 1e308, -1e-320, 3.3, -7.0)
ODD_TEXTS = ('', 'gravel', 'a' * 300, '\x1b[2J', 'x\ny', '\u202egrass', '../..', 'ä😀')


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', type=Path, required=True, help='model for the windows of the simulated robot')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--typed', type=int, default=10_000, help='messages with random content, a seed')
    parser.add_argument('--damaged', type=int, default=5_000, help='messages with damaged bytes, a seed')
    parser.add_argument('--json', type=Path, help='write the result here')
    status, result = run_benchmark('fuzz_inputs', parser.parse_args(), _run, _print)
    return status or int(any(row['faults'] for row in result['seeds'])) if result else status


def random_message(rng: random.Random, message_class: type[Any]) -> Any:
    """Return a message with random content in every field.

    Args:
        rng: Source of randomness.
        message_class: Its class.
    """
    message = message_class()
    for name, kind in message.get_fields_and_field_types().items():
        setattr(message, name, _random_value(rng, kind, getattr(message, name)))
    return message


def _random_value(rng: random.Random, kind: str, default: Any) -> Any:
    if kind.startswith('sequence<'):
        count = rng.choice((0, 1, 2, 3, 10, 200))
        element = kind.removeprefix('sequence<').removesuffix('>')
        if '/' in element and element != 'surface_msgs/WindowPart':
            return default
        if '/' in element:
            from surface_msgs.msg import WindowPart

            return [random_message(rng, WindowPart) for _ in range(min(count, 3))]
        return [_random_value(rng, element, None) for _ in range(count)]
    if kind in ('double', 'float'):
        value = rng.choice((*ODD_NUMBERS, rng.gauss(0.0, 3.0), rng.gauss(0.0, 1e5)))
        return 3.0e38 if kind == 'float' and abs(value) > 3.0e38 else value
    if kind == 'boolean':
        return rng.random() < 0.5
    if kind == 'string':
        return rng.choice((*ODD_TEXTS, ''.join(rng.choices(string.printable, k=rng.randrange(40)))))
    if kind.startswith(('int', 'uint', 'octet')):
        bits = int(kind.removeprefix('u').removeprefix('int') or 8)
        low, high = (0, 2**bits - 1) if kind.startswith('u') else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return rng.choice((0, 1, low, high, rng.randint(low, high), rng.randint(max(low, -100), min(high, 100))))
    return random_message(rng, type(default))


def damaged_bytes(rng: random.Random, cdr: bytes) -> bytes:
    """Return bytes that are cut short, overwritten in places, lengthened, or anything at all.

    Args:
        rng: Source of randomness.
        cdr: A serialized message.
    """
    kind = rng.randrange(4)
    if kind == 0:
        return cdr[: rng.randrange(len(cdr))]
    if kind == 1:
        found = bytearray(cdr)
        for _ in range(rng.randint(1, 8)):
            found[rng.randrange(4, max(5, len(found) - 4)) % len(found)] = rng.choice((0, 0xFF, rng.randrange(256)))
        return bytes(found)
    if kind == 2:
        return cdr + rng.randbytes(rng.randint(1, 64))
    return rng.randbytes(rng.randrange(200))


def messages_of(rng: random.Random, typed: int, damaged: int) -> Iterator[tuple[str, bytes]]:
    """Yield topics and serialized messages, in random order.

    Args:
        rng: Source of randomness.
        typed: Messages with random content, over all topics.
        damaged: Messages with damaged bytes.
    """
    kinds = [True] * typed + [False] * damaged
    rng.shuffle(kinds)
    for is_typed in kinds:
        topic = rng.choice(tuple(INPUTS))
        cdr = serialize_message(random_message(rng, INPUTS[topic]))
        yield topic, cdr if is_typed else damaged_bytes(rng, cdr)


def _run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    load_contract(args.model)
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id())
    rows = []
    with tempfile.TemporaryDirectory(prefix='fuzz_inputs_') as folder:
        for seed in range(args.seeds):
            graph = Graph(int(os.environ['ROS_DOMAIN_ID']))
            try:
                with NodeProcesses(Path(folder) / f'log_{seed}', os.environ) as nodes:
                    place = Path(folder) / str(seed)
                    rows.append(fuzz(graph, nodes, args.model, place, seed, args.typed, args.damaged))
            finally:
                graph.close()
            console.print(f'seed {seed}: {rows[-1]}', markup=False)
    return {'seeds': rows, 'load': os.getloadavg()}


def fuzz(
    graph: Graph, nodes: NodeProcesses, model: Path, folder: Path, seed: int, typed: int, damaged: int
) -> dict[str, Any]:
    """Send the messages of one seed, and say what they did to the nodes.

    Args:
        graph: A graph in the domain of the nodes.
        nodes: Where the nodes are started.
        model: Folder of the model.
        folder: Folder of the recording.
        seed: The seed.
        typed: Messages with random content.
        damaged: Messages with damaged bytes.

    Raises:
        SurfaceError: A node has ended, or does not answer.
    """
    trainer = {
        'output_dir': str(folder),
        'topics': list(RECORDED),
        'label_topic': 'external_truth',
        'joy_buttons': ['{button: 0, surface: gravel}', '{button: 1, surface: grass}'],
        'storage': 'sqlite3',
    }
    publishers = {
        topic: graph.watcher.create_publisher(message_class, topic, stream_qos(1000, reliable=True))
        for topic, message_class in INPUTS.items()
    }
    processes = {
        'preprocessor': nodes.start('surface_classifier', 'preprocessor_node', {'model': str(model)}),
        'classifier': nodes.start('surface_classifier', 'classifier_node', {'model': str(model)}),
        'trainer': nodes.start('surface_classifier', 'trainer_node', trainer),
    }
    # The trainer reads each topic, two of them beside another node; it must have found both before the first message.
    readers = {topic: 1 + (topic in RECORDED) for topic in INPUTS}
    _wait(
        graph,
        nodes,
        lambda: all(publishers[topic].get_subscription_count() >= count for topic, count in readers.items()),
        'the inputs',
    )
    _wait(graph, nodes, lambda: {status.name for status in graph.diagnostics} >= set(NODES), 'the nodes')
    started = graph.call(StartRecording, '/trainer/start_recording', StartRecording.Request(name='drive'))
    if not started.success:
        raise SurfaceError(started.message)
    rng = random.Random(seed)
    sent: Counter[str] = Counter()
    before_mb: dict[str, float] = {}
    for topic, cdr in messages_of(rng, typed, damaged):
        publishers[topic].publish(cdr)
        sent[topic] += 1
        if sent.total() % PACE == 0:
            time.sleep(PACE_S)
            nodes.check()
        if sent.total() == (typed + damaged) // 3:
            before_mb = {name: _rss_mb(process) for name, process in processes.items()}
    return _outcome(graph, nodes, processes, before_mb, sent, Path(started.path))


def _outcome(
    graph: Graph,
    nodes: NodeProcesses,
    processes: dict[str, NodeProcess],
    before_mb: dict[str, float],
    sent: Counter[str],
    path: Path,
) -> dict[str, Any]:
    faults = []
    _wait(graph, nodes, lambda: _is_at_rest(graph), 'the trainer to have recorded everything')
    reports = len(graph.diagnostics)
    _wait(
        graph,
        nodes,
        lambda: {status.name for status in graph.diagnostics[reports:]} >= set(NODES),
        'all nodes to report',
    )
    nodes.check()
    growth_mb = {name: _rss_mb(process) - before_mb[name] for name, process in processes.items()}
    faults += [f'{name} has grown by {mb:.0f} MB' for name, mb in growth_mb.items() if mb > LIMIT_MB]
    health = values_of([status for status in graph.diagnostics if status.name == 'trainer'][-1])
    stopped = graph.call(StopRecording, '/trainer/stop_recording', StopRecording.Request())
    if not stopped.success:
        faults.append(f'the recording does not stop: {stopped.message}')
    recording = Recording(path)
    with recording.reader() as reader:
        state = reader.metadata.get('surface_recording_state')
        found = Counter(message.topic for message in reader.messages())
    read = found.total()
    refused = dict(text.split(': ') for text in health['refused'].split(', ') if text)
    # Whether the middleware delivered them is not known here: a loss is shown, and is no fault of the recording.
    missing = {topic: sent[topic] - int(refused.get(f'/{topic}', 0)) - found[f'/{topic}'] for topic in RECORDED}
    if state != 'complete':
        faults.append(f'the recording is {state}')
    if read != stopped.messages:
        faults.append(f'{stopped.messages} messages were recorded, {read} can be read')
    return {
        'sent': sent.total(),
        'recorded': read,
        'refused': health.get('refused', ''),
        'missing': missing,
        'damaged': health.get('damaged', ''),
        'growth_mb': {name: round(mb, 1) for name, mb in growth_mb.items()},
        'faults': faults,
    }


def _wait(graph: Graph, nodes: NodeProcesses, condition: Callable[[], bool], what: str) -> None:
    try:
        graph.wait_for(condition, what, TIMEOUT_S)
    except AssertionError as error:
        nodes.check()
        raise SurfaceError(str(error)) from error


def _is_at_rest(graph: Graph) -> bool:
    """Whether the last two reports of the trainer hold the same number of messages."""
    last = [status for status in graph.diagnostics if status.name == 'trainer'][-2:]
    return len({values_of(status)['messages'] for status in last}) == 1 < len(last)


def _rss_mb(node: NodeProcess) -> float:
    """Return the resident memory of a process [MB]."""
    pages = int(Path(f'/proc/{node.process.pid}/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def _print(result: dict[str, Any], console: Console) -> None:
    table = Table('seed', 'sent', 'recorded', 'missing', 'growth [MB]', 'faults')
    for seed, row in enumerate(result['seeds']):
        growth = ', '.join(f'{name} {mb:+.1f}' for name, mb in row['growth_mb'].items())
        numbers = (str(value) for value in (seed, row['sent'], row['recorded'], sum(row['missing'].values())))
        table.add_row(*numbers, growth, '; '.join(row['faults']) or 'none')
    console.print(table)
    console.print(f'load {result["load"][0]:.1f}')


if __name__ == '__main__':
    sys.exit(main())
