# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Health: from what nodes have seen to level and text, worst first, with the remedy."""

from __future__ import annotations

import pytest

from current_driver.node.health import DriverState, FaultLog, Health, Level, driver_health, with_concerns
from surface_classifier.nodes.chain_health import (
    ClassifierState,
    PreprocessorState,
    TrainerState,
    classifier_health,
    preprocessor_health,
    silent_topics,
    trainer_health,
)

TWO = ('/x', '/y')


def check_health(health: Health, level: Level, word: str) -> None:
    assert health.level is level
    assert word in health.text


def test_silence_counts_only_after_the_timeout() -> None:
    assert silent_topics({'a': None, 'b': 0.1}, 2.0, uptime_s=1.0) == ''
    late = silent_topics({'a': None, 'b': 3.0, 'c': 0.1}, 2.0, uptime_s=5.0)
    assert 'nothing was ever received on a' in late
    assert 'nothing was received on b for more than 2 s' in late
    assert ' c for' not in late


@pytest.mark.parametrize(
    ('state', 'level', 'word'),
    [
        (PreprocessorState(), Level.OK, 'cutting'),
        (PreprocessorState(fault='no such file'), Level.ERROR, 'no such file'),
        (PreprocessorState(ages_s={'a': 9.0}, uptime_s=9.0), Level.WARN, 'a for more'),
        (PreprocessorState(wrong_rates=('part motor: too slow',)), Level.WARN, 'too slow'),
        # A killed publisher stays in the graph for a while: two endpoints alone are no error.
        (PreprocessorState(publishers={'a': ('/x', '/x')}), Level.OK, 'cutting'),
        (PreprocessorState(publishers={'a': TWO}, lasting={'a': TWO}), Level.WARN, '2 nodes publish a: /x, /y'),
        (PreprocessorState(publishers={'a': TWO}, mixtures={'a': 'they alternate'}), Level.ERROR, 'are voided'),
        (PreprocessorState(publishers={'a': ('/x',)}, mixtures={'a': 'they alternate'}), Level.WARN, 'check who does'),
        (PreprocessorState(twins=('/x',), window_topic='current_window'), Level.WARN, '/x also publishes'),
    ],
)
def test_preprocessor(state: PreprocessorState, level: Level, word: str) -> None:
    check_health(preprocessor_health(state), level, word)


@pytest.mark.parametrize(
    ('state', 'level', 'word'),
    [
        (ClassifierState(model='m', age_s=0.1), Level.OK, 'labelling'),
        (ClassifierState(), Level.WARN, 'load_model'),
        (ClassifierState(fault='damaged', model='m'), Level.ERROR, 'damaged'),
        (ClassifierState(model='m', dropped=9, newly_dropped=2), Level.WARN, 'dropped'),
        (ClassifierState(model='m', dropped=9), Level.OK, 'labelling'),
        (ClassifierState(model='m', uptime_s=9.0), Level.WARN, 'current_window'),
        (ClassifierState(model='m', age_s=0.1, twins=('/x',), label_topic='l'), Level.WARN, '/x also publishes l'),
    ],
)
def test_classifier(state: ClassifierState, level: Level, word: str) -> None:
    health = classifier_health(state)
    check_health(health, level, word)
    assert health.values['dropped'] == state.dropped


@pytest.mark.parametrize(
    ('state', 'level', 'word'),
    [
        (TrainerState(), Level.OK, 'ready'),
        (TrainerState(unresolved=('/a',)), Level.OK, 'ready'),
        (TrainerState(training='train'), Level.OK, 'training'),
        (TrainerState(recording='bag', recorded_s=9.0, unresolved=('/a',)), Level.WARN, '/a'),
        (TrainerState(recording='bag', recorded_s=9.0, uptime_s=9.0, ages_s={'/a': 8.0}), Level.WARN, '/a'),
        (TrainerState(recording='bag', ages_s={'/a': 0.1}), Level.OK, 'recording'),
        (TrainerState(recording='bag', ages_s={'/a': 0.5}, deadlines_s={'/a': 0.3}), Level.WARN, '/a for more'),
        (TrainerState(recording='bag', damaged={'/a': 2}), Level.WARN, 'recording, but messages of /a cannot be'),
        (TrainerState(fault='wrong type'), Level.ERROR, 'wrong type'),
        (TrainerState(stopped='the disk is full', training='train'), Level.ERROR, 'the disk is full'),
    ],
)
def test_trainer(state: TrainerState, level: Level, word: str) -> None:
    check_health(trainer_health(state), level, word)


@pytest.mark.parametrize(
    ('state', 'level', 'word'),
    [
        (DriverState(stage='publishing'), Level.OK, 'publishing'),
        (DriverState(fault='no bag'), Level.ERROR, 'no bag'),
        (DriverState(stage='waiting for readers', uptime_s=1.0), Level.OK, 'waiting'),
        (DriverState(stage='waiting for readers', readers_expected=2, uptime_s=9.0), Level.WARN, '2 readers'),
        (DriverState(stage='publishing', silent_readers=('/a',)), Level.WARN, '/a'),
        (DriverState(stage='publishing', gone_readers=('/a',)), Level.WARN, 'waits for a reader'),
        (DriverState(stage='publishing', gone_readers=('/a',), readers=('/b',)), Level.WARN, 'goes on for /b'),
        (DriverState(stage='ended', gone_readers=('/a',)), Level.OK, 'ended'),
        (DriverState(stage='publishing', due_in_s=60.0), Level.OK, 'pause in the recording'),
        (DriverState(stage='publishing', lag_s=2.0), Level.WARN, 'behind'),
        (DriverState(stage='publishing', skipped_topics=('topic a is not published',)), Level.WARN, 'topic a'),
    ],
)
def test_driver(state: DriverState, level: Level, word: str) -> None:
    check_health(driver_health(state), level, word)


def test_a_fault_is_an_error_for_a_while_and_a_count_for_ever() -> None:
    faults = FaultLog()
    well = Health(Level.OK, 'well', {'samples': 3})
    assert faults.merge(well, 0.0) == well
    assert faults.add('field x is missing', now_s=100.0)
    assert not faults.add('field x is missing', now_s=101.0)
    soon = faults.merge(well, 105.0)
    assert (soon.level, soon.text) == (Level.ERROR, 'field x is missing')
    later = faults.merge(well, 200.0)
    assert (later.level, later.text) == (Level.OK, 'well')
    assert later.values == {'samples': 3, 'faults': 2, 'last_fault': 'field x is missing'}
    assert faults.merge(Health(Level.ERROR, 'no model', {}), 105.0).text == 'no model'


def test_a_concern_is_a_warning_behind_the_state() -> None:
    well, late = Health(Level.OK, 'recording', {'a': 1}), Health(Level.WARN, 'recording, but nothing comes')
    assert with_concerns(well, ['', ''], {'b': 2}) == Health(Level.OK, 'recording', {'a': 1, 'b': 2})
    concerned = with_concerns(well, ['x is full', '', 'y is slow'], {})
    assert (concerned.level, concerned.text) == (Level.WARN, 'recording, but x is full; y is slow')
    assert with_concerns(late, ['x is full'], {}).text == 'recording, but nothing comes; x is full'
    broken = Health(Level.ERROR, 'no model')
    assert with_concerns(broken, ['x is full'], {}).text == 'no model'
