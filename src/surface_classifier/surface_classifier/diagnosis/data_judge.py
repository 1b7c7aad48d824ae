# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From what was found in the data to verdicts: labels, sensors, balance, leaking splits, aliasing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surface_classifier.data.dataset import Dataset
from surface_classifier.data.survey.aliasing import AliasingFindings
from surface_classifier.data.survey.sensor_checks import SensorFault
from surface_classifier.diagnosis import thresholds
from surface_classifier.diagnosis.balance_check import RarityCost
from surface_classifier.diagnosis.judge import strength_of
from surface_classifier.diagnosis.label_checks import LabelFindings
from surface_classifier.diagnosis.measure import BASE, ArmOutcome
from surface_classifier.diagnosis.result import CannotTell, Evidence, Remedy, SuspectedLabel, Verdict
from surface_classifier.training.training_config import TrainingConfig

SHUFFLED = 'shuffled_windows'
LOW_PASSED = 'low_passed'
WEIGHTED = 'weighted'


@dataclass(frozen=True)
class DataFindings:
    """What was found in the data.

    Attributes:
        labels: What simple classifiers say of the labels.
        sensors: Channels that are not fit to learn from.
        rarity: How unequal the classes are, and what that costs.
        grouped: Accuracy of simple classifiers with recordings held out; NaN where no recordings are known.
        shuffled: The same with windows held out, whatever their recording.
        aliasing: What was found in the recordings.
        no_recordings: Why recordings could not be held out; empty when they were.
    """

    labels: LabelFindings
    sensors: Sequence[SensorFault]
    rarity: RarityCost
    grouped: float
    shuffled: float
    aliasing: AliasingFindings
    no_recordings: str = ''


def judge_data(
    dataset: Dataset, config: TrainingConfig, findings: DataFindings, outcomes: dict[str, ArmOutcome]
) -> list[Verdict]:
    """Return the causes in the data.

    Args:
        dataset: The windows.
        config: The recipe.
        findings: What was found.
        outcomes: Outcomes of the arms, those of the data (`shuffled_windows`, `low_passed`, `weighted`) among them.
    """
    judged = [
        _bad_sensor(dataset, findings.sensors),
        _unlearnable(findings, outcomes),
        _mislabelled(dataset, findings.labels),
        _imbalance(findings, outcomes),
        _leakage(config, findings, outcomes),
        _aliasing(dataset, findings, outcomes),
    ]
    return [verdict for verdict in judged if verdict is not None]


def untold(findings: DataFindings) -> list[CannotTell]:
    """Return the causes whose data are absent."""
    entries = []
    if findings.no_recordings:
        entries.append(
            CannotTell(
                'recording_leakage',
                findings.no_recordings,
                'the recording of every window (`surface import arrays … --groups G.npy`, or bags), and several of '
                'each surface; accuracies of this diagnosis hold windows out one by one and flatter',
            )
        )
    if findings.aliasing.why:
        entries.append(CannotTell('aliasing', findings.aliasing.why, findings.aliasing.supply))
    return entries


def suspected_labels(dataset: Dataset, labels: LabelFindings) -> tuple[SuspectedLabel, ...]:
    """The windows whose label is doubted, with what they look like."""
    names = dataset.classes
    return tuple(
        SuspectedLabel(int(window), names[dataset.labels[window]], names[probable], round(float(probability), 3))
        for window, probable, probability in zip(labels.suspects, labels.probable, labels.probability, strict=True)
    )


def _bad_sensor(dataset: Dataset, faults: Sequence[SensorFault]) -> Verdict | None:
    if not faults:
        return None
    worst = max(faults, key=lambda fault: fault.value / fault.threshold)
    part = dataset.config.input_parts[worst.part]
    name = part.channel_names[worst.channel]
    sentence = {
        'dead': f'Channel {name} does not change at all in {100 * worst.value:.0f} % of the windows.',
        'saturated': f'{100 * worst.value:.0f} % of the samples of channel {name} lie at its rail.',
        'duplicate': f'Channel {name} follows channel {part.channel_names[worst.other]} with a correlation of '
        f'{worst.value:.4f}.',
        'wrapped': f'Channel {name}: {worst.text}.',
    }[worst.kind]
    what = {
        'dead': 'share of windows without any change',
        'saturated': 'share of samples at the rail',
        'duplicate': 'correlation of two channels',
        'wrapped': 'whole numbers that wrap around: 1',
    }[worst.kind]
    return Verdict(
        'bad_sensor',
        strength_of(2.0 if worst.kind == 'duplicate' else worst.value / worst.threshold),
        Evidence(sentence, what, worst.value, worst.threshold),
        _wrap_remedy(name)
        if worst.kind == 'wrapped'
        else Remedy(
            f'Repair the sensor of {name} and record again, or build the data set without this channel.',
            command='surface dataset build RECORDINGS -o NEW --channels FILE   # a channels file without '
            f'{", ".join(sorted({dataset.config.input_parts[f.part].channel_names[f.channel] for f in faults}))}',
        ),
    )


