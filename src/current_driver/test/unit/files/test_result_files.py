# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A result file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result


def test_a_file_is_made_with_its_folders_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / 'a' / 'b' / 'result.json'
    write_result(file, 'one')
    write_result(file, b'two')
    assert file.read_bytes() == b'two'
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(SurfaceError, match='cannot be written'):
        write_result(tmp_path / 'none' / 'file', 'x', parents=False)


def test_when_the_disk_is_full_the_old_file_stays(small_disk: Path) -> None:
    file = small_disk / 'result.json'
    write_result(file, 'old')
    with pytest.raises(SurfaceError, match=r'result\.json: the table cannot be written there .*free space'):
        write_result(file, 'x' * (64 << 20), 'table')
    assert file.read_text() == 'old'
    assert [path.name for path in small_disk.iterdir() if path.is_file()] == ['result.json']


def test_an_error_in_between_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'result.json'
    write_result(file, 'old')

    def fail(_: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(SurfaceError, match='No space left'):
        write_result(file, 'new')
    assert file.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [file]


def test_links_and_modes_stay(tmp_path: Path) -> None:
    file, link = tmp_path / 'file', tmp_path / 'link'
    file.write_text('old')
    file.chmod(0o640)
    link.symlink_to(file)
    write_result(link, 'new')
    assert link.is_symlink()
    assert file.read_text() == 'new'
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_result(pipe, 'through')
    reader.join(10)
    assert read == ['through']
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_names_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for name in (tmp_path, 'a\0b', tmp_path / ('x' * 300)):
        with pytest.raises(SurfaceError, match='cannot be written there'):
            write_result(name, 'x')


def test_what_dead_processes_left_goes_and_what_living_ones_write_stays(tmp_path: Path) -> None:
    dead = tmp_path / f'.r.json.partial-{2**22 + 1}-0'
    living = tmp_path / f'.r.json.partial-{os.getppid()}-0'
    other = tmp_path / f'.q.json.partial-{2**22 + 1}-0'
    for path in (dead, living, other):
        path.write_text('half')
    write_result(tmp_path / 'r.json', 'whole')
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / 'r.json', living, other])
