# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Trainings of the benchmark of `surface diagnose`: how a set-up turns out, and what an advice or a random change does.

A change is what a remedy asks for: keys of the recipe, or something done to the data. The menu of a set-up holds the
remedy of every id that would change anything there; a random change is drawn from it. Data are changed as follows.

| remedy | change |
|---|---|
| `mislabelled_windows` | the flagged windows are left out; a random change leaves out as many as a tenth of all |
| `bad_sensor` | the named channel is left out; a random change leaves out any |
| `aliasing` | the data set is built again from its recordings, with their true rate |
| `unlearnable_labels` | labels are set again as they truly are: a person looks at every window's recording |
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from diagnosis_cases import Case, Setup, Windows, with_changes
from numpy.typing import ArrayLike, NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, history_entry
from surface_classifier.diagnosis.fluctuation import (
    MEDIAN_EPOCHS,
    detrended_log_std,
    epochs_to,
    rising_share,
    running_median,
)
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.training.training_config import TrainingConfig

TRAININGS = 3  # of each set-up
LEARNT_ACCURACY = 0.95
_LAST_EPOCHS = 5  # over which the final loss is the median
_RANDOM_SHARE = 0.1  # of the windows that a random change leaves out


@dataclass(frozen=True)
class Change:
    """What is done about a fault.

    Attributes:
        id: The fault it is meant for.
        config: Keys of the recipe with their new values; `network` holds keys of its own.
        drop_windows: Windows to leave out.
        drop_channels: Channels to leave out.
        low_pass: Build the data set again, with the low-pass.
        true_labels: Set the labels again.
    """

    id: str
    config: Mapping[str, Any] = field(default_factory=dict)
    drop_windows: tuple[int, ...] = ()
    drop_channels: tuple[int, ...] = ()
    low_pass: bool = False
    true_labels: bool = False

    @property
    def text(self) -> str:
        """The change in a few words."""
        parts = [f'{key}: {value}' for key, value in self.config.items()]
        parts += [f'without {len(self.drop_windows)} windows'] if self.drop_windows else []
        parts += [f'without channels {self.drop_channels}'] if self.drop_channels else []
        parts += ['low-pass'] if self.low_pass else []
        parts += ['true labels'] if self.true_labels else []
        return f'{self.id} ({", ".join(parts)})'


def train_and_test(setup: Setup, seed: int, trainings: int = TRAININGS) -> dict[str, Any]:
    """Train as a user would, with a few seeds, and say how it went.

    Args:
        setup: What to train.
        seed: First of the seeds: of the windows held out for early stopping, the weights and the batches.
        trainings: How many.

    Returns:
        Means over the trainings of: `diverged` [1]; `rising_share` [1], `detrended_log_std` [1], `wobble` [nat] and
        `final_loss` [nat] of the training loss; `planned_epochs`; `epochs_to_95` (training accuracy; twice as many as
        planned: never); `held_out` (balanced accuracy on fresh windows; chance where it diverged) [1], `held_out_nll`
        (cross entropy there) [nat]; `optimism` (accuracy that early stopping saw, less `held_out`) [1]. None where no
        training has the measure.
    """
    outcomes = [_train_once(setup, seed + number) for number in range(trainings)]
    means: dict[str, Any] = {}
    for name in outcomes[0]:
        known = [outcome[name] for outcome in outcomes if not math.isnan(outcome[name])]
        means[name] = float(np.mean(known)) if known else None
    return means


