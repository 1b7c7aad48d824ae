# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""NeuralDBG on the cases of the benchmark of `surface diagnose`: what its hooks see in the same training, as our ids.

NeuralDBG (the package neuraldbg on PyPI, MIT) hooks the modules of a PyTorch network and turns what passes into
events: a layer's gradient, activations or input enter another state, or the loss spikes, stands still or is no number.
Published are the hooks; `get_causal_hypotheses` and its kin want a second package, `neuraldbg-engine`, which is not on
PyPI (2026-11), and return nothing without it. So the events are taken for its findings, as generously as is fair:

- an event's state may fit several ids, and then the injected one counts if it is among them (`FITTING_IDS`);
- two sources of false alarms are left out: shifts of the input of inner layers, as it compares a layer's input with its
  own output before; and "saturated" logits, as every network that has learnt has logits above its limit of 0.95;
- there are two readings, `neuraldbg` and `neuraldbg-lasting`: every state that was entered once, and those that a layer
  was in for at least half of the steps. The second raises fewer false alarms.

It does not judge data sets, labels, splits or recipes, so most ids are out of its reach.

    pip install --no-deps neuraldbg==1.3.2
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from surface_classifier.data.dataset import Dataset
from surface_classifier.training.training_config import TrainingConfig

PINNED_VERSION = '1.3.2'
INSTALL = f'pip install --no-deps neuraldbg=={PINNED_VERSION}'
LASTING_SHARE = 0.5  # of the steps
MOST_STEPS = 500  # that it watches: its hooks take several times as long as the training itself

# Which ids a state may stand for, the likeliest first.
FITTING_IDS: Mapping[str, Sequence[str]] = {
    'gradient vanishing': ('vanishing_gradient', 'learning_rate_too_low', 'unscaled_input'),
    'gradient saturated': ('vanishing_gradient', 'learning_rate_too_low', 'unscaled_input'),
    'gradient exploding': ('exploding_gradient', 'learning_rate_too_high', 'unscaled_input'),
    'activation saturated': ('unscaled_input', 'exploding_gradient', 'vanishing_gradient', 'learning_rate_too_high'),
    'activation dead': ('bad_sensor', 'vanishing_gradient', 'regularisation_noise'),
    'activation anomalous': ('exploding_gradient', 'learning_rate_too_high', 'bad_sensor'),
    'optimizer loss_spike': (
        'learning_rate_too_high',
        'batch_too_small',
        'exploding_gradient',
        'adaptive_step_noise',
        'regularisation_noise',
        'mislabelled_windows',
    ),
    'optimizer diverging': ('learning_rate_too_high', 'exploding_gradient'),
    'optimizer loss_plateau': (
        'learning_rate_too_low',
        'vanishing_gradient',
        'uninformative_input',
        'unlearnable_labels',
    ),
    'data nan_detected': ('bad_sensor', 'exploding_gradient'),
    'data inf_detected': ('bad_sensor', 'exploding_gradient', 'unscaled_input'),
    'data distribution_shift': ('bad_sensor', 'recording_leakage', 'aliasing', 'batch_too_small', 'class_imbalance'),
}
_EVENT_KINDS = {
    'gradient_health_transition': 'gradient',
    'activation_regime_shift': 'activation',
    'optimizer_instability': 'optimizer',
    'data_anomaly': 'data',
}
_WELL = ('healthy', 'normal', 'stable', 'NONE')


def why_not_available() -> str:
    """Return why the peer cannot be run here; empty if it can."""
    try:
        version = importlib.metadata.version('neuraldbg')
    except importlib.metadata.PackageNotFoundError:
        return f'NeuralDBG is not installed; install it with `{INSTALL}`'
    return '' if version == PINNED_VERSION else f'NeuralDBG {version} is installed, not {PINNED_VERSION}; `{INSTALL}`'


