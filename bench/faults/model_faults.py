# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Tries damaged and hostile model folders through the service, the start of the node and the command.

Each file of a sound model is changed at random (bits, cuts, insertions; of the contract also single values), with and
without recomputed digests, and 66 folders are hostile on purpose (`hostile_models.py`). Each is loaded by the function
of `~/load_model`, by a classifier that starts with it, by `surface info` and by `surface classify`. A sound model must
go on, every refusal must be a sentence, and labels may differ only where every digest was recomputed. The model needs a
novelty test; with `--dataset` of its windows.

Example:
    tools/run_in_environment python bench/faults/model_faults.py --model MODEL --dataset DATA --mutations 300
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from hostile_models import FILES, hostile_models, make_hostile, seal

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier.model.contract import CONTRACT_FILE

WAYS = ('service', 'start', 'info', 'classify')
LIMIT_S = 60.0
MEMORY_BYTES = 16 << 30  # of addresses; torch and ONNX Runtime reserve some gigabytes
REPLACEMENTS: tuple[Any, ...] = (None, True, -1, 0, 2**63, 1e308, -1e-300, '', 'x', [], {}, [1], {'x': 1}, '\x1b[2J')
COLUMNS = ('refused', 'as before', 'changed', 'raw', 'not finite', 'hang', 'crash')


def mutate(folder: Path, name: str, rng: random.Random, *, sealed: bool) -> str:
    """Change one file of a model at random; return what was done."""
    file = folder / name
    if sealed and name == CONTRACT_FILE:
        done = ''

        def change(values: dict[str, Any]) -> None:
            nonlocal done
            done = _replace_a_value(values, rng)

        seal(folder, change)
        return done
    content = bytearray(file.read_bytes())
    place = rng.randrange(len(content))
    kind = rng.choice(('bit', 'cut', 'insertion'))
    if kind == 'bit':
        content[place] ^= 1 << rng.randrange(8)
    elif kind == 'cut':
        del content[place:]
    else:
        content[place:place] = rng.randbytes(rng.randrange(1, 17))
    file.write_bytes(content)
    if sealed:
        seal(folder)
    return f'{kind} at {place}'


def _replace_a_value(values: dict[str, Any], rng: random.Random) -> str:
    holder: Any = values
    path = []
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = rng.choice(keys)
        path.append(str(key))
        value = holder[key]
        if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
            holder[key] = rng.choice(REPLACEMENTS)
            return f'{".".join(path)} = {holder[key]!r}'
        holder = value


class Worker:
    """A process that loads models, and is replaced when it hangs or crashes."""

    def __init__(self, model: Path, dataset: Path) -> None:
        """Set the sound model, and the data set that is classified."""
        self._command = [sys.executable, __file__, '--worker', '--model', str(model), '--dataset', str(dataset)]
        self._child: subprocess.Popen[str] | None = None
        self.largest_mb = 0.0

    def ask(self, way: str, folder: Path) -> dict[str, Any]:
        """Have a folder loaded one way; `outcome` is one of `COLUMNS`."""
        if self._child is None:
            self._child = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if self._answer(self._child, 4 * LIMIT_S) is None:
                raise SurfaceError('the worker does not start; run it by hand with --worker')
        child = self._child
        assert child.stdin is not None
        child.stdin.write(json.dumps([way, str(folder)]) + '\n')
        child.stdin.flush()
        answer = self._answer(child, LIMIT_S)
        if answer is None:
            outcome = 'hang' if child.poll() is None else 'crash'
            self.close(kill=True)
            return {'outcome': outcome, 'text': ''}
        self.largest_mb = max(self.largest_mb, answer.pop('memory_mb'))
        return answer

    def close(self, *, kill: bool = False) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            if kill:
                child.kill()
            assert child.stdin is not None
            assert child.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
            child.wait()
            child.stdout.close()

    @staticmethod
    def _answer(child: subprocess.Popen[str], limit_s: float) -> dict[str, Any] | None:
        assert child.stdout is not None
        if not select.select([child.stdout], [], [], limit_s)[0]:
            return None
        line = child.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer


