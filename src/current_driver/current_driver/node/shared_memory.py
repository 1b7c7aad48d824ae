# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Shared-memory files that the middleware (Fast DDS) leaves behind when its processes are killed."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path('/dev/shm')
PREFIXES = ('fastrtps_', 'fastdds_', 'sem.fastrtps_', 'sem.fastdds_', 'fast_datasharing_')
LIMIT = 200


def leftover_warning(folder: Path | None = None, limit: int = LIMIT) -> str:
    """Say how to remove the files when there are too many of them; they are not ours to delete.

    Args:
        folder: Where they are; None: `FOLDER`.
        limit: Files up to which nothing is said; running nodes have a few each.

    Returns:
        One sentence; empty where there are few, or where there is no such folder.
    """
    folder = folder or FOLDER
    try:
        with os.scandir(folder) as entries:
            count = sum(entry.name.startswith(PREFIXES) for entry in entries)
    except OSError:
        return ''
    if count <= limit:
        return ''
    return (
        f'the middleware has more than {limit} shared-memory files in {folder}, most of them of processes that were '
        'killed, and nodes may find each other late; stop all nodes and run `fastdds shm clean`'
    )
