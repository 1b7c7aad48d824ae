# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Work on a Ray cluster of two nodes: the results of this machine, also when a node is killed in the middle."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from executor_tasks import end_process, node_and_sum, square
from model_samples import learnable_dataset

from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording, find_recordings
from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import EXIT_BAD_INPUT, main
from surface_classifier.data import ray_executor
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.executor import make_executor
from surface_classifier.data.ray_executor import RayExecutor
from surface_classifier.signal.window_config import default_window_config

TIMES = ('seconds', 'command')
SUPPORT = Path(__file__).parents[2] / 'support'


def test_ray_that_is_not_installed_is_named_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(SurfaceError, match=r"--executor ray: Ray is not installed; .*pip install 'ray"):
        make_executor('ray')


@pytest.mark.parametrize(
    ('address', 'said'),
    [
        ('nonsense', 'is not the address of a cluster; give HOST:PORT as `ray start` prints it'),
        ('127.0.0.1:1', r'RAY_ADDRESS=127\.0\.0\.1:1 does not answer \(.*refused\)'),
        ('127.0.0.1:99999999', 'does not answer'),
    ],
)
def test_an_address_without_a_cluster_is_named_at_once(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip('ray', reason="Ray is not installed: pip install 'ray>=2.40'")
    monkeypatch.setenv('RAY_ADDRESS', address)
    with pytest.raises(SurfaceError, match=said):
        make_executor('ray')
    dataset = learnable_dataset(tmp_path / 'set')
    assert main(['evaluate', str(dataset.path), '--executor', 'ray']) == EXIT_BAD_INPUT
    assert address in capsys.readouterr().err


def test_a_port_that_is_no_cluster_is_named_after_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('ray', reason="Ray is not installed: pip install 'ray>=2.40'")
    monkeypatch.setattr(ray_executor, '_PROBE_S', 1.0)
    with socket.create_server(('127.0.0.1', 0)) as server:
        monkeypatch.setenv('RAY_ADDRESS', f'127.0.0.1:{server.getsockname()[1]}')
        begin = time.monotonic()
        with pytest.raises(SurfaceError, match=r'does not answer .*is it a Ray cluster'):
            make_executor('ray')
    assert time.monotonic() - begin < 10.0


def test_large_arrays_are_stored_once_and_small_ones_travel_with_their_task() -> None:
    stored: list[Any] = []

    def store(value: Any) -> int:
        stored.append(value)
        return len(stored)

    shared = ray_executor._SharedArrays(store)
    large, small = np.arange(100_000), np.arange(10)
    for number in range(3):
        payload, references = shared.pack((square, {'number': number, 'arrays': [large, small, large]}))
        assert references == [1, 1]
        assert len(payload) < 1000
        function, item = ray_executor._unpack(payload, [stored[0], stored[0]])
        assert function is square
        assert item['number'] == number
        np.testing.assert_array_equal(item['arrays'][0], large)
        np.testing.assert_array_equal(item['arrays'][1], small)
    assert len(stored) == 1


class TwoNodes:
    """A cluster of two nodes with a core each; the second one can be killed, and comes back."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        quick = {'health_check_period_ms': 500, 'health_check_failure_threshold': 2, 'health_check_timeout_ms': 2000}
        self._cluster = Cluster(
            initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False, '_system_config': quick}
        )
        self.address = self._cluster.address
        self._second: Any = None
        self.complete()

    def complete(self) -> None:
        """Start the second node if it is not there."""
        if self._second is None:
            self._second = self._cluster.add_node(num_cpus=1)

    def kill_second(self) -> None:
        """Kill the second node, and with it its workers."""
        node, self._second = self._second, None
        self._cluster.remove_node(node, allow_graceful=False)

    def shutdown(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


@pytest.fixture(scope='module')
def started_cluster() -> Iterator[TwoNodes]:
    pytest.importorskip('ray', reason="Ray is not installed: pip install 'ray>=2.40'")
    ray_executor._import_ray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', os.pathsep.join([str(SUPPORT), *sys.path]))
        cluster = TwoNodes()
        patch.setenv('RAY_ADDRESS', cluster.address)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def cluster(started_cluster: TwoNodes) -> TwoNodes:
    started_cluster.complete()
    return started_cluster


@pytest.mark.slow
def test_a_killed_node_costs_its_tasks_only_and_is_reported(
    cluster: TwoNodes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    array = np.arange(100_000)
    with make_executor('ray') as executor:
        assert executor.jobs == 2
        results = []
        with closing(executor.map_completed(node_and_sum, [(number, array) for number in range(40)])) as stream:
            for result in stream:
                results.append(result)
                if len(results) == 2:
                    cluster.kill_second()
    assert sorted(results) == [(number, (number, str(array.sum()), False)) for number in range(40)]
    assert 'has lost 1 of 2 nodes; their tasks run again on the others' in caplog.text
    assert executor.jobs == 1
    assert capfd.readouterr().out == ''


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.slow
def test_a_data_set_is_the_same_when_a_node_is_killed_in_between(cluster: TwoNodes, tmp_path: Path) -> None:
    for index in range(6):
        write_drive(tmp_path / 'r' / f'{index}', [('ice', 2.0), ('snow', 2.0)], seed=index)
    recordings = find_recordings([tmp_path / 'r'])
    here = build_dataset(recordings, default_window_config(), tmp_path / 'here')
    killed: list[bool] = []

    def kill_once(_: float) -> None:
        if not killed:
            killed.append(True)
            cluster.kill_second()

    with make_executor('ray') as executor:
        there = build_dataset(
            recordings, default_window_config(), tmp_path / 'there', executor=executor, on_progress=kill_once
        )
        # A task's own error comes through: this one opens a recording that is not there.
        with pytest.raises(SurfaceError, match='nowhere: no such recording'):
            list(executor.map_completed(Recording, [tmp_path / 'nowhere']))
    assert killed
    assert there.dataset.digest == here.dataset.digest
    assert there.dataset.counters == here.dataset.counters


@pytest.mark.slow
def test_the_scores_of_an_evaluation_are_those_of_this_machine(cluster: TwoNodes, tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set', windows=12)
    options = [str(dataset.path), '--folds', '2', '--config', 'default', '--epochs', '8']
    assert main(['evaluate', *options, '--jobs', '1', '--json', str(tmp_path / 'here.json')]) == 0
    killer = threading.Timer(8.0, cluster.kill_second)
    killer.start()
    assert main(['evaluate', *options, '--executor', 'ray', '--json', str(tmp_path / 'there.json')]) == 0
    killer.join()
    here, there = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('here', 'there'))
    assert {key: there[key] for key in there if key not in TIMES} == {
        key: here[key] for key in here if key not in TIMES
    }


@pytest.mark.slow
def test_a_sweep_runs_its_workers_on_the_cluster(cluster: TwoNodes, tmp_path: Path) -> None:
    pytest.importorskip('optuna')
    dataset = learnable_dataset(tmp_path / 'set', windows=6)
    options = [str(dataset.path), '-o', str(tmp_path / 'out'), '--trials', '3', '--epochs', '2', '--folds', '2']
    killer = threading.Timer(8.0, cluster.kill_second)
    killer.start()
    assert main(['sweep', *options, '--executor', 'ray', '--json', str(tmp_path / 'sweep.json')]) == 0
    killer.join()
    states = [trial['state'] for trial in json.loads((tmp_path / 'sweep.json').read_text())['trials']]
    assert sum(state in ('COMPLETE', 'PRUNED') for state in states) == 3


@pytest.mark.slow
@pytest.mark.usefixtures('cluster')
def test_a_worker_that_crashes_each_time_is_one_sentence() -> None:
    with make_executor('ray') as executor:
        with pytest.raises(SurfaceError, match='worker process of a task was ended from outside 4 times') as found:
            list(executor.map_completed(end_process, [1]))
        assert '\n' not in str(found.value)
        assert isinstance(executor, RayExecutor)
        assert executor.hosts()
