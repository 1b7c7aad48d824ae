# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The forum question run again: runs are kept and resumed, measures are those of the runs, the page has all claims."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from headless_browser import find_browser, open_page
from page_reader import PageReader

from current_driver.errors import SurfaceError
from surface_classifier.diagnosis.fluctuation import detrended_log_std, rising_share
from surface_classifier.reproduce import forum_runs
from surface_classifier.reproduce.forum_claims import Arm, forum_arms
from surface_classifier.reproduce.forum_page import render_forum_page, write_forum_page
from surface_classifier.reproduce.forum_runs import (
    ForumResult,
    ForumSettings,
    missing_seconds,
    reproduce_fluctuating_loss,
)
from surface_classifier.reproduce.forum_task import forum_task
from surface_classifier.training import loop

REQUIRES = ('torch', 'jinja2', 'matplotlib', 'sklearn')

COMMAND = 'surface reproduce fluctuating-loss -o forum'
SMALL = ForumSettings(seeds=2, epochs=5, windows=24, samples=20)
SELECTED = ('lda', 'default', 'flipped', 'simple-rmsprop-32', 'simple-sgd-full', 'toy-sgd-32')


@pytest.fixture
def few_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run six of the arms only."""

    def selected(*args: object) -> dict[str, Arm]:
        return {name: arm for name, arm in forum_arms(*args).items() if name in SELECTED}  # type: ignore[arg-type]

    monkeypatch.setattr(forum_runs, 'forum_arms', selected)


@pytest.fixture(scope='module')
def complete(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ForumResult]:
    """All arms, as small as they can be."""
    folder = tmp_path_factory.mktemp('forum')
    return folder, reproduce_fluctuating_loss(folder, SMALL)


def test_every_arm_is_run_with_every_seed(complete: tuple[Path, ForumResult]) -> None:
    folder, result = complete
    arms = forum_arms(SMALL.epochs)
    assert set(result.runs) == {(arm, seed) for arm in arms for seed in range(2)}
    assert len(list((folder / 'runs').iterdir())) == result.planned == 2 * len(arms)
    for (name, _), run in result.runs.items():
        config = arms[name].config
        assert len(run.losses) == (config.epochs if config is not None else 0)
        assert len(run.accuracies) == max(1, len(run.losses))
        assert np.isfinite(run.losses).all()
        assert 0.0 <= run.held_out_accuracy <= 1.0
        assert run.windows == 24
        assert run.chance >= (1 / 2 if name.startswith('toy') else 1 / 6)


def test_the_result_is_plain_and_holds_the_measures_of_the_runs(complete: tuple[Path, ForumResult]) -> None:
    _, result = complete
    values = json.loads(json.dumps(result.to_dict()))
    assert values['runs'] == values['planned_runs'] == result.planned
    assert len(values['claims']) == len(result.claims)
    assert set(values['answers']) == {'normal', 'why'}
    run = result.runs['simple-rmsprop-4', 1]
    measures = values['arms']['simple-rmsprop-4']['runs'][1]
    assert measures['rising_share'] == rising_share(run.losses)
    assert measures['detrended_log_std'] == detrended_log_std(run.losses)
    assert measures['training_accuracy'] == run.accuracies[-1]
    assert values['arms']['simple-rmsprop-4']['config']['batch_size'] == 4
    # Two seeds are too few for a verdict.
    assert {claim['verdict'] for claim in values['claims']} == {'cannot tell'}


def test_a_run_is_what_training_gives(complete: tuple[Path, ForumResult], tmp_path: Path) -> None:
    _, result = complete
    config = result.arms['simple-adam-32'].config
    assert config is not None
    dataset = forum_task('texture', 1, 24, 20).save(tmp_path / 'task')
    trained = loop.train(dataset, config, 1, measure_training=True)
    run = result.runs['simple-adam-32', 1]
    assert run.losses == pytest.approx([epoch.loss for epoch in trained.epochs], rel=1e-4)
    assert run.accuracies == pytest.approx([epoch.training_accuracy for epoch in trained.epochs], abs=0.05)


def test_arms_of_one_seed_see_the_same_windows_and_seeds_others(complete: tuple[Path, ForumResult]) -> None:
    _, result = complete
    # With the full batch the first loss is that of the first weights, whatever the optimiser.
    first = {
        (optimizer, number): result.runs[f'simple-{optimizer}-full', number].losses[0]
        for optimizer in ('rmsprop', 'sgd')
        for number in (0, 1)
    }
    assert first['rmsprop', 0] == pytest.approx(first['sgd', 0], rel=1e-5)
    assert first['rmsprop', 0] != pytest.approx(first['rmsprop', 1], rel=1e-3)


def test_wrong_labels_are_as_many_as_said_and_all_wrong() -> None:
    task = forum_task('texture', 0, 100, 20)
    labels = forum_runs._with_wrong_labels(task, 0.05, 0)
    assert (labels != task.labels).sum() == 5
    assert set(labels.tolist()) <= set(range(6))
    assert (forum_runs._with_wrong_labels(task, 0.05, 1) != labels).any()
    np.testing.assert_array_equal(forum_runs._with_wrong_labels(task, 0.0, 0), task.labels)


@pytest.mark.usefixtures('few_arms')
def test_a_stopped_command_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StoppedError(Exception):
        """Act as Ctrl-C does."""

    run_task = forum_runs._run_task
    ran: list[tuple[str, int]] = []

    def at_most(count: int) -> Callable[..., object]:
        def run(task: forum_runs._Task, *args: object) -> object:
            if len(ran) == count:
                raise StoppedError
            ran.append((task.arm.name, task.seed))
            return run_task(task, *args)  # type: ignore[arg-type]

        return run

    before = missing_seconds(tmp_path, SMALL)
    monkeypatch.setattr(forum_runs, '_run_task', at_most(5))
    with pytest.raises(StoppedError):
        reproduce_fluctuating_loss(tmp_path, SMALL)
    kept = {file.name: file.stat().st_mtime_ns for file in (tmp_path / 'runs').iterdir()}
    assert len(kept) == 5
    assert 0 < missing_seconds(tmp_path, SMALL) < before

    partly = reproduce_fluctuating_loss(tmp_path, SMALL, only_finished=True)
    assert len(partly.runs) == 5

    monkeypatch.setattr(forum_runs, '_run_task', at_most(12))
    result = reproduce_fluctuating_loss(tmp_path, SMALL)
    assert len(ran) == len(set(ran)) == len(result.runs) == 12
    assert {name: (tmp_path / 'runs' / name).stat().st_mtime_ns for name in kept} == kept
    assert missing_seconds(tmp_path, SMALL) == 0.0
    assert reproduce_fluctuating_loss(tmp_path, SMALL).runs == result.runs  # nothing is run again


@pytest.mark.usefixtures('few_arms')
def test_other_settings_are_other_runs(tmp_path: Path) -> None:
    one = reproduce_fluctuating_loss(tmp_path, SMALL)
    other = ForumSettings(seeds=1, epochs=6, windows=24, samples=20, generator='ripple')
    assert missing_seconds(tmp_path, other) > 0
    assert reproduce_fluctuating_loss(tmp_path, other).runs['lda', 0] != one.runs['lda', 0]
    assert len(list((tmp_path / 'runs').iterdir())) == 12 + 6


@pytest.mark.usefixtures('few_arms')
def test_processes_give_the_same_and_report_all_work(tmp_path: Path) -> None:
    done: list[float] = []
    seconds = missing_seconds(tmp_path / 'two', SMALL)
    two = reproduce_fluctuating_loss(tmp_path / 'two', SMALL, jobs=2, on_progress=done.append)
    assert sum(done) == pytest.approx(seconds, rel=0.05)
    one = reproduce_fluctuating_loss(tmp_path / 'one', SMALL)
    for key, run in one.runs.items():
        assert two.runs[key].losses == run.losses
        assert two.runs[key].held_out_accuracy == run.held_out_accuracy


@pytest.mark.usefixtures('few_arms')
def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    reproduce_fluctuating_loss(tmp_path, SMALL)
    file = next((tmp_path / 'runs').glob('lda_seed-0*'))
    file.write_text('{"what": {}}')
    with pytest.raises(SurfaceError, match=rf'{re.escape(file.name)}: is not a finished run .*delete it'):
        reproduce_fluctuating_loss(tmp_path, SMALL)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(SurfaceError, match=r'cannot be made .*choose another folder'):
        reproduce_fluctuating_loss(tmp_path / 'file', SMALL)


@pytest.fixture(scope='module')
def page(complete: tuple[Path, ForumResult]) -> Path:
    """The page of all arms."""
    folder, result = complete
    return write_forum_page(folder / 'new' / 'fluctuating_loss.html', result, command=COMMAND)


def test_the_page_shows_every_claim_and_arm_and_needs_nothing_else(
    complete: tuple[Path, ForumResult], page: Path
) -> None:
    _, result = complete
    html = page.read_text(encoding='utf-8')
    reader = PageReader(html)
    for claim in result.claims:
        assert claim.claim.text in reader.text
        assert claim.claim.name in reader.anchors
        for test in claim.tests:
            assert test.test.statement in reader.text
    for name, arm in result.arms.items():
        assert arm.title in reader.text
        assert f'arm-{name}' in reader.anchors
    for reference in reader.references:
        assert reference.startswith('data:') or reference[1:] in reader.anchors, reference
    assert 'http' not in re.sub(r'data:image[^"]*', '', html)
    assert COMMAND in reader.text
    assert 'runs are finished' not in reader.text


@pytest.mark.usefixtures('few_arms')
def test_the_page_says_what_was_not_run_and_is_the_same_every_time(tmp_path: Path) -> None:
    reproduce_fluctuating_loss(tmp_path, SMALL)
    more = replace(SMALL, seeds=3)
    partly = replace(reproduce_fluctuating_loss(tmp_path, more, only_finished=True), arms=forum_arms(SMALL.epochs))
    html = render_forum_page(partly, command='')
    assert f'12 of {3 * len(partly.arms)} runs are finished' in PageReader(html).text
    assert 'Not run:' in PageReader(html).text
    assert html == render_forum_page(partly, command='')


def test_the_page_opens_in_a_browser_on_a_desk_and_on_a_phone(page: Path, tmp_path: Path) -> None:
    browser = find_browser()
    if browser is None:
        pytest.skip('no Chromium or Chrome is installed')
    with open_page(browser) as tab:
        for width, phone in ((1180, False), (390, True)):
            tab.load(page, width, 844, phone=phone)
            assert tab.problems == []
            assert tab.requests == []
            assert tab.evaluate('document.documentElement.scrollWidth') <= width
            tab.screenshot(tmp_path / f'{width}.png', whole_page=True)
            assert (tmp_path / f'{width}.png').stat().st_size > 50_000


@pytest.mark.parametrize(
    ('arm', 'epochs', 'engine'),
    [
        ('simple-rmsprop-32', 1500, 'kernel'),
        ('simple-rmsprop-32', 5, 'torch'),
        ('large-batchnorm-no-dropout', 1500, 'torch'),
    ],
)
def test_long_runs_are_left_to_the_compiled_kernel(
    arm: str, epochs: int, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('numba')
    asked: list[object] = []

    def refuse(*_: object, **options: object) -> None:
        asked.append(options['engine'])
        raise SurfaceError('it diverged')

    monkeypatch.setattr(loop, 'train', refuse)
    task = forum_runs._Task(forum_arms(epochs)[arm], 3, ForumSettings(epochs=epochs), tmp_path / 'run.json')
    with pytest.raises(SurfaceError, match=rf'{re.escape(task.arm.title)}, seed 3: it diverged'):
        forum_runs._run_task(task, lambda _: None, lambda: False)
    assert asked == [engine]
    assert not task.file.exists()
