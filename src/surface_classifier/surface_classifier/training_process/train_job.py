# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A training run in a child process, as its parent sees it; free of ROS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from surface_classifier.training_process.train_files import TrainFiles

# Longer than the child's own deadline, which ends it unless it is stopped altogether.
CANCEL_TIMEOUT_S = 10.0
# Libraries of linear algebra take every core unless they are configured otherwise before they are loaded.
ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')


class TrainJob:
    """One training run; `run` waits for its end, `cancel` ends it from another thread.

    Attributes:
        cancelled: Whether it was asked to end.
    """

    def __init__(self, goal: Mapping[str, Any]) -> None:
        """Start the child process.

        Args:
            goal: Fields of the `Train` action's goal.
        """
        self.cancelled = False
        self._files = TrainFiles(Path(goal['model']))
        self._builds_dataset = False
        self._ended = threading.Event()
        # Not a pipe: it is not read while the child runs, and a full pipe would stop the child.
        self._complaints = tempfile.TemporaryFile('w+', encoding='utf-8')  # noqa: SIM115 - lives as long as the job
        # A session of its own: Ctrl-C at the terminal is for the node, which then ends its child.
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'surface_classifier.training_process.train_process'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            encoding='utf-8',
            start_new_session=True,
            env={**os.environ, **ONE_THREAD},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(dict(goal)) + '\n')
        self._process.stdin.flush()

    def run(self, on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Wait for the end.

        Args:
            on_event: Called with each `stage`, `progress`, `epoch` and `trained` event.

        Returns:
            The `result` event.

        Raises:
            SurfaceError: The goal cannot be met, with the reason; or the run was cancelled.
            RuntimeError: The child process died.
        """
        result = None
        try:
            for event in self._events():
                if event['event'] == 'error':
                    self._builds_dataset = False  # the child has removed what is to be removed
                    raise SurfaceError(event['message'])
                if event['event'] == 'result':
                    result = event
                    continue
                self._builds_dataset |= event.get('stage') == 'dataset'
                on_event(event)
            status = self._process.wait()
        finally:
            self._close()
        if result is not None:
            return result
        if self.cancelled and self._files.is_complete:
            raise SurfaceError(f'cancelled; the model {self._files.model} was complete by then and stays')
        if self.cancelled:
            raise SurfaceError('training was cancelled; no model was written')
        raise RuntimeError(f'the training process ended with status {status}: {self._last_words}')

    def cancel(self) -> None:
        """Ask the child to end, and make it end when it does not."""
        if self.cancelled:
            return
        self.cancelled = True
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        threading.Thread(target=self._kill_late, daemon=True).start()

    def _events(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield json.loads(line)

    def _kill_late(self) -> None:
        if not self._ended.wait(CANCEL_TIMEOUT_S):
            self._kill()

    def _kill(self) -> None:
        """End the child and all that it has started."""
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close(self) -> None:
        if self._process.poll() is None:
            self._kill()
            self._process.wait()
        self._ended.set()
        self._files.remove_unfinished(self._process.pid, built_dataset=self._builds_dataset)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        self._last_words = lines[-1] if lines else 'it said nothing'
        self._complaints.close()
