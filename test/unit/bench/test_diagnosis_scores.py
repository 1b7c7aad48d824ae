# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of the benchmark of the diagnosis, on made-up records: what counts as found, missed, false, and repaired."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'bench'))

import diagnosis_scores
from diagnosis_scores import HARM_THRESHOLDS, Share, harm, is_effective, said_by, score, worse_by

GOOD: dict[str, Any] = {
    'diverged': 0.0,
    'rising_share': 0.2,
    'detrended_log_std': 0.05,
    'wobble': 0.01,
    'final_loss': 0.1,
    'planned_epochs': 100.0,
    'epochs_to_95': 40.0,
    'held_out': 0.7,
    'held_out_nll': 1.0,
    'optimism': 0.05,
}
BAD: dict[str, Any] = {**GOOD, 'final_loss': 1.5, 'held_out': 0.4}


def record(
    truth: list[str], said: list[str] | None, number: int = 0, severity: str = 'mild', **runs: Any
) -> dict[str, Any]:
    """A record in which `said` are our verdicts; None: the diagnosis failed."""
    ours: dict[str, Any] = {'seconds': 2.0}
    if said is None:
        ours['error'] = 'Traceback ...'
    else:
        ours['verdicts'] = [{'id': name} for name in said]
    return {
        'generator': 'texture',
        'windows': 98,
        'number': number,
        'truth': truth,
        'severity': severity,
        'runs': {'case': BAD if truth else GOOD, 'twin': GOOD, **runs},
        'systems': {'surface': ours},
    }


def test_a_fault_counts_only_where_it_makes_the_run_worse_than_its_twin() -> None:
    assert is_effective(record(['aliasing'], []))
    assert not is_effective(record(['aliasing'], [], case=GOOD))
    slightly = {**GOOD, 'held_out': GOOD['held_out'] - 0.9 * HARM_THRESHOLDS['held_out_loss']}
    assert not is_effective(record(['aliasing'], [], case=slightly))
    clearly = {**GOOD, 'held_out': GOOD['held_out'] - 1.1 * HARM_THRESHOLDS['held_out_loss']}
    assert is_effective(record(['aliasing'], [], case=clearly))
    # What is better than the twin is no harm, however different.
    assert not is_effective(record(['aliasing'], [], case={**GOOD, 'held_out': 0.99, 'final_loss': 0.0}))
    assert not is_effective(record([], [], case=BAD))


@pytest.mark.parametrize(
    ('name', 'value', 'measure'),
    [
        ('rising_share', 0.5, 'rising_share'),
        ('wobble', 0.2, 'wobble'),
        ('final_loss', 1.0, 'final_loss'),
        ('held_out', 0.4, 'held_out_loss'),
        ('held_out_nll', 3.0, 'held_out_nll'),
        ('epochs_to_95', 200.0, 'slowness'),
        ('optimism', 0.5, 'optimism'),
        ('diverged', 1.0, 'final_loss'),
    ],
)
def test_every_measure_alone_makes_a_run_worse(name: str, value: float, measure: str) -> None:
    worse = {key for key, difference in worse_by({**GOOD, name: value}, GOOD).items() if difference > 0}
    assert worse == {measure}
    assert harm({**GOOD, name: value}, GOOD) > 1.0


def test_a_measure_that_is_missing_is_no_harm() -> None:
    assert harm({**GOOD, 'optimism': None, 'wobble': None, 'held_out_nll': None}, GOOD) == 0.0


def test_slowness_is_a_share_of_the_epochs_that_were_planned() -> None:
    assert worse_by({**GOOD, 'epochs_to_95': 200.0}, GOOD)['slowness'] == pytest.approx(1.6)


def test_detection_top_1_precision_and_recall_are_counted_over_effective_cases() -> None:
    records = [
        record(['aliasing'], ['aliasing'], 0),
        record(['aliasing'], ['bad_sensor', 'aliasing'], 1),
        record(['bad_sensor'], ['bad_sensor'], 0),
        record(['bad_sensor'], ['healthy'], 1),  # an abstention
        record(['bad_sensor'], None, 2),  # a failure
        record(['bad_sensor'], ['aliasing'], 3, case=GOOD),  # changes nothing: neither right nor wrong
        record([], ['healthy'], 0),
        record([], ['aliasing'], 1),  # a false alarm
    ]
    scores = score(records)
    assert (scores.cases, scores.effective, scores.ineffective, scores.healthy) == (8, 5, 1, 2)
    ours = scores.systems['surface']
    assert (ours.detection.hits, ours.detection.of) == (3, 5)
    assert (ours.top1.hits, ours.top1.of) == (2, 5)
    assert (ours.false_alarms.hits, ours.false_alarms.of) == (1, 2)
    assert (ours.abstentions.hits, ours.failures) == (1, 1)
    assert ours.ids['aliasing'].recall.share == 1.0
    assert (ours.ids['aliasing'].precision.hits, ours.ids['aliasing'].precision.of) == (2, 3)
    assert (ours.ids['bad_sensor'].precision.hits, ours.ids['bad_sensor'].precision.of) == (1, 2)
    assert ours.ids['bad_sensor'].recall.share == pytest.approx(1 / 3)
    assert ours.ids['bad_sensor'].ineffective == 1
    assert ours.macro_precision == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert ours.macro_recall == pytest.approx((1 + 1 / 3) / 2)
    assert ours.confusion['aliasing'] == {'aliasing': 2, 'bad_sensor': 1}
    assert ours.confusion['bad_sensor'] == {'bad_sensor': 1, 'nothing': 2}
    assert ours.confusion['healthy'] == {'nothing': 1, 'aliasing': 1}


