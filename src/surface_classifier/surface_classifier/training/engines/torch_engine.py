# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Training steps taken by torch."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from surface_classifier.model.network.ensemble import Network
from surface_classifier.training.engines.losses import class_weights, mixup, mixup_loss, training_loss
from surface_classifier.training.engines.optimisers import draw_batches, make_optimizer, make_scheduler, place_schedule
from surface_classifier.training.engines.step_engine import EpochSteps
from surface_classifier.training.prepared_windows import EVALUATION_BATCH, PreparedWindows
from surface_classifier.training.torch_state import RandomState
from surface_classifier.training.training_config import TrainingConfig


class TorchEngine:
    """Trains a network with torch."""

    def __init__(self, network: Network, inputs: PreparedWindows, labels: Tensor, config: TrainingConfig) -> None:
        """Make ready.

        Args:
            network: As `build_network` gives it.
            inputs: The training windows.
            labels: Their classes, (windows,).
            config: The recipe, resolved.
        """
        self._network, self._inputs, self._labels, self._config = network, inputs, labels, config
        self._weights = class_weights(labels, network.classes, config.class_balance)
        self._optimizer = make_optimizer(network.parameters(), config)
        self._scheduler = make_scheduler(self._optimizer, config, len(labels))
        self._best = network.state_dict()

    def take_epoch(self, random: RandomState, cancelled: Callable[[], bool]) -> EpochSteps | None:
        """Take one step for each batch of an epoch; None if it was cancelled."""
        network, config = self._network, self._config
        network.train()
        losses: list[float] = []
        sizes: list[int] = []
        right = 0
        with random.use():
            for batch in draw_batches(self._labels, config):
                if cancelled():
                    return None
                loss, logits = self._loss(batch)
                self._optimizer.zero_grad()
                loss.backward()
                if config.gradient_clip > 0:
                    nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
                self._optimizer.step()
                self._scheduler.step()
                losses.append(float(loss.detach()))
                sizes.append(len(batch))
                right += int((logits.detach().argmax(dim=1) == self._labels[batch]).sum())
        return EpochSteps(losses, sizes, right)

    def _loss(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of a batch, and the logits from which the accuracy is counted."""
        labels, smoothing = self._labels[batch], float(self._config.label_smoothing)
        features = self._network.features(*self._inputs.rows(batch))
        # Each network has a loss of its own, and pairs of its own, so that they do not make the same mistakes.
        losses, each = [], []
        for head, own in zip(self._network.heads, self._network.split_features(features), strict=True):
            if self._config.mixup_alpha == 0.0:
                each.append(head(own))
                losses.append(training_loss(each[-1], labels, self._weights, smoothing))
            else:
                mixed, partners, shares = mixup(own, self._config.mixup_alpha)
                losses.append(mixup_loss(head(mixed), labels, labels[partners], shares, self._weights, smoothing))
                with torch.no_grad():
                    each.append(head(own))
        return torch.stack(losses).mean(), torch.stack(each).mean(dim=0)

    def logits(self, windows: PreparedWindows) -> Tensor:
        """Return the logits of windows, (windows, classes), in evaluation mode."""
        self._network.eval()
        with torch.inference_mode():
            rows = torch.arange(len(windows)).split(EVALUATION_BATCH)
            return torch.cat([self._network.classify_prepared(*windows.rows(batch)) for batch in rows])

    def remember(self) -> None:
        """Remember the weights as the best so far."""
        self._best = copy.deepcopy(self._network.state_dict())

    def finish(self) -> None:
        """Put the best weights into the network."""
        self._network.load_state_dict(self._best)

    def continue_from(self, other: TorchEngine) -> None:
        """Take over weights, state of the optimiser and place in the schedule from another engine."""
        self._network.load_state_dict(other._network.state_dict())
        state = copy.deepcopy(other._optimizer.state_dict()['state'])
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), 'state': state})
        place_schedule(self._optimizer, self._scheduler, other._scheduler)
