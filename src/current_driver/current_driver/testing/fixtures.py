# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of every test: ROS domains that no other test run uses, a graph in one, and a small disk.

A `conftest.py` imports what its tests need.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from current_driver.node import shared_memory
from current_driver.testing.ros_domains import free_domain

if TYPE_CHECKING:
    from current_driver.testing.ros_graph import Graph

# A test run that was started in the background ignores Ctrl-C, and so would every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope='session')
def process_domain() -> Iterator[int]:
    """Keep whatever a test starts without a domain of its own in one that belongs to this test run."""
    with free_domain() as domain_id:
        previous = os.environ.get('ROS_DOMAIN_ID')
        os.environ['ROS_DOMAIN_ID'] = str(domain_id)
        yield domain_id
        if previous is None:
            del os.environ['ROS_DOMAIN_ID']
        else:
            os.environ['ROS_DOMAIN_ID'] = previous


@pytest.fixture(autouse=True)
def middleware_files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which nodes of this process count the middleware's files: empty, whatever the machine has."""
    folder = tmp_path_factory.mktemp('middleware_files')
    monkeypatch.setattr(shared_memory, 'FOLDER', folder)
    return folder


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give one test, and the processes it starts, a ROS domain of its own."""
    with free_domain() as domain_id:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))
        yield domain_id


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a file system of its own with room for half a megabyte; skip where none can be mounted."""
    folder = tmp_path / 'small_disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        pytest.skip(f'no small file system: {error}')
    if mounted.returncode:
        pytest.skip(f'no small file system can be mounted here: {mounted.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '--lazy', str(folder)], check=True)


@pytest.fixture
def graph(ros_domain: int) -> Iterator[Graph]:
    """Give a graph in a domain of its own."""
    from current_driver.testing.ros_graph import open_graph

    with open_graph(ros_domain) as opened:
        yield opened