def _wrap_remedy(name: str) -> Remedy:
    return Remedy(
        f'Read channel {name} as the whole numbers that it holds, with integer_type in the channels file, and build '
        'the data set again.',
        command='surface dataset build RECORDINGS -o NEW --channels FILE   # a channels file with integer_type: int16',
    )


def _unlearnable(findings: DataFindings, outcomes: dict[str, ArmOutcome]) -> Verdict | None:
    labels = findings.labels
    best_network = max(
        (outcome.held_out for outcome in outcomes.values() if not outcome.arm.forked and outcome.arm.name != SHUFFLED),
        default=0.0,
    )
    known = labels.accuracy if np.isnan(findings.grouped) else max(labels.accuracy, findings.grouped)
    if known > labels.chance + thresholds.ABOVE_CHANCE or best_network > labels.chance + thresholds.ABOVE_CHANCE:
        return None
    text = (
        f'A discriminant on simple features gets {100 * known:.0f} % of held-out windows right, the network at best '
        f'{100 * best_network:.0f} %; on permuted labels 99 of 100 stay below {100 * labels.chance:.0f} %.'
    )
    # How far below the limit, in units of the tolerance.
    margin = (labels.chance + thresholds.ABOVE_CHANCE - known) / thresholds.ABOVE_CHANCE
    return Verdict(
        'unlearnable_labels',
        strength_of(1.0 + margin),
        Evidence(text, 'held-out accuracy', known, labels.chance),
        Remedy(
            'Check that windows and labels are in the same order, and that labels were set when the surface changed; '
            'look at some windows of each surface before training again.',
            command=f'surface info {"DATASET"}',
        ),
        (BASE,),
    )


def _mislabelled(dataset: Dataset, labels: LabelFindings) -> Verdict | None:
    if len(labels.suspects) < 2 or labels.drop_gain <= 0.0:
        return None
    noisy = labels.noise_rate >= thresholds.NOISY_LABELS and labels.noise_support >= thresholds.NOISE_SUPPORT
    alone = labels.out_of_line
    # A slip stands alone among its neighbours; without any that does, surfaces that look alike are likelier.
    slips = alone is not None and alone >= 2 and (noisy or 2 * alone >= len(labels.suspects))
    sure = noisy and (alone is None or labels.noise_rate >= thresholds.VERY_NOISY_LABELS)
    if not (slips or sure):
        return None
    windows = tuple(int(window) for window in labels.suspects)
    doubted = len(windows) / len(dataset)
    text = (
        f'{len(windows)} of {len(dataset)} windows carry a label that two unlike classifiers hold for nearly '
        + ('impossible' if alone is None else f'impossible, {alone} of them another one than their neighbours in time')
        + f'; left out of training, the others are classified {100 * labels.drop_gain:.1f} points better than without '
        f'as many drawn at random. In all, about {100 * labels.noise_rate:.0f} % of the labels do not fit.'
    )
    return Verdict(
        'mislabelled_windows',
        strength_of(max(labels.noise_rate, doubted) / thresholds.NOISY_LABELS),
        Evidence(text, 'share of doubted labels', max(labels.noise_rate, doubted), thresholds.NOISY_LABELS),
        Remedy(
            'Look at these windows in the report; `surface dataset relabel --diagnosis DIAGNOSIS.json` then gives them '
            'the labels of the surfaces they look like, `surface dataset drop` leaves them out.',
            command=f'surface report DIAGNOSIS.json --dataset {dataset.path} -o suspects.html',
        ),
        (),
        windows,
    )


