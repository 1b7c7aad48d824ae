# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the diagnosis: its cases hold their fault and nothing else, changes do what they say, files last."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[3] / 'bench'
sys.path.insert(0, str(BENCH / 'peers'))
sys.path.insert(0, str(BENCH))

import diagnosis  # noqa: E402
import diagnosis_runs  # noqa: E402
import peer_neuraldbg  # noqa: E402
from diagnosis_cases import FAULTS, SEVERITIES, VERSION, Case, CaseKey, make_case  # noqa: E402
from diagnosis_runs import Change, advised_change, changed_setup, menu_of  # noqa: E402

from current_driver.errors import SurfaceError  # noqa: E402
from surface_classifier.diagnosis.result import CAUSES  # noqa: E402

REQUIRES = ('torch',)

RECIPE_FAULTS = (
    'batch_too_small',
    'learning_rate_too_high',
    'learning_rate_too_low',
    'adaptive_step_noise',
    'over_parameterised',
    'unscaled_input',
    'uninformative_input',
    'recording_leakage',
    'vanishing_gradient',
    'exploding_gradient',
    'regularisation_noise',
)


def case_of(fault: str, folder: Path, severity: str = 'mild', number: int = 0) -> Case:
    folder.mkdir(parents=True)
    return make_case(CaseKey('texture', 98, (fault,), severity, number, 'test'), folder)  # type: ignore[arg-type]


def test_every_cause_of_the_diagnosis_has_cases() -> None:
    assert set(FAULTS) == set(CAUSES)


def test_the_turn_holds_every_fault_twice_on_five_data_sets_and_sixty_healthy_cases() -> None:
    keys = diagnosis.suite('turn')
    faulty = Counter((key.faults, key.severity) for key in keys if key.faults)
    assert faulty == {((fault,), severity): 5 for fault in FAULTS for severity in SEVERITIES}
    healthy = [key for key in keys if not key.faults]
    assert len(healthy) == 60
    assert {key.like for key in healthy} == {(), *((fault,) for fault in FAULTS)}
    assert {(key.generator, key.windows) for key in keys} == {('simulator', 98)}
    assert len({key.name for key in keys}) == len(keys)


def test_tuning_shares_neither_generators_nor_seeds_with_the_turn() -> None:
    turn, tune = diagnosis.suite('turn'), diagnosis.suite('tune')
    assert not {key.generator for key in turn} & {key.generator for key in tune}
    assert not {key.seed for key in turn} & {key.seed for key in tune}


def test_more_rounds_only_add_cases() -> None:
    first, both = diagnosis.suite('full', 1), diagnosis.suite('full', 2)
    assert both[: len(first)] == first
    assert {key.windows for key in first} == {98, 400}
    assert any(len(key.faults) == 2 for key in first)


@pytest.mark.parametrize('fault', RECIPE_FAULTS)
def test_a_fault_of_the_recipe_leaves_the_data_as_they_are(fault: str, tmp_path: Path) -> None:
    mild, severe = (case_of(fault, tmp_path / severity, severity) for severity in SEVERITIES)
    for case in (mild, severe):
        assert case.setup.dataset.digest == case.twin.dataset.digest
        assert case.setup.config != case.twin.config
        np.testing.assert_array_equal(case.setup.test.values, case.twin.test.values)
    assert fault in ('unscaled_input', 'recording_leakage') or mild.twin.dataset.digest == severe.twin.dataset.digest


@pytest.mark.parametrize(('severity', 'share'), [('mild', 0.08), ('severe', 0.20)])
def test_wrong_labels_are_as_many_as_said_and_fresh_windows_keep_the_true_ones(
    severity: str, share: float, tmp_path: Path
) -> None:
    case = case_of('mislabelled_windows', tmp_path / 'case', severity)
    wrong = np.asarray(case.setup.dataset.labels) != np.asarray(case.twin.dataset.labels)
    assert wrong.sum() == round(share * 98)
    np.testing.assert_array_equal(case.setup.dataset.parts['motor'], case.twin.dataset.parts['motor'])
    np.testing.assert_array_equal(case.setup.test.labels, case.twin.test.labels)
    assert case.setup.config == case.twin.config


@pytest.mark.parametrize('severity', SEVERITIES)
def test_meaningless_labels_are_right_about_as_often_as_chance(severity: str, tmp_path: Path) -> None:
    case = case_of('unlearnable_labels', tmp_path / 'case', severity)
    right = np.mean(np.asarray(case.setup.dataset.labels) == np.asarray(case.twin.dataset.labels))
    assert right < 0.35
    np.testing.assert_array_equal(case.setup.dataset.class_counts, case.twin.dataset.class_counts)


