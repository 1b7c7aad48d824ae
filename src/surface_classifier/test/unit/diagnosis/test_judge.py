# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From made-up outcomes of arms to verdicts: what is enough, what is not, and how similar causes are distinguished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surface_classifier.diagnosis.arms import SAME, Arm, forked_arms, fresh_arms
from surface_classifier.diagnosis.judge import RecipeJudge, strength_of
from surface_classifier.diagnosis.measure import BASE, ArmOutcome, Experiment
from surface_classifier.diagnosis.noise import StepNoise
from surface_classifier.diagnosis.probe import Curves, GradientSize
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.reproduce.forum_task import forum_task
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('torch', 'sklearn')

CONFIG = TrainingConfig(
    network=NetworkConfig(hidden_sizes=(16,), dropout=0.0, pooling='mean_max', inputs='derived'),
    epochs=40,
    batch_size=4,
    optimizer='rmsprop',
    learning_rate=1e-3,
    schedule='constant',
    gradient_clip=0.0,
    class_balance='none',
)


class Bench:
    """An experiment whose outcomes are given instead of trained."""

    def __init__(self, folder: Path, config: TrainingConfig = CONFIG) -> None:
        dataset = forum_task('texture', 0, 60, 20).save(folder / 'set')
        rows = np.arange(len(dataset))
        splits = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
        self.experiment = Experiment(dataset, config.resolved(40), 0, splits, 40)
        self.experiment.noise = (StepNoise(1e-2, 0.0, 30.0, 5.0),) * 3
        arms = [*forked_arms(self.experiment.config, 40), *fresh_arms(self.experiment.config, 40, 1.0)]
        self.arms = {arm.name: arm for arm in arms}

    def set(self, name: str, **numbers: float) -> Bench:
        """Give an arm its outcome; what is not given is that of a training that learns half and is calm."""
        values = {
            'loss': 1.0,
            'train_accuracy': 0.6,
            'held_out': 0.5,
            'held_out_loss': 1.2,
            'wobble': 0.01,
            'rising': 0.1,
            'spread': 0.01,
            'largest_loss': 2.0,
            **{key: value for key, value in numbers.items() if key not in ('gradient', 'share')},
        }
        labels = np.asarray(self.experiment.dataset.labels)
        predicted = labels.copy()
        wrong = np.random.default_rng(0).permutation(len(labels))[: round((1 - values['held_out']) * len(labels))]
        predicted[wrong] = (predicted[wrong] + 1) % 6
        curve = Curves(
            loss=[values['loss']] * 40,
            step_losses=[values['loss']] * 40,
            clean_loss=[values['loss']] * 40,
        )
        if name == BASE:
            size = GradientSize(numbers.get('gradient', 1.0), numbers.get('share', 0.5))
            self.experiment.gradients = (size,) * 3
        arm = self.arms.get(name, Arm(name, 'the training as configured', {}))
        self.experiment.outcomes[name] = ArmOutcome(arm=arm, curves=(curve,) * 3, predicted=predicted, **values)
        return self

    def ids(self) -> list[str]:
        return [verdict.id for verdict in RecipeJudge(self.experiment).verdicts()]


def test_arms_that_change_little_give_no_verdict(tmp_path: Path) -> None:
    bench = Bench(tmp_path).set(BASE)
    for name in ('slower', 'faster', 'larger_batch', 'decayed', 'clipped'):
        bench.set(name, train_accuracy=0.63, held_out=0.52)
    assert bench.ids() == []


def test_a_loss_that_wobbles_at_no_cost_gives_no_verdict(tmp_path: Path) -> None:
    bench = Bench(tmp_path).set(BASE, wobble=0.3, rising=0.5).set(SAME, wobble=0.3)
    bench.set('full_batch', wobble=0.01).set('rate_tenth', wobble=0.01).set('larger_batch').set('slower')
    assert bench.ids() == []


def test_a_batch_whose_enlargement_calms_and_helps_is_too_small(tmp_path: Path) -> None:
    bench = Bench(tmp_path).set(BASE, wobble=0.3).set(SAME, wobble=0.3).set('full_batch', wobble=0.02)
    bench.set('larger_batch', train_accuracy=0.9, held_out=0.6)
    (verdict,) = RecipeJudge(bench.experiment).verdicts()
    assert verdict.id == 'batch_too_small'
    assert verdict.remedy.config == {'batch_size': 32}
    assert set(verdict.arms) == {BASE, 'larger_batch', SAME, 'full_batch'}
    assert 0.0 < verdict.strength < 1.0


def test_of_two_remedies_that_do_the_same_the_earlier_cause_is_named(tmp_path: Path) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, normalise=False))
    bench = Bench(tmp_path, config).set(BASE)
    bench.set('standardised', train_accuracy=0.95).set('faster', train_accuracy=0.93)
    assert bench.ids() == ['unscaled_input']


def test_two_causes_are_named_where_each_remedy_does_what_the_other_cannot(tmp_path: Path) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, inputs='raw'))
    bench = Bench(tmp_path, config).set(BASE)
    bench.set('faster', train_accuracy=0.95, held_out=0.5).set('rich_inputs', train_accuracy=0.62, held_out=0.8)
    assert sorted(bench.ids()) == ['learning_rate_too_low', 'uninformative_input']


