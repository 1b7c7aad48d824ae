# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The executor that runs tasks on a Ray cluster.

The nodes of the cluster must see the same files under the same paths; this package is sent to them, what it depends on
is not. A task whose worker or node is lost runs again; large arrays travel once, whatever the number of tasks.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from current_driver.errors import SurfaceError
from current_driver.optional_packages import environment_remedy, install_command
from surface_classifier.data.dataset import Dataset

_LOGGER = logging.getLogger(__name__)
# What tasks import, and what a node may have in another version, or not at all.
_SENT_PACKAGES = ('surface_classifier', 'current_driver')
# Tasks handed out beyond those that can run at once, for each job: enough that no worker waits for its next one.
_QUEUED_PER_JOB = 1
_SHARED_ARRAY_BYTES = 100_000  # from here on an array is put into the object store once
_PROBE_S = 10.0  # for an answer of the cluster
_WATCH_S = 2.0  # between two looks at the nodes of the cluster
_RETRIES = 3  # of a task whose worker or node is lost

_Item = TypeVar('_Item')
_Result = TypeVar('_Result')


class RayExecutor:
    """A Ray cluster.

    Attributes:
        jobs: How many tasks run at once; it follows the cluster where no number was given.
    """

    def __init__(self, jobs: int | None = None, memory: int = 0) -> None:
        """Connect to the cluster that RAY_ADDRESS names, or start one on this machine.

        Args:
            jobs: How many tasks run at once; None: as many as the cluster has cores.
            memory: Memory that is reserved for a task [byte]; 0: none.

        Raises:
            SurfaceError: Ray is not installed, or the cluster does not answer.
        """
        self._ray = ray = _import_ray()
        self._owns_connection = not ray.is_initialized()
        if self._owns_connection:
            _connect(ray, jobs)
        self._wanted_jobs = jobs
        self._options: dict[str, Any] = {'num_cpus': 1, 'max_retries': _RETRIES}
        largest = max((node['Resources'].get('memory', 0.0) for node in self._living_nodes()), default=0.0)
        if memory and largest:
            self._options['memory'] = min(memory, int(largest))
        self._nodes = len(self._living_nodes())
        self._watched_s = time.monotonic()
        self.jobs = self._count_jobs()

    def map_completed(
        self, function: Callable[[_Item], _Result], items: Sequence[_Item]
    ) -> Generator[tuple[int, _Result], None, None]:
        """See `executor.Executor`."""
        ray = self._ray
        remote = ray.remote(_call).options(**self._options)
        shared = _SharedArrays(ray.put)
        waiting: dict[Any, int] = {}
        rest = iter(enumerate(items))
        try:
            while True:
                while len(waiting) < self.jobs * (1 + _QUEUED_PER_JOB) and (entry := next(rest, None)) is not None:
                    payload, arrays = shared.pack((function, entry[1]))
                    waiting[remote.remote(payload, *arrays)] = entry[0]
                if not waiting:
                    return
                for reference in ray.wait(list(waiting), timeout=_WATCH_S)[0]:
                    yield waiting.pop(reference), self._result(reference)
                self._watch_cluster()
        finally:
            for reference in waiting:
                ray.cancel(reference)
            # A task that was cancelled ends with an error, which is awaited: nothing writes any more after that.
            if waiting:
                ray.wait(list(waiting), num_returns=len(waiting), timeout=10.0)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except errors.OutOfMemoryError as error:
            raise SurfaceError(
                f'--executor ray: a task ran out of memory {1 + _RETRIES} times; run fewer at once with --jobs, or on '
                'nodes with more memory'
            ) from error
        except errors.NodeDiedError as error:
            raise SurfaceError(
                f'--executor ray: the node of a task was lost {1 + _RETRIES} times; look at `ray status`, then run the '
                'command again'
            ) from error
        except (errors.WorkerCrashedError, errors.LocalRayletDiedError) as error:
            raise SurfaceError(
                f'--executor ray: the worker process of a task was ended from outside {1 + _RETRIES} times; is there '
                'memory enough? run fewer tasks at once with --jobs'
            ) from error
        except errors.RayError as error:
            first = str(error).strip().splitlines()[:1]
            raise SurfaceError(
                f'--executor ray: a task has failed ({type(error).__name__}: {"".join(first)}); look at `ray status`'
            ) from error

    def _watch_cluster(self) -> None:
        """Follow the cluster as nodes join and leave it, and report those that were lost."""
        if time.monotonic() - self._watched_s < _WATCH_S:
            return
        self._watched_s = time.monotonic()
        nodes = len(self._living_nodes())
        if nodes < self._nodes:
            lost = self._nodes - nodes
            _LOGGER.warning(
                'the Ray cluster has lost %d of %d nodes; their tasks run again on the others', lost, self._nodes
            )
        self._nodes = nodes
        self.jobs = self._count_jobs()

    def _living_nodes(self) -> list[Any]:
        return [node for node in self._ray.nodes() if node['Alive']]

    def hosts(self) -> set[str]:
        """Return the addresses of the machines of the cluster."""
        return {str(node['NodeManagerAddress']) for node in self._living_nodes()}

    def node_ids(self) -> set[str]:
        """Return the ids of the nodes of the cluster that live, as `current_node_id` gives them."""
        return {str(node['NodeID']) for node in self._living_nodes()}

    def _count_jobs(self) -> int:
        return self._wanted_jobs or max(1, int(self._ray.cluster_resources().get('CPU', 1)))

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the cluster, and end it where it was started here."""
        if self._owns_connection:
            self._ray.shutdown()


def task_memory(dataset: Dataset) -> int:
    """Return what a task that trains on a data set needs [byte]: torch, and its windows four times over.

    A fold of 2,400 small windows needs 0.57 GB, nearly all of it for torch and scikit-learn.
    """
    return 600_000_000 + 4 * sum(part.nbytes for part in dataset.parts.values())


def current_node_id() -> str:
    """Return the id of the node on which this task runs."""
    return str(_import_ray().get_runtime_context().get_node_id())


def _import_ray() -> Any:
    # Ray would report its use to its maker, and print a killed node's log of 40 lines to standard output.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    os.environ.setdefault('RAY_DEDUP_LOGS_SKIP_REGEX', '.')
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SurfaceError(
            '--executor ray: Ray is not installed; leave the work to this machine with --executor local, or '
            f'{environment_remedy(install_command(["ray>=2.40"]))}'
        ) from error
    return ray


def _connect(ray: Any, jobs: int | None) -> None:
    address = os.environ.get('RAY_ADDRESS')
    settings: dict[str, Any] = {'log_to_driver': False, 'logging_level': logging.WARNING}
    if address:
        _probe(address)
        settings['runtime_env'] = {'py_modules': [_package_folder(name) for name in _SENT_PACKAGES]}
    else:
        settings.update(num_cpus=jobs or os.cpu_count() or 1, include_dashboard=False)
    try:
        ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f'the cluster at RAY_ADDRESS={address} cannot be reached' if address else 'Ray does not start'
        raise SurfaceError(
            f'--executor ray: {where} ({error}); look at `ray status`, or leave the work to this machine with '
            '--executor local'
        ) from error


def _package_folder(name: str) -> str:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations, f'{name} is not a package'
    return str(Path(next(iter(spec.submodule_search_locations))).resolve())


def _probe(address: str) -> None:
    """Ask the cluster for an answer, since Ray itself would try for minutes.

    Raises:
        SurfaceError: There is none within `_PROBE_S`.
    """
    if address in ('auto', 'local'):
        return
    client = address.startswith('ray://')
    host, _, port = address.removeprefix('ray://').rpartition(':')
    if not host or not port.isdecimal():
        raise SurfaceError(
            f'--executor ray: RAY_ADDRESS={address} is not the address of a cluster; give HOST:PORT as `ray start` '
            'prints it, or ray://HOST:PORT'
        )
    begin = time.monotonic()
    try:
        with socket.create_connection((host.strip('[]'), int(port)), timeout=_PROBE_S):
            reason = '' if client else _ask_cluster(address, _PROBE_S - (time.monotonic() - begin))
    except (OSError, OverflowError) as error:
        reason = str(error)
    if reason:
        raise SurfaceError(
            f'--executor ray: the cluster at RAY_ADDRESS={address} does not answer ({reason}); '
            'check the address and `ray status` there, or leave the work to this machine with --executor local'
        )


def _ask_cluster(address: str, patience_s: float) -> str:
    """Return why a port does not answer as a Ray cluster does; empty if it does."""
    # In a process of its own, because the call cannot be given a time limit.
    question = (
        'import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).internal_kv_get(b"", None)'
    )
    try:
        found = subprocess.run(
            [sys.executable, '-c', question, address], capture_output=True, timeout=max(patience_s, 1.0), check=False
        )
    except subprocess.TimeoutExpired:
        return f'nothing within {_PROBE_S:.0f} s: is it a Ray cluster?'
    return '' if found.returncode == 0 else 'what listens there is no Ray cluster of this version'


class _SharedArrays:
    """Takes large arrays out of tasks and puts each into the object store once."""

    def __init__(self, put: Callable[[Any], Any]) -> None:
        self._put = put
        # The array is kept beside its reference, so that no other array can get its id.
        self._known: dict[int, tuple[np.ndarray[Any, Any], Any]] = {}

    def pack(self, task: Any) -> tuple[bytes, list[Any]]:
        """Return a task without its large arrays, and the references of those."""
        found: list[Any] = []

        def reference_of(value: Any) -> int | None:
            if type(value) is not np.ndarray or value.nbytes < _SHARED_ARRAY_BYTES or value.dtype.hasobject:
                return None
            if id(value) not in self._known:
                self._known[id(value)] = (value, self._put(value))
            found.append(self._known[id(value)][1])
            return len(found) - 1

        stream = io.BytesIO()
        pickler = pickle.Pickler(stream, protocol=pickle.HIGHEST_PROTOCOL)
        pickler.persistent_id = reference_of  # type: ignore[method-assign]
        pickler.dump(task)
        return stream.getvalue(), found


def _call(payload: bytes, *arrays: Any) -> Any:
    """Run a task in a worker; Ray has replaced the references by read-only arrays."""
    function, item = _unpack(payload, arrays)
    return function(item)


def _unpack(payload: bytes, arrays: Sequence[Any]) -> Any:
    """Return what `_SharedArrays.pack` was given."""
    unpickler = pickle.Unpickler(io.BytesIO(payload))  # written by the process that hands out the tasks
    unpickler.persistent_load = lambda number: arrays[number]  # type: ignore[method-assign]
    return unpickler.load()