@pytest.mark.parametrize(('severity', 'ratio'), [('mild', 5.0), ('severe', 12.0)])
def test_an_imbalanced_set_has_as_many_windows_and_every_surface_in_two_recordings(
    severity: str, ratio: float, tmp_path: Path
) -> None:
    case = case_of('class_imbalance', tmp_path / 'case', severity)
    counts = case.setup.dataset.class_counts
    assert abs(int(counts.sum()) - 98) <= 3
    assert counts.max() / counts.min() >= ratio
    for label in range(len(counts)):
        assert len(set(case.setup.dataset.recording[case.setup.dataset.labels == label].tolist())) >= 2
    np.testing.assert_array_equal(np.bincount(case.setup.test.labels), np.bincount(case.twin.test.labels))


def test_sensors_break_in_training_and_in_fresh_windows(tmp_path: Path) -> None:
    kinds = set()
    for number in range(8):
        case = case_of('bad_sensor', tmp_path / str(number), 'severe', number)
        for faulty, whole in (
            (np.asarray(case.setup.dataset.parts['motor']), np.asarray(case.twin.dataset.parts['motor'])),
            (case.setup.test.values, case.twin.test.values),
        ):
            changed = [bool((faulty[:, :, k] != whole[:, :, k]).any()) for k in range(2)]
            assert sorted(changed) == [False, True]
            broken = faulty[:, :, changed.index(True)]
            if not broken.any():
                kinds.add('dead')
            elif (broken == faulty[:, :, changed.index(False)]).all():
                kinds.add('duplicate')
            else:
                assert np.mean(broken == broken.max()) > 0.3
                kinds.add('saturated')
    assert kinds == {'dead', 'saturated', 'duplicate'}


def test_aliased_windows_come_from_the_recordings_of_the_twin(tmp_path: Path) -> None:
    case = case_of('aliasing', tmp_path / 'case')
    faulty, twin = case.setup.dataset, case.twin.dataset
    assert case.setup.config == case.twin.config
    assert len(faulty) == len(twin) == 98
    np.testing.assert_array_equal(faulty.labels, twin.labels)
    assert faulty.history[0]['recordings'] == twin.history[0]['recordings']
    assert not faulty.config.parts[0].decimates
    assert twin.config.parts[0].decimates
    noisy, clean = (np.std(setup.test.values, axis=1).mean() for setup in (case.setup, case.twin))
    assert noisy > 1.2 * clean
    trained, fresh = (np.std(values, axis=1).mean() for values in (faulty.parts['motor'], case.setup.test.values))
    assert trained == pytest.approx(fresh, rel=0.25)


def test_a_case_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = (case_of('bad_sensor', tmp_path / name) for name in ('first', 'second'))
    assert first.setup.dataset.digest == second.setup.dataset.digest
    assert first.setup.config == second.setup.config


def test_a_healthy_case_is_the_twin_of_a_fault_with_other_data(tmp_path: Path) -> None:
    case = make_case(CaseKey('texture', 98, (), 'mild', 1, 'test', ('vanishing_gradient',)), tmp_path)
    assert case.setup is case.twin
    assert case.setup.config.network.pooling == 'last'
    assert len(case.setup.config.network.hidden_sizes) == 1


def test_every_change_of_the_menu_changes_something(tmp_path: Path) -> None:
    case = case_of('bad_sensor', tmp_path / 'case')
    menu = menu_of(case, np.random.default_rng(0))
    assert {'learning_rate_too_high', 'mislabelled_windows', 'bad_sensor'} <= {change.id for change in menu}
    # No recordings at 1 kHz, a split by recording, a normalised input, true labels.
    needless = {'aliasing', 'recording_leakage', 'unscaled_input', 'unlearnable_labels'}
    assert not needless & {change.id for change in menu}
    for number, change in enumerate(menu):
        changed = changed_setup(case, change, tmp_path / str(number))
        assert changed.config != case.setup.config or changed.dataset.digest != case.setup.dataset.digest


def test_labels_that_are_wrong_can_be_set_again(tmp_path: Path) -> None:
    case = case_of('unlearnable_labels', tmp_path / 'case')
    (change,) = (change for change in menu_of(case, np.random.default_rng(0)) if change.id == 'unlearnable_labels')
    repaired = changed_setup(case, change, tmp_path / 'repaired').dataset
    np.testing.assert_array_equal(repaired.labels, case.twin.dataset.labels)


