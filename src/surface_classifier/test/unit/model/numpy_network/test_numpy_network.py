# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network in numpy gives what the network in torch gives, whatever its shape and whatever is unmeasured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surface_classifier.model.engine import softmax
from surface_classifier.model.network import statistics_encoder, surface_network, window_statistics
from surface_classifier.model.network.ensemble import Network, make_network
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.model.numpy_network import numpy_network, part_statistics
from surface_classifier.model.numpy_network.lstm_group import LstmLayer, lane_groups
from surface_classifier.model.numpy_network.numpy_network import NumpyNetwork
from surface_classifier.training.training_config import PRESETS

REQUIRES = ('torch',)
CLASSES = 3
TOLERANCE = 1e-5

hidden_sizes = st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple)
members = st.builds(
    NetworkConfig,
    hidden_sizes=hidden_sizes,
    pooling=st.sampled_from(['last', 'mean_max']),
    inputs=st.sampled_from(['raw', 'derived', 'soft_bins']),
    frame_samples=st.sampled_from([(), (4,), (0, 8), (6, 4)]),
    joint_channels=st.booleans(),
    statistics=st.booleans(),
    quantile_bins=st.integers(1, 9),
    bin_scale=st.sampled_from([0.1, 1.0]),
    head_sizes=st.lists(st.integers(1, 9), max_size=2).map(tuple),
    batch_norm=st.booleans(),
    normalise=st.booleans(),
    recurrent_gain=st.sampled_from([1.0, 2.0]),
    input_gain=st.sampled_from([0.0, 2.0]),
)
without_lstm = st.builds(
    NetworkConfig,
    hidden_sizes=st.just(()),
    statistics=st.just(True),
    idle_fractions=st.booleans(),
    head_sizes=st.lists(st.integers(1, 9), max_size=2).map(tuple),
)
shapes = st.builds(
    lambda first, others: replace(first, members=tuple(others)),
    members,
    st.lists(st.one_of(members, without_lstm), max_size=2),
)


def fitted_network(config: NetworkConfig, samples: Sequence[int], channels: Sequence[int], seed: int = 0) -> Network:
    """A network with random weights and batch statistics, fitted on quantised windows with pauses and a gap."""
    torch.manual_seed(seed)
    network = make_network(config, channels, CLASSES)
    network.fit_normalisation([torch.from_numpy(part) for part in windows_of(30, samples, channels, seed + 1)])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            for values in (module.running_mean, module.running_var, module.weight, module.bias):
                assert values is not None
                values.data.copy_(0.3 + torch.rand(len(values)))
            module.weight.data[0] *= -1.0
    return network.eval()


