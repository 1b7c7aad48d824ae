# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Leftover shared-memory files are named with their remedy, and left where they are."""

from __future__ import annotations

from pathlib import Path

from current_driver.node.shared_memory import leftover_warning


def test_many_files_of_the_middleware_are_named_and_kept(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f'fastrtps_{number:016x}').touch()
        (tmp_path / f'somebody_elses_{number}').touch()
    assert leftover_warning(tmp_path) == ''
    (tmp_path / 'sem.fastrtps_port7411_mutex').touch()
    assert 'fastdds shm clean' in leftover_warning(tmp_path)
    assert len(list(tmp_path.iterdir())) == 401


def test_a_machine_without_shared_memory_has_no_files(tmp_path: Path) -> None:
    assert leftover_warning(tmp_path / 'nowhere') == ''
