# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One process writes an output folder, and a kill at any moment leaves the old or the new one, under its name."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from current_driver.files.output_folders import claim_folder, complete_replacement, remove_unfinished


def repair_by(repair: str, place: Path) -> None:
    """Complete what a killed process left, as a reader or the next writer does."""
    if repair == 'read':
        complete_replacement(place)
    else:
        with claim_folder(place):
            pass


def write(path: Path, text: str) -> None:
    with claim_folder(path) as claim:
        (claim.begin() / 'file').write_text(text)
        claim.put_in_place()


# Writes a folder, and is killed at its rename of a number (0: the first one); -1: holds the claim until it is killed.
CHILD = """\
import os, signal, sys
from pathlib import Path
from current_driver.files.output_folders import claim_folder

place, text, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with claim_folder(place) as claim:
    (claim.begin() / 'file').write_text(text)
    rename, count = Path.rename, 0

    def counted(self, target):
        global count
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        return rename(self, target)

    Path.rename = counted
    print('ready', flush=True)
    if last == -1:
        signal.pause()
    getattr(claim, sys.argv[4])()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def start(path: Path, text: str, last: int, put: str = 'put_in_place') -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, '-c', CHILD, str(path), text, str(last), put], stdout=subprocess.PIPE, encoding='utf-8'
    )
    assert child.stdout is not None
    assert child.stdout.readline() == 'ready\n'
    return child


def killed(path: Path, text: str, last: int, put: str = 'put_in_place') -> None:
    assert start(path, text, last, put).wait(60) == -signal.SIGKILL


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole_and_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / 'deep' / 'out'
    with claim_folder(place) as claim:
        (claim.begin() / 'file').write_text('one')
        assert not place.exists()
        assert names(place.parent) == ['.out.lock', claim.partial.name]
        assert (place.parent / '.out.lock').read_text() == f'{os.getpid()}\n'
        claim.put_in_place()
    write(place, 'two')
    assert (place / 'file').read_text() == 'two'
    assert names(place.parent) == ['out']


def test_leaving_without_a_folder_leaves_nothing(tmp_path: Path) -> None:
    with claim_folder(tmp_path / 'out') as claim:
        (claim.begin() / 'file').write_text('half')
    assert names(tmp_path) == []


def test_a_second_process_and_a_second_thread_are_refused_and_the_same_thread_is_not(tmp_path: Path) -> None:
    place = tmp_path / 'out'
    process = start(place, 'first', -1)
    with pytest.raises(SurfaceError, match=rf'out: is being written by process {process.pid}; choose another name'):
        write(place, 'second')
    (tmp_path / 'link').symlink_to(tmp_path)
    with pytest.raises(SurfaceError, match='is being written'):
        write(tmp_path / 'link' / 'out', 'the same folder by another name')
    process.kill()
    process.wait(60)
    errors: list[SurfaceError] = []

    def other_thread() -> None:
        try:
            write(place, 'thread')
        except SurfaceError as error:
            errors.append(error)

    with claim_folder(place):
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        assert len(errors) == 1
        write(place, 'inner')
        with claim_folder(place) as claim:
            assert claim.place == place
    assert (place / 'file').read_text() == 'inner'
    assert names(tmp_path) == ['link', 'out']


@pytest.mark.parametrize(('calls', 'expected'), [(0, 'old'), (1, 'new'), (2, 'new')])
@pytest.mark.parametrize('repair', ['read', 'write'])
def test_a_kill_around_the_renames_leaves_the_old_or_the_new_folder(
    tmp_path: Path, calls: int, expected: str, repair: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / 'out'
    write(place, 'old')
    killed(place, 'new', calls)
    assert place.exists() == (calls != 1)
    with caplog.at_level(logging.WARNING):
        repair_by(repair, place)
    assert (place / 'file').read_text() == expected
    if calls == 1 or (calls == 0 and repair == 'write'):
        assert 'killed process' in caplog.text
    with claim_folder(place):
        pass
    assert names(tmp_path) == ['out']


def test_a_kill_while_the_first_folder_is_written_leaves_none_and_the_next_run_removes_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / 'out'
    killed(place, 'half', 0)
    complete_replacement(place)
    assert not place.exists()
    write(place, 'new')
    assert names(tmp_path) == ['out']
    assert 'removed' in caplog.text


def test_a_reader_waits_for_a_process_that_is_between_its_renames(tmp_path: Path) -> None:
    place = tmp_path / 'out'
    write(place, 'old')
    with claim_folder(place) as claim:
        (claim.begin() / 'file').write_text('new')
        place.rename(tmp_path / f'.out.replaced-{os.getpid()}')
        reader = threading.Thread(target=complete_replacement, args=(place,))
        reader.start()
        reader.join(0.2)
        assert reader.is_alive()
        claim.partial.rename(place)
        reader.join(10)
        assert not reader.is_alive()
    assert (place / 'file').read_text() == 'new'


def test_a_rename_that_fails_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / 'out'
    write(place, 'old')
    rename: Callable[[Path, Path], Path] = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if '.partial-' in self.name:
            raise OSError(5, 'Input/output error')
        return rename(self, target)

    with claim_folder(place) as claim:
        claim.begin()
        monkeypatch.setattr(Path, 'rename', failing)
        with pytest.raises(OSError, match='Input/output'):
            claim.put_in_place()
    assert (place / 'file').read_text() == 'old'
    assert names(tmp_path) == ['out']


def test_an_old_folder_can_be_kept(tmp_path: Path) -> None:
    place = tmp_path / 'out'
    for text in ('first', 'second', 'third'):
        if text == 'first':
            write(place, text)
            continue
        with claim_folder(place) as claim:
            (claim.begin() / 'file').write_text(text)
            kept = claim.put_in_place_and_keep()
        assert (kept / 'file').read_text() == {'second': 'first', 'third': 'second'}[text]
    assert names(tmp_path) == ['.out.original', '.out.original1', 'out']


@pytest.mark.parametrize(('calls', 'expected'), [(0, 'old'), (1, 'new'), (2, 'new')])
@pytest.mark.parametrize('repair', ['read', 'write'])
def test_a_kill_around_the_renames_never_costs_a_folder_that_is_kept(
    tmp_path: Path, calls: int, expected: str, repair: str
) -> None:
    place = tmp_path / 'out'
    write(place, 'old')
    killed(place, 'new', calls, 'put_in_place_and_keep')
    assert place.exists() == (calls != 1)
    repair_by(repair, place)
    assert (place / 'file').read_text() == expected
    with claim_folder(place):
        pass
    assert names(tmp_path) == (['.out.original', 'out'] if calls else ['out'])
    if calls:
        assert (tmp_path / '.out.original' / 'file').read_text() == 'old'


def test_names_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    for name in ('a\0b', tmp_path / 'file' / 'out', tmp_path / ('x' * 300)):
        with pytest.raises(SurfaceError):
            write(Path(name), 'x')


def test_what_a_child_left_is_removed_by_its_parent(tmp_path: Path) -> None:
    killed(tmp_path / 'out', 'half', 0)
    (left,) = tmp_path.glob('.out.partial-*')
    remove_unfinished(tmp_path / 'out', int(left.name.rpartition('-')[2]))
    assert names(tmp_path) == []
