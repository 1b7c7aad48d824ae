# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes: parameters survive the command line, failures are reported with the log, nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from current_driver.errors import SurfaceError
from surface_classifier.startup import node_processes
from surface_classifier.startup.node_processes import (
    NodeProcesses,
    ParameterValue,
    free_domain_id,
    interrupted_by_stop_requests,
)

DEADLINE_S = 20.0


@pytest.fixture
def make_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes shell scripts that are found like the executables of a built package."""
    folder = tmp_path / 'prefix' / 'lib' / 'some_package'
    folder.mkdir(parents=True)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))

    def make(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f'#!/bin/sh\n{script}\n', encoding='utf-8')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return make


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_parameters_arrive_as_they_were_given(tmp_path: Path, make_executable: Callable[[str, str], None]) -> None:
    make_executable('echo_node', 'for argument in "$@"; do echo "$argument"; done')
    given: dict[str, ParameterValue] = {
        'text': "it's 1.0",
        'flag': True,
        'number': 0.0,
        'count': 3,
        'names': ('a b', 'c'),
    }
    with NodeProcesses(tmp_path / 'log', os.environ) as nodes:
        node = nodes.start('some_package', 'echo_node', given)
        node.wait(DEADLINE_S)
    arguments = node.log.read_text(encoding='utf-8').splitlines()
    assert arguments[0] == '--ros-args'
    assert set(arguments[1::2]) == {'-p'}
    pairs = dict(argument.split(':=', 1) for argument in arguments[2::2])
    parsed = {name: yaml.safe_load(value) for name, value in pairs.items()}
    assert parsed == {**given, 'names': ['a b', 'c']}
    assert isinstance(parsed['number'], float)


def test_a_node_that_fails_is_reported_with_its_log(
    tmp_path: Path, make_executable: Callable[[str, str], None]
) -> None:
    make_executable('broken_node', 'echo the reason; exit 3')
    with NodeProcesses(tmp_path / 'log', os.environ) as nodes:
        node = nodes.start('some_package', 'broken_node', {})
        with pytest.raises(SurfaceError, match=r'broken_node ended with exit status 3(.|\n)*the reason'):
            node.wait(DEADLINE_S)
        with pytest.raises(SurfaceError):
            nodes.check()


def test_a_node_that_does_not_end_in_time_is_reported(
    tmp_path: Path, make_executable: Callable[[str, str], None]
) -> None:
    make_executable('endless_node', 'exec sleep 600')
    with NodeProcesses(tmp_path / 'log', os.environ) as nodes:
        node = nodes.start('some_package', 'endless_node', {})
        with pytest.raises(SurfaceError, match='did not end within'):
            node.wait(0.05)
    assert not is_alive(node.process.pid)


def test_a_missing_executable_names_the_remedy(tmp_path: Path, make_executable: Callable[[str, str], None]) -> None:
    del make_executable
    with (
        NodeProcesses(tmp_path / 'log', os.environ) as nodes,
        pytest.raises(SurfaceError, match='no_such_node of some_package is not built; run `make build`'),
    ):
        nodes.start('some_package', 'no_such_node', {})


def test_nothing_is_left_after_an_error_even_if_a_node_ignores_ctrl_c(
    tmp_path: Path, make_executable: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_processes, 'STOP_S', 0.2)
    make_executable('stubborn_node', 'trap "" INT; echo ready; while true; do sleep 0.1; done')

    def run() -> None:
        with NodeProcesses(tmp_path / 'log', os.environ) as nodes:
            node = nodes.start('some_package', 'stubborn_node', {})
            started.append(node.process.pid)
            wait_for(lambda: 'ready' in node.log.read_text(encoding='utf-8'))
            raise KeyboardInterrupt

    started: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not is_alive(started[0])


def test_a_stop_request_is_like_ctrl_c() -> None:
    with interrupted_by_stop_requests(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler


def test_a_domain_in_use_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(node_processes, 'DOMAIN_LOCKS', tmp_path)
    domain = free_domain_id()
    monkeypatch.setattr(node_processes, 'range', lambda *_: [domain], raising=False)
    with pytest.raises(SurfaceError, match='in use'):
        free_domain_id()
    monkeypatch.setattr(node_processes, 'DOMAIN_LOCKS', tmp_path / 'of_others')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(('', 7410 + 250 * domain))
        with pytest.raises(SurfaceError, match='in use'):
            free_domain_id()
    assert free_domain_id() == domain