def _imbalance(findings: DataFindings, outcomes: dict[str, ArmOutcome]) -> Verdict | None:
    if WEIGHTED not in outcomes:
        return None
    base, arm, rarity = outcomes[BASE], outcomes[WEIGHTED], findings.rarity
    gain = arm.held_out - base.held_out
    costs = rarity.loss >= thresholds.RARITY_LOSS
    if rarity.imbalance < thresholds.IMBALANCE_RATIO or not (gain >= thresholds.BALANCE_GAIN or costs):
        return None
    text = f'The commonest surface has {rarity.imbalance:.0f} windows for one of the rarest.'
    if costs:
        text += (
            f' That costs: where a common surface is left with as few, a discriminant recognises '
            f'{100 * rarity.thinned_recall:.0f} % of its held-out windows instead of {100 * rarity.recall:.0f} %.'
        )
    text += (
        f' With weights in the loss the mean recall of held-out windows is {100 * arm.held_out:.0f} % instead of '
        f'{100 * base.held_out:.0f} %.'
    )
    advice = 'Let rare surfaces weigh more, and record more of them.'
    if gain < thresholds.BALANCE_GAIN:
        advice = 'Record more of the rare surfaces; weights alone bring little, but keep them from being passed over.'
    return Verdict(
        'class_imbalance',
        strength_of(rarity.imbalance / thresholds.IMBALANCE_RATIO),
        Evidence(
            text, 'windows of the commonest class for one of the rarest', rarity.imbalance, thresholds.IMBALANCE_RATIO
        ),
        Remedy(advice, {'class_balance': 'weights'}),
        (BASE, WEIGHTED),
    )


def _leakage(config: TrainingConfig, findings: DataFindings, outcomes: dict[str, ArmOutcome]) -> Verdict | None:
    if config.validation_split != 'window' or config.validation_fraction == 0 or SHUFFLED not in outcomes:
        return None
    network = outcomes[SHUFFLED].held_out - outcomes[BASE].held_out
    simple = findings.shuffled - findings.grouped
    gap = max(network, simple)
    if gap < thresholds.LEAKAGE or min(network, simple) < 0.0:
        return None
    text = (
        f'With windows held out one by one the network gets {100 * outcomes[SHUFFLED].held_out:.0f} % of them right, '
        f'with whole recordings {100 * outcomes[BASE].held_out:.0f} % (simple classifiers: '
        f'{100 * findings.shuffled:.0f} and {100 * findings.grouped:.0f} %).'
    )
    return Verdict(
        'recording_leakage',
        strength_of(gap / thresholds.LEAKAGE),
        Evidence(text, 'accuracy that a split by window adds', gap, thresholds.LEAKAGE),
        Remedy(
            'Hold out whole recordings; the score then is that of the next drive.', {'validation_split': 'recording'}
        ),
        (BASE, SHUFFLED),
    )


def _aliasing(dataset: Dataset, findings: DataFindings, outcomes: dict[str, ArmOutcome]) -> Verdict | None:
    folded = findings.aliasing.folded
    if folded is None or folded.share < thresholds.ALIASED_SHARE:
        return None
    part = next(part for part in dataset.config.input_parts if part.name == folded.part)
    text = (
        f'{100 * folded.share:.0f} % of the power of part {folded.part} lies above {part.sample_rate_hz / 2:g} Hz, '
        f'most of it about {folded.frequency_hz:.0f} Hz, and was folded into the windows, since samples at '
        f'{folded.input_rate_hz:.4g} Hz were put on a grid of {part.sample_rate_hz:g} Hz without a low-pass.'
    )
    if LOW_PASSED in outcomes:
        text += (
            f' With a low-pass {100 * outcomes[LOW_PASSED].held_out:.0f} % of held-out windows are right instead of '
            f'{100 * outcomes[BASE].held_out:.0f} %.'
        )
    rate = f'{folded.input_rate_hz:.4g}'
    return Verdict(
        'aliasing',
        strength_of(folded.share / thresholds.ALIASED_SHARE),
        Evidence(text, 'share of the power above the Nyquist frequency', folded.share, thresholds.ALIASED_SHARE),
        Remedy(
            f'State the rate of the samples, input_rate_hz: {rate}, in the channels file, or leave it out to have it '
            'measured, and build the data set again.',
            command=f'surface dataset build RECORDINGS -o NEW --channels FILE   # input_rate_hz: {rate}',
        ),
        (BASE, LOW_PASSED) if LOW_PASSED in outcomes else (BASE,),
    )
