# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network: its size, its normalisation, and what it does with values that were not measured."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from surface_classifier.model.network.ensemble import Network, make_network
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.training.training_config import PRESETS

REQUIRES = ('torch',)


def network(channels: tuple[int, ...] = (2,), **settings: Any) -> Network:
    torch.manual_seed(0)
    return make_network(NetworkConfig(**{'hidden_sizes': (6,), **settings}), channels, 3).eval()


@pytest.mark.parametrize(('preset', 'parameters'), [('fluctuating-loss-large', 199_942), ('fluctuating-loss', 4_678)])
def test_the_networks_this_project_began_with(preset: str, parameters: int) -> None:
    # One channel, six classes. torch keeps two biases for each gate, of which only the sum matters; where there is one,
    # the same networks have 4 x units numbers less in each layer (198,918 and 4,550).
    lstm = make_network(PRESETS[preset].network, [1], 6)
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
    ('settings', 'expected'),
    [
        ({'hidden_sizes': ()}, 'hidden_sizes'),
        ({'hidden_sizes': 64}, 'hidden_sizes'),
        ({'hidden_sizes': (8, 0)}, 'hidden_sizes'),
        ({'dropout': 1.0}, 'dropout'),
        ({'dropout': 'much'}, 'dropout must be a number of at least 0 and below 1, or auto'),
        ({'pooling': 'first'}, "'first'"),
        ({'inputs': 'spectrum'}, 'inputs must be one of raw, derived, soft_bins'),
        ({'members': {'quantile_bins': 3}}, 'members must be a list'),
        ({'members': [{'levels': 3}]}, r'members\[0\]: levels is called quantile_bins now'),
        ({'members': [3]}, r'members\[0\] must hold keys of a network, not 3'),
        ({'members': [{}, {'units': 3}]}, r'members\[1\]: unknown units; known are hidden_sizes'),
        ({'members': [{'dropout': 2.0}]}, r'members\[0\]: dropout must be'),
        ({'members': [NetworkConfig(members=(NetworkConfig(),))]}, r'members\[0\] has members of its own'),
        ({'hidden_sizes': (), 'statistics': True, 'members': [{}]}, 'hidden_sizes may be empty in one of members'),
        ({'idle_fractions': 'yes'}, 'idle_fractions must be true or false'),
        ({'idle_fractions': True}, 'idle_fractions: true needs statistics: true'),
        (
            {'frame_samples': (0, 7)},
            r'frame_samples must be a list of whole numbers of at least 0, each a multiple of 2, not \(0, 7\)',
        ),
        ({'frame_samples': 32}, 'frame_samples must be a list'),
        ({'statistics': 1}, 'statistics must be true or false'),
        ({'batch_norm': 'yes'}, 'batch_norm'),
        ({'normalise': None}, 'normalise'),
        ({'recurrent_gain': math.nan}, 'recurrent_gain'),
        ({'input_gain': -1.0}, 'input_gain'),
    ],
)
def test_shapes_no_network_can_have_are_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        NetworkConfig(**settings)


EVERY_INPUT: list[dict[str, Any]] = [
    {},
    {'inputs': 'derived'},
    {'statistics': True},
    {'inputs': 'soft_bins', 'quantile_bins': 3},
    {'inputs': 'soft_bins', 'statistics': True, 'idle_fractions': True},
    {'inputs': 'derived', 'statistics': True, 'batch_norm': True, 'pooling': 'mean_max'},
]
JOINED: dict[str, Any] = {
    'inputs': 'derived',
    'statistics': True,
    'members': (
        {'hidden_sizes': (4, 5), 'inputs': 'soft_bins', 'joint_channels': True, 'head_sizes': (7,)},
        {'hidden_sizes': (), 'statistics': True, 'idle_fractions': True, 'quantile_bins': 3, 'bin_scale': 1.0},
    ),
}


def fitted(parts: list[torch.Tensor], **settings: Any) -> Network:
    lstm = network(tuple(part.shape[2] for part in parts), **settings)
    lstm.fit_normalisation(parts)
    return lstm