def test_a_large_first_gradient_shows_an_exploding_one_from_a_high_rate(tmp_path: Path) -> None:
    calm = Bench(tmp_path / 'calm').set(BASE, gradient=1.0)
    wild = Bench(tmp_path / 'wild').set(BASE, gradient=100.0)
    for bench in (calm, wild):
        bench.set('clipped', train_accuracy=0.9).set('slower', train_accuracy=0.9)
    assert calm.ids() == ['learning_rate_too_high']
    assert wild.ids() == ['exploding_gradient']


def test_a_slow_training_that_would_get_there_is_not_blamed(tmp_path: Path) -> None:
    patient = replace(CONFIG, epochs=1500)
    bench = Bench(tmp_path, patient).set(BASE, loss=1.0).set('faster', loss=0.3, train_accuracy=0.9)
    for curve in bench.experiment.outcomes[BASE].curves:
        curve.clean_loss = list(np.linspace(1.4, 1.0, 40))
    assert bench.ids() == []


def test_a_large_network_that_a_small_one_equals_is_over_parameterised_however_well_it_learns(tmp_path: Path) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, hidden_sizes=(128, 128)), batch_size=32)
    bench = Bench(tmp_path, config).set(BASE, loss=0.24, train_accuracy=0.93)
    bench.set('slower', loss=0.02, train_accuracy=1.0).set('narrower', loss=0.04, train_accuracy=0.99)
    (verdict,) = RecipeJudge(bench.experiment).verdicts()
    assert verdict.id == 'over_parameterised'
    assert 'training loss is 0.04 instead of 0.24' in verdict.evidence.text
    # Where a small one does not do it, the rate is too high for any.
    bench.set('narrower', loss=0.22, train_accuracy=0.93)
    assert bench.ids() == ['learning_rate_too_high']


def test_a_large_network_that_jumps_where_a_small_one_does_not_is_over_parameterised(tmp_path: Path) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, hidden_sizes=(128, 128)), batch_size=32)
    restless = {'loss': 0.04, 'train_accuracy': 0.99, 'wobble': 0.5, 'spread': 0.5}
    bench = Bench(tmp_path, config).set(BASE, **restless).set(SAME, **restless).set('full_batch', **restless)
    bench.set('rate_tenth', loss=0.01, train_accuracy=1.0)
    bench.set('decayed', loss=0.01, train_accuracy=1.0, spread=0.2)
    assert bench.ids() == ['adaptive_step_noise']
    bench.set('narrower', loss=0.01, train_accuracy=1.0, spread=0.05)
    assert bench.ids() == ['over_parameterised']


def test_a_deep_network_whose_gradient_vanishes_is_not_called_large(tmp_path: Path) -> None:
    config = replace(CONFIG, network=replace(CONFIG.network, hidden_sizes=(48,) * 4), batch_size=32)
    bench = Bench(tmp_path, config).set(BASE, loss=1.8, train_accuracy=0.2, held_out=0.2, share=0.001)
    bench.set('narrower', loss=0.1, train_accuracy=0.99).set('shorter_path', loss=0.3, train_accuracy=0.93)
    assert bench.ids() == ['vanishing_gradient']


@pytest.mark.parametrize(('slower', 'expected'), [(0.65, ['learning_rate_too_high']), (0.4, [])])
def test_a_rate_is_too_high_only_if_a_tenth_of_it_learns_from_the_start_too(
    tmp_path: Path, slower: float, expected: list[str]
) -> None:
    config = replace(CONFIG, batch_size=32)
    bench = Bench(tmp_path, config).set(BASE, wobble=0.3).set(SAME, loss=0.7, wobble=0.2).set('full_batch', wobble=0.25)
    bench.set('rate_tenth', loss=0.5, train_accuracy=0.68, wobble=0.01).set('slower', train_accuracy=slower)
    assert bench.ids() == expected


@pytest.mark.parametrize(
    ('wobble', 'full_batch', 'decayed', 'expected'),
    [
        (0.4, 0.35, 0.1, ['adaptive_step_noise']),
        (0.1, 0.1, 0.02, []),  # it hardly wobbles
        (0.4, 0.05, 0.1, []),  # the batch makes it wobble
        (0.4, 0.35, 0.4, []),  # nor does a rate that falls calm it
    ],
)
def test_steps_are_noisy_if_the_loss_wobbles_without_any_noise_and_a_falling_rate_calms_it(
    tmp_path: Path, wobble: float, full_batch: float, decayed: float, expected: list[str]
) -> None:
    bench = Bench(tmp_path, replace(CONFIG, batch_size=32)).set(BASE, wobble=wobble, spread=wobble)
    bench.set(SAME, wobble=wobble).set('full_batch', wobble=full_batch).set('rate_tenth', wobble=0.01)
    bench.set('decayed', spread=decayed)
    assert bench.ids() == expected


@pytest.mark.parametrize(('excess', 'strength'), [(1.0, 0.05), (2.0, 0.5), (10.0, 0.9)])
def test_strength_grows_with_the_excess(excess: float, strength: float) -> None:
    assert strength_of(excess) == pytest.approx(strength)