def _train_once(setup: Setup, seed: int) -> dict[str, float]:
    import torch

    from surface_classifier.training.loop import EngineKind, EpochResult, train
    from surface_classifier.training.metrics import scores
    from surface_classifier.training.parallel_training import kernel_obstacle
    from surface_classifier.training.prepared_windows import predict_logits
    from surface_classifier.training.torch_state import one_thread

    classes = len(setup.dataset.classes)
    epochs: list[EpochResult] = []
    try:
        engine: EngineKind = 'torch' if kernel_obstacle(setup.config) else 'kernel'
        result = train(setup.dataset, setup.config, seed, on_epoch=epochs.append, measure_training=True, engine=engine)
    except SurfaceError as error:
        if 'diverged' not in str(error):
            raise
        result = None
    held_out, held_out_nll, optimism = 1.0 / classes, math.log(classes), math.nan
    if result is not None:
        with one_thread():
            logits = predict_logits(result.network, [torch.from_numpy(setup.test.values.astype(np.float32))])
        held_out = scores(setup.test.labels, logits.argmax(dim=1).numpy())['balanced_accuracy']
        held_out_nll = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(setup.test.labels)))
        optimism = epochs[result.best_epoch - 1].validation_accuracy - held_out
    losses = [epoch.loss for epoch in epochs if math.isfinite(epoch.loss)]
    learnt = epochs_to([epoch.training_accuracy or 0.0 for epoch in epochs], LEARNT_ACCURACY)
    return {
        'diverged': float(result is None),
        'rising_share': rising_share(losses),
        'detrended_log_std': detrended_log_std(losses),
        'final_loss': float(np.median(losses[-_LAST_EPOCHS:])) if losses else math.nan,
        'planned_epochs': float(setup.config.epochs),
        'epochs_to_95': float(learnt or 2 * setup.config.epochs),
        'held_out': held_out,
        'held_out_nll': held_out_nll,
        'wobble': wobble(losses),
        'optimism': optimism,
    }


