# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Output folders: one process writes one, and it appears whole under its name.

A folder NAME is written as `.NAME.partial-PID` beside its place, under the lock `.NAME.lock`, which holds the id of the
process. An old NAME is replaced by two renames: NAME to `.NAME.replaced-PID`, then the new folder to NAME. What is to
be deleted is first renamed to `.NAME.removed-PID`, so that nothing half deleted passes for a folder. An old NAME that
is kept is called `.NAME.kept-PID` between the renames, and `.NAME.original` afterwards. A process that is killed leaves
some of them, and who comes next, to write or to read, puts them in order:

| NAME | `.replaced` | then the process was killed | so |
|---|---|---|---|
| is there | no | while it wrote | remove `.partial` |
| is there | yes | after both renames | remove `.replaced` |
| is missing | yes | between the renames; the new folder is complete | rename `.partial` to NAME, remove `.replaced` |
| is missing | no | while it wrote the first one | remove `.partial` |

`.kept` is treated like `.replaced`, but renamed to `.NAME.original`, never removed.

The lock is a lock of the kernel (flock): it ends with its process, so that a file that a killed process left is no
obstacle, whatever process has its id now.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from current_driver.errors import SurfaceError

_log = logging.getLogger(__name__)
_PARTIAL, _REPLACED, _KEPT, _REMOVED = 'partial', 'replaced', 'kept', 'removed'
_RENAME_PATIENCE_S = 2.0


class FolderClaim:
    """The right of this process to write one folder.

    Attributes:
        place: The folder, resolved.
        partial: Folder to write; `put_in_place` renames it.
    """

    def __init__(self, place: Path) -> None:
        """Take the place; `claim_folder` makes claims."""
        self.place = place
        self.partial = _beside(place, _PARTIAL)
        self._replaced = _beside(place, _REPLACED)
        self._kept = _beside(place, _KEPT)

    def begin(self) -> Path:
        """Make the empty folder `partial` and return it.

        Raises:
            OSError: It cannot be made.
        """
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self.partial

    def put_in_place(self) -> None:
        """Rename the folder that was written to its name; an old one is removed.

        Raises:
            OSError: It cannot be renamed; an old folder is still there.
        """
        if self.place.exists():
            self._replace(self._replaced)
            _remove(self.place, self._replaced)
        else:
            self.partial.rename(self.place)

    def put_in_place_and_keep(self) -> Path:
        """Rename the folder that was written to its name, and the old one to a hidden name, which is returned.

        Raises:
            OSError: It cannot be renamed; the old folder is still there.
        """
        self._replace(self._kept)
        return _keep(self.place, self._kept)

    def _replace(self, old: Path) -> None:
        self.place.rename(old)
        try:
            self.partial.rename(self.place)
        except OSError:
            old.rename(self.place)
            raise


# Claims of this process by place: the thread that holds one may claim it again, as a command and what it calls do.
_held: dict[Path, tuple[int, int, FolderClaim]] = {}
_held_lock = threading.Lock()


@contextmanager
def claim_folder(path: str | os.PathLike[str]) -> Iterator[FolderClaim]:
    """Claim a folder for writing, and put in order what killed processes left of it.

    The thread that holds the claim may claim the folder again; it is released at the end of the outermost context, and
    what was not put in place is removed.

    Args:
        path: The folder; it need not exist.

    Raises:
        SurfaceError: Another process writes it, or nothing can be written there.
    """
    place = _resolved(path)
    thread = threading.get_ident()
    with _held_lock:
        owner, count, claim = _held.get(place, (thread, 0, FolderClaim(place)))
        if owner == thread and count:
            _held[place] = thread, count + 1, claim
    if count and owner != thread:
        raise SurfaceError(_busy(path, str(os.getpid())))
    if count:
        try:
            yield claim
        finally:
            with _held_lock:
                _held[place] = thread, _held[place][1] - 1, claim
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(place)
    except OSError as error:
        raise SurfaceError(f'{path}: nothing can be written there ({error.strerror}); choose another place') from error
    if lock is None:
        raise SurfaceError(_busy(path, _lock_holder(place)))
    with _held_lock:
        _held[place] = thread, 1, claim
    try:
        _put_in_order(place)
        yield claim
    finally:
        shutil.rmtree(claim.partial, ignore_errors=True)
        with _held_lock:
            del _held[place]
        _unlock(place, lock)


