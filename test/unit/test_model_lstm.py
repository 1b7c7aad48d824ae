# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network: its size, its normalisation, and what it does with values that were not measured."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip('torch', reason='torch is not installed')
import torch

from surface_classifier.model.lstm import SurfaceLstm
from surface_classifier.model.lstm_config import LstmConfig
from surface_classifier.training.config import PRESETS


def network(channels: tuple[int, ...] = (2,), **settings: Any) -> SurfaceLstm:
    torch.manual_seed(0)
    return SurfaceLstm(LstmConfig(**{'hidden_sizes': (6,), **settings}), channels, 3).eval()


@pytest.mark.parametrize(('preset', 'parameters'), [('seed-large', 199_942), ('seed', 4_678)])
def test_the_networks_this_project_began_with(preset: str, parameters: int) -> None:
    # One channel, six classes. torch keeps two biases for each gate, of which only the sum matters; where there is one,
    # the same networks have 4 x units numbers less in each layer (198,918 and 4,550).
    lstm = SurfaceLstm(PRESETS[preset].network, [1], 6)
    assert sum(parameter.numel() for parameter in lstm.parameters()) == parameters
    assert sum(name.startswith('layers') and 'weight_ih' in name for name, _ in lstm.named_parameters()) == len(
        PRESETS[preset].network.hidden_sizes
    )


def test_normalisation_makes_units_disappear() -> None:
    amperes = 5.0 + 2.0 * torch.randn(30, 9, 2)
    lstm = network()
    lstm.fit_normalisation([amperes])
    torch.testing.assert_close(lstm.mean_of(0), amperes.mean((0, 1)))
    in_amperes = lstm(amperes)
    lstm.fit_normalisation([amperes * 1000.0])
    torch.testing.assert_close(lstm(amperes * 1000.0), in_amperes)
    assert not torch.allclose(lstm(amperes), in_amperes)


def test_a_channel_that_never_changes_stays_finite() -> None:
    values = torch.randn(10, 5, 2)
    values[..., 1] = 3.0
    lstm = network()
    lstm.fit_normalisation([values])
    assert float(lstm.scale_of(0)[1]) == 1.0
    assert torch.isfinite(lstm(values)).all()


def test_an_unmeasured_value_enters_as_the_mean_of_its_channel() -> None:
    values = 5.0 + torch.randn(10, 5, 2)
    lstm = network()
    lstm.fit_normalisation([values])
    holed, filled = values.clone(), values.clone()
    holed[:, 2, 1] = math.nan
    filled[:, 2, 1] = lstm.mean_of(0)[1]
    torch.testing.assert_close(lstm(holed), lstm(filled))
    lstm.fit_normalisation([holed])
    rest = torch.cat([values[:, :2, 1], values[:, 3:, 1]], dim=1)
    torch.testing.assert_close(lstm.mean_of(0)[1], rest.mean())


@pytest.mark.parametrize('pooling', ['last', 'mean_max'])
def test_every_part_and_sample_counts(pooling: str) -> None:
    lstm = network(channels=(2, 3), pooling=pooling)
    motor, imu = torch.randn(4, 5, 2), torch.randn(4, 9, 3)
    logits = lstm(motor, imu)
    assert logits.shape == (4, 3)
    for part, sample in ((0, 0), (0, 4), (1, 0), (1, 8)):
        changed = [motor.clone(), imu.clone()]
        changed[part][:, sample] += 1.0
        assert (lstm(*changed) != logits).any(dim=1).all()


def test_the_order_of_samples_counts() -> None:
    values = torch.randn(4, 8, 2)
    lstm = network(pooling='mean_max')
    assert not torch.allclose(lstm(values), lstm(values.flip(1)))


@pytest.mark.parametrize(
    ('settings', 'told'),
    [
        ({'hidden_sizes': ()}, 'hidden_sizes'),
        ({'hidden_sizes': 64}, 'hidden_sizes'),
        ({'hidden_sizes': (8, 0)}, 'hidden_sizes'),
        ({'dropout': 1.0}, 'dropout'),
        ({'dropout': 'much'}, 'dropout'),
        ({'pooling': 'first'}, "'first'"),
    ],
)
def test_shapes_no_network_can_have_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LstmConfig(**settings)
