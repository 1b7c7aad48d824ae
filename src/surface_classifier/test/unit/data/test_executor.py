# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Executors: every item once, few at a time, errors as they were raised, and an end of everything when one stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from executor_tasks import refuse_three, run_until_cancelled, square

from current_driver.errors import SurfaceError
from current_driver.recordings.recording import find_recordings
from current_driver.testing.drives import write_drive
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.executor import LocalExecutor, make_executor
from surface_classifier.signal.window_config import default_window_config


class Counted(list[int]):
    """Numbers, which note how far they were handed out."""

    handed_out = 0

    def __iter__(self) -> Iterator[int]:
        for value in super().__iter__():
            self.handed_out += 1
            yield value


def test_one_job_works_in_this_process_and_in_order() -> None:
    with make_executor('local', 1) as executor:
        assert list(executor.map_completed(square, [3, 4, 5])) == [(0, 9), (1, 16), (2, 25)]
        assert list(executor.map_completed(square, [])) == []


def test_several_jobs_do_every_item_once_a_few_at_a_time() -> None:
    items = Counted(range(40))
    with make_executor('local', 2) as executor, closing(executor.map_completed(square, items)) as results:
        first = next(results)
        # Two run and two wait; one more may have gone out for the one that is done.
        assert items.handed_out <= 5
        assert sorted([first, *results]) == [(value, value * value) for value in range(40)]


def test_an_error_of_a_task_comes_through_and_ends_the_others() -> None:
    with LocalExecutor(2) as executor, pytest.raises(SurfaceError, match='three is refused'):
        list(executor.map_completed(refuse_three, list(range(100_000))))


def test_whoever_stops_listening_cancels_what_runs(tmp_path: Path) -> None:
    file = tmp_path / 'task'
    with LocalExecutor(2) as executor:
        results = executor.map_completed(run_until_cancelled, ['', '', str(file), ''])
        while not file.exists():
            next(results)
        results.close()
    assert file.read_text() == 'begun\ncancelled\n'


@pytest.mark.requires('mcap', 'rosbags')
def test_two_processes_build_the_same_data_set(tmp_path: Path) -> None:
    for index in range(5):
        drive = [('ice', 2.0 + index), ('', 1.0), ('snow', 3.0)] if index != 2 else [('ice', 0.4)]
        write_drive(tmp_path / 'r' / f'{index}', drive, seed=index, metadata={'robot': 'husky'})
    recordings = find_recordings([tmp_path / 'r'])
    one = build_dataset(recordings, default_window_config(), tmp_path / 'one')
    seconds: list[float] = []
    with LocalExecutor(2) as executor:
        two = build_dataset(
            recordings, default_window_config(), tmp_path / 'two', executor=executor, on_progress=seconds.append
        )
    assert two.dataset.digest == one.dataset.digest
    assert two.dataset.counters == one.dataset.counters
    assert two.dataset.recordings == one.dataset.recordings
    assert two.warnings == one.warnings != []
    assert sum(seconds) == pytest.approx(sum(info.seconds for info in one.dataset.recordings))
    assert sorted(path.name for path in (tmp_path / 'two').iterdir()) == sorted(
        path.name for path in (tmp_path / 'one').iterdir()
    )


@pytest.mark.requires('mcap', 'rosbags')
def test_a_recording_that_cannot_be_cut_leaves_nothing_behind(tmp_path: Path) -> None:
    for index in range(4):
        topic = 'motor_current' if index != 2 else 'other'
        write_drive(tmp_path / 'r' / f'{index}', [('ice', 2.0), ('snow', 2.0)], topic=topic)
    recordings = find_recordings([tmp_path / 'r'])
    with LocalExecutor(2) as executor, pytest.raises(SurfaceError, match=r"r/2: there is no topic 'motor_current'"):
        build_dataset(recordings, default_window_config(), tmp_path / 'set', executor=executor)
    assert [path.name for path in tmp_path.iterdir()] == ['r']