def test_an_id_that_is_never_said_has_no_precision() -> None:
    ours = score([record(['aliasing'], ['healthy'])]).systems['surface']
    assert ours.macro_precision == ours.macro_recall == 0.0


def test_both_faults_of_a_pair_are_counted() -> None:
    ours = score([record(['aliasing', 'bad_sensor'], ['bad_sensor'])]).systems['surface']
    assert ours.top1.share == 1.0
    assert ours.ids['aliasing'].recall.share == 0.0
    assert ours.ids['bad_sensor'].recall.share == 1.0
    assert not ours.confusion


def test_a_finding_of_a_peer_that_fits_several_ids_counts_as_the_injected_one() -> None:
    found = record(['aliasing'], [])
    found['systems']['peer'] = {'verdicts': [{'state': 'shift', 'ids': ['bad_sensor', 'aliasing']}]}
    assert said_by(found, 'peer') == ['aliasing']
    found['truth'] = ['class_imbalance']
    assert said_by(found, 'peer') == ['bad_sensor']


def test_a_peer_is_scored_on_the_cases_that_it_saw() -> None:
    seen = record(['aliasing'], ['aliasing'], 0)
    seen['systems']['peer'] = {'verdicts': [], 'seconds': 1.0}
    systems = score([seen, record(['aliasing'], ['aliasing'], 1)]).systems
    assert (systems['surface'].detection.of, systems['peer'].detection.of) == (2, 1)


def test_the_fix_score_compares_the_advice_with_a_random_change_case_by_case() -> None:
    repaired = [record(['aliasing'], ['aliasing'], number, fix=GOOD, random=BAD) for number in range(6)]
    scores = score(repaired)
    assert scores.repaired.mean == pytest.approx(1.0)
    assert scores.repaired_by_chance.mean == pytest.approx(0.0)
    assert scores.fix_score.low == pytest.approx(1.0)
    assert scores.held_out_gain.mean == pytest.approx(0.3)
    # Without a remedy the run stays as it is.
    assert score([record(['aliasing'], ['healthy'], random=GOOD)]).fix_score.mean == pytest.approx(-1.0)
    # Advice that makes it much worse costs no more than all of it.
    worst = {**BAD, 'held_out': 0.0, 'final_loss': 9.0, 'rising_share': 1.0, 'wobble': 9.0, 'held_out_nll': 9.0}
    assert score([record(['aliasing'], ['aliasing'], fix=worst, random=BAD)]).fix_score.mean == -1.0


def test_severities_that_share_their_data_are_drawn_together() -> None:
    pair = [record(['aliasing'], ['aliasing'], 0, severity, fix=GOOD, random=BAD) for severity in ('mild', 'severe')]
    other = [record(['aliasing'], ['aliasing'], 1, severity, fix=BAD, random=BAD) for severity in ('mild', 'severe')]
    interval = score([*pair, *other]).fix_score
    # Two groups: a bootstrap draws one of them twice every second time. Four groups would give a narrower interval.
    assert (interval.low, interval.high, interval.cases) == (0.0, 1.0, 4)


def test_wilson_intervals_have_their_known_ends() -> None:
    share = Share.from_counts(9, 10)
    assert share.low == pytest.approx(0.5958, abs=1e-3)
    assert share.high == pytest.approx(0.9821, abs=1e-3)
    assert Share.from_counts(0, 20).low == 0.0
    assert math.isnan(Share.from_counts(0, 0).share)


def test_scores_are_plain_json_without_nan() -> None:
    text = json.dumps(score([record([], ['healthy'])]).to_dict(), allow_nan=False)
    assert json.loads(text)['systems']['surface']['detection']['share'] is None


def test_the_spread_of_healthy_set_ups_looks_both_ways() -> None:
    better = record([], [], case={**GOOD, 'held_out': 0.8})
    spread = diagnosis_scores.healthy_spread([better], quantile=1.0)
    assert spread['held_out_loss'] == pytest.approx(0.1)
