# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the project's nodes as processes of their own, and leaves none of them behind.

Every node gets a log file; a node that ends with an error is reported with the end of its log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from current_driver.errors import SurfaceError

STOP_S = 10.0
LOG_LINES = 15
DOMAIN_LOCKS = Path(tempfile.gettempdir()) / 'surface_classifier_ros_domains'

_held_locks: list[IO[str]] = []

ParameterValue = bool | int | float | str | Sequence[str]


class NodeProcess:
    """One running node."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        """Takes the process and the file its output goes to."""
        self.name = name
        self.process = process
        self.log = log

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def wait(self, timeout_s: float) -> None:
        """Waits for the node to end by itself.

        Raises:
            SurfaceError: It did not end in time, or ended with an error.
        """
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise SurfaceError(f'{self.name} did not end within {timeout_s:g} s\n{self.log_end()}') from None
        self.check()

    def check(self) -> None:
        """Raises a SurfaceError with the end of the log when the node has ended with an error."""
        if self.process.poll():
            raise SurfaceError(f'{self.name} ended with exit status {self.process.returncode}\n{self.log_end()}')

    def log_end(self) -> str:
        """The last lines of the log."""
        lines = self.log.read_text(encoding='utf-8', errors='replace').splitlines()
        return '\n'.join([f'  end of {self.log}:', *(f'  | {line}' for line in lines[-LOG_LINES:])])


class NodeProcesses:
    """The nodes of one graph; a context manager that stops them all, also after an error or Ctrl-C."""

    def __init__(self, log_folder: Path, environment: Mapping[str, str]) -> None:
        """Takes the folder for the log files and the environment variables the nodes get."""
        self._log_folder = log_folder
        self._environment = dict(environment)
        self._started: list[NodeProcess] = []
        self._count = 0

    def __enter__(self) -> NodeProcesses:
        """Makes the folder of the logs."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops every node."""
        self.stop()

    def start(self, package: str, executable: str, parameters: Mapping[str, ParameterValue]) -> NodeProcess:
        """Starts a node.

        Args:
            package: Package of the executable.
            executable: Name of the executable, as `ros2 run` takes it.
            parameters: Its parameters.

        Raises:
            SurfaceError: There is no such executable.
        """
        command = [str(find_executable(package, executable)), '--ros-args']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={_yaml(value)}']
        return self.start_command(executable, command)

    def start_command(self, name: str, command: Sequence[str]) -> NodeProcess:
        """Starts any command as a node; `name` is for its log file and for messages."""
        self._count += 1
        log = self._log_folder / f'{self._count:02d}_{name}.log'
        with log.open('wb') as output:
            # A session of its own: Ctrl-C in the terminal reaches the caller alone, who then stops the nodes in order.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        node = NodeProcess(name, process, log)
        self._started.append(node)
        return node

    def check(self) -> None:
        """Raises a SurfaceError when a node has ended with an error."""
        for node in self._started:
            node.check()

    def stop(self) -> None:
        """Asks every node to end, the newest first, and ends those that do not."""
        for signal_number, timeout_s in ((signal.SIGINT, STOP_S), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            alive = [node for node in reversed(self._started) if node.running]
            for node in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(node.process.pid, signal_number)
            deadline_s = time.monotonic() + timeout_s
            for node in alive:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.process.wait(max(0.0, deadline_s - time.monotonic()))
        self._started.clear()


def find_executable(package: str, executable: str) -> Path:
    """Finds a node's executable where `ros2 run` finds it, or on the PATH.

    Raises:
        SurfaceError: It is in neither place.
    """
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix, 'lib', package, executable)
        if prefix and path.is_file():
            return path
    found = shutil.which(executable)
    if found is None:
        raise SurfaceError(f'the executable {executable} of {package} is not built; run `make build`')
    return Path(found)


def free_domain_id() -> int:
    """A ROS domain that no process on this machine uses; it is this process's until the process ends.

    The first participant of domain d listens on UDP port 7410 + 250 d (DDSI-RTPS 9.6.1.1); domains above 101 would fall
    into Linux's range of ephemeral ports. A lock file keeps the domain from others that ask here before a node runs.

    Raises:
        SurfaceError: Every domain is in use.
    """
    domains = list(range(1, 102))
    random.SystemRandom().shuffle(domains)
    DOMAIN_LOCKS.mkdir(exist_ok=True)
    for domain in domains:
        lock = (DOMAIN_LOCKS / f'{domain}.lock').open('w')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                probe.bind(('', 7410 + 250 * domain))
            except OSError:
                lock.close()
                continue
        _held_locks.append(lock)
        return domain
    raise SurfaceError('every ROS domain from 1 to 101 is in use on this machine; stop the nodes that run')


@contextlib.contextmanager
def interrupted_by_stop_requests() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise KeyboardInterrupt, so that they too leave nothing running."""
    previous = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _yaml(value: ParameterValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int | float):
        return repr(value)
    return '[' + ', '.join(_yaml(item) for item in value) + ']'
