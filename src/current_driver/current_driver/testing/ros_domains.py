# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""ROS domains that no other test on this machine uses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Domains above 101 use ports that Linux gives to any process.
DOMAIN_IDS = range(1, 102)
LOCKS = Path(tempfile.gettempdir()) / 'surface_classifier_ros_domains'


@contextlib.contextmanager
def free_domain() -> Iterator[int]:
    """Hold a ROS domain id that no other test uses; the lock ends with the process, however it ends."""
    LOCKS.mkdir(exist_ok=True)
    # Runs that start together begin at different places.
    start = os.getpid() % len(DOMAIN_IDS)
    for domain_id in (*DOMAIN_IDS[start:], *DOMAIN_IDS[:start]):
        with (LOCKS / f'{domain_id}.lock').open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain_id
            return
    raise RuntimeError(f'all {len(DOMAIN_IDS)} ROS domains are in use by other tests')