def watch_training(dataset: Dataset, config: TrainingConfig, seed: int) -> tuple[list[Any], int]:
    """Train as the recipe says, under NeuralDBG's eyes, as its README shows.

    Args:
        dataset: Windows and labels.
        config: The recipe.
        seed: Seed of the held-out windows, the weights and the batches.

    Returns:
        Its events, and the number of steps that were taken: to the end of the epoch with step `MOST_STEPS`, or until
        the training diverges.
    """
    import torch

    from surface_classifier.training.engines.losses import class_weights, training_loss
    from surface_classifier.training.engines.optimisers import draw_batches, make_optimizer, make_scheduler
    from surface_classifier.training.hold_out import hold_out
    from surface_classifier.training.loop import build_network
    from surface_classifier.training.prepared_windows import resident
    from surface_classifier.training.torch_state import one_thread

    with _scratch_folder(), warnings.catch_warnings(), one_thread(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter('ignore')  # its hooks are of a kind that torch calls deprecated, in every step
        debugger_class = importlib.import_module('neuraldbg').NeuralDbg
        rows = np.arange(len(dataset))
        if config.validation_fraction > 0:
            rows, _ = hold_out(dataset, rows, config.validation_fraction, seed, config.validation_split)
        torch.manual_seed(seed)
        parts = resident(dataset, rows)
        labels = torch.from_numpy(np.asarray(dataset.labels[rows], dtype=np.int64))
        config = config.resolved(len(labels))
        network, inputs = build_network(config, parts, labels, len(dataset.classes))
        weights = class_weights(labels, len(dataset.classes), config.class_balance)
        optimizer = make_optimizer(network.parameters(), config)
        scheduler = make_scheduler(optimizer, config, len(labels))
        network.train()
        with debugger_class(network) as debugger:
            for _ in range(config.epochs):
                for batch in draw_batches(labels, config):
                    optimizer.zero_grad()
                    logits = network.classify_prepared(*inputs.rows(batch))
                    loss = training_loss(logits, labels[batch], weights, float(config.label_smoothing))
                    loss.backward()
                    debugger.record_loss(loss.item())
                    if config.gradient_clip > 0:
                        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
                    optimizer.step()
                    scheduler.step()
                    debugger.step_iteration()
                if not torch.isfinite(loss) or debugger.step >= MOST_STEPS:
                    break
            return list(debugger.get_events()), debugger.step


def findings(events: Sequence[Any], steps: int, least_share: float) -> list[dict[str, Any]]:
    """Turn events into verdicts.

    Args:
        events: As NeuralDBG gives them.
        steps: Steps that were taken.
        least_share: Share of the steps that a layer must have been in a state for; 0: once is enough [1].

    Returns:
        `state` and the fitting `ids` of each state found, the longest lasting first.
    """
    changes: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for event in events:
        kind = _EVENT_KINDS[event.event_type.value]
        if not _counts(kind, event.layer_name):
            continue
        changes[kind, event.layer_name].append((event.step, str(getattr(event.to_state, 'value', event.to_state))))
    lasted: dict[str, float] = {}
    for (kind, _), states in changes.items():
        ends = [step for step, _ in states[1:]] + [steps]
        of_layer: dict[str, int] = defaultdict(int)
        for (begin, state), end in zip(states, ends, strict=True):
            of_layer[state] += end - begin
        for state, length in of_layer.items():
            if state not in _WELL:
                name = f'{kind} {state}'
                lasted[name] = max(lasted.get(name, 0.0), length / max(1, steps))
    found = sorted(lasted, key=lambda name: -lasted[name])
    return [{'state': name, 'ids': list(FITTING_IDS[name])} for name in found if lasted[name] >= least_share]


def _counts(kind: str, layer: str) -> bool:
    """Whether events of a kind say anything in a layer; see the module."""
    if kind == 'data':
        return layer.startswith('LSTM_layers.') and layer.endswith('.0')  # the first layer of a part
    return kind != 'activation' or not layer.startswith('Linear_')


@contextlib.contextmanager
def _scratch_folder() -> Iterator[None]:
    """Work in a folder that goes away: NeuralDBG writes tensors below the present one."""
    before = os.getcwd()  # noqa: PTH109
    with tempfile.TemporaryDirectory(prefix='neuraldbg_') as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
