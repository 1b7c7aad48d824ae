# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that labels windows one after the other, fed through a bounded queue; free of ROS."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')


class InferenceWorker(Generic[Item]):
    """Runs a function on each item, in the order they came, in a thread of its own.

    Attributes:
        dropped: Items dropped because the queue was full.
    """

    def __init__(self, work: Callable[[Item], None], queue_size: int, *, waits: bool) -> None:
        """Start the thread.

        Args:
            work: Called with each item in the thread; must not raise.
            queue_size: Items that wait at most.
            waits: A full queue makes `put` wait (lossless); else the oldest item is dropped and counted, because a
                label that comes late is worth less than the next one.
        """
        self.dropped = 0
        self._work = work
        self._size = queue_size
        self._waits = waits
        self._queue: deque[Item] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return len(self._queue)

    def put(self, item: Item) -> Item | None:
        """Add an item.

        Returns:
            The item that was dropped for it, or None.
        """
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: len(self._queue) < self._size or self._stopped)
            oldest = None
            if len(self._queue) >= self._size:
                oldest = self._queue.popleft()
                self.dropped += 1
            self._queue.append(item)
            self._changed.notify_all()
            return oldest

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until everything is processed.

        Args:
            timeout_s: Longest time to wait [s].

        Returns:
            Whether it is.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, timeout_s)

    def stop(self) -> None:
        """End the thread after the item it is working on; what waits is forgotten."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._queue) or self._stopped)
                if self._stopped:
                    return
                item = self._queue.popleft()
                self._busy = True
                self._changed.notify_all()
            self._work(item)