@pytest.mark.parametrize('settings', EVERY_INPUT)
def test_forward_is_what_is_not_trained_and_then_what_is(settings: dict[str, Any]) -> None:
    parts = [5.0 + torch.randn(20, 12, 2), torch.randn(20, 40, 3)]
    lstm = fitted(parts, **settings)
    sequences, statistics = lstm.prepare(*parts)
    inputs = {'derived': 3, 'soft_bins': lstm.config.quantile_bins}.get(lstm.config.inputs, 1)
    assert [tuple(sequence.shape) for sequence in sequences] == [(20, 12, 2 * inputs), (20, 40, 3 * inputs)]
    assert statistics.shape == (20, len(lstm.statistic_names))
    assert len(set(lstm.statistic_names)) == len(lstm.statistic_names)
    torch.testing.assert_close(lstm.classify_prepared(sequences, statistics), lstm(*parts))


@pytest.mark.parametrize('settings', [*EVERY_INPUT, JOINED])
def test_inputs_do_not_depend_on_the_unit(settings: dict[str, Any]) -> None:
    amperes = 5.0 + 2.0 * torch.randn(30, 24, 2, dtype=torch.float64).float()
    in_amperes = fitted([amperes], **settings).prepare(amperes)
    in_milliamperes = fitted([amperes * 1000.0], **settings).prepare(amperes * 1000.0)
    torch.testing.assert_close(in_milliamperes[0], in_amperes[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(in_milliamperes[1], in_amperes[1], atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize('samples', [1, 2, 6, 11, 32, 650])
@pytest.mark.parametrize('channels', [1, 4])
@pytest.mark.parametrize('settings', [EVERY_INPUT[-1], JOINED])
def test_windows_of_any_length_are_finite_whatever_is_missing(
    samples: int, channels: int, settings: dict[str, Any]
) -> None:
    values = torch.randn(30, samples, channels)
    lstm = fitted([values], **settings)
    values[0] = math.nan
    values[1, :, 0] = math.nan
    values[2, 1:] = math.nan
    values[3] = 4.0
    values[4, ::2] = math.nan
    for training in (values, torch.full_like(values, math.nan)):
        lstm.fit_normalisation([training])
        sequences, statistics = lstm.prepare(values)
        assert torch.isfinite(sequences[0]).all()
        assert torch.isfinite(statistics).all()
        assert torch.isfinite(lstm(values)).all()
    assert lstm(values[:0]).shape == (0, 3)


def test_derived_sequences_are_level_deviation_and_step() -> None:
    torch.manual_seed(0)
    spread = torch.linspace(0.5, 2.0, 200)[:, None, None]
    values = 5.0 + torch.randn(200, 1, 1) + spread * torch.randn(200, 50, 1)
    lstm = fitted([values], inputs='derived')
    level, deviation, step = lstm.prepare(values)[0][0].unbind(dim=2)
    standard = (values[..., 0] - values.mean()) / values.std(correction=0)
    torch.testing.assert_close(level, standard, atol=1e-5, rtol=1e-5)
    typical = values.std(dim=1, correction=0).median()
    torch.testing.assert_close(deviation, ((values - values.mean(dim=1, keepdim=True)) / typical)[..., 0])
    assert float(step[:, 0].abs().max()) == 0.0, 'the first sample has no step, which enters as the mean'
    logarithm = torch.log(values.diff(dim=1)[..., 0].abs() / typical + 0.05)
    torch.testing.assert_close(step[:, 1:], (logarithm - logarithm.mean()) / logarithm.std(), atol=1e-3, rtol=1e-3)


def test_statistics_hold_what_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(60, 400, 2, generator=generator)
    values = 3.0 + noise * torch.linspace(0.5, 2.0, 60)[:, None, None]
    values[..., 1] += values[..., 0]
    lstm = fitted([values], statistics=True)
    found = lstm.prepare(values)[1].double() * lstm.get_buffer('statistics_encoders.0.columns.scale')
    found = found + lstm.get_buffer('statistics_encoders.0.columns.mean')
    by_name = dict(zip((name.partition(':')[2] for name in lstm.statistic_names), found.T, strict=True))
    channel = values[..., 0].double()
    spread = lstm.get_buffer('scalers.0.spread')[0].double()
    unit = (channel - channel.mean(dim=1, keepdim=True)) / channel.std(dim=1, correction=0, keepdim=True)
    step = channel.diff(dim=1)
    step_unit = (step - step.mean(dim=1, keepdim=True)) / step.std(dim=1, correction=0, keepdim=True)
    expected = {
        'level[0]': (channel.mean(dim=1) - channel.mean()) / channel.std(correction=0),
        'log_std[0]': torch.log(channel.std(dim=1, correction=0) / spread + 0.01),
        'log_range[0]': torch.log((channel.amax(dim=1) - channel.amin(dim=1)) / spread + 0.01),
        'log_step[0]': torch.log(channel.diff(dim=1).abs().mean(dim=1) / spread + 0.01),
        'log_bend[0]': torch.log(channel.diff(n=2, dim=1).abs().mean(dim=1) / spread + 0.01),
        'skewness[0]': (unit**3).mean(dim=1),
        'step_skewness[0]': (step_unit**3).mean(dim=1),
        'log_step_peakedness[0]': torch.log((step_unit**4).mean(dim=1) + 1.0),
        'log_peakedness[0]': torch.log((unit**4).mean(dim=1) + 1.0),
        'correlation_5[0]': 1.0 - (unit[:, 5:] - unit[:, :-5]).square().mean(dim=1) / 2.0,
        'correlation[0,1]': torch.stack([torch.corrcoef(window.T)[0, 1] for window in values.double()]),
    }
    for name, value in expected.items():
        # Statistics further than five standard deviations from their mean count as five.
        inside = (by_name[name] - by_name[name].mean()).abs() < 4.9 * by_name[name].std()
        torch.testing.assert_close(by_name[name][inside], value[inside], atol=2e-4, rtol=2e-4)
    shares = torch.stack([by_name[f'above_{level}[0]'] for level in range(1, 9)])
    assert (shares.diff(dim=0) < 0.02).all()
    torch.testing.assert_close(
        shares.mean(dim=1), torch.linspace(8 / 9, 1 / 9, 8, dtype=torch.float64), atol=0.03, rtol=0
    )


def test_missing_samples_change_statistics_little() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50, 300, 2, generator=generator)
    lstm = fitted([values], statistics=True)
    holed = values.clone()
    holed[:, 40:70] = math.nan
    holed[:, ::50, 1] = math.nan
    whole, found = lstm.prepare(values)[1], lstm.prepare(holed)[1]
    assert float((whole - found).abs().mean()) < 0.3
    assert float(torch.corrcoef(torch.stack([whole.flatten(), found.flatten()]))[0, 1]) > 0.9


def test_without_normalisation_raw_values_go_in() -> None:
    values = 5.0 + torch.randn(10, 6, 2)
    lstm = fitted([values], normalise=False)
    torch.testing.assert_close(lstm.prepare(values)[0][0], values)


def test_the_recurrent_gain_scales_the_recurrent_weights_alone() -> None:
    plain, scaled = network(hidden_sizes=(6, 4)), network(hidden_sizes=(6, 4), recurrent_gain=3.0)
    for (name, before), (_, after) in zip(plain.named_parameters(), scaled.named_parameters(), strict=True):
        torch.testing.assert_close(after, before * (3.0 if 'weight_hh' in name else 1.0))


def test_a_dropout_that_is_no_number_yet_is_refused() -> None:
    with pytest.raises(ValueError, match='resolve the recipe first'):
        network(dropout='auto')


@pytest.mark.parametrize('channels', [1, 6])
def test_the_input_gain_is_the_spread_of_the_first_gates(channels: int) -> None:
    lstm = network((channels,), hidden_sizes=(400, 5), input_gain=2.0)
    first, second = lstm.layers[0]
    gates = (torch.randn(500, channels) @ first.weight_ih_l0.T).detach()
    assert float(gates.std()) == pytest.approx(2.0, rel=0.1)
    assert float(second.weight_ih_l0.detach().abs().max()) <= 1 / 5**0.5


def test_batch_normalisation_is_over_windows_and_time() -> None:
    values = torch.randn(40, 10, 1)
    lstm = fitted([values], batch_norm=True, dropout=0.0).train()
    seen: list[torch.Tensor] = []
    lstm.norms[0][0].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    lstm(values)
    torch.testing.assert_close(seen[0].mean(dim=(0, 2)), torch.zeros(6), atol=1e-4, rtol=0)
    assert ((seen[0].std(dim=(0, 2)) > 0.5) & (seen[0].std(dim=(0, 2)) < 1.01)).all()


def test_joint_channels_are_sum_difference_larger_and_smaller() -> None:
    values = 5.0 + torch.randn(20, 7, 3)
    values[0, 0, 1] = torch.nan
    lstm = network((3,), joint_channels=True, normalise=False, statistics=True, quantile_bins=4)
    a, b = values[:, :, :-1], values[:, :, 1:]
    expected = torch.cat([values, a + b, a - b, torch.maximum(a, b), torch.minimum(a, b)], dim=2)
    plain = network((11,), normalise=False, statistics=True, quantile_bins=4)
    for net, windows in ((lstm, values), (plain, expected)):
        net.fit_normalisation([windows])
    for (found, of_lstm), (wanted, of_plain) in ((lstm.prepare(values), plain.prepare(expected)),):
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(of_lstm, of_plain, atol=1e-4, rtol=1e-4)
    assert lstm.statistic_names == plain.statistic_names
    assert lstm.mean_of(0).shape == lstm.scale_of(0).shape == (3,)
    one = network((1,), joint_channels=True)
    assert one.layers[0][0].input_size == 1
    assert torch.isfinite(one(torch.randn(4, 7, 1))).all()


def test_a_head_with_hidden_layers_is_no_linear_map() -> None:
    deep = network(head_sizes=(9, 5), head_dropout=0.5)
    shapes = [tuple(layer.weight.shape) for layer in deep.head if isinstance(layer, torch.nn.Linear)]
    assert shapes == [(9, 6), (5, 9), (3, 5)]
    assert deep.classes == network().classes == 3
    features = torch.randn(2, 6)
    with torch.no_grad():
        middle, ends = deep.head(features.mean(dim=0)), deep.head(features).mean(dim=0)
        assert not torch.allclose(middle, ends, atol=1e-6)
        linear = network().head
        torch.testing.assert_close(linear(features.mean(dim=0)), linear(features).mean(dim=0))


def test_shares_weigh_what_the_recipe_says() -> None:
    values = torch.randn(400, 12, 2)
    for weight in (0.1, 1.0):
        lstm = network(statistics=True, quantile_bins=5, bin_scale=weight)
        lstm.fit_normalisation([values])
        _, statistics = lstm.prepare(values)
        share = torch.tensor(['above_' in name for name in lstm.statistic_names])
        assert int(share.sum()) == 10
        torch.testing.assert_close(
            statistics[:, share].std(dim=0), torch.full((10,), weight), atol=0.05 * weight, rtol=0
        )


def test_soft_bins_hold_how_near_a_sample_is_to_each() -> None:
    values = torch.linspace(0.0, 10.0, 300).reshape(3, 100, 1)
    lstm = fitted([values], inputs='soft_bins', quantile_bins=4, normalise=False)
    levels = lstm.get_buffer('encoders.0.bins.edges')[0]
    torch.testing.assert_close(levels, torch.tensor([2.0, 4.0, 6.0, 8.0]), atol=0.05, rtol=0)
    near = lstm.prepare(values)[0][0]
    torch.testing.assert_close(near.sum(dim=2), torch.ones(3, 100))
    assert torch.equal(near.argmax(dim=2), (values - levels).abs().argmin(dim=2))
    torch.testing.assert_close(
        lstm.prepare(torch.full((1, 5, 1), 3.0))[0][0][0, 0, :2], torch.full((2,), 0.44), atol=0.05, rtol=0
    )
    standardised = fitted([values], inputs='soft_bins', quantile_bins=4)
    found = standardised.prepare(values)[0][0].flatten(0, 1)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std(dim=0, correction=0), torch.ones(4), atol=1e-4, rtol=0)
    values[0, :50] = math.nan
    assert (standardised.prepare(values)[0][0][0, :50] == 0.0).all(), 'what was not measured enters as the mean'


def test_idle_fractions_are_those_of_samples_at_the_commonest_values() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.round(20.0 + 5.0 * torch.randn(50, 40, 2, generator=generator)) * 0.13
    values[:, :10, 0] = 0.59
    values[:, 10:16, 0] = 0.0
    values[:20, 20:30, 0] = math.nan
    lstm = fitted([values], statistics=True, idle_fractions=True)
    kept = [lstm.get_buffer(f'statistics_encoders.0.columns.{name}') for name in ('scale', 'mean')]
    found = lstm.prepare(values)[1] * kept[0] + kept[1]
    by_name = dict(zip(lstm.statistic_names, found.T, strict=True))
    measured = (~values[..., 0].isnan()).sum(dim=1)
    torch.testing.assert_close(by_name['0:idle_1[0]'], 10.0 / measured, atol=1e-4, rtol=0)
    torch.testing.assert_close(by_name['0:idle_2[0]'], 6.0 / measured, atol=1e-4, rtol=0)
    assert sum('idle' in name for name in lstm.statistic_names) == 4


def test_members_see_the_same_windows_and_their_logits_are_averaged() -> None:
    parts = [5.0 + torch.randn(20, 12, 2), torch.randn(20, 40, 3)]
    lstm = fitted(parts, **JOINED)
    features = lstm.features(*lstm.prepare(*parts))
    each = [head(own) for head, own in zip(lstm.heads, lstm.split_features(features), strict=True)]
    assert [logits.shape for logits in each] == [(20, 3)] * 3
    torch.testing.assert_close(lstm(*parts), torch.stack(each).mean(dim=0))
    torch.testing.assert_close(lstm.classify_features(features), lstm(*parts))
    # Each is the network that its keys alone would be.
    alone = make_network(lstm.config.members[0], [2, 3], 3).eval()
    alone.load_state_dict(lstm.members[1].state_dict())
    torch.testing.assert_close(alone(*parts), each[1])
    plain = network((2, 3))
    assert plain.members == [plain]
    assert plain.heads == [plain.head]


def test_a_shape_with_members_comes_back_from_json() -> None:
    config = NetworkConfig(**JOINED)
    assert NetworkConfig(**json.loads(json.dumps(config.to_dict()))) == config


def test_frames_hold_the_power_of_each_band_and_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    values = 2.0 + 0.5 * torch.randn(40, 320, 2, generator=generator)
    lstm = fitted([torch.randn(40, 12, 1), values], frame_samples=(0, 16))
    assert [lstm.config.frame_samples_of(part) for part in (0, 1, 2)] == [0, 16, 0]
    assert [lstm.fewest_samples(part) for part in (0, 1)] == [1, 16]
    sequences = lstm.prepare(torch.randn(40, 12, 1), values)[0]
    assert sequences[0].shape == (40, 12, 1)
    frames = 1 + (320 - 16) // 8
    assert sequences[1].shape == (40, frames, 2 * (16 // 2 + 2))
    flat = sequences[1].flatten(0, 1)
    torch.testing.assert_close(flat.mean(dim=0), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(dim=0), torch.ones(20), atol=1e-2, rtol=0)

    kept = [lstm.get_buffer(f'encoders.1.spectrum.{name}') for name in ('scale', 'mean')]
    spectrum = (sequences[1] * kept[0] + kept[1]).double()
    unit = ((values - values.mean(dim=1, keepdim=True)) / lstm.get_buffer('scalers.1.spread')).double()
    window = torch.hann_window(16, dtype=torch.float64)
    wanted = torch.fft.rfft(unit[..., 1].unfold(1, 16, 8) * window / window.square().sum().sqrt()).abs().square()
    torch.testing.assert_close(spectrum[..., 9:18], torch.log(wanted + 1e-4), atol=1e-3, rtol=1e-3)
    standard = ((values - lstm.mean_of(1)) / lstm.scale_of(1)).double()
    torch.testing.assert_close(spectrum[..., 19], standard[..., 1].unfold(1, 16, 8).mean(dim=2), atol=1e-4, rtol=1e-3)


def test_frames_of_windows_with_holes_are_finite() -> None:
    values = torch.randn(30, 40, 3)
    lstm = fitted([values], frame_samples=(8,), members=({'frame_samples': (20,)},))
    assert lstm.fewest_samples(0) == 20
    values[0] = math.nan
    values[1, ::2] = math.nan
    values[2] = 3.0
    assert torch.isfinite(lstm(values)).all()
