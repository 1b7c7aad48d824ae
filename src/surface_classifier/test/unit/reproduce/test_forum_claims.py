# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The claims about the jumping loss: what a test says on curves of known shape, and when there is a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surface_classifier.reproduce import forum_claims as claims
from surface_classifier.reproduce.forum_claims import Claim, ClaimTest, Judgement, Network, Outcome, Run, Verdict

EPOCHS = 1500
OUTCOMES: Sequence[Outcome] = ('holds', 'fails', 'undecided')


def make_run(
    arm: str = 'arm',
    seed: int = 0,
    *,
    wobble: float = 0.0,
    epochs: int = EPOCHS,
    reached: int | None = None,
    final: float = 0.8,
    fresh: float = 0.3,
) -> Run:
    """A run whose loss falls slowly, with noise of a known size about its trend."""
    noise = np.random.default_rng([seed, len(arm)]).normal(0.0, wobble, epochs)
    accuracies = np.full(epochs, min(final, 0.99))
    if reached is not None:
        accuracies[reached - 1 :] = 1.0
    return Run(
        arm=arm,
        seed=seed,
        losses=tuple(np.exp(-np.arange(epochs) / epochs + noise).tolist()),
        accuracies=tuple(accuracies.tolist()),
        held_out_accuracy=fresh,
        chance=17 / 98,
        windows=98,
        seconds=1.0,
    )


def judge(test: ClaimTest, *runs: Run) -> Judgement:
    return test.judge(runs)


@pytest.mark.parametrize('network', ['simple', 'large', 'all'])
def test_every_arm_of_a_claim_is_run(network: Network) -> None:
    arms = claims.forum_arms(EPOCHS, network)
    found = claims.forum_claims(network)
    assert len({claim.name for claim in found}) == len(found)
    for claim in found:
        assert claim.tests
        for test in claim.tests:
            assert set(test.arms) <= set(arms), test
    used = {arm for claim in found for test in claim.tests for arm in test.arms}
    for grid in claims.GRIDS[network]:
        names = {f'{grid}-{optimizer}-{batch}' for optimizer in claims.OPTIMIZERS for batch in claims.BATCHES}
        assert names <= set(arms)
        used |= names
    # What is not shown is not worth its time.
    assert set(arms) == used


def test_the_claims_of_the_user_and_of_the_answer_are_all_there() -> None:
    found = claims.forum_claims()
    assert [claim.by for claim in found].count('user') == 5
    assert [claim.by for claim in found].count('answer') == 6
    assert sum(bool(test.cause) for claim in found for test in claim.tests) >= 6


def test_arms_have_the_epochs_and_the_changes_their_titles_say() -> None:
    arms = claims.forum_arms(EPOCHS)
    for optimizer in claims.OPTIMIZERS:
        for batch in claims.BATCHES:
            config = arms[f'simple-{optimizer}-{batch}'].config
            assert config is not None
            assert (config.optimizer, str(config.batch_size), config.epochs) == (optimizer, batch, EPOCHS)
            assert config.validation_fraction == 0.0
    shorter = {name for name, arm in arms.items() if arm.config is not None and arm.config.epochs < EPOCHS}
    assert shorter == {'default', 'large-rmsprop-32', 'large-no-dropout', 'large-batchnorm-no-dropout'}
    for name in ('large-no-dropout', 'large-batchnorm-no-dropout'):
        config = arms[name].config
        assert config is not None
        assert (config.network.hidden_sizes, config.network.dropout, config.epochs) == ((128, 128), 0.0, 300)
    assert arms['flipped'].flipped_share == 0.05
    assert [arm.name for arm in arms.values() if arm.task == 'toy'] == [name for name in arms if name.startswith('toy')]
    costs = [claims.arm_seconds(arm) for arm in arms.values()]
    assert costs == sorted(costs)


def test_a_large_grid_is_run_in_full() -> None:
    arms = claims.forum_arms(EPOCHS, 'large')
    config = arms['large-rmsprop-32'].config
    assert config is not None
    assert config.epochs == EPOCHS
    assert 'simple-adam-2' not in arms


def test_a_loss_jumps_if_it_rises_often_and_visibly() -> None:
    jumping, smooth = claims.jumps('a', 'jumps', 'arm'), claims.smooth('a', 'falls', 'arm')
    for wobble, outcome, opposite in ((0.05, 'holds', 'fails'), (0.0, 'fails', 'holds'), (0.002, 'fails', 'holds')):
        run = make_run(wobble=wobble)
        assert judge(jumping, run).outcome == outcome
        assert judge(smooth, run).outcome == opposite
    judgement = judge(jumping, make_run(wobble=0.05))
    assert judgement.value == pytest.approx(0.5, abs=0.05)
    assert judgement.fluctuation == pytest.approx(0.05, rel=0.1)
    assert judge(jumping, make_run(epochs=2)).outcome == 'undecided'