def windows_of(windows: int, samples: Sequence[int], channels: Sequence[int], seed: int) -> list[np.ndarray]:
    """Windows of quantised values with a channel at rest and an unmeasured stretch, (windows, samples, channels)."""
    rng = np.random.default_rng(seed)
    parts = []
    for count, width in zip(samples, channels, strict=True):
        values = np.round(5.0 + 2.0 * rng.normal(size=(windows, count, width)), 1)
        values[0, : count // 2, 0] = 5.0
        values[-1, count // 3 : count // 2, -1] = np.nan
        parts.append(values.astype(np.float32))
    return parts


def in_numpy(network: Network, samples: Sequence[int], channels: Sequence[int]) -> NumpyNetwork:
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    return NumpyNetwork(network.config, channels, samples, CLASSES, arrays)


def logits_of(network: Network, parts: Sequence[np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = network(*(torch.from_numpy(part) for part in parts)).numpy()
    return found


def compare(config: NetworkConfig, samples: Sequence[int], channels: Sequence[int], windows: int, seed: int) -> None:
    network = fitted_network(config, samples, channels, seed)
    mine = in_numpy(network, samples, channels)
    parts = windows_of(windows, samples, channels, seed + 2)
    for given_parts in (parts, [part[:1] for part in parts], [np.nan_to_num(part, nan=4.0) for part in parts]):
        expected, found = logits_of(network, given_parts), mine.logits(given_parts)
        assert found.dtype == np.float32
        difference = np.abs(softmax(found.astype(np.float64)) - softmax(expected.astype(np.float64))).max()
        assert difference <= TOLERANCE


@settings(max_examples=60, deadline=None)
@given(
    config=shapes,
    channels=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    samples=st.integers(9, 40),
    equal_rates=st.booleans(),
    windows=st.sampled_from([1, 2, 5]),
    seed=st.integers(0, 1000),
)
def test_any_shape_gives_what_torch_gives(
    config: NetworkConfig, channels: list[int], samples: int, equal_rates: bool, windows: int, seed: int
) -> None:
    counts = [samples, samples if equal_rates else 3 * samples + 1][: len(channels)]
    compare(config, counts, channels, windows, seed)


@pytest.mark.parametrize(
    ('recipe', 'samples', 'channels'),
    [
        ('default', (100,), (2,)),
        ('default', (32, 492), (2, 6)),
        ('accurate', (100,), (4,)),
        ('accurate', (32,), (1,)),
        ('accurate-imu', (32, 492), (2, 6)),
        ('fluctuating-loss-large-batchnorm-adam-32', (100,), (1,)),
    ],
)
def test_the_recipes_give_what_torch_gives(recipe: str, samples: tuple[int, ...], channels: tuple[int, ...]) -> None:
    compare(PRESETS[recipe].resolved(400).network, samples, channels, 70, 3)


def test_a_window_of_one_sample_has_no_steps() -> None:
    config = NetworkConfig(hidden_sizes=(4,), inputs='derived', statistics=True, pooling='mean_max')
    network = fitted_network(config, [12], [2])
    parts = [np.full((2, 1, 2), 5.0, np.float32)]
    mine = NumpyNetwork(config, [2], [1], CLASSES, {k: v.numpy() for k, v in network.state_dict().items()})
    np.testing.assert_allclose(mine.logits(parts), logits_of(network, parts), atol=1e-5)


def test_a_part_without_a_measured_value_gives_what_torch_gives() -> None:
    config = NetworkConfig(hidden_sizes=(4,), inputs='soft_bins', statistics=True, joint_channels=True)
    network = fitted_network(config, [12], [2])
    parts = [np.full((2, 12, 2), np.nan, np.float32)]
    np.testing.assert_allclose(in_numpy(network, [12], [2]).logits(parts), logits_of(network, parts), atol=1e-5)


def test_many_windows_go_through_in_batches() -> None:
    config = PRESETS['default'].resolved(400).network
    mine = in_numpy(fitted_network(config, [20], [2]), [20], [2])
    parts = windows_of(2 * numpy_network._BATCH + 1, [20], [2], 5)
    together = mine.logits(parts)
    alone = np.concatenate([mine.logits([part[row : row + 1] for part in parts]) for row in (0, 64, 128)])
    np.testing.assert_allclose(together[[0, 64, 128]], alone, atol=1e-5)


def test_weights_of_another_network_are_refused_by_name() -> None:
    network = fitted_network(NetworkConfig(hidden_sizes=(4,)), [12], [2])
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    cases = [
        ({**arrays, 'more': arrays['head.bias']}, NetworkConfig(hidden_sizes=(4,)), 'also has more'),
        ({k: v for k, v in arrays.items() if k != 'head.bias'}, NetworkConfig(hidden_sizes=(4,)), 'no head.bias'),
        (arrays, NetworkConfig(hidden_sizes=(5,)), 'layers.0.0'),
        (arrays, NetworkConfig(hidden_sizes=(4,), batch_norm=True), 'no norms.0.0.running_mean'),
        ({**arrays, 'head.bias': arrays['head.bias'].astype(np.float64)}, network.config, 'head.bias is float64'),
    ]
    for given_arrays, config, expected in cases:
        with pytest.raises(ValueError, match=expected):
            NumpyNetwork(config, [2], [12], CLASSES, given_arrays)


def test_windows_of_another_shape_are_refused() -> None:
    mine = in_numpy(fitted_network(NetworkConfig(hidden_sizes=(4,)), [12], [2]), [12], [2])
    with pytest.raises(ValueError, match=r'\(1, 13, 2\) is not \(windows, 12, 2\)'):
        mine.logits([np.zeros((1, 13, 2), np.float32)])


def test_lanes_run_together_where_padding_costs_little() -> None:
    def layer(inputs: int, units: int) -> LstmLayer:
        shape = (4 * units, inputs), (4 * units, units), (4 * units,)
        return LstmLayer(*(np.zeros(size, np.float32) for size in shape))

    assert lane_groups([layer(18, 16), layer(54, 32)], [100, 100]) == [[0, 1]]
    assert lane_groups([layer(18, 16), layer(54, 32)], [100, 29]) == [[0], [1]]
    assert lane_groups([layer(6, 64)] * 5, [100] * 5) == [[0, 1, 2, 3, 4]]
    assert lane_groups([layer(6, 4), layer(6, 256)], [100, 100]) == [[0], [1]]


def test_the_constants_are_those_of_the_network_in_torch() -> None:
    assert part_statistics.LAGS == window_statistics.LAGS
    assert len(window_statistics._OF_CHANNEL) == part_statistics.OF_CHANNEL
    assert pytest.approx(window_statistics.SAME_VALUE) == part_statistics.SAME_VALUE
    assert statistics_encoder.FARTHEST_STATISTIC == part_statistics.FARTHEST_STATISTIC
    assert statistics_encoder._IDLE_VALUES == part_statistics.IDLE_VALUES
    assert pytest.approx(surface_network.BATCH_NORM_EPSILON) == numpy_network.BATCH_NORM_EPSILON