def wobble(losses: ArrayLike) -> float:
    """Root mean square distance of the later half of a loss curve from its running median over 21 epochs [nat].

    A loss that jumps between 0.001 and 0.01 has a large spread of its logarithm, and no one minds.
    """
    values = np.asarray(losses, dtype=np.float64)
    if len(values) < 3:
        return math.nan
    strayed = values - running_median(values, MEDIAN_EPOCHS)
    return float(np.sqrt(np.mean(strayed[len(values) // 2 :] ** 2)))


def advised_change(case: Case, verdict: Mapping[str, Any]) -> Change | None:
    """Return what a verdict's remedy asks for; None where that is nothing that can be carried out.

    Args:
        case: The case that was diagnosed.
        verdict: As in `Diagnosis.to_dict()`.
    """
    fault, remedy = verdict['id'], verdict['remedy']
    change = Change(fault, config=remedy.get('config') or {})
    if fault == 'mislabelled_windows':
        change = replace(change, drop_windows=tuple(verdict['windows']))
    elif fault == 'bad_sensor':
        texts = ' '.join(str(text) for text in (remedy.get('command'), remedy['text'], verdict['evidence']['text']))
        channels = case.setup.dataset.config.parts[0].channel_names
        named = tuple(k for k, name in enumerate(channels) if re.search(rf'\b{re.escape(name)}\b', texts))
        change = replace(change, drop_channels=named[:1] if len(channels) > 1 else ())
    elif fault == 'aliasing':
        change = replace(change, low_pass=True)
    elif fault == 'unlearnable_labels':
        change = replace(change, true_labels=True)
    return change if _changes_anything(case, change) else None


def random_change(case: Case, rng: np.random.Generator) -> Change | None:
    """Draw a change from the menu of a case's set-up; None if the menu is empty."""
    menu = menu_of(case, rng)
    return menu[int(rng.integers(len(menu)))] if menu else None


def menu_of(case: Case, rng: np.random.Generator) -> list[Change]:
    """Return the remedy of every id that would change anything in a case's set-up, one for each id."""
    config = case.setup.config.resolved(len(case.setup.dataset))
    offers = [make(case, config, rng) for make in _MENU]
    return [change for change in offers if _changes_anything(case, change)]


def changed_setup(case: Case, change: Change, folder: Path) -> Setup:
    """Carry a change out.

    Args:
        case: The case whose set-up is changed.
        change: What to do.
        folder: Folder to make, for the data set that comes of it.
    """
    setup = case.setup
    config = with_changes(setup.config, change.config)
    if change.low_pass:
        return replace(case.twin, config=config)
    rows = np.setdiff1d(np.arange(len(setup.dataset)), change.drop_windows)
    kept = [k for k in range(setup.test.values.shape[2]) if k not in change.drop_channels]
    labels = np.asarray(case.twin.dataset.labels if change.true_labels else setup.dataset.labels)
    if len(rows) == len(setup.dataset) and len(kept) == setup.test.values.shape[2] and not change.true_labels:
        return replace(setup, config=config)
    test: Windows = replace(setup.test, values=setup.test.values[:, :, kept])
    return Setup(_rewritten(setup.dataset, folder, rows, kept, labels), config, test)


def _changes_anything(case: Case, change: Change) -> bool:
    setup = case.setup
    return (
        with_changes(setup.config, change.config) != setup.config
        or bool(change.drop_windows)
        or bool(change.drop_channels)
        or (change.low_pass and setup.dataset.config.parts[0] != case.twin.dataset.config.parts[0])
        or (change.true_labels and _has_wrong_labels(case))
    )


def _has_wrong_labels(case: Case) -> bool:
    faulty, true = (np.asarray(setup.dataset.labels) for setup in (case.setup, case.twin))
    return len(faulty) == len(true) and bool((faulty != true).any())


def _rewritten(
    dataset: Dataset, folder: Path, rows: NDArray[np.int64], channels: list[int], labels: NDArray[np.int64]
) -> Dataset:
    part = dataset.config.parts[0]
    part = replace(part, channels=tuple(part.channels[k] for k in channels))
    config: WindowConfig = replace(dataset.config, parts=(part,))
    return Dataset.save(
        folder,
        config=config,
        classes=dataset.classes,
        parts={part.name: np.asarray(dataset.parts[part.name])[rows][:, :, channels]},
        labels=labels[rows],
        start_ns=dataset.start_ns[rows],
        end_ns=dataset.end_ns[rows],
        recording=dataset.recording[rows],
        recordings=dataset.recordings,
        has_recordings=dataset.has_recordings,
        history=[*dataset.history, history_entry('changed by the benchmark')],
    )


# What each id's remedy changes at most: the ends that a diagnosis may ask for.
_Offer = Callable[[Case, TrainingConfig, np.random.Generator], Change]


def _offer(fault: str, **changes: Any) -> _Offer:
    return lambda case, config, rng: Change(fault, config=changes)  # noqa: ARG005


def _larger_batch(case: Case, config: TrainingConfig, rng: np.random.Generator) -> Change:  # noqa: ARG001
    size = config.batch_size
    return Change('batch_too_small', config={'batch_size': 32} if isinstance(size, int) and size < 32 else {})


def _other_rate(fault: str, factor: float) -> _Offer:
    return lambda case, config, rng: Change(  # noqa: ARG005
        fault, config={'learning_rate': float(config.learning_rate) * factor}
    )


def _smaller_network(case: Case, config: TrainingConfig, rng: np.random.Generator) -> Change:  # noqa: ARG001
    layers, units = len(config.network.hidden_sizes), sum(config.network.hidden_sizes)
    return Change('over_parameterised', config={'network': {'hidden_sizes': (24,)}} if layers * units > 24 else {})


def _one_layer(case: Case, config: TrainingConfig, rng: np.random.Generator) -> Change:  # noqa: ARG001
    sizes = config.network.hidden_sizes
    changes = {'network': {'hidden_sizes': sizes[:1], 'pooling': 'mean_max'}}
    return Change('vanishing_gradient', config=changes)


def _fewer_windows(case: Case, config: TrainingConfig, rng: np.random.Generator) -> Change:  # noqa: ARG001
    count = len(case.setup.dataset)
    rows = rng.choice(count, max(1, round(_RANDOM_SHARE * count)), replace=False)
    return Change('mislabelled_windows', drop_windows=tuple(sorted(int(row) for row in rows)))


def _fewer_channels(case: Case, config: TrainingConfig, rng: np.random.Generator) -> Change:  # noqa: ARG001
    channels = case.setup.test.values.shape[2]
    return Change('bad_sensor', drop_channels=(int(rng.integers(channels)),) if channels > 1 else ())


_MENU: tuple[_Offer, ...] = (
    _larger_batch,
    _other_rate('learning_rate_too_high', 0.1),
    _other_rate('learning_rate_too_low', 10.0),
    _offer('adaptive_step_noise', optimizer='adamw', schedule='one_cycle'),
    _smaller_network,
    _fewer_windows,
    _offer('unscaled_input', network={'normalise': True}),
    _offer('uninformative_input', network={'inputs': 'derived', 'statistics': True}),
    _offer('class_imbalance', class_balance='weights'),
    _offer('recording_leakage', validation_split='recording'),
    lambda case, config, rng: Change('aliasing', low_pass=True),  # noqa: ARG005
    _one_layer,
    _offer('exploding_gradient', gradient_clip=1.0, network={'recurrent_gain': 1.0}),
    _fewer_channels,
    _offer('regularisation_noise', network={'dropout': 0.0, 'batch_norm': False}),
    lambda case, config, rng: Change('unlearnable_labels', true_labels=True),  # noqa: ARG005
)
