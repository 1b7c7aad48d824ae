# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a process ends the launch, fails it, or starts the process again."""

import pytest

from surface_classifier.startup.process_ends import RESPAWN_LIMIT, Consequence, ProcessEnds


@pytest.mark.parametrize('respawn', [False, True])
def test_a_finished_process_ends_the_launch_without_an_error(respawn: bool) -> None:
    assert ProcessEnds('driver', respawn=respawn).judge(0) == (Consequence.END, 'driver has ended')


@pytest.mark.parametrize('respawn', [False, True])
def test_bad_parameters_fail_the_launch_with_their_reason(respawn: bool) -> None:
    ends = ProcessEnds('classifier', respawn=respawn)
    ends.keep(b'[INFO] [classifier]: error: of an earlier line\nclassifier_node: err')
    ends.keep(b'or: parameter queue_size is 0; it must lie between 1 and 1000\n')
    assert ends.judge(2) == (
        Consequence.FAIL,
        'classifier ended with exit status 2: parameter queue_size is 0; it must lie between 1 and 1000',
    )


@pytest.mark.parametrize(
    ('status', 'sentence'),
    [(1, 'driver ended with exit status 1'), (-9, 'driver was ended by signal 9')],
)
def test_another_error_fails_the_launch_without_respawn(status: int, sentence: str) -> None:
    assert ProcessEnds('driver', respawn=False).judge(status) == (Consequence.FAIL, sentence)


def test_respawn_starts_a_process_again_five_times_and_then_fails() -> None:
    ends = ProcessEnds('driver', respawn=True)
    restarts = [ends.judge(-11) for _ in range(RESPAWN_LIMIT)]
    assert [consequence for consequence, _ in restarts] == [Consequence.RESTART] * 5
    assert restarts[4][1] == 'driver was ended by signal 11; starting it again in 2 s (5 of 5)'
    assert ends.judge(1) == (Consequence.FAIL, 'driver ended with exit status 1; it was started again 5 times')


def test_the_reason_is_of_the_last_run() -> None:
    ends = ProcessEnds('driver', respawn=True)
    ends.keep(b'driver: error: of the first run\n')
    ends.judge(1)
    assert ends.judge(2) == (Consequence.FAIL, 'driver ended with exit status 2: its parameters are refused')
