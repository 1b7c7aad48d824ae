# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The belief filter: probabilities stay probabilities, evidence adds up, and the label changes when it has changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surface_classifier.model.belief import NANOSECONDS, BeliefFilter, BeliefSettings, filter_sequence

CLASSES = 4


def belief_settings(**changes: object) -> BeliefSettings:
    values = {
        'dwell_s': 20.0,
        'evidence_weight': 0.4,
        'switch_margin': 0.1,
        'longest_gap_s': 20.0,
        'class_prior': (0.25,) * CLASSES,
    }
    return BeliefSettings(**{**values, **changes})  # type: ignore[arg-type]


def answer(surface: int, confidence: float = 0.7) -> np.ndarray:
    probabilities = np.full(CLASSES, (1.0 - confidence) / (CLASSES - 1))
    probabilities[surface] = confidence
    return probabilities


def stamps(count: int, step_s: float = 1.0) -> list[int]:
    return [round(step_s * NANOSECONDS * (index + 1)) for index in range(count)]


answers = st.lists(
    st.lists(st.floats(0.0, 1.0), min_size=CLASSES, max_size=CLASSES)
    .filter(lambda row: sum(row) > 0.01)
    .map(lambda row: np.array(row) / sum(row)),
    min_size=1,
    max_size=40,
)
any_settings = st.builds(
    belief_settings,
    dwell_s=st.floats(0.1, 1e4),
    evidence_weight=st.floats(0.01, 1.0),
    switch_margin=st.floats(0.0, 0.9),
)


