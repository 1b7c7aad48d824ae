# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The network: raw windows in SI units in, logits out; normalisation, LSTM layers, dropout, dense head.

It may have others beside it, which see the same windows in another way; then the logits of all are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from surface_classifier.model.lstm_config import LstmConfig
from surface_classifier.model.window_statistics import (
    SAME_VALUE,
    shares_at,
    soft_shares,
    statistic_names,
    statistic_weights,
    window_statistics,
)

# As Keras' BatchNormalization, with which the seed's networks were built.
BATCH_NORM_MOMENTUM = 0.01
BATCH_NORM_EPSILON = 1e-3
# A statistic further from its mean counts as so far: one odd window must not outvote the rest [standard deviations].
FARTHEST_STATISTIC = 5.0

_RESTING = 2  # commonest values of a channel of which the shares are statistics
# How far a level reaches as an input of the LSTM, in the widths over which a sample comes to count as above it: one
# distance of neighbouring levels.
_REACH_OF_LEVEL = 2.0
_SMALLEST_POWER = 1e-4  # keeps the logarithm of no power finite [typical variances within a window]
_SMALLEST_STEP = 0.05  # keeps the logarithm of no step finite [typical deviations within a window]
_FITTED_WINDOWS = 512  # windows whose inputs are made at once when the normalisation is fitted
_QUANTILE_VALUES = 1_000_000  # of a channel, at most, for the quantiles of its levels