def complete_replacement(path: str | os.PathLike[str]) -> None:
    """Put a folder under its name that a process was killed over between the two renames.

    To be called before a folder is read. Where another process is between the renames at this moment, it is waited for.

    Args:
        path: The folder.

    Raises:
        SurfaceError: The folder is there under another name, and cannot be renamed.
    """
    place = _resolved(path)
    end = time.monotonic() + _RENAME_PATIENCE_S
    while not place.exists() and _leftovers(place, _REPLACED, _KEPT):
        try:
            lock = _lock(place)
        except OSError as error:
            left = _leftovers(place, _REPLACED, _KEPT)
            raise SurfaceError(
                f'{path}: a command was killed while it replaced this folder, and it cannot be renamed now '
                f'({error.strerror}); rename {left[0] if left else "it"} to {path}'
            ) from error
        if lock is not None:
            try:
                _put_in_order(place)
            finally:
                _unlock(place, lock)
        elif time.monotonic() > end:
            return
        else:
            time.sleep(0.01)


def remove_unfinished(path: str | os.PathLike[str], pid: int) -> None:
    """Remove what a process that has ended, or is about to, wrote of a folder before it was complete.

    Args:
        path: The folder.
        pid: Its process id.
    """
    place = _resolved(path)
    shutil.rmtree(place.with_name(f'.{place.name}.{_PARTIAL}-{pid}'), ignore_errors=True)
    if _lock_holder(place) == str(pid):
        _lock_file(place).unlink(missing_ok=True)


def _put_in_order(place: Path) -> None:
    """Complete or remove what killed processes left; the caller holds the lock, so that no living one is at work."""
    replaced = _leftovers(place, _REPLACED, _KEPT)
    if replaced and not place.exists():
        newest = max(replaced, key=lambda folder: folder.stat().st_mtime_ns)
        written = _beside(place, _PARTIAL, newest.name.rpartition('-')[2])
        source = written if written.is_dir() else newest
        source.rename(place)
        _log.warning('%s: completed what a killed process began: %s was put in its place', place, source.name)
    for folder in _leftovers(place, _KEPT):
        _log.warning('%s: the original, which a killed process left as %s, is %s', place, folder, _keep(place, folder))
    for folder in _leftovers(place, _PARTIAL, _REPLACED, _REMOVED):
        _remove(place, folder)
        _log.warning('%s: removed %s, which a killed process left', place, folder.name)


def _remove(place: Path, folder: Path) -> None:
    """Remove a folder beside a place; one that is half removed never has the name of a whole one."""
    removed = place.with_name(f'.{place.name}.{_REMOVED}-{folder.name.rpartition("-")[2]}')
    if folder != removed:
        shutil.rmtree(removed, ignore_errors=True)
        folder.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)


def _keep(place: Path, folder: Path) -> Path:
    """Rename an old folder to a hidden name that is free, which searches for recordings pass over."""
    number = 0
    while (kept := place.with_name(f'.{place.name}.original{number or ""}')).exists():
        number += 1
    folder.rename(kept)
    return kept


def _leftovers(place: Path, *kinds: str) -> list[Path]:
    try:
        entries = sorted(place.parent.iterdir())
    except OSError:
        return []
    found = []
    for kind in kinds:
        beginning = f'.{place.name}.{kind}-'
        found += [
            path
            for path in entries
            if path.name.startswith(beginning) and path.name.removeprefix(beginning).isdecimal() and path.is_dir()
        ]
    return found


def _beside(place: Path, kind: str, pid: str = '') -> Path:
    return place.with_name(f'.{place.name}.{kind}-{pid or os.getpid()}')


def _resolved(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise SurfaceError(
            f'{os.fspath(path)!r}: is not the name of a folder ({error}); choose another name'
        ) from error


def _lock_file(place: Path) -> Path:
    return place.with_name(f'.{place.name}.lock')


def _lock(place: Path) -> int | None:
    """Return the locked file, None when another process has it."""
    while True:
        lock = os.open(_lock_file(place), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed it since it was opened.
            if os.fstat(lock).st_ino == _inode(_lock_file(place)):
                os.ftruncate(lock, 0)
                os.write(lock, f'{os.getpid()}\n'.encode())
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _unlock(place: Path, lock: int) -> None:
    with contextlib.suppress(OSError):
        _lock_file(place).unlink(missing_ok=True)
    os.close(lock)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _lock_holder(place: Path) -> str:
    try:
        return _lock_file(place).read_text(encoding='ascii').strip() or 'unknown'
    except (OSError, ValueError):
        return 'unknown'


def _busy(path: str | os.PathLike[str], pid: str) -> str:
    return f'{path}: is being written by process {pid}; choose another name, or wait for its end'
