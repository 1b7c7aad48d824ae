# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a training looks like while it runs: the noise band, and a hedged sentence for each course a loss can take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import save_dataset

from surface_classifier.diagnosis.running_verdict import RunningJudge, RunningVerdict, chance_loss, lowest_loss
from surface_classifier.training.training_config import TrainingConfig

CHANCE = math.log(6)
PROOF = 'surface diagnose floors --config recipe.yaml'


@dataclass(frozen=True)
class Epoch:
    """What an epoch shows."""

    loss: float
    loss_noise: float = 0.02
    validation_loss: float = math.nan


def judge(steps: int = 5, warm_up_epochs: int = 0) -> RunningJudge:
    return RunningJudge(steps, CHANCE, 0.0, PROOF, warm_up_epochs)


def last(epochs: Iterable[Epoch], steps: int = 5) -> RunningVerdict:
    watching = judge(steps)
    verdicts = [watching.add(epoch) for epoch in epochs]
    return verdicts[-1]


def falling(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 1.7 * np.exp(-np.arange(count) / 40.0)


def wobbling(share: float, count: int = 60) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return falling(count) * np.exp(np.random.default_rng(1).normal(0.0, share, count))


@pytest.mark.parametrize(
    ('epochs', 'words'),
    [
        ([Epoch(1.7)], 'too early to judge after 1 epoch;'),
        ([Epoch(1.7)] * 7, 'too early to judge after 7 epochs'),
        ([Epoch(1.78)] * 30, 'has not left chance level, 1.79 nat: it looks as if the learning rate is too low'),
        ([Epoch(9.0)] * 30, 'is above chance level'),
        ([Epoch(value) for value in falling(60)], 'falls smoothly'),
        ([Epoch(value) for value in [*falling(30), *np.linspace(0.8, 6.0, 20)]], 'looks as if it diverges'),
        ([Epoch(value) for value in [*falling(30), *[0.82] * 80]], 'come to rest at 0.82 nat'),
        ([Epoch(value) for value in [*falling(30), *np.linspace(0.8, 1.1, 60)]], 'has risen from 0.877 to 1.1 nat'),
        ([Epoch(value) for value in np.geomspace(1.7, 1e-3, 60)], 'all but learnt'),
        ([Epoch(0.0)] * 20, 'all but learnt'),
        (
            [
                Epoch(float(value), validation_loss=float(held_out))
                for value, held_out in zip(falling(60), [*falling(30), *np.linspace(0.8, 1.2, 30)], strict=True)
            ],
            'looks as if the network overfits',
        ),
    ],
)
def test_each_course_of_a_loss_has_its_sentence_that_ends_with_the_proof(epochs: list[Epoch], words: str) -> None:
    text = last(epochs).text
    assert words in text
    assert text.endswith(f'; proof: {PROOF}')


def test_the_sentence_changes_only_when_a_course_lasts() -> None:
    watching = judge()
    learnt = [Epoch(float(value), validation_loss=0.5) for value in np.geomspace(1.7, 1e-3, 40)]
    texts = [watching.add(epoch).text for epoch in learnt]
    assert 'all but learnt' in texts[-1]
    # The held-out loss goes up for three epochs and down again, several times.
    for _ in range(4):
        for held_out in (0.7, 0.7, 0.7, 0.5, 0.5, 0.5):
            text = watching.add(Epoch(1e-3, validation_loss=held_out)).text
            assert 'all but learnt' in text
    loss = 1e-3
    for _ in range(20):
        loss *= 0.98
        text = watching.add(Epoch(loss, validation_loss=0.7)).text
    assert 'looks as if the network overfits' in text
    assert 'from 0.5 (epoch' in text


def test_a_fluctuation_is_compared_with_what_the_spread_of_the_steps_explains() -> None:
    def text(share: float, loss_noise: float, steps: int) -> str:
        return last([Epoch(float(loss), loss_noise) for loss in wobbling(share)], steps).text

    # Of a loss of about 0.6 nat, 0.2 nat over 5 steps explain 0.2 / 2 / 0.6 = 17 %.
    assert 'no worse than noise of batches' in text(0.12, 0.2, 5)
    assert 'more than the drawing of batches does it' in text(0.12, 0.02, 5)
    assert 'with one step an epoch' in text(0.12, math.nan, 1)
    measured = text(0.12, 0.02, 5).partition('about its trend by ')[2].partition(' %')[0]
    assert float(measured) == pytest.approx(12.0, rel=0.25)
    assert 'falls smoothly' in text(0.01, 0.02, 5)


def test_the_band_holds_the_means_of_independent_steps_and_no_jump() -> None:
    rng = np.random.default_rng(0)
    trend = 0.4 + falling(300)
    for steps in (2, 4, 30):
        watching = judge(steps)
        inside = []
        for level in trend:
            losses = level + rng.normal(0.0, 0.02, steps)
            verdict = watching.add(Epoch(float(np.mean(losses)), float(np.std(losses))))
            assert verdict.loss_low < verdict.loss_high
            inside.append(verdict.loss_low <= np.mean(losses) <= verdict.loss_high)
        # Two standard errors of a normal distribution hold 95 %.
        assert np.mean(inside[10:]) == pytest.approx(0.95, abs=0.05)
    jumped = watching.add(Epoch(1.5 * float(trend[-1]), 0.02))
    assert jumped.loss_high < 1.5 * trend[-1]


def test_a_band_is_not_claimed_where_an_epoch_has_one_step() -> None:
    verdict = last([Epoch(float(loss), math.nan) for loss in falling(30)], steps=1)
    assert math.isnan(verdict.loss_low)
    assert math.isnan(verdict.loss_high)
    assert 'falls smoothly' in verdict.text


def test_chance_is_not_blamed_on_the_rate_while_it_rises() -> None:
    watching = judge(warm_up_epochs=10)
    texts = [watching.add(Epoch(1.78)).text for _ in range(11)]
    assert 'still rising' in texts[9]
    assert 'too low' in texts[10]


def test_the_loss_at_chance_and_at_best() -> None:
    assert chance_loss([10, 10, 0, 10], balanced=False) == pytest.approx(math.log(3))
    assert chance_loss([90, 10], balanced=False) == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert chance_loss([90, 10], balanced=True) == pytest.approx(math.log(2))
    assert lowest_loss(6, 0.0) == 0.0
    smoothed = np.full(6, 0.1 / 6)
    smoothed[0] += 0.9
    assert lowest_loss(6, 0.1) == pytest.approx(-np.sum(smoothed * np.log(smoothed)))


def test_a_judge_knows_the_steps_of_the_training_it_watches(tmp_path: Path) -> None:
    torch = pytest.importorskip('torch')
    from surface_classifier.training.loop import EpochResult, train

    windows_of = {f'{name}/{number}': {name: 9} for name in ('ice', 'snow') for number in range(4)}
    dataset = save_dataset(tmp_path / 'my floors', windows_of)
    config = TrainingConfig(epochs=2, batch_size=10, validation_fraction=0.25)
    watching = RunningJudge.of_training(dataset, config, 3, 'recipe.yaml')
    verdicts: list[RunningVerdict] = []
    noises: list[float] = []

    def on_epoch(epoch: EpochResult) -> None:
        verdicts.append(watching.add(epoch))
        noises.append(epoch.loss_noise)

    result = train(dataset, config, 3, on_epoch=on_epoch)
    steps = len(torch.arange(len(result.train_windows)).split(10))
    # The first epoch is its own trend.
    half = (verdicts[0].loss_high - verdicts[0].loss_low) / 2
    assert half == pytest.approx(2 * noises[0] / math.sqrt(steps - 1))
    assert verdicts[0].text.endswith(f"surface diagnose '{dataset.path}' --config recipe.yaml")
    assert RunningJudge.of_training(dataset, config, 3, '').add(Epoch(1.0)).text.endswith(f"'{dataset.path}'")