class SurfaceLstm(nn.Module):
    """LSTM layers over each part of the window, and a dense head over their final features.

    `prepare` holds all that is not trained: it fills in what was not measured, standardises, derives sequences and
    statistics. `classify_prepared` holds all that is. What `prepare` needs of the training windows are buffers, so that
    the network takes raw SI values and its weights file is complete. An unmeasured value (NaN) enters as the channel's
    mean (as 0 if the network does not normalise).
    """

    def __init__(self, config: LstmConfig, part_channels: Sequence[int], classes: int) -> None:
        """Build the network with random weights and no normalisation.

        Args:
            config: Shape of the network.
            part_channels: Number of channels of each part of the window.
            classes: Number of classes.

        Raises:
            ValueError: The dropout is `auto`, which only a recipe makes a number.
        """
        super().__init__()
        if config.dropout == 'auto':
            raise ValueError("dropout is 'auto': resolve the recipe first")
        self.config = config
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        self._channels = tuple(part_channels)
        seen = [_with_joint(channels) if config.joint_channels else channels for channels in part_channels]
        for part, channels in enumerate(seen):
            sizes = (channels * self._inputs_of(part), *config.hidden_sizes)
            self.layers.append(nn.ModuleList(nn.LSTM(*pair, batch_first=True) for pair in pairwise(sizes)))
            norms = [_batch_norm(size) for size in config.hidden_sizes] if config.batch_norm else []
            self.norms.append(nn.ModuleList(norms))
            self.register_buffer(f'mean_{part}', torch.zeros(channels))
            self.register_buffer(f'scale_{part}', torch.ones(channels))
            self._register_input_buffers(part, channels)
        self._scale_first_weights()
        self.dropout = nn.Dropout(config.dropout)
        units = config.hidden_sizes[-1] if config.hidden_sizes else 0
        features = units * (2 if config.pooling == 'mean_max' else 1) * len(part_channels)
        self.classes = classes
        self.statistics = sum(map(self._statistics_of, seen)) if config.statistics else 0
        self.head: nn.Module = _head(features + self.statistics, config, classes)
        self._add_others(features + self.statistics)

    def _add_others(self, features: int) -> None:
        """Build the other networks and give their heads to the head; `features` are those of this one."""
        self.others = nn.ModuleList(SurfaceLstm(other, self._channels, self.classes) for other in self.config.others)
        self.feature_count: int = features + sum(other.feature_count for other in self._other_networks())
        if self.config.others:
            sizes = [features, *(other.feature_count for other in self._other_networks())]
            self.head = MeanHead([self.head, *(other.head for other in self._other_networks())], sizes)
            for other in self._other_networks():
                other.head = nn.Identity()

    def _other_networks(self) -> list[SurfaceLstm]:
        return [other for other in self.others if isinstance(other, SurfaceLstm)]

    def frame_samples(self, part: int) -> int:
        """Samples in a frame of a part whose spectrum the LSTM sees; 0 if it sees the samples."""
        frames = self.config.frame_samples
        return frames[part] if part < len(frames) else 0

    def fewest_samples(self, part: int) -> int:
        """Samples that a window of a part must have: a frame, of this network and of its others."""
        return max([1, self.frame_samples(part), *(other.fewest_samples(part) for other in self._other_networks())])

    def _kind(self, part: int) -> str:
        return 'spectrum' if self.frame_samples(part) else self.config.inputs

    def _inputs_of(self, part: int) -> int:
        """Inputs of the LSTM for each channel of a part."""
        counts = {'raw': 1, 'derived': 3, 'levels': self.config.levels, 'spectrum': self.frame_samples(part) // 2 + 2}
        return counts[self._kind(part)]

    def _statistics_of(self, channels: int) -> int:
        return len(statistic_names(channels, self.config.levels, self._resting))

    @property
    def _resting(self) -> int:
        return _RESTING if self.config.resting else 0

    def _takes_deviations(self, part: int) -> bool:
        return self._kind(part) in ('derived', 'spectrum') or self.config.statistics

    def _scale_first_weights(self) -> None:
        for layers in self.layers:
            for lstm in layers:
                if self.config.recurrent_gain != 1.0:
                    lstm.weight_hh_l0.data.mul_(self.config.recurrent_gain)
            if self.config.input_gain > 0.0 and len(layers):
                first = layers[0]
                reach = self.config.input_gain * math.sqrt(3.0 / first.input_size)
                nn.init.uniform_(first.weight_ih_l0, -reach, reach)
                nn.init.uniform_(first.bias_ih_l0, -self.config.input_gain / 2.0, self.config.input_gain / 2.0)

    def _register_input_buffers(self, part: int, channels: int) -> None:
        levels = self.config.levels
        if self._takes_deviations(part):
            self.register_buffer(f'spread_{part}', torch.ones(channels))
        if self._kind(part) == 'derived':
            self.register_buffer(f'step_mean_{part}', torch.zeros(channels))
            self.register_buffer(f'step_scale_{part}', torch.ones(channels))
        if self.config.statistics or self._kind(part) == 'levels':
            self.register_buffer(f'levels_{part}', torch.zeros(channels, levels))
            self.register_buffer(f'level_widths_{part}', torch.ones(channels, levels))
        if self._kind(part) == 'levels':
            self.register_buffer(f'near_mean_{part}', torch.zeros(channels * levels))
            self.register_buffer(f'near_scale_{part}', torch.ones(channels * levels))
        if self._kind(part) == 'spectrum':
            frame = self.frame_samples(part)
            self.register_buffer(f'spectrum_mean_{part}', torch.zeros(channels * self._inputs_of(part)))
            self.register_buffer(f'spectrum_scale_{part}', torch.ones(channels * self._inputs_of(part)))
            for name, kernel in _spectrum_kernels(frame).items():
                self.register_buffer(f'{name}_{part}', kernel.unsqueeze(1).repeat(channels, 1, 1), persistent=False)
        if self.config.resting:
            self.register_buffer(f'resting_{part}', torch.full((channels, _RESTING), torch.nan))
        if self.config.statistics:
            statistics = self._statistics_of(channels)
            self.register_buffer(f'statistics_mean_{part}', torch.zeros(statistics))
            self.register_buffer(f'statistics_scale_{part}', torch.ones(statistics))

    def fit_normalisation(self, parts: Sequence[Tensor]) -> None:
        """Take what `prepare` needs from training windows.

        Args:
            parts: For each part a tensor (windows, samples, channels); NaN where unmeasured.
        """
        for part, given in enumerate(parts):
            values = self._joined(given)
            if self.config.normalise:
                flat = values.double().flatten(0, 1)
                mean = flat.nanmean(dim=0)
                mean = torch.where(mean.isnan(), torch.zeros_like(mean), mean)
                variance = (flat - mean).square().nanmean(dim=0)
                # A channel that never changes keeps its unit instead of being blown up.
                scale = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
                self.get_buffer(f'mean_{part}').copy_(mean)
                self.get_buffer(f'scale_{part}').copy_(scale)
            if self._takes_deviations(part) or self._kind(part) == 'levels':
                self._fit_inputs(part, values)
        for other in self._other_networks():
            other.fit_normalisation(parts)

    def _fit_inputs(self, part: int, values: Tensor) -> None:
        """Take the units of the derived sequences and of the statistics from training windows."""
        config = self.config
        mean, scale = self.get_buffer(f'mean_{part}'), self.get_buffer(f'scale_{part}')
        if config.normalise and self._takes_deviations(part):
            self.get_buffer(f'spread_{part}').copy_(_typical_deviation(values, scale))
        if config.statistics or self._kind(part) == 'levels':
            levels, widths = _levels((values.flatten(0, 1) - mean) / scale, config.levels)
            self.get_buffer(f'levels_{part}').copy_(levels)
            self.get_buffer(f'level_widths_{part}').copy_(widths)
        if config.resting:
            self.get_buffer(f'resting_{part}').copy_(_commonest((values.flatten(0, 1) - mean) / scale))
        if not config.normalise:
            return
        found: dict[str, list[Tensor]] = {'step': [], 'near': [], 'spectrum': [], 'statistics': []}
        for batch in values.split(_FITTED_WINDOWS):
            if self._kind(part) == 'levels':
                known = ~self._for_each_level(torch.isnan(batch))
                near = self._nearness(part, self._standardised(part, batch))
                found['near'].append(torch.where(known, near, torch.nan).flatten(0, 1).double())
            if not self._takes_deviations(part):
                continue
            filled, deviation, measured = self._deviations(part, batch)
            if self._kind(part) == 'spectrum':
                spectrum = self._spectrum(part, self._standardised(part, filled), deviation)
                found['spectrum'].append(spectrum.flatten(0, 1).double())
            if self._kind(part) == 'derived':
                # Where a step was not measured it will enter as the mean, so it must not count in the mean.
                step, known = _log_steps(deviation, measured)
                found['step'].append(torch.where(known, step, torch.nan).flatten(0, 1).double())
            if config.statistics:
                found['statistics'].append(self._window_statistics(part, filled, deviation, measured).double())
        for name, batches in found.items():
            if batches:
                mean, scale = _mean_and_scale(torch.cat(batches))
                if name == 'statistics':
                    weights = statistic_weights(values.shape[2], config.levels, config.share_weight, self._resting)
                    scale = scale / scale.new_tensor(weights)
                self.get_buffer(f'{name}_mean_{part}').copy_(mean)
                self.get_buffer(f'{name}_scale_{part}').copy_(scale)

    def mean_of(self, part: int) -> Tensor:
        """Mean of each channel of a part, shape (channels,) [channel units]."""
        return self.get_buffer(f'mean_{part}')[: self._channels[part]]

    def scale_of(self, part: int) -> Tensor:
        """Standard deviation of each channel of a part, shape (channels,) [channel units]."""
        return self.get_buffer(f'scale_{part}')[: self._channels[part]]

    @property
    def statistic_names(self) -> tuple[str, ...]:
        """Names of the statistics that `prepare` gives, with the part's number: `0:level[0]`; without the others'."""
        if not self.config.statistics:
            return ()
        channels = [len(self.get_buffer(f'mean_{part}')) for part in range(len(self.layers))]
        return tuple(
            f'{part}:{name}'
            for part, count in enumerate(channels)
            for name in statistic_names(count, self.config.levels, self._resting)
        )

    def forward(self, *parts: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for one tensor (windows, samples, channels) for each part."""
        return self.classify_prepared(*self.prepare(*parts))

    def prepare(self, *parts: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what is not trained: the sequences for the LSTM layers, and the statistics for the head.

        Args:
            parts: For each part a tensor (windows, samples, channels) in the channels' units; NaN where unmeasured.

        Returns:
            For each part the sequences, (windows, samples, inputs), unless there is no LSTM layer; and the statistics
            of all parts, (windows, statistics), without columns if the network has none. Those of the others follow.
        """
        sequences, statistics = [], []
        for part, given in enumerate(parts):
            values = self._joined(given)
            # Where nothing is derived and there are no statistics, nobody looks at the last two.
            filled, deviation, measured = (
                self._deviations(part, values) if self._takes_deviations(part) else (values, values, values)
            )
            if self.config.hidden_sizes:
                sequences.append(self._sequence(part, values, deviation, measured))
            if self.config.statistics:
                found = self._window_statistics(part, filled, deviation, measured)
                found = self._scaled('statistics', part, found, ~torch.isnan(found))
                statistics.append(found.clamp(-FARTHEST_STATISTIC, FARTHEST_STATISTIC))
        for other in self._other_networks():
            more, found = other.prepare(*parts)
            sequences += more
            statistics.append(found)
        return sequences, torch.cat(statistics, dim=1) if statistics else parts[0].new_zeros(parts[0].shape[0], 0)

    def classify_prepared(self, sequences: Sequence[Tensor], statistics: Tensor) -> Tensor:
        """Return logits of shape (windows, classes) for what `prepare` gave."""
        logits: Tensor = self.head(self.features(sequences, statistics))
        return logits

    def features(self, sequences: Sequence[Tensor], statistics: Tensor) -> Tensor:
        """Return what the head sees, (windows, features): those of the LSTM layers, then the statistics.

        Those of the others follow.
        """
        own, _ = self.input_counts
        features = [self._part_features(part, sequence) for part, sequence in enumerate(sequences[:own])]
        if self.config.statistics:
            features.append(statistics[:, : self.statistics])
        sequences, statistics = sequences[own:], statistics[:, self.statistics :]
        for other in self._other_networks():
            count, columns = other.input_counts
            features.append(other.features(sequences[:count], statistics[:, :columns]))
            sequences, statistics = sequences[count:], statistics[:, columns:]
        return torch.cat(features, dim=-1)

    @property
    def input_counts(self) -> tuple[int, int]:
        """How many sequences and statistics this network takes, without its others."""
        return len(self.layers) if self.config.hidden_sizes else 0, self.statistics

    @property
    def heads(self) -> list[nn.Module]:
        """The heads of this network and of its others, each on features of its own (`split_features`)."""
        return list(self.head.heads) if isinstance(self.head, MeanHead) else [self.head]

    def split_features(self, features: Tensor) -> list[Tensor]:
        """Return the features of this network and of its others, as `features` gave them side by side."""
        return self.head.split(features) if isinstance(self.head, MeanHead) else [features]

    def _sequence(self, part: int, values: Tensor, deviation: Tensor, measured: Tensor) -> Tensor:
        """Return what the LSTM layers of a part see, (windows, samples or frames, inputs)."""
        kind, standard = self._kind(part), self._standardised(part, values)
        if kind == 'derived':
            step, known = _log_steps(deviation, measured)
            return torch.cat([standard, deviation, self._scaled('step', part, step, known)], dim=2)
        if kind == 'spectrum':
            return self._scaled('spectrum', part, self._spectrum(part, standard, deviation))
        if kind == 'levels':
            known = ~self._for_each_level(torch.isnan(values))
            return self._scaled('near', part, self._nearness(part, standard), known)
        return standard

    def _scaled(self, name: str, part: int, values: Tensor, known: Tensor | None = None) -> Tensor:
        """Standardise by the training windows; what is not known enters as the mean, which is 0."""
        scaled = (values - self.get_buffer(f'{name}_mean_{part}')) / self.get_buffer(f'{name}_scale_{part}')
        return scaled if known is None else torch.where(known, scaled, torch.zeros_like(scaled))

    def _part_features(self, part: int, sequence: Tensor) -> Tensor:
        for layer, lstm in enumerate(self.layers[part]):
            sequence, _ = lstm(sequence)
            if self.config.batch_norm:
                sequence = self.norms[part][layer](sequence.transpose(1, 2)).transpose(1, 2)
            sequence = self.dropout(sequence)
        if self.config.pooling == 'last':
            return sequence[:, -1]
        return torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=-1)

    def _joined(self, values: Tensor) -> Tensor:
        """Return channels and, if the network sees them, the joint ones behind; NaN where one of a pair is NaN."""
        if not self.config.joint_channels or values.shape[2] < 2:
            return values
        total, difference = values[:, :, :-1] + values[:, :, 1:], values[:, :, :-1] - values[:, :, 1:]
        larger, smaller = 0.5 * (total + difference.abs()), 0.5 * (total - difference.abs())
        return torch.cat([values, total, difference, larger, smaller], dim=2)

    def _standardised(self, part: int, values: Tensor) -> Tensor:
        mean, scale = self.get_buffer(f'mean_{part}'), self.get_buffer(f'scale_{part}')
        return (torch.where(torch.isnan(values), mean, values) - mean) / scale

    def _deviations(self, part: int, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the values without gaps, their deviation from the window's mean in typical ones, and what was there.

        The deviation is 0 where nothing was measured, and what was measured is 1, the rest 0.
        """
        missing = torch.isnan(values)
        measured = (~missing).to(values.dtype)
        centre = self.get_buffer(f'mean_{part}')
        filled = torch.where(missing, centre, values)
        # About the channel's mean first: a sum of small numbers keeps its digits.
        offset = filled - centre
        mean = (offset * measured).sum(dim=1, keepdim=True) / measured.sum(dim=1, keepdim=True).clamp(min=1.0)
        return filled, (offset - mean) * measured / self.get_buffer(f'spread_{part}'), measured

    def _spectrum(self, part: int, standard: Tensor, deviation: Tensor) -> Tensor:
        """Return log power of each band, and mean, of each frame, (windows, frames, channels x (bands + 1)).

        Convolutions hold for any number of samples; slices would fix it in the exported graph.
        """
        hop, channels = self.frame_samples(part) // 2, standard.shape[2]

        def frames(values: Tensor, kernel: str) -> Tensor:
            weights = self.get_buffer(f'{kernel}_{part}')
            return functional.conv1d(values.transpose(1, 2), weights, stride=hop, groups=channels)

        power = frames(deviation, 'cosine').square() + frames(deviation, 'sine').square()
        return torch.cat([torch.log(power + _SMALLEST_POWER), frames(standard, 'average')], dim=1).transpose(1, 2)

    def _for_each_level(self, values: Tensor) -> Tensor:
        return torch.cat([value.expand(-1, -1, self.config.levels) for value in values.split(1, dim=2)], dim=2)

    def _nearness(self, part: int, standard: Tensor) -> Tensor:
        """Return how near each sample is to each level of its channel, (windows, samples, channels x levels)."""
        levels = self.get_buffer(f'levels_{part}')
        width = _REACH_OF_LEVEL * self.get_buffer(f'level_widths_{part}')
        # Channel by channel: to flatten channels and levels would fix the number of samples in the exported graph.
        near = [
            torch.softmax(-0.5 * ((values - levels[channel]) / width[channel]).square(), dim=2)
            for channel, values in enumerate(standard.split(1, dim=2))
        ]
        return torch.cat(near, dim=2)

    def _window_statistics(self, part: int, filled: Tensor, deviation: Tensor, measured: Tensor) -> Tensor:
        standard = self._standardised(part, filled)
        shares = soft_shares(
            standard, measured, self.get_buffer(f'levels_{part}'), self.get_buffer(f'level_widths_{part}')
        )
        if self.config.resting:
            resting = shares_at(standard, measured, self.get_buffer(f'resting_{part}'))
            shares = torch.cat([shares, resting], dim=2)
        return window_statistics(standard * measured, deviation, measured, shares)


class MeanHead(nn.Module):
    """The heads of several networks, each on its own features; its logits are the mean of theirs.

    The mean of logits is the geometric mean of probabilities, up to a factor.
    """

    def __init__(self, heads: Sequence[nn.Module], sizes: Sequence[int]) -> None:
        """Join heads.

        Args:
            heads: One for each network.
            sizes: Number of features of each.
        """
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self._sizes = list(sizes)

    def split(self, features: Tensor) -> list[Tensor]:
        """Return the features of each network."""
        return list(features.split(self._sizes, dim=-1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean of the networks' logits, (windows, classes)."""
        each = [head(own) for head, own in zip(self.heads, self.split(features), strict=True)]
        return torch.stack(each).mean(dim=0)


def _spectrum_kernels(frame_samples: int) -> dict[str, Tensor]:
    """Return real and imaginary part of a discrete Fourier transform with a Hann window, and a mean.

    Shapes (bands, samples) and (1, samples). White noise of variance 1 has a mean power of 1 in each band.
    """
    time = torch.arange(frame_samples, dtype=torch.float64)
    window = torch.hann_window(frame_samples, dtype=torch.float64)
    window = window / window.square().sum().sqrt()
    phase = 2.0 * math.pi * torch.outer(torch.arange(frame_samples // 2 + 1, dtype=torch.float64), time) / frame_samples
    kernels = {'cosine': torch.cos(phase) * window, 'sine': torch.sin(phase) * window}
    return {
        **{k: v.float() for k, v in kernels.items()},
        'average': torch.full((1, frame_samples), 1.0 / frame_samples),
    }


def _batch_norm(size: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(size, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)


def _with_joint(channels: int) -> int:
    """Number of channels when sum, difference, larger and smaller of neighbours are added."""
    return channels + 4 * (channels - 1)


def _head(features: int, config: LstmConfig, classes: int) -> nn.Linear | nn.Sequential:
    """Return a linear head, or one with hidden layers."""
    sizes = (features, *config.head_sizes)
    if len(sizes) == 1:
        return nn.Linear(features, classes)
    hidden = [(nn.Linear(*pair), nn.ReLU(), nn.Dropout(config.head_dropout)) for pair in pairwise(sizes)]
    return nn.Sequential(*(module for layer in hidden for module in layer), nn.Linear(sizes[-1], classes))


def _typical_deviation(values: Tensor, scale: Tensor) -> Tensor:
    """Median over windows of each channel's standard deviation, (channels,); `scale` where most are constant."""
    variances: list[Tensor] = []
    for batch in values.split(_FITTED_WINDOWS):
        exact = batch.double()
        variances.append((exact - exact.nanmean(dim=1, keepdim=True)).square().nanmean(dim=1))
    median = torch.cat(variances).sqrt().nanmedian(dim=0).values
    return torch.where(median > 1e-6 * scale, median, scale.double()).to(scale.dtype)


def _levels(standard: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return quantiles of each channel and how softly they divide, (channels, levels); `standard` is (values, c)."""
    stride = -(-len(standard) // _QUANTILE_VALUES)
    shares = torch.linspace(0.0, 1.0, count + 2, dtype=torch.float64)[1:-1]
    levels = torch.nanquantile(standard[::stride].double(), shares, dim=0).T
    levels = torch.where(levels.isnan(), torch.zeros_like(levels), levels)
    # Half the mean distance of neighbouring levels; quantised currents have equal ones.
    width = (levels[:, -1:] - levels[:, :1]) / (2.0 * max(1, count - 1))
    return levels, torch.where(width > 0.0, width, torch.full_like(width, 0.1)).expand_as(levels)


def _commonest(standard: Tensor) -> Tensor:
    """Return the commonest values of each channel, (channels, values); `standard` is (values, channels).

    NaN, which no sample equals, where a channel has fewer values.
    """
    found = torch.full((standard.shape[1], _RESTING), torch.nan)
    stride = -(-len(standard) // _QUANTILE_VALUES)
    for channel, given in enumerate(standard[::stride].unbind(dim=1)):
        measured = given[~given.isnan()]
        if len(measured) == 0:
            continue
        _, group, counts = (measured / SAME_VALUE).round().unique(return_inverse=True, return_counts=True)
        for place, index in enumerate(counts.argsort(descending=True, stable=True)[:_RESTING].tolist()):
            found[channel, place] = measured[group == index].median()
    return found


def _mean_and_scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column of (values, columns), NaN left out; 0 and 1 where there is none."""
    mean = values.nanmean(dim=0)
    mean = torch.where(mean.isnan(), torch.zeros_like(mean), mean)
    variance = (values - mean).square().nanmean(dim=0)
    return mean, torch.where(variance > 1e-12, variance.sqrt(), torch.ones_like(variance))


def _log_steps(deviation: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Return log |step from the sample before| [log typical deviations], and where both samples were measured.

    The first sample has none before it. A convolution holds for any number of samples; slices would fix it in the
    exported graph.
    """
    channels = deviation.shape[2]
    kernel = deviation.new_tensor([-1.0, 1.0]).repeat(channels, 1, 1)
    before = functional.pad(deviation.transpose(1, 2), (1, 0))
    step = functional.conv1d(before, kernel, groups=channels).transpose(1, 2)
    pairs = functional.conv1d(functional.pad(measured.transpose(1, 2), (1, 0)), kernel.abs(), groups=channels)
    return torch.log(step.abs() + _SMALLEST_STEP), pairs.transpose(1, 2) > 1.5