def test_fluctuations_are_compared_by_their_ratio_over_common_epochs() -> None:
    test = claims.jumpier('a', 'more', 'one', 'other')
    assert judge(test, make_run('one', wobble=0.2), make_run('other', wobble=0.05)).value == pytest.approx(4, rel=0.15)
    assert judge(test, make_run('one', wobble=0.2), make_run('other', wobble=0.05)).outcome == 'holds'
    assert judge(test, make_run('one', wobble=0.05), make_run('other', wobble=0.2)).outcome == 'fails'
    assert judge(test, make_run('one', wobble=0.05), make_run('other', wobble=0.05)).outcome == 'undecided'
    # Neither fluctuates, whatever the ratio of their roundings.
    assert judge(test, make_run('one', wobble=1e-5), make_run('other', wobble=1e-9)).outcome == 'undecided'
    late = make_run('other', wobble=0.05)
    wild = replace(late, losses=late.losses[:300] + tuple(np.exp(np.random.default_rng(0).normal(0, 1, 1200)).tolist()))
    assert judge(test, make_run('one', wobble=0.05, epochs=300), wild).outcome == 'undecided'


def test_the_last_third_alone_may_be_compared() -> None:
    run = make_run('one', wobble=0.05)
    calm_at_the_end = replace(run, losses=run.losses[:1000] + tuple(np.linspace(0.4, 0.3, 500).tolist()))
    whole = claims.jumpier('a', 'more', 'one', 'other')
    end = claims.jumpier('a', 'more', 'one', 'other', last_third=True)
    assert judge(whole, run, calm_at_the_end).value < 1.4
    assert judge(end, run, calm_at_the_end).value > 100


@pytest.mark.parametrize(
    ('reached', 'epochs', 'outcome'),
    [
        (800, 1500, 'holds'),
        (399, 1500, 'fails'),
        (1201, 1500, 'fails'),
        (None, 1500, 'fails'),
        (None, 900, 'undecided'),
    ],
)
def test_about_800_epochs(reached: int | None, epochs: int, outcome: Outcome) -> None:
    test = next(claim for claim in claims.forum_claims() if claim.name == 'full-accuracy').tests[0]
    judgement = judge(test, make_run(reached=reached, epochs=epochs))
    assert judgement.outcome == outcome
    assert judgement.value == (math.inf if reached is None else reached)


@pytest.mark.parametrize(('final', 'outcome'), [(0.17, 'holds'), (0.28, 'holds'), (0.4, 'undecided'), (0.9, 'fails')])
def test_nothing_is_learnt_near_guessing(final: float, outcome: Outcome) -> None:
    test = next(claim for claim in claims.forum_claims() if claim.name == 'batch-2-does-not-learn').tests[0]
    assert judge(test, make_run(final=final)).outcome == outcome


@pytest.mark.parametrize(('gain', 'outcome'), [(0.06, 'holds'), (0.0, 'undecided'), (-0.06, 'fails')])
def test_scores_differ_from_a_margin_on(gain: float, outcome: Outcome) -> None:
    test = claims.scores_higher('a', 'scores', 'one', 'other')
    assert judge(test, make_run(fresh=0.5 + gain), make_run(fresh=0.5)).outcome == outcome


JUDGEMENTS = st.lists(st.sampled_from(OUTCOMES), max_size=12)


@given(outcomes=JUDGEMENTS, missing=st.integers(0, 3))
def test_a_verdict_needs_four_seeds_and_four_fifths(outcomes: list[Outcome], missing: int) -> None:
    judgements = [Judgement(outcome, 0.0) for outcome in outcomes]
    seeds = len(outcomes) + missing
    for word, outcome in (('holds', 'holds'), ('does not hold', 'fails')):
        agree = outcomes.count(outcome)  # type: ignore[arg-type]
        assert (claims.verdict(judgements, seeds) == word) == (agree >= 4 and agree >= 0.8 * seeds)


@given(outcomes=JUDGEMENTS)
def test_arms_that_differ_must_differ_the_same_way(outcomes: list[Outcome]) -> None:
    judgements = [Judgement(outcome, 0.0) for outcome in outcomes]
    alike = max(outcomes.count('holds'), outcomes.count('fails'))
    found = claims.verdict(judgements, len(outcomes), either=True)
    assert found == ('holds' if alike >= max(4, 0.8 * len(outcomes)) else 'cannot tell')


@pytest.mark.parametrize(
    ('verdicts', 'together'),
    [
        (['holds', 'holds'], 'holds'),
        (['holds', 'does not hold'], 'holds in part'),
        (['holds', 'cannot tell'], 'holds in part'),
        (['cannot tell', 'does not hold'], 'does not hold'),
        (['cannot tell', 'cannot tell'], 'cannot tell'),
    ],
)
def test_tests_make_a_claim(verdicts: list[Verdict], together: Verdict) -> None:
    assert claims.together(verdicts) == together


def test_a_claim_with_a_test_that_was_not_run_is_unknown() -> None:
    test = claims.jumps('a', 'jumps', 'there')
    claim = Claim('claim', 'user', 'It jumps.', (test, claims.jumps('b', 'jumps', 'missing')))
    runs = {('there', seed): make_run('there', seed, wobble=0.05) for seed in range(5)}
    (result,) = claims.judge_claims([claim], runs, range(5))
    assert [test.verdict for test in result.tests] == ['holds', 'cannot tell']
    assert result.verdict == 'cannot tell'
    assert 'Not run: b.' in result.sentence


