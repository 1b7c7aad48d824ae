# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Real node executables as processes of a test, with their output and exit status."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from current_driver.errors import SurfaceError
from surface_classifier.startup.node_processes import find_executable

PACKAGES = {'current_driver_node': 'current_driver'}
STOP_TIMEOUT_S = 20.0

# Ten lines of a node that knows nothing of this project: joint states of two wheels, a hundred a second.
STRANGER = """
import rclpy
from sensor_msgs.msg import JointState
rclpy.init()
node = rclpy.create_node('stranger')
publisher = node.create_publisher(JointState, 'joint_states', 10)
def publish():
    message = JointState(name=['left_wheel', 'right_wheel'], effort=[1.0, 2.0])
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)
node.create_timer(0.01, publish)
rclpy.spin(node)
"""


class Process:
    """One executable and what it prints."""

    def __init__(self, executable: str, folder: Path, parameters: Mapping[str, Mapping[str, Any]]) -> None:
        """Start it with a parameter file.

        Args:
            executable: Name, such as `classifier_node`.
            folder: For its output and its parameter file.
            parameters: Parameters by node name.
        """
        file = folder / f'{executable}.yaml'
        file.write_text(yaml.safe_dump({f'/**/{node}': {'ros__parameters': dict(p)} for node, p in parameters.items()}))
        self.log = folder / f'{executable}.log'
        package = PACKAGES.get(executable, 'surface_classifier')
        with self.log.open('wb') as output:
            self.popen = subprocess.Popen(
                [str(find_executable(package, executable)), '--ros-args', '--params-file', str(file)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding='utf-8', errors='replace')

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and return the exit status."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Return the exit status of a process that ends by itself."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.popen.args!r} did not end; it printed:\n{self.output}') from None

    def assert_clean(self, status: int) -> None:
        """Fail unless it ended well and quietly."""
        assert status == 0, self.output
        assert 'Traceback' not in self.output, self.output

    def memory_map(self) -> str:
        """Return the files that are mapped into it, among them every library it has loaded."""
        return Path(f'/proc/{self.popen.pid}/maps').read_text(encoding='utf-8')


class Launcher:
    """Starts executables and ends those that are left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Process] = []

    def __call__(self, executable: str, parameters: Mapping[str, Mapping[str, Any]] | None = None) -> Process:
        """Start an executable with parameters by node name."""
        folder = self._folder / f'process{len(self._started)}'
        folder.mkdir()
        process = Process(executable, folder, parameters or {'unused': {'unused': 0}})
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()


@contextmanager
def open_launcher(folder: Path) -> Iterator[Launcher]:
    """Open a launcher for a `with` statement; the test is skipped where the workspace is not built."""
    try:
        find_executable('surface_classifier', 'classifier_node')
    except SurfaceError as error:
        pytest.skip(str(error))
    launcher = Launcher(folder)
    try:
        yield launcher
    finally:
        launcher.close()