@settings(max_examples=60, deadline=None)
@given(any_settings, answers, st.floats(0.01, 30.0))
def test_what_is_believed_is_always_a_distribution(
    chosen: BeliefSettings, rows: list[np.ndarray], step_s: float
) -> None:
    believed, labels = filter_sequence(chosen, rows, stamps(len(rows), step_s))
    assert np.isfinite(believed).all()
    assert (believed >= 0.0).all()
    np.testing.assert_allclose(believed.sum(axis=1), 1.0, atol=1e-9)
    assert labels.min() >= 0
    # The label is never less believed than the likeliest by more than the margin.
    gap = believed.max(axis=1) - believed[np.arange(len(rows)), labels]
    assert (gap <= chosen.switch_margin + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(any_settings, answers, st.permutations(range(CLASSES)))
def test_surfaces_are_treated_alike(chosen: BeliefSettings, rows: list[np.ndarray], permutation: list[int]) -> None:
    times = stamps(len(rows))
    believed, _ = filter_sequence(chosen, rows, times)
    permuted, _ = filter_sequence(chosen, [row[permutation] for row in rows], times)
    np.testing.assert_allclose(permuted, believed[:, permutation], rtol=1e-6, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(any_settings, answers, answers)
def test_the_filter_looks_back_only(chosen: BeliefSettings, rows: list[np.ndarray], later: list[np.ndarray]) -> None:
    alone, labels = filter_sequence(chosen, rows, stamps(len(rows)))
    longer, more = filter_sequence(chosen, [*rows, *later], stamps(len(rows) + len(later)))
    np.testing.assert_array_equal(longer[: len(rows)], alone)
    np.testing.assert_array_equal(more[: len(rows)], labels)


@settings(max_examples=40, deadline=None)
@given(any_settings, answers, answers)
def test_the_past_fades(chosen: BeliefSettings, first: list[np.ndarray], other: list[np.ndarray]) -> None:
    """What two pasts believe differently comes closer with every window that they then share.

    The distance is Hilbert's: weighting both with the same evidence leaves it as it is, and time makes it smaller. The
    difference of the probabilities may grow for a while, where the evidence speaks for what both held impossible.
    """
    common = [answer(k % CLASSES) for k in range(3)] * 10
    states = []
    for past in (first, other):
        belief = BeliefFilter(chosen)
        for row, stamp in zip(past, stamps(len(past)), strict=True):
            belief.update(row, stamp)
        # The same stamp for both: what they believe then has the same age.
        belief.update(None, stamps(41)[-1])
        states.append(belief)
    distances = [float(np.ptp(np.log(states[0].probabilities) - np.log(states[1].probabilities)))]
    for index, row in enumerate(common):
        found = [belief.update(row, stamps(41 + index + 1)[-1]) for belief in states]
        distances.append(float(np.ptp(np.log(found[0]) - np.log(found[1]))))
    assert (np.diff(distances) <= 1e-6).all()
    if chosen.dwell_s < 20.0:
        assert np.abs(found[0] - found[1]).sum() < 1e-2


def test_evidence_adds_up_while_the_robot_stays() -> None:
    believed, labels = filter_sequence(belief_settings(), [answer(2)] * 12, stamps(12))
    assert (np.diff(believed[:, 2]) > 0.0).all()
    assert believed[0, 2] < 0.7
    assert believed[-1, 2] > 0.9
    assert set(labels) == {2}


def test_one_odd_window_changes_no_label_and_new_evidence_does() -> None:
    rows = [answer(0)] * 10 + [answer(1)] + [answer(0)] * 3 + [answer(3)] * 8
    _, labels = filter_sequence(belief_settings(), rows, stamps(len(rows)))
    assert set(labels[:14]) == {0}
    assert labels[-1] == 3
    assert (labels[14:] == 3).argmax() <= 5


def test_a_longer_dwell_is_slower_to_change() -> None:
    rows = [answer(0)] * 10 + [answer(3)] * 20
    delays = [
        int((filter_sequence(belief_settings(dwell_s=dwell_s), rows, stamps(30))[1][10:] == 3).argmax())
        for dwell_s in (1.0, 20.0, 1000.0)
    ]
    assert delays == sorted(delays)
    assert delays[0] < delays[-1]


def test_the_margin_holds_the_label_where_two_surfaces_are_alike() -> None:
    rows = [answer(0)] * 5 + [answer(k % 2, 0.4) for k in range(40)]
    changes = [
        int(
            (
                np.diff(filter_sequence(belief_settings(dwell_s=2.0, switch_margin=margin), rows, stamps(45))[1]) != 0
            ).sum()
        )
        for margin in (0.0, 0.3)
    ]
    assert changes[0] > 10
    assert changes[1] == 0


def test_a_window_that_says_nothing_lets_time_pass() -> None:
    belief = BeliefFilter(belief_settings())
    for stamp in stamps(10):
        belief.update(answer(1), stamp)
    before = belief.probabilities[1]
    after = belief.update(None, 15 * NANOSECONDS)
    stays = math.exp(-5.0 / 20.0)
    assert after[1] == pytest.approx(before * stays + (1 - before) * (1 - stays) / 3)
    assert belief.label == 1


@pytest.mark.parametrize('step_s', [20.1, 0.0, -3600.0], ids=['gap', 'same stamp', 'clock jumps back'])
def test_after_a_gap_or_a_jump_of_the_clock_the_filter_restarts(step_s: float) -> None:
    belief = BeliefFilter(belief_settings())
    for stamp in stamps(10):
        belief.update(answer(1), stamp)
    fresh = BeliefFilter(belief_settings())
    moved = 10 * NANOSECONDS + round(step_s * NANOSECONDS)
    np.testing.assert_array_equal(belief.update(answer(2), moved), fresh.update(answer(2), moved))
    assert belief.label == fresh.label == 2


def test_before_the_first_usable_window_there_is_no_label() -> None:
    belief = BeliefFilter(belief_settings())
    np.testing.assert_allclose(belief.update(None, NANOSECONDS), 0.25)
    assert belief.label is None


def test_the_prior_of_the_answers_is_divided_out() -> None:
    prior = (0.7, 0.1, 0.1, 0.1)
    believed = BeliefFilter(belief_settings(class_prior=prior)).update(np.array(prior), 1)
    np.testing.assert_allclose(believed, 0.25)


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'dwell_s': 0.0}, 'dwell_s'),
        ({'evidence_weight': 1.5}, 'evidence_weight'),
        ({'switch_margin': 1.0}, 'switch_margin'),
        ({'longest_gap_s': math.inf}, 'longest_gap_s'),
        ({'class_prior': (1.0, 0.0)}, 'class_prior'),
    ],
)
def test_settings_no_filter_can_work_with_are_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        belief_settings(**changes)


def test_settings_come_back_from_json_types() -> None:
    chosen = belief_settings(evidence_weight=0.3)
    assert BeliefSettings.from_dict(chosen.to_dict()) == chosen