def serve(model: Path, dataset: Path) -> None:
    """Load the folders that come on the standard input, and answer each on a line."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # whatever prints besides
    ways = _ways(model, dataset)

    def answer(values: dict[str, Any]) -> None:
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**values, 'memory_mb': memory_mb}), file=answers, flush=True)

    answer({'outcome': 'ready'})
    for line in sys.stdin:
        way, folder = json.loads(line)
        try:
            outcome, text = ways[way](folder)
        except Exception as error:
            outcome, text = 'raw', ''.join(traceback.format_exception(error)[-3:])
        answer({'outcome': outcome, 'text': text})


def _ways(model: Path, dataset: Path) -> dict[str, Callable[[str], tuple[str, str]]]:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter

    from current_driver.node.health import Level
    from surface_classifier.nodes.classifier_node import ClassifierNode
    from surface_msgs.srv import LoadModel

    rclpy.init(domain_id=os.getpid() % 100)

    def start(folder: str) -> ClassifierNode:
        return ClassifierNode(parameter_overrides=[Parameter('model', value=folder)])

    serving = start(str(model))
    executor = SingleThreadedExecutor()
    executor.add_node(serving)

    def by_service(folder: str) -> tuple[str, str]:
        task = executor.create_task(serving._on_load_model, LoadModel.Request(path=folder), LoadModel.Response())
        executor.spin_until_future_complete(task)
        response = task.result()
        if not response.success:
            if serving._serving is None or str(model) not in serving._serving.path:
                return 'raw', 'the old model is not in use'
            return ('refused', response.message) if folder in response.message else ('raw', response.message)
        again = executor.create_task(serving._on_load_model, LoadModel.Request(path=str(model)), LoadModel.Response())
        executor.spin_until_future_complete(again)
        return 'as before', ''

    def by_start(folder: str) -> tuple[str, str]:
        node = start(folder)
        try:
            health = node.health()
        finally:
            node.destroy_node()
        if node._serving is not None:
            return 'as before', ''
        sound = health.level == Level.ERROR and folder in health.text and ';' in health.text
        return 'refused' if sound and 'Error:' not in health.text else 'raw', health.text

    sound = _labels(str(model), dataset)[1]
    return {
        'service': by_service,
        'start': by_start,
        'info': lambda folder: _by_command('info', folder),
        'classify': lambda folder: _by_classify(folder, dataset, sound),
    }


def _by_command(*arguments: str) -> tuple[str, str]:
    """Run a command; give the outcome and what it printed."""
    from surface_classifier.cli.main import main as surface

    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = surface(arguments)
    if status == 2:
        text = errors.getvalue()
        return ('refused' if text.startswith('surface: error: ') else 'raw'), text
    return 'as before' if status == 0 else 'raw', output.getvalue()


def _labels(folder: str, dataset: Path) -> tuple[str, list[dict[str, Any]]]:
    outcome, text = _by_command('classify', folder, str(dataset), '--json', '-')
    if outcome != 'as before':
        return outcome, [{'text': text}]
    return outcome, [label for recording in json.loads(text)['recordings'] for label in recording['labels']]


def _by_classify(folder: str, dataset: Path, sound: list[dict[str, Any]]) -> tuple[str, str]:
    outcome, labels = _labels(folder, dataset)
    if outcome != 'as before':
        return outcome, labels[0]['text']
    if any(not 0.0 <= p <= 1.0 for label in labels for p in (*label['raw_probabilities'], *label['probabilities'])):
        return 'not finite', ''
    return ('as before' if labels == sound else 'changed'), ''


def trials(sound: Path, place: Path, mutations: int, seed: int) -> Iterator[tuple[str, str, Path]]:
    """Make one folder after the other; give its kind, what was done and the folder."""
    folder = place / 'model'
    for name, damage in hostile_models().items():
        yield 'hostile', name, make_hostile(sound, folder, damage)
        _remove(place)
    rngs = {name: random.Random(f'{seed} {name}') for name in FILES}
    for number in range(mutations):
        for name, rng in rngs.items():
            sealed = number % 2 == 1
            shutil.copytree(sound, folder)
            done = mutate(folder, name, rng, sealed=sealed)
            yield f'{name}{", sealed" if sealed else ""}', done, folder
            _remove(place)


def _remove(place: Path) -> None:
    for entry in place.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def judge(kind: str, way: str, answer: dict[str, Any]) -> bool:
    """Say whether an outcome is one that a kind of folder may have."""
    if kind == 'hostile':
        # `surface info` compares digests and the contract; it runs nothing.
        return answer['outcome'] == 'refused' or (way == 'info' and answer['outcome'] == 'as before')
    allowed = {'refused', 'as before'} | ({'changed'} if kind.endswith(', sealed') else set())
    return answer['outcome'] in allowed


def main(argv: list[str] | None = None) -> int:
    """Try everything, print a table; exit status 1 when a folder had an outcome that it must not have."""
    parser = argparse.ArgumentParser(description='Try damaged and hostile model folders.')
    parser.add_argument('--model', type=Path, required=True, help='a sound model with a novelty test')
    parser.add_argument('--dataset', type=Path, required=True, help='a data set of its windows')
    parser.add_argument('--mutations', type=int, default=300, help='of each file (%(default)d)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the mutations (%(default)d)')
    parser.add_argument('--json', metavar='FILE', help='write the results as JSON')
    parser.add_argument('--worker', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        serve(args.model, args.dataset)
        return 0
    counts: dict[tuple[str, str], Counter[str]] = {}
    failures: list[str] = []
    longest_s = 0.0
    worker = Worker(args.model, args.dataset)
    try:
        with tempfile.TemporaryDirectory(prefix='model_faults_') as place:
            for kind, done, folder in trials(args.model, Path(place), args.mutations, args.seed):
                for way in WAYS:
                    begin_s = time.monotonic()
                    answer = worker.ask(way, folder)
                    longest_s = max(longest_s, time.monotonic() - begin_s)
                    counts.setdefault((kind, way), Counter())[answer['outcome']] += 1
                    if not judge(kind, way, answer):
                        failures.append(f'{kind}, {done}, {way}: {answer["outcome"]}: {answer["text"][:400]}')
    except KeyboardInterrupt:
        failures.append('interrupted; the table has what was tried before')
    finally:
        worker.close(kill=True)
    print(f'{"folders":<30} {"way":<9}' + ''.join(f'{column:>11}' for column in COLUMNS))
    for (kind, way), outcomes in counts.items():
        print(f'{kind:<30} {way:<9}' + ''.join(f'{outcomes[column]:>11}' for column in COLUMNS))
    print(f'largest memory of the process {worker.largest_mb:.0f} MB, longest answer {longest_s:.1f} s')
    for failure in failures:
        print(f'  {failure}')
    if args.json:
        rows = [{'kind': kind, 'way': way, **outcomes} for (kind, way), outcomes in counts.items()]
        result = {'rows': rows, 'largest_mb': worker.largest_mb, 'longest_s': longest_s, 'failures': failures}
        write_result(args.json, json.dumps(result, indent=1) + '\n')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
