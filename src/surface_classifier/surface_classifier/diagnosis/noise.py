# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Where the noise of a step comes from, measured at frozen weights: the draw of the batch, or the masks of dropout.

With the weights held still nothing but these two can change the loss of a step, so they can be separated before either
is blamed for what moving weights do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from surface_classifier.diagnosis.arms import masks
from surface_classifier.diagnosis.probe import Probe
from surface_classifier.training.torch_state import RandomState

_MASK_DRAWS = 6
_MICRO_BATCHES = 8


@dataclass(frozen=True)
class StepNoise:
    """Noise of one step at frozen weights.

    Attributes:
        batch_variance: Variance of a step's loss by the draw of its batch [nat^2].
        mask_variance: Variance of a step's loss by dropout's masks and the batch's own normalisation [nat^2].
        noise_scale: Gradient noise scale tr(covariance) / |gradient|^2 [windows]; infinite where the gradient drowns.
        noise_scale_error: Its standard error by the jackknife [windows]; infinite or NaN where it has none.
    """

    batch_variance: float
    mask_variance: float
    noise_scale: float
    noise_scale_error: float


def measure_step_noise(probe: Probe) -> StepNoise:
    """Measure the noise of a step with the weights as they are; nothing of the probe is changed.

    The noise scale is the simple one of McCandlish, Kaplan, Amodei, An empirical model of large-batch training,
    arXiv:1812.06162, appendix A; its denominator, the squared norm of the true gradient, is estimated without bias and
    so comes out negative where the gradient drowns in noise: the scale is infinite then.
    """
    count = len(probe.labels)
    everything = torch.arange(count)
    losses = functional.cross_entropy(probe.logits(), probe.labels, reduction='none').double()
    # Drawn without replacement.
    share = (count - probe.batch_size) / max(count - 1, 1)
    batch_variance = float(losses.var(unbiased=True)) / probe.batch_size * share if count > 1 else 0.0
    return StepNoise(batch_variance, _mask_variance(probe, everything), *_noise_scale(probe, everything))


def _mask_variance(probe: Probe, everything: torch.Tensor) -> float:
    if not masks(probe.config):
        return 0.0
    network = probe.frozen_network().train()
    with torch.no_grad(), RandomState(0).use():
        batches = [
            batch for batch in everything.split(probe.batch_size)[:_MASK_DRAWS] if len(batch) == probe.batch_size
        ]
        found = [
            np.var([float(probe.loss_of(network, batch)) for _ in range(_MASK_DRAWS)], ddof=1) for batch in batches
        ]
    return float(np.mean(found)) if found and np.isfinite(found).all() else 0.0


def _noise_scale(probe: Probe, everything: torch.Tensor) -> tuple[float, float]:
    network = probe.frozen_network().eval()
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
    size = len(everything) // _MICRO_BATCHES
    if size == 0:
        return math.nan, math.nan
    gradients = []
    for batch in order[: size * _MICRO_BATCHES].split(size):
        network.zero_grad()
        probe.loss_of(network, batch).backward()
        flat = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        gradients.append(torch.cat(flat).double())
    stacked = torch.stack(gradients)
    if not bool(torch.isfinite(stacked).all()):
        return math.nan, math.nan
    scale = _scale_of(stacked, size)
    without = [_scale_of(torch.cat([stacked[:k], stacked[k + 1 :]]), size) for k in range(_MICRO_BATCHES)]
    if not np.isfinite([scale, *without]).all():
        return scale, math.inf
    error = math.sqrt((_MICRO_BATCHES - 1) * float(np.var(without)))
    return scale, error


def _scale_of(gradients: torch.Tensor, size: int) -> float:
    mean = gradients.mean(dim=0)
    covariance = float((gradients - mean).square().sum() / (len(gradients) - 1))
    squared = float(mean.square().sum()) - covariance / len(gradients)
    return covariance * size / squared if squared > 0 else math.inf