# A world in which the causes are known: by arm, the size of the wobble, and what else differs from the usual run.
WORLD: dict[str, dict[str, Any]] = {
    'default': {'wobble': 0.001, 'epochs': 60, 'reached': 40, 'fresh': 0.8},
    'lda': {'epochs': 0, 'fresh': 0.78},
    'derived': {'wobble': 0.06, 'fresh': 0.6},
    'tiny': {'wobble': 0.05},
    'rmsprop-32-up': {'wobble': 0.3},
    'rmsprop-32-down': {'wobble': 0.02},
    'sgd-32-up': {'wobble': 0.02},
    'rmsprop-full-down': {'wobble': 0.002},
    'rmsprop-full-decay': {'wobble': 0.001},
    'large-no-dropout': {'wobble': 0.06, 'epochs': 300},
    'large-batchnorm-no-dropout': {'wobble': 0.2, 'epochs': 300},
    'large-rmsprop-32': {'wobble': 0.061, 'epochs': 1200, 'reached': 700},
}


def world(seeds: int = 5) -> dict[tuple[str, int], Run]:
    by_batch = {'full': 1.0, '32': 1.5, '4': 6.0, '2': 8.0}
    by_optimizer = {'rmsprop': 0.04, 'adam': 0.02, 'sgd': 0.0}
    runs = {}
    for arm in claims.forum_arms(EPOCHS):
        values = dict(WORLD.get(arm, {}))
        if 'wobble' not in values and arm != 'lda':
            optimizer = next((name for name in by_optimizer if name in arm), 'rmsprop')
            batch = arm.rpartition('-')[2] if arm != 'flipped' else '32'
            noise = 0.0 if batch == 'full' else 0.002
            values['wobble'] = math.hypot(by_optimizer[optimizer] * by_batch[batch], noise * by_batch[batch])
        for seed in range(seeds):
            run = make_run(arm, seed, **values)
            runs[arm, seed] = replace(run, accuracies=(1.0,)) if arm == 'lda' else run
    return runs


def test_planted_causes_are_found_and_the_others_are_not() -> None:
    results = claims.judge_claims(claims.forum_claims(), world(), range(5))
    verdicts = {result.claim.name: result.verdict for result in results}
    assert verdicts == {
        'jumps': 'holds in part',
        'full-accuracy': 'holds in part',
        'batch-4-jumpier': 'holds',
        'batch-2-does-not-learn': 'does not hold',
        'easy-classes-jump': 'holds in part',
        'batch-noise': 'holds in part',
        'too-many-parameters': 'does not hold',
        'small-batch': 'holds',
        'wrong-labels': 'does not hold',
        'batch-is-a-hyper-parameter': 'cannot tell',
        'full-batch-is-smooth': 'holds in part',
        'adaptive-step': 'holds',
        'regularisation-noise': 'holds in part',
        'raw-channel-hides': 'holds',
        'jumps-are-avoidable': 'holds',
    }
    replies = claims.answers(results)
    assert replies['normal']['short'].startswith('Yes')
    assert 'default recipe falls smoothly' in replies['normal']['text']
    found, _, rest = replies['why']['text'].partition('.')
    assert 'small batches, with RMSprop' in replies['why']['text']
    assert found.startswith('What makes the loss fluctuate more: the normalised steps of RMSprop')
    assert 'It still jumps after taking away the noise of the batches (RMSprop, full batch)' in rest
    assert 'Cannot tell for many parameters' in rest
    assert 'wrong labels' in rest.partition('Cannot tell')[2]


def test_without_runs_nothing_is_answered() -> None:
    results = claims.judge_claims(claims.forum_claims(), {}, range(5))
    assert {result.verdict for result in results} == {'cannot tell'}
    replies = claims.answers(results)
    assert (replies['normal']['short'], replies['why']['short']) == ('Cannot tell', 'Cannot tell')
    assert all(result.to_dict()['sentence'].startswith('Not run') for result in results)


def test_three_seeds_are_too_few_for_any_verdict() -> None:
    results = claims.judge_claims(claims.forum_claims(), world(3), range(3))
    assert {test.verdict for result in results for test in result.tests} == {'cannot tell'}


@pytest.mark.parametrize(
    ('value', 'unit', 'text'),
    [
        (5.94, 'times', '5.9 times'),
        (1234.5, 'times', 'over 100 times'),
        (math.inf, 'epochs', 'never'),
        (812.0, 'epochs', '812'),
        (0.456, 'share', '46\N{NO-BREAK SPACE}%'),
        (-0.05, 'difference', '-0.05'),
        (math.nan, 'times', 'none'),
    ],
)
def test_numbers_are_written_in_their_unit(value: float, unit: str, text: str) -> None:
    assert claims.format_value(value, unit) == text
