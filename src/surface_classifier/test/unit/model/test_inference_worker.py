# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: order, the bound of its queue, waiting, and its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from surface_classifier.model.inference_worker import InferenceWorker

DEADLINE_S = 10.0


class Gate:
    """Work that waits until it is let through."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, item: int) -> None:
        self.begun.release()
        assert self.open.wait(DEADLINE_S)
        self.done.append(item)


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.open.set()


def test_items_are_worked_off_in_order() -> None:
    done: list[int] = []
    worker = InferenceWorker(done.append, 1000, waits=False)
    for item in range(500):
        assert worker.put(item) is None
    assert worker.wait_until_idle(DEADLINE_S)
    worker.stop()
    assert done == list(range(500))
    assert worker.dropped == 0


def test_a_full_queue_gives_up_its_oldest(gate: Gate) -> None:
    worker = InferenceWorker(gate, 2, waits=False)
    worker.put(0)
    assert gate.begun.acquire(timeout=DEADLINE_S)
    assert [worker.put(item) for item in (1, 2, 3, 4)] == [None, None, 1, 2]
    assert worker.dropped == 2
    assert not worker.wait_until_idle(0.01)
    gate.open.set()
    assert worker.wait_until_idle(DEADLINE_S)
    worker.stop()
    assert gate.done == [0, 3, 4]


def test_a_full_queue_makes_a_lossless_sender_wait(gate: Gate) -> None:
    worker = InferenceWorker(gate, 2, waits=True)
    sent = threading.Thread(target=lambda: [worker.put(item) for item in range(10)], daemon=True)
    sent.start()
    assert gate.begun.acquire(timeout=DEADLINE_S)
    sent.join(0.05)
    assert sent.is_alive()
    assert len(worker) <= 2
    gate.open.set()
    sent.join(DEADLINE_S)
    assert not sent.is_alive()
    assert worker.wait_until_idle(DEADLINE_S)
    worker.stop()
    assert gate.done == list(range(10))
    assert worker.dropped == 0


def test_stopping_lets_a_waiting_sender_go(gate: Gate) -> None:
    worker = InferenceWorker(gate, 1, waits=True)
    sent = threading.Thread(target=lambda: [worker.put(item) for item in range(3)], daemon=True)
    sent.start()
    assert gate.begun.acquire(timeout=DEADLINE_S)
    stopped = threading.Thread(target=worker.stop, daemon=True)
    stopped.start()
    sent.join(DEADLINE_S)
    assert not sent.is_alive()
    gate.open.set()
    stopped.join(DEADLINE_S)
    assert not stopped.is_alive()
