# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Loads models one after the other, each within a time limit, whatever their files do; free of ROS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from current_driver.errors import SurfaceError

Loaded = TypeVar('Loaded')

CHECK_PERIOD_S = 0.1
# Threads that wait for a file cannot be ended; each keeps its stack.
HANGING_LIMIT = 8


class ModelLoader(Generic[Loaded]):
    """Runs a function that loads a model in a thread that can be left behind; thread-safe."""

    def __init__(self, load: Callable[[str], Loaded], limit_s: float, is_stopped: Callable[[], bool]) -> None:
        """Set what loads.

        Args:
            load: Loads the model in a folder.
            limit_s: Longest time that a call of `load` takes, with the wait for the calls before it [s].
            is_stopped: Whether the node is ending; a load is then given up.
        """
        self._load = load
        self._limit_s = limit_s
        self._is_stopped = is_stopped
        self._turn = threading.Lock()
        self._hanging: list[threading.Thread] = []

    def load(self, path: str) -> Loaded:
        """Load a model.

        Args:
            path: Folder of the model.

        Returns:
            What the function returns; its exception is raised here.

        Raises:
            SurfaceError: It does not answer in time.
        """
        end_s = time.monotonic() + self._limit_s
        if not self._turn.acquire(timeout=self._limit_s):
            raise SurfaceError(f'{path}: other models have been loading for {self._limit_s:g} s; try again later')
        try:
            return self._load_in_time(path, end_s)
        finally:
            self._turn.release()

    def _load_in_time(self, path: str, end_s: float) -> Loaded:
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= HANGING_LIMIT:
            raise SurfaceError(f'{path}: {HANGING_LIMIT} models before it do not answer; start the node again')
        outcome: list[Loaded] = []
        failure: list[Exception] = []

        def work() -> None:
            try:
                outcome.append(self._load(path))
            except Exception as error:  # raised again by the caller
                failure.append(error)

        thread = threading.Thread(target=work, name='model loader', daemon=True)
        thread.start()
        while thread.is_alive() and time.monotonic() < end_s and not self._is_stopped():
            thread.join(CHECK_PERIOD_S)
        if thread.is_alive():
            self._hanging.append(thread)
            raise SurfaceError(
                f'{path}: does not answer within {self._limit_s:g} s; check that its disk or network drive is there'
            )
        if failure:
            raise failure[0]
        return outcome[0]
