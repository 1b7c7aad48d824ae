# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The claims about the forum question's jumping loss, as tests: for each its arms, its measure and its verdict.

An arm is one training set-up; a run is one arm with one seed, which draws the data, the first weights and the order of
the windows. Runs of the same seed see the same windows, so arms are compared seed by seed. On each seed a test holds,
fails, or stays undecided because the arms differ by less than the margin. A verdict needs the same outcome on at least
4 of 5 seeds (and 80 % of more); anything else is "cannot tell".

Pure functions: what makes the runs is in `forum_runs.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from surface_classifier.diagnosis.fluctuation import detrended_log_std, epochs_to, rising_share
from surface_classifier.training.training_config import PRESETS, TrainingConfig

Network = Literal['simple', 'large', 'all']
TaskName = Literal['surfaces', 'toy']
Outcome = Literal['holds', 'fails', 'undecided']
Verdict = Literal['holds', 'does not hold', 'holds in part', 'cannot tell']

OPTIMIZERS = {'rmsprop': 'RMSprop', 'adam': 'Adam', 'sgd': 'plain SGD'}
BATCHES = ('2', '4', '32', 'full')
NETWORKS = {
    'simple': 'LSTM(32)',
    'large': 'two LSTM(128)',
    'large-batchnorm': 'two LSTM(128), batch normalisation',
}
# Which networks run through the whole grid of optimisers and batches.
GRIDS: Mapping[Network, tuple[str, ...]] = {
    'simple': ('simple',),
    'large': ('large', 'large-batchnorm'),
    'all': ('simple', 'large', 'large-batchnorm'),
}

# A loss jumps if it rises in this share of the epochs [1], the limit the default recipe has to keep ...
JUMPING_RISING_SHARE = 0.10
# ... by more than a plot shows: it deviates from its trend by at least 1 % [1].
JUMPING_LOG_STD = 0.01
# One fluctuation is larger than another from this ratio on [1]; medians of five equal arms differ by less.
RATIO_MARGIN = 1.25
# Below this a fluctuation counts as none [1]: the rounding of a mean of float32 losses.
SMALLEST_LOG_STD = 1e-4
# Accuracies differ from this on [1]: about two standard errors of a difference on 600 fresh windows.
ACCURACY_MARGIN = 0.05
# "After about 800 epochs": within half of it [epochs].
ABOUT_800_EPOCHS = (400, 1200)
# Nothing is learnt up to this many standard errors above guessing; something is from half of the windows on.
GUESSING_ERRORS = 3.0
LEARNT_ACCURACY = 0.5
NEEDED_SEEDS = 4
NEEDED_SHARE = 0.8


@dataclass(frozen=True)
class Arm:
    """One training set-up.

    Attributes:
        name: Short name, unique, such as `simple-rmsprop-4`.
        title: What a reader sees.
        config: The recipe; None for the linear discriminant on hand features.
        task: Six surfaces, or the toy of two classes.
        flipped_share: Share of the training labels that are made wrong [1].
    """

    name: str
    title: str
    config: TrainingConfig | None
    task: TaskName = 'surfaces'
    flipped_share: float = 0.0


@dataclass(frozen=True)
class Run:
    """What one arm gave with one seed.

    Attributes:
        arm: Name of the arm.
        seed: Seed of the data, the first weights and the order of the windows.
        losses: Training loss of each epoch, the mean over its steps [nat]; empty for the linear discriminant.
        accuracies: Accuracy on the training windows in evaluation mode after each epoch [1].
        held_out_accuracy: Accuracy on fresh windows of other recordings after the last epoch [1].
        chance: Share of the largest class among the training labels [1].
        windows: Number of training windows.
        seconds: How long it took [s].
    """

    arm: str
    seed: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    held_out_accuracy: float
    chance: float
    windows: int
    seconds: float

    @property
    def final_accuracy(self) -> float:
        """Training accuracy at the end, the median of the last tenth of the epochs [1]."""
        return float(np.median(self.accuracies[-max(1, len(self.accuracies) // 10) :]))

    @property
    def epochs_to_all(self) -> int | None:
        """First epoch after which every training window was right; None if there was none [epochs]."""
        return epochs_to(self.accuracies, 1.0) if self.losses else None

    def measures(self) -> dict[str, Any]:
        """The run in numbers, without its curves."""
        return {
            'seed': self.seed,
            'epochs': len(self.losses),
            'rising_share': rising_share(self.losses) if self.losses else None,
            'detrended_log_std': detrended_log_std(self.losses) if self.losses else None,
            'epochs_to_full_training_accuracy': self.epochs_to_all,
            'training_accuracy': self.final_accuracy,
            'held_out_accuracy': self.held_out_accuracy,
            'seconds': self.seconds,
        }


@dataclass(frozen=True)
class Judgement:
    """What a test says on one seed.

    Attributes:
        outcome: Whether its statement holds.
        value: The number it rests on, in the test's unit; infinite where an epoch was never reached.
        fluctuation: Where the test is about jumps, the other number: the fluctuation about the trend [1]; else NaN.
        seed: The seed.
    """

    outcome: Outcome
    value: float
    fluctuation: float = math.nan
    seed: int = -1


@dataclass(frozen=True)
class ClaimTest:
    """One statement that runs can contradict.

    Attributes:
        subject: What it is about, such as `RMSprop, batch 4`.
        statement: What is said of it.
        arms: Names of the arms it compares, in the order `judge` takes their runs.
        measure: What its number is.
        unit: Unit of the number.
        judge: From the runs of one seed to the outcome.
        either: The statement is that the arms differ, whichever way, but the same way on every seed.
        cause: What it shows to add to the jumps, in words; empty if it is no such test.
        removed: What it takes away to see whether the jumps go, in words; empty if it is no such test.
    """

    subject: str
    statement: str
    arms: tuple[str, ...]
    measure: str
    unit: str
    judge: Callable[[Sequence[Run]], Judgement]
    either: bool = False
    cause: str = ''
    removed: str = ''


@dataclass(frozen=True)
class Claim:
    """One thing that was said about the jumping loss.

    Attributes:
        name: Short name.
        by: Who said it: `user`, `answer` (the one the user was given) or `ours`.
        text: What was said.
        tests: What it comes to.
    """

    name: str
    by: Literal['user', 'answer', 'ours']
    text: str
    tests: tuple[ClaimTest, ...]


@dataclass(frozen=True)
class ClaimTestResult:
    """A test over the seeds.

    Attributes:
        test: The test.
        judgements: One for each seed whose runs are there.
        verdict: `holds`, `does not hold` or `cannot tell`.
    """

    test: ClaimTest
    judgements: tuple[Judgement, ...]
    verdict: Verdict

    @property
    def holds_on(self) -> int:
        """Number of seeds on which it holds; with `either`, on which the arms differ the commoner way."""
        holds = sum(judgement.outcome == 'holds' for judgement in self.judgements)
        fails = sum(judgement.outcome == 'fails' for judgement in self.judgements)
        return max(holds, fails) if self.test.either else holds

    @property
    def fails_on(self) -> int:
        """Number of seeds on which the opposite holds."""
        return 0 if self.test.either else sum(judgement.outcome == 'fails' for judgement in self.judgements)

    @property
    def value(self) -> float:
        """Median of the numbers over the seeds, in the test's unit; NaN without runs."""
        return float(np.median([judgement.value for judgement in self.judgements])) if self.judgements else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            'subject': self.test.subject,
            'statement': self.test.statement,
            'arms': list(self.test.arms),
            'measure': self.test.measure,
            'unit': self.test.unit,
            'seeds': [
                {
                    'seed': judgement.seed,
                    'outcome': judgement.outcome,
                    'value': judgement.value,
                    'fluctuation': judgement.fluctuation,
                }
                for judgement in self.judgements
            ],
            'median': self.value,
            'holds_on': self.holds_on,
            'fails_on': self.fails_on,
            'of': len(self.judgements),
            'verdict': self.verdict,
        }


@dataclass(frozen=True)
class ClaimResult:
    """A claim over the seeds.

    Attributes:
        claim: The claim.
        tests: Its tests.
        verdict: What the tests come to together; `cannot tell` as long as one of them was not run.
        sentence: The verdict with its numbers.
    """

    claim: Claim
    tests: tuple[ClaimTestResult, ...]
    verdict: Verdict = field(init=False)
    sentence: str = field(init=False)

    def __post_init__(self) -> None:
        """Sum the tests up."""
        complete = all(test.judgements for test in self.tests)
        verdict = together([test.verdict for test in self.tests]) if complete else 'cannot tell'
        object.__setattr__(self, 'verdict', verdict)
        object.__setattr__(self, 'sentence', sentence(self.tests))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            'id': self.claim.name,
            'by': self.claim.by,
            'text': self.claim.text,
            'verdict': self.verdict,
            'sentence': self.sentence,
            'tests': [test.to_dict() for test in self.tests],
        }


def forum_arms(epochs: int, network: Network = 'simple') -> dict[str, Arm]:
    """Return the set-ups to run, by name, the quick ones first.

    Args:
        epochs: Of the question's set-ups. Large networks outside the grid get fewer: four fifths where a claim is about
            the epochs to 100 %, else a fifth.
        network: Which networks run through the whole grid of optimisers and batches; the simple one with a few
            variants, and the large one where a claim needs it, are run in any case.
    """
    simple = {name: _preset(f'simple-{name}', epochs) for name in ('rmsprop-32', 'rmsprop-full', 'sgd-32')}
    small, full, sgd = simple.values()
    some, most = max(1, epochs // 5), max(1, epochs * 4 // 5)
    large, normalised = (_preset(f'{name}-rmsprop-32', some) for name in ('large', 'large-batchnorm'))
    # Without recordings held out, so that every arm trains on the same windows.
    default = replace(PRESETS['default'], validation_fraction=0.0)
    arms = [
        Arm('lda', 'linear discriminant on ten hand features', None),
        Arm('default', 'default recipe', replace(default, epochs=min(default.epochs, epochs))),
        *(_grid_arm(name, optimizer, batch, epochs) for name, optimizer, batch in _grid(network)),
        *(
            _grid_arm('simple', optimizer, batch, epochs)
            for optimizer, batch in (('rmsprop', '32'), ('rmsprop', 'full'), ('sgd', 'full'))
        ),
        Arm('flipped', 'LSTM(32), RMSprop, batch 32, 5 % of the labels wrong', small, flipped_share=0.05),
        Arm('tiny', 'LSTM(4), RMSprop, batch 32', _with_network(small, hidden_sizes=(4,))),
        Arm('derived', 'LSTM(32), RMSprop, batch 32, derived inputs', _with_network(small, inputs='derived')),
        Arm('rmsprop-32-up', 'LSTM(32), RMSprop 0.01, batch 32', replace(small, learning_rate=1e-2)),
        Arm('rmsprop-32-down', 'LSTM(32), RMSprop 0.0001, batch 32', replace(small, learning_rate=1e-4)),
        Arm('sgd-32-up', 'LSTM(32), plain SGD 0.1, batch 32', replace(sgd, learning_rate=1e-1)),
        Arm('rmsprop-full-down', 'LSTM(32), RMSprop 0.0001, full batch', replace(full, learning_rate=1e-4)),
        Arm('rmsprop-full-decay', 'LSTM(32), RMSprop, full batch, one cycle', replace(full, schedule='one_cycle')),
        Arm('toy-rmsprop-32', 'two classes, LSTM(32), RMSprop, batch 32', small, task='toy'),
        Arm('toy-rmsprop-full', 'two classes, LSTM(32), RMSprop, full batch', full, task='toy'),
        Arm('toy-sgd-32', 'two classes, LSTM(32), plain SGD, batch 32', sgd, task='toy'),
        _grid_arm('large', 'rmsprop', '32', most),
        Arm('large-no-dropout', 'two LSTM(128) without dropout, RMSprop, batch 32', _with_network(large, dropout=0.0)),
        Arm(
            'large-batchnorm-no-dropout',
            'two LSTM(128), batch normalisation, no dropout, RMSprop, batch 32',
            _with_network(normalised, dropout=0.0),
        ),
    ]
    # What is in the grid is not run once more, with fewer epochs.
    by_name: dict[str, Arm] = {}
    for arm in arms:
        by_name.setdefault(arm.name, arm)
    return dict(sorted(by_name.items(), key=lambda item: arm_seconds(item[1])))


def arm_seconds(arm: Arm, windows: int = 98) -> float:
    """About how long one run takes on one core [s], from measurements with the compiled kernel on 100 samples."""
    if arm.config is None:
        return 0.1
    network = arm.config.network
    window_s = 6e-5 if max(network.hidden_sizes) <= 64 else 1.8e-3
    # The kernel cannot train batch normalisation, and torch takes longer.
    return arm.config.epochs * windows * window_s * (1.7 if network.batch_norm else 1.0)


def forum_claims(network: Network = 'simple') -> tuple[Claim, ...]:
    """Return the claims of the user, of the answer they were given, and ours, each with its tests."""
    networks = [_Texts(name) for name in GRIDS[network] if name != 'large-batchnorm']
    return (*_user_claims(networks), *_causes_in_the_answer(networks), *_advice_in_the_answer(networks), *_our_claims())


def _pairs(networks: Sequence[_Texts], optimizers: Sequence[str]) -> list[tuple[_Texts, str]]:
    return [(texts, optimizer) for texts in networks for optimizer in optimizers]


def _batch_is_jumpier(
    each: Sequence[tuple[_Texts, str]], batch: str, than: str, statement: str
) -> tuple[ClaimTest, ...]:
    """Compare two batch sizes with each network and optimiser."""
    return tuple(
        jumpier(texts.of(optimizer), statement, texts.arm(optimizer, batch), texts.arm(optimizer, than))
        for texts, optimizer in each
    )


def _user_claims(networks: Sequence[_Texts]) -> tuple[Claim, ...]:
    """Return what the user observed."""
    each = _pairs(networks, tuple(OPTIMIZERS))
    both = _pairs(networks, ('rmsprop', 'adam'))
    return (
        Claim(
            'jumps',
            'user',
            'The loss jumps for a thousand epochs, with RMSprop, Adam and plain SGD, at every rate tried.',
            (
                *(
                    jumps(texts.of(optimizer, batch), 'the loss jumps', texts.arm(optimizer, batch))
                    for texts, optimizer in each
                    for batch in ('4', '32')
                ),
                jumps('RMSprop at ten times the rate, batch 32', 'the loss jumps', 'rmsprop-32-up'),
                jumps('RMSprop at a tenth of the rate, batch 32', 'the loss jumps', 'rmsprop-32-down'),
                jumps('plain SGD at a hundred times the rate, batch 32', 'the loss jumps', 'sgd-32-up'),
            ),
        ),
        Claim(
            'full-accuracy',
            'user',
            'Training accuracy does reach 100 % after about 800 epochs.',
            tuple(
                _about_800(text, 'every training window is right after 400 to 1,200 epochs', arm)
                for text, arm in (
                    *(
                        (texts.of(optimizer, batch), texts.arm(optimizer, batch))
                        for texts, optimizer in both
                        for batch in ('4', '32')
                    ),
                    ('large network, RMSprop, batch 32', 'large-rmsprop-32'),
                )
            ),
        ),
        Claim(
            'batch-4-jumpier',
            'user',
            'Batch 4 is jumpier than batch 32.',
            _batch_is_jumpier(each, '4', '32', 'batch 4 fluctuates more than batch 32'),
        ),
        Claim(
            'batch-2-does-not-learn',
            'user',
            'Batch 2 does not learn.',
            tuple(
                _does_not_learn(texts.of(optimizer, '2'), 'nothing is learnt', texts.arm(optimizer, '2'))
                for texts, optimizer in each
            ),
        ),
        Claim(
            'easy-classes-jump',
            'user',
            'Two easy classes, a cosine against an arc cosine, still show jumps.',
            (
                jumps('RMSprop, batch 32', 'the loss of the two easy classes jumps', 'toy-rmsprop-32'),
                jumps('RMSprop, full batch', 'the loss of the two easy classes jumps', 'toy-rmsprop-full'),
                jumps('plain SGD, batch 32', 'the loss of the two easy classes jumps', 'toy-sgd-32'),
            ),
        ),
    )


def _causes_in_the_answer(networks: Sequence[_Texts]) -> tuple[Claim, ...]:
    """Return what the answer named as causes."""
    each = _pairs(networks, tuple(OPTIMIZERS))
    simple = _Texts('simple')
    return (
        Claim(
            'batch-noise',
            'answer',
            'The gradients of mini-batches are noisy: the batch causes the jumps.',
            (
                *(
                    jumpier(
                        texts.of(optimizer),
                        'mini-batches of 4 fluctuate more than the full batch',
                        texts.arm(optimizer, '4'),
                        texts.arm(optimizer, 'full'),
                        cause=f'the noise of small batches, with {OPTIMIZERS[optimizer]}',
                    )
                    for texts, optimizer in each
                ),
                smooth(
                    'RMSprop without any batch noise (full batch)',
                    'the jumps are gone',
                    simple.arm('rmsprop', 'full'),
                    removed='the noise of the batches (RMSprop, full batch)',
                ),
            ),
        ),
        Claim(
            'too-many-parameters',
            'answer',
            '200,000 parameters for about 100 examples: too many parameters cause it.',
            (
                jumpier(
                    '200,000 parameters against 4,700, both without dropout',
                    'the larger network fluctuates more',
                    'large-no-dropout',
                    simple.arm('rmsprop', '32'),
                    cause='many parameters',
                ),
                smooth('an LSTM of 142 parameters', 'the jumps are gone', 'tiny', removed='all but 142 parameters'),
            ),
        ),
        Claim(
            'small-batch',
            'answer',
            'The batch is small.',
            _batch_is_jumpier(
                each, '32', 'full', 'batch 32 is still so small that it fluctuates more than the full batch'
            ),
        ),
        Claim(
            'wrong-labels',
            'answer',
            'A label may be wrong: wrong labels cause the jumps.',
            (
                jumpier(
                    '5 % wrong labels against none',
                    'wrong labels fluctuate more',
                    'flipped',
                    simple.arm('rmsprop', '32'),
                    cause='wrong labels',
                ),
                smooth(
                    'every label right', 'the jumps are gone', simple.arm('rmsprop', '32'), removed='every wrong label'
                ),
            ),
        ),
    )


def _advice_in_the_answer(networks: Sequence[_Texts]) -> tuple[Claim, ...]:
    """Return what the answer advised."""
    each = _pairs(networks, tuple(OPTIMIZERS))
    both = _pairs(networks, ('rmsprop', 'adam'))
    return (
        Claim(
            'batch-is-a-hyper-parameter',
            'answer',
            'Treat the batch size as a hyper-parameter: choosing it changes the result.',
            tuple(
                test
                for texts, optimizer in both
                for test in (
                    _other_accuracy(
                        texts.of(optimizer),
                        'batch 4 and the full batch end at another training accuracy',
                        texts.arm(optimizer, '4'),
                        texts.arm(optimizer, 'full'),
                    ),
                    scores_higher(
                        texts.of(optimizer),
                        'batch 4 and the full batch score differently on fresh windows',
                        texts.arm(optimizer, '4'),
                        texts.arm(optimizer, 'full'),
                        either=True,
                    ),
                )
            ),
        ),
        Claim(
            'full-batch-is-smooth',
            'answer',
            'With all samples in one batch the loss would decrease smoothly.',
            tuple(
                smooth(texts.of(optimizer, 'full'), 'the loss falls smoothly', texts.arm(optimizer, 'full'))
                for texts, optimizer in each
            ),
        ),
    )


def _our_claims() -> tuple[Claim, ...]:
    """Return the claims of this project."""
    simple = _Texts('simple')
    return (
        Claim(
            'adaptive-step',
            'ours',
            'The normalised step of RMSprop makes the loss jump with no batch noise at all.',
            (
                jumpier(
                    'full batch, RMSprop against plain SGD at the same rate',
                    'RMSprop fluctuates more',
                    simple.arm('rmsprop', 'full'),
                    simple.arm('sgd', 'full'),
                    cause='the normalised steps of RMSprop, without any batch noise',
                ),
                jumpier(
                    'full batch, RMSprop at its rate against a tenth of it',
                    'the higher rate fluctuates more',
                    simple.arm('rmsprop', 'full'),
                    'rmsprop-full-down',
                ),
                jumpier(
                    'full batch, RMSprop in the last third of the epochs',
                    'a constant rate fluctuates more than one that falls to 0',
                    simple.arm('rmsprop', 'full'),
                    'rmsprop-full-decay',
                    last_third=True,
                ),
            ),
        ),
        Claim(
            'regularisation-noise',
            'ours',
            'Dropout and batch normalisation add noise of their own.',
            (
                jumpier(
                    'large network, dropout against none',
                    'dropout fluctuates more',
                    'large-rmsprop-32',
                    'large-no-dropout',
                    cause='dropout',
                ),
                jumpier(
                    'large network without dropout, batch normalisation against none',
                    'batch normalisation fluctuates more',
                    'large-batchnorm-no-dropout',
                    'large-no-dropout',
                    cause='batch normalisation',
                ),
            ),
        ),
        Claim(
            'raw-channel-hides',
            'ours',
            'The raw channel hides what simple features show.',
            (
                scores_higher(
                    'LSTM(32) with derived inputs against the raw channel',
                    'derived inputs score higher on fresh windows',
                    'derived',
                    simple.arm('rmsprop', '32'),
                ),
                scores_higher(
                    'linear discriminant on ten hand features against LSTM(32) on the raw channel',
                    'the discriminant scores higher on fresh windows',
                    'lda',
                    simple.arm('rmsprop', '32'),
                ),
            ),
        ),
        Claim(
            'jumps-are-avoidable',
            'ours',
            'The jumps are not needed in order to learn: the default recipe falls smoothly and scores higher.',
            (
                smooth('default recipe', 'the loss falls smoothly', 'default'),
                scores_higher(
                    "default recipe against the question's (RMSprop, batch 32)",
                    'the default recipe scores higher on fresh windows',
                    'default',
                    simple.arm('rmsprop', '32'),
                ),
            ),
        ),
    )


def judge_claims(
    claims: Sequence[Claim], runs: Mapping[tuple[str, int], Run], seeds: Sequence[int]
) -> list[ClaimResult]:
    """Judge every claim.

    Args:
        claims: The claims.
        runs: By arm and seed; a test is judged on the seeds for which all its arms are there.
        seeds: Seeds that were planned.
    """
    results = []
    for claim in claims:
        tests = []
        for test in claim.tests:
            judgements = tuple(
                replace(test.judge([runs[arm, seed] for arm in test.arms]), seed=seed)
                for seed in seeds
                if all((arm, seed) in runs for arm in test.arms)
            )
            tests.append(ClaimTestResult(test, judgements, verdict(judgements, len(seeds), either=test.either)))
        results.append(ClaimResult(claim, tuple(tests)))
    return results


def answers(results: Sequence[ClaimResult]) -> dict[str, dict[str, str]]:
    """Answer the forum question, is it normal and why, from what the claims came to.

    Args:
        results: What `judge_claims` returned.

    Returns:
        For `normal` (is it normal that the loss jumps?) and `why`: `short`, a word or two, and `text`, sentences.
    """
    by_name = {result.claim.name: result for result in results}
    return {'normal': _is_it_normal(by_name), 'why': _why(results)}


def _is_it_normal(results: Mapping[str, ClaimResult]) -> dict[str, str]:
    claim = results['jumps']
    jumping = [test for test in claim.tests if test.verdict == 'holds']
    calm = [test for test in claim.tests if test.verdict == 'does not hold']
    parts = []
    if jumping:
        parts.append(
            f'On simulated currents whose labels are all right, the loss jumps in {len(jumping)} of '
            f'{len(claim.tests)} usual set-ups.'
        )
    if calm:
        parts.append(f'It does not jump with {_listed([test.test.subject for test in calm])}.')
    easy = [test for test in results['easy-classes-jump'].tests if test.verdict == 'holds']
    if easy:
        parts.append('Two classes that are easy to distinguish do not end it, so it is no sign of a hard task.')
    avoidable = results['jumps-are-avoidable']
    falls, scores = avoidable.tests
    if falls.verdict == 'holds':
        better = ', and scores higher on fresh windows' if scores.verdict == 'holds' else ''
        parts.append(f'But it can be had without: the default recipe falls smoothly on the same windows{better}.')
    if not parts:
        parts.append('Too few runs agree; see below which are missing.')
    in_part = 'Yes, mostly' if 2 * len(jumping) >= len(claim.tests) else 'In some set-ups'
    short = {'holds': 'Yes', 'holds in part': in_part, 'does not hold': 'No', 'cannot tell': 'Cannot tell'}
    return {'short': short[claim.verdict], 'text': ' '.join(parts)}


def _why(results: Sequence[ClaimResult]) -> dict[str, str]:
    tests = [test for result in results for test in result.tests]
    found = sorted(
        (test for test in tests if test.test.cause and test.verdict == 'holds'), key=lambda test: -test.value
    )
    against = [test.test.cause for test in tests if test.test.cause and test.verdict == 'does not hold']
    unclear = [test.test.cause for test in tests if test.test.cause and test.verdict == 'cannot tell']
    remain = [test.test.removed for test in tests if test.test.removed and test.verdict == 'does not hold']
    enough = [test.test.removed for test in tests if test.test.removed and test.verdict == 'holds']
    parts = []
    if found:
        causes = [f'{test.test.cause} ({format_value(test.value, "times")})' for test in found]
        parts.append(f'What makes the loss fluctuate more: {_listed(causes)}.')
    if remain:
        parts.append(f'It still jumps after taking away {_listed(remain)}.')
    if enough:
        parts.append(f'It is gone after taking away {_listed(enough)}.')
    if against:
        parts.append(f'The opposite was found for {_listed(against)}.')
    if unclear:
        parts.append(f'Cannot tell for {_listed(unclear)}.')
    short = _listed(_unique([test.test.cause.partition(',')[0] for test in found])[:2]) or 'cannot tell'
    return {'short': f'{short[:1].upper()}{short[1:]}', 'text': ' '.join(parts)}


def _listed(items: Sequence[str]) -> str:
    """Items for a sentence; semicolons where the items have commas themselves."""
    unique = _unique(items)
    if len(unique) < 2:
        return ''.join(unique)
    comma = '; ' if any(',' in item for item in unique) else ', '
    return f'{comma.join(unique[:-1])}{comma.rstrip() if comma == "; " else ""} and {unique[-1]}'


def _unique(items: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(items))


def verdict(judgements: Sequence[Judgement], seeds: int, *, either: bool = False) -> Verdict:
    """Verdict of one test: the same outcome on at least 4 seeds and 80 % of those planned, else `cannot tell`.

    Args:
        judgements: One for each seed whose runs are there.
        seeds: How many were planned.
        either: The test is that the arms differ, so that the opposite outcome confirms it too.
    """
    needed = max(NEEDED_SEEDS, math.ceil(NEEDED_SHARE * seeds))
    holds = sum(judgement.outcome == 'holds' for judgement in judgements)
    fails = sum(judgement.outcome == 'fails' for judgement in judgements)
    if holds >= needed or (either and fails >= needed):
        return 'holds'
    return 'does not hold' if fails >= needed else 'cannot tell'


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Verdict of a claim from those of its tests.

    It holds where all of them hold, and in part where some do. It does not hold where at least one test says so and
    none holds.
    """
    found = set(verdicts)
    if found == {'holds'}:
        return 'holds'
    if 'holds' in found:
        return 'holds in part'
    return 'does not hold' if 'does not hold' in found else 'cannot tell'


def sentence(tests: Sequence[ClaimTestResult]) -> str:
    """What the tests of a claim found, grouped by their verdicts, each with the median of its number."""
    words = {
        'holds': 'Holds for',
        'does not hold': 'Does not hold for',
        'cannot tell': 'Cannot tell for',
        'not run': 'Not run',
    }
    groups: dict[str, list[str]] = {}
    for test in tests:
        number = f' ({format_value(test.value, test.test.unit)})' if test.judgements else ''
        word = words[test.verdict if test.judgements else 'not run']
        groups.setdefault(word, []).append(f'{test.test.subject}{number}')
    return ' '.join(f'{word}: {_listed(groups[word])}.' for word in words.values() if word in groups)


def format_value(value: float, unit: str) -> str:
    """A test's number for a reader."""
    if math.isnan(value):
        return 'none'
    if math.isinf(value):
        return 'never' if unit == 'epochs' else 'beyond measure'
    if unit == 'epochs':
        return f'{value:.0f}'
    if unit == 'times':
        return 'over 100 times' if value > 100 else f'{value:.2g} times'
    return f'{value:+.2f}' if unit == 'difference' else f'{100 * value:.0f}\N{NO-BREAK SPACE}%'


def jumps(subject: str, statement: str, arm: str) -> ClaimTest:
    """The loss of an arm jumps: it rises often, and by more than a plot shows."""
    return ClaimTest(
        subject, statement, (arm,), 'epochs in which the loss rises', 'share', lambda runs: _jumping(runs[0], 'holds')
    )


def smooth(subject: str, statement: str, arm: str, *, removed: str = '') -> ClaimTest:
    """The loss of an arm does not jump."""
    measure = 'epochs in which the loss rises'
    return ClaimTest(
        subject, statement, (arm,), measure, 'share', lambda runs: _jumping(runs[0], 'fails'), removed=removed
    )


def _jumping(run: Run, outcome: Outcome) -> Judgement:
    rising, wobble = rising_share(run.losses), detrended_log_std(run.losses)
    if math.isnan(wobble):
        return Judgement('undecided', rising, wobble)  # too few epochs
    jumping = rising >= JUMPING_RISING_SHARE and wobble >= JUMPING_LOG_STD
    opposite: Outcome = 'fails' if outcome == 'holds' else 'holds'
    return Judgement(outcome if jumping else opposite, rising, wobble)


def jumpier(
    subject: str, statement: str, arm: str, than: str, *, last_third: bool = False, cause: str = ''
) -> ClaimTest:
    """The loss of one arm fluctuates more than that of another, over the epochs that both have."""

    def judge(runs: Sequence[Run]) -> Judgement:
        epochs = min(len(run.losses) for run in runs)
        first = epochs * 2 // 3 if last_third else 0
        ours, theirs = (max(detrended_log_std(run.losses[first:epochs]), SMALLEST_LOG_STD) for run in runs)
        ratio = ours / theirs
        return Judgement(_compare(math.log(ratio), math.log(RATIO_MARGIN)), ratio)

    return ClaimTest(subject, statement, (arm, than), 'ratio of the fluctuations', 'times', judge, cause=cause)


def scores_higher(subject: str, statement: str, arm: str, than: str, *, either: bool = False) -> ClaimTest:
    """One arm is right on more fresh windows than another."""

    def judge(runs: Sequence[Run]) -> Judgement:
        gain = runs[0].held_out_accuracy - runs[1].held_out_accuracy
        return Judgement(_compare(gain, ACCURACY_MARGIN), gain)

    return ClaimTest(
        subject, statement, (arm, than), 'difference in accuracy on fresh windows', 'difference', judge, either
    )


def _other_accuracy(subject: str, statement: str, arm: str, than: str) -> ClaimTest:
    def judge(runs: Sequence[Run]) -> Judgement:
        gain = runs[0].final_accuracy - runs[1].final_accuracy
        return Judgement(_compare(gain, ACCURACY_MARGIN), gain)

    return ClaimTest(
        subject, statement, (arm, than), 'difference in training accuracy', 'difference', judge, either=True
    )


def _about_800(subject: str, statement: str, arm: str) -> ClaimTest:
    first, last = ABOUT_800_EPOCHS

    def judge(runs: Sequence[Run]) -> Judgement:
        reached = runs[0].epochs_to_all
        if reached is None:
            # A run that ended before the last of these epochs might have got there.
            return Judgement('fails' if len(runs[0].losses) >= last else 'undecided', math.inf)
        return Judgement('holds' if first <= reached <= last else 'fails', float(reached))

    return ClaimTest(subject, statement, (arm,), 'epochs to 100 %', 'epochs', judge)


def _does_not_learn(subject: str, statement: str, arm: str) -> ClaimTest:
    def judge(runs: Sequence[Run]) -> Judgement:
        accuracy, chance, windows = runs[0].final_accuracy, runs[0].chance, runs[0].windows
        guessing = chance + GUESSING_ERRORS * math.sqrt(chance * (1.0 - chance) / windows)
        if accuracy <= guessing:
            return Judgement('holds', accuracy)
        return Judgement('fails' if accuracy >= LEARNT_ACCURACY else 'undecided', accuracy)

    return ClaimTest(subject, statement, (arm,), 'training accuracy at the end', 'share', judge)


def _compare(difference: float, margin: float) -> Outcome:
    if difference >= margin:
        return 'holds'
    return 'fails' if difference <= -margin else 'undecided'


@dataclass(frozen=True)
class _Texts:
    """Names and words of one network's arms in the grid."""

    network: str

    def arm(self, optimizer: str, batch: str) -> str:
        return f'{self.network}-{optimizer}-{batch}'

    def of(self, optimizer: str, batch: str = '') -> str:
        words = [OPTIMIZERS[optimizer]]
        if self.network != 'simple':
            words.insert(0, 'large network')
        if batch:
            words.append('full batch' if batch == 'full' else f'batch {batch}')
        return ', '.join(words)


def _grid(network: Network) -> list[tuple[str, str, str]]:
    return [(name, optimizer, batch) for name in GRIDS[network] for optimizer in OPTIMIZERS for batch in BATCHES]


def _grid_arm(name: str, optimizer: str, batch: str, epochs: int) -> Arm:
    text = 'full batch' if batch == 'full' else f'batch {batch}'
    title = f'{NETWORKS[name]}, {OPTIMIZERS[optimizer]}, {text}'
    return Arm(f'{name}-{optimizer}-{batch}', title, _preset(f'{name}-{optimizer}-{batch}', epochs))


def _preset(name: str, epochs: int) -> TrainingConfig:
    return replace(PRESETS[f'fluctuating-loss-{name}'], epochs=epochs)


def _with_network(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    return replace(config, network=replace(config.network, **changes))