def test_advice_on_data_is_carried_out(tmp_path: Path) -> None:
    case = case_of('mislabelled_windows', tmp_path / 'case')
    verdict = {
        'id': 'mislabelled_windows',
        'windows': [3, 5],
        'evidence': {'text': ''},
        'remedy': {'text': 'leave them out', 'config': None, 'command': None},
    }
    change = advised_change(case, verdict)
    assert change == Change('mislabelled_windows', drop_windows=(3, 5))
    setup = changed_setup(case, change, tmp_path / 'less')
    assert len(setup.dataset) == 96
    kept = np.delete(np.asarray(case.setup.dataset.parts['motor']), [3, 5], axis=0)
    np.testing.assert_array_equal(setup.dataset.parts['motor'], kept)

    case = case_of('bad_sensor', tmp_path / 'sensor')
    verdict |= {'id': 'bad_sensor', 'evidence': {'text': 'channel right of part motor is dead'}}
    change = advised_change(case, verdict)
    assert change == Change('bad_sensor', drop_channels=(1,))
    setup = changed_setup(case, change, tmp_path / 'one')
    assert setup.dataset.config.parts[0].channel_names == ('left',)
    np.testing.assert_array_equal(setup.test.values, case.setup.test.values[:, :, :1])

    verdict |= {'id': 'batch_too_small', 'remedy': {'text': '', 'config': {'batch_size': 7}, 'command': None}}
    change = advised_change(case, verdict)
    assert change is not None
    assert changed_setup(case, change, tmp_path / 'none') == replace(
        case.setup, config=replace(case.setup.config, batch_size=7)
    )
    verdict |= {'remedy': {'text': 'do nothing', 'config': None, 'command': None}}
    assert advised_change(case, verdict) is None


def test_a_training_is_summed_up_with_its_score_on_fresh_windows(tmp_path: Path) -> None:
    case = case_of('learning_rate_too_low', tmp_path / 'case', 'severe')
    short = replace(case.twin, config=replace(case.twin.config, epochs=4))
    outcome = diagnosis_runs.train_and_test(short, 1, trainings=2)
    assert outcome['diverged'] == 0.0
    assert outcome['epochs_to_95'] <= 8.0
    assert 0.0 <= outcome['rising_share'] <= 1.0
    assert 0.1 < outcome['held_out'] < 1.0
    assert outcome == diagnosis_runs.train_and_test(short, 1, trainings=2)
    assert set(outcome) >= {'wobble', 'final_loss', 'held_out_nll', 'optimism', 'detrended_log_std'}


def test_the_wobble_of_a_loss_is_of_its_later_half_and_in_its_own_unit() -> None:
    calm = np.linspace(1.0, 0.1, 100)
    assert diagnosis_runs.wobble(calm) == pytest.approx(0.0, abs=1e-12)
    jumpy = calm + 0.1 * (np.arange(100) % 2)
    assert 0.05 < diagnosis_runs.wobble(jumpy) < 0.11
    assert diagnosis_runs.wobble(np.where(np.arange(100) < 30, jumpy, calm)) == pytest.approx(0.0, abs=1e-12)


def line(case: str, **values: object) -> str:
    return json.dumps({'version': VERSION, 'case': case, 'runs': {}, 'systems': {}, **values})


def test_records_of_a_case_add_up_and_those_of_other_cases_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / 'records.jsonl'
    lines = [
        line('a', runs={'case': 1}, systems={'surface': {'verdicts': []}}),
        line('a', systems={'neuraldbg': {'verdicts': []}}),
        line('old', version=VERSION - 1),
        line('b')[:20],  # the run was killed while it wrote
    ]
    file.write_text('\n'.join(lines), encoding='utf-8')
    records = diagnosis.read_records(file)
    assert set(records) == {'a'}
    assert records['a']['runs'] == {'case': 1}
    assert set(records['a']['systems']) == {'surface', 'neuraldbg'}
    assert diagnosis.read_records(tmp_path / 'none.jsonl') == {}


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'notes.txt'
    file.write_text('hello\nworld\n', encoding='utf-8')
    with pytest.raises(SurfaceError, match='line 1'):
        diagnosis.read_records(file)


def event(kind: str, layer: str, step: int, state: str) -> SimpleNamespace:
    return SimpleNamespace(event_type=SimpleNamespace(value=kind), layer_name=layer, step=step, to_state=state)


def test_what_the_peer_saw_becomes_ids() -> None:
    events = [
        event('gradient_health_transition', 'LSTM_layers.0.0', 0, 'healthy'),
        event('gradient_health_transition', 'LSTM_layers.0.0', 10, 'vanishing'),
        event('activation_regime_shift', 'Linear_head', 0, 'saturated'),  # logits
        event('data_anomaly', 'LSTM_layers.0.1', 0, 'distribution_shift'),  # an inner layer
        event('optimizer_instability', 'optimizer', 40, 'loss_spike'),
        event('optimizer_instability', 'optimizer', 41, 'stable'),
    ]
    found = peer_neuraldbg.findings(events, 100, 0.0)
    assert [entry['state'] for entry in found] == ['gradient vanishing', 'optimizer loss_spike']
    assert found[0]['ids'][0] == 'vanishing_gradient'
    assert [entry['state'] for entry in peer_neuraldbg.findings(events, 100, 0.5)] == ['gradient vanishing']
    named = {name for ids in peer_neuraldbg.FITTING_IDS.values() for name in ids}
    assert named <= set(CAUSES)
