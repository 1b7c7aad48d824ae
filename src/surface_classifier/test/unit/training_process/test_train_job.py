# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The training child and its parent: it gives way, ends within a deadline however it hangs, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from dataset_samples import save_dataset

from current_driver.errors import SurfaceError
from current_driver.testing.drives import write_drive
from surface_classifier.training_process import train_job
from surface_classifier.training_process.train_files import TrainFiles
from surface_classifier.training_process.train_job import TrainJob
from surface_classifier.training_process.train_process import AUTOGROUP, NICENESS

DEADLINE_S = 60.0


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def goal(model: Path, **fields: Any) -> dict[str, Any]:
    return {'recordings': [], 'dataset': '', 'config': '', 'seed': 0, 'diagnose': False, 'model': str(model), **fields}


def drives(folder: Path, seconds: float) -> list[str]:
    return [str(write_drive(folder / name, [(name, seconds)])) for name in ('ice', 'snow')]


def endless(tmp_path: Path) -> dict[str, Any]:
    windows_of = {f'{name}/{number}': {name: 12} for name in ('ice', 'snow') for number in range(4)}
    save_dataset(tmp_path / 'dataset', windows_of)
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('epochs: 1000000\nnetwork: {hidden_sizes: [4]}\n', encoding='utf-8')
    return goal(tmp_path / 'model', dataset=str(tmp_path / 'dataset'), config=str(recipe))


class Running:
    """A job that is waited for in a thread."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.events: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.job = TrainJob(fields)
        self.pid = self.job._process.pid
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.job.run(self.events.append)
        except Exception as error:
            self.error = error

    def join(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        assert not psutil.pid_exists(self.pid)


def unfinished(path: Path, pid: int) -> Path:
    """Return the name under which a process writes a folder before it is complete."""
    return path.with_name(f'.{path.name}.partial-{pid}')


@pytest.fixture
def no_time_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_job, 'CANCEL_TIMEOUT_S', 0.2)


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.usefixtures('no_time_to_end')
def test_a_child_that_does_not_end_is_killed_and_its_data_set_removed(tmp_path: Path) -> None:
    pytest.importorskip('torch')
    model = tmp_path / 'models' / 'model'
    running = Running(goal(model, recordings=drives(tmp_path / 'drives', 300.0)))
    partial = unfinished(TrainFiles(model).dataset, running.pid)
    wait_for(lambda: partial.exists() or bool(running.error))
    os.kill(running.pid, signal.SIGSTOP)
    running.job.cancel()
    running.join()
    assert isinstance(running.error, SurfaceError)
    assert 'cancelled' in str(running.error)
    assert list(model.parent.iterdir()) == []


def test_a_child_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    running = Running(endless(tmp_path))
    os.kill(running.pid, signal.SIGKILL)
    running.join()
    assert isinstance(running.error, RuntimeError)
    assert 'ended with status -9' in str(running.error)


def test_the_child_gives_way_to_everything_else(tmp_path: Path) -> None:
    running = Running(endless(tmp_path))
    child = psutil.Process(running.pid)
    try:
        wait_for(lambda: child.nice() == os.nice(0) + NICENESS)
        assert child.environ()['OMP_NUM_THREADS'] == '1'
        if AUTOGROUP.exists():
            group = Path(f'/proc/{running.pid}/autogroup')
            wait_for(lambda: f'nice {NICENESS}' in group.read_text(encoding='ascii'))
            assert group.read_text(encoding='ascii') != AUTOGROUP.read_text(encoding='ascii')
    finally:
        running.job.cancel()
        running.join()
    assert not (tmp_path / 'model').exists()


def test_a_child_that_swallows_its_end_ends_itself_within_the_deadline(tmp_path: Path) -> None:
    """As foreign code may: what ends the process is an exception."""
    model = tmp_path / 'model'
    script = textwrap.dedent("""
        import os, signal
        from surface_classifier.training_process import train_process

        def stuck(training):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            model = training._files.model
            model.with_name(f'.{model.name}.partial-{os.getpid()}').mkdir()
            training.send('stage', stage='train')
            while True:
                signal.pause()

        train_process.CANCEL_GRACE_S = 0.2
        train_process._Training.run = stuck
        train_process.main()
    """)
    child = subprocess.Popen(
        [sys.executable, '-c', script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding='utf-8',
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        child.stdin.write(f'{{"model": "{model}"}}\n')
        child.stdin.flush()
        assert 'train' in child.stdout.readline()
        assert unfinished(model, child.pid).exists()
        child.stdin.close()
        assert child.wait(DEADLINE_S) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_a_diagnosis_is_written_whole_with_null_for_what_json_cannot_say(tmp_path: Path) -> None:
    files = TrainFiles(tmp_path / 'model')
    files.write_diagnosis({'arms': {'same': {'loss': (1.0, float('nan'))}}})
    written = ''.join(files.diagnosis.read_text(encoding='utf-8').split())
    assert written == '{"arms":{"same":{"loss":[1.0,null]}}}'
    assert list(tmp_path.iterdir()) == [files.diagnosis]
    with pytest.raises(SurfaceError, match='cannot be written'):
        TrainFiles(tmp_path / 'nowhere' / 'model').write_diagnosis({})
