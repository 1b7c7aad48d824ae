# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The golden record: what counts as a difference, and that a changed tree is found out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / 'bench'))

import golden  # noqa: E402
from golden_record.compare import VOLATILE, differences  # noqa: E402
from golden_record.stages import StageError, Tree  # noqa: E402


def test_equal_records_have_no_differences() -> None:
    record = {'scores': [{'f1': 0.5, 'seconds': 1.0}], 'classes': ['ice', 'snow']}
    again = {'scores': [{'f1': 0.5 + 1e-8, 'seconds': 2.0}], 'classes': ['ice', 'snow']}
    assert differences(record, again) == []


@pytest.mark.parametrize(
    ('now', 'part'),
    [
        ({'f1': 0.51, 'id': 'healthy'}, '/f1: 0.5 before, 0.51 now'),
        ({'f1': 0.5, 'id': 'aliasing'}, "/id: 'healthy' before, 'aliasing' now"),
        ({'f1': 0.5}, "/id: only before ('healthy')"),
        ({'f1': 0.5, 'id': 'healthy', 'more': 1}, '/more: only now (1)'),
        ({'f1': None, 'id': 'healthy'}, '/f1: 0.5 before, None now'),
    ],
)
def test_every_kind_of_difference_is_listed(now: dict[str, object], part: str) -> None:
    assert differences({'f1': 0.5, 'id': 'healthy'}, now) == [part]


@pytest.mark.parametrize(
    ('before', 'now', 'equal'),
    [
        (10_000_000, 10_000_001, False),
        (0, 0.0, True),
        (10_000_000.0, 10_000_001.0, True),
        (1, 1.1, False),
        (1, True, False),
    ],
)
def test_whole_numbers_are_equal_exactly_and_others_to_a_tolerance(before: object, now: object, equal: bool) -> None:
    assert (differences({'n': before}, {'n': now}) == []) is equal


def test_only_whole_paths_are_known_as_added() -> None:
    added = ['/dataset_build/.counters.future', '/dataset_split/.parts.train.counters.publishers.imu']
    added += ['/recover/.bags[].dropped', '/info/.recordings[].counters.skipped']
    assert differences({}, dict.fromkeys((path[1:] for path in added), True)) == []
    others = ['train/.counters.futures', 'test/.x.dropped', 'recover/.bags[].dropped.file', 'recover/x/.bags[].dropped']
    assert len(differences({}, dict.fromkeys(others, True))) == len(others)


def test_a_tree_that_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_tree: Tree) -> None:
        raise StageError('surface_classifier is imported from elsewhere')

    monkeypatch.setattr(golden, '_git', lambda *_: 'commit')
    monkeypatch.setattr(Tree, 'check_packages', refuse)
    assert golden.main(['--against', 'HEAD', '--only', 'demo_windows']) == 2
    assert capsys.readouterr().err == 'golden.py: error: surface_classifier is imported from elsewhere\n'


def test_lists_of_other_lengths_differ() -> None:
    assert '/ids/length: 1 before, 2 now' in differences({'ids': ['a']}, {'ids': ['a', 'b']})


@pytest.mark.parametrize(
    ('before', 'now'),
    [
        ({'network': {'levels': 8}}, {'network': {'quantile_bins': 8}}),
        ({'architecture': {'others': [{'levels': 9}]}}, {'architecture': {'members': [{'quantile_bins': 9}]}}),
        ({'.training.network.others[].levels': True}, {'.training.network.members[].quantile_bins': True}),
        ({'inputs': 'levels', 'mixing': 3.0}, {'inputs': 'soft_bins', 'mixup_alpha': 3.0}),
        ({'conformal': {'levels': [0.9]}}, {'conformal': {'levels': [0.9]}}),
        ({'.topics.motor_current': True}, {'.topics./motor_current': True}),
    ],
)
def test_renamed_keys_and_values_are_compared_under_their_new_names(before: object, now: object) -> None:
    assert differences(before, now) == []
    if before != now:
        assert differences(now, before) != []


def test_only_times_and_places_are_volatile() -> None:
    volatile = ['seconds', 'training_seconds', 'time', 'path', 'command', 'history']
    compared = ['accuracy', 'median_delay_s', 'digest', 'classes', 'times_right', 'loss']
    assert all(re.search(VOLATILE, key) for key in volatile)
    assert not any(re.search(VOLATILE, key) for key in compared)


def test_an_installed_package_is_not_taken_for_that_of_the_tree(tmp_path: Path) -> None:
    empty = Tree(tmp_path / 'empty', tmp_path / 'work', None)
    with pytest.raises(StageError, match=r'is imported from|ended with status'):
        empty.check_packages()


def test_unknown_commit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    if subprocess.run(['git', 'rev-parse'], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip('not a git checkout')
    assert golden.main(['--against', 'no-such-commit']) == 2
    assert 'no-such-commit' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'expected'),
    [(('test',), True), (('leave-out',), True), (('leave',), False), (('reproduce', 'fluctuating-loss'), True)],
)
def test_commands_are_chosen_by_what_the_tree_offers(tmp_path: Path, words: tuple[str, ...], expected: bool) -> None:
    assert Tree(ROOT, tmp_path, None).has_command(*words, folder=tmp_path) is expected
