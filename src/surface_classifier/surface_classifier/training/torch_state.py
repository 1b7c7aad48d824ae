# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""State of torch that a training needs for itself: its random numbers and one thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class RandomState:
    """The random state of one training run, apart from those of others in the process."""

    # torch has one state that all its functions draw from.
    _lock = threading.Lock()

    def __init__(self, seed: int) -> None:
        """Seed it.

        Args:
            seed: The seed.
        """
        self.state: Tensor = torch.Generator().manual_seed(seed).get_state()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Let torch draw from it; then torch has the state back that it had."""
        with self._lock, torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.state)
            yield
            self.state = torch.get_rng_state()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: a second one slows networks of this size down, and sums in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
