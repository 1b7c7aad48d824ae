# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated tasks of the shape of the forum question: about a hundred windows of one motor current, six surfaces.

Three generators make the same kind of task by different mechanisms, so that what is tuned on one can be tested on
another:

| generator | what distinguishes the surfaces |
|---|---|
| `texture` | standard deviation, skewness and colour (second-order autoregression) of the noise |
| `ripple` | bands and amplitudes of sinusoids, rate and shape of impulses (joints, stones) |
| `simulator` | the physics of `current_driver.simulation.simulator`: one motor, another floor in every drive |

Windows follow each other in recordings, and a recording has a gain, an offset and a roughness of its own, so that
windows of one recording are a little more alike than those of two. The surfaces stay the same whatever the seed: a task
of another seed holds other recordings of the same surfaces, which is what a fresh test set is.

How hard they are (98 windows to fit, 1,200 of other recordings to test, mean of 10 seeds, accuracy): a linear
discriminant on the mean current reaches 0.31, 0.31 and 0.26, one on ten hand features 0.77, 0.72 and 0.71.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.simulation.simulator import Simulator, SimulatorConfig
from current_driver.simulation.surfaces import SURFACES
from surface_classifier.data.dataset import Dataset, RecordingInfo, history_entry
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig

Generator = Literal['texture', 'ripple', 'simulator']
GENERATORS: tuple[Generator, ...] = get_args(Generator)
SAMPLE_RATE_HZ = 100.0
RECORDINGS_PER_SURFACE = 4

_NANOSECONDS = 1_000_000_000
_SETTLING_SAMPLES = 200  # after which a filter has forgotten its start, and a simulated robot drives [samples]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ForumTask:
    """Labelled windows of one motor current.

    Attributes:
        name: Generator and seed, such as `texture-3`.
        windows: Motor current, float64 of shape (n, samples, 1) [A].
        labels: Class of each window, int64 of shape (n,).
        recordings: Recording of each window, int64 of shape (n,), from 0 without gaps; each is of one class.
        sample_rate_hz: Rate of the samples [Hz].
        classes: Names of the classes.
    """

    name: str
    windows: Values
    labels: NDArray[np.int64]
    recordings: NDArray[np.int64]
    sample_rate_hz: float
    classes: tuple[str, ...]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Dataset:
        """Write the task as a data set in which each recording is known.

        Args:
            path: Folder to make.
            overwrite: Replace a data set that is there already.

        Raises:
            SurfaceError: Something is there already, or nothing can be written there.
        """
        samples = self.windows.shape[1]
        period_ns = _NANOSECONDS / self.sample_rate_hz
        window_ns = round(samples * period_ns)
        counts = np.bincount(self.recordings)
        infos, place = [], np.zeros(len(self.labels), dtype=np.int64)
        of_class: dict[int, int] = {}
        for recording, count in enumerate(counts):
            rows = np.flatnonzero(self.recordings == recording)
            label = int(self.labels[rows[0]])
            number = of_class[label] = of_class.get(label, -1) + 1
            seconds = count * samples / self.sample_rate_hz
            infos.append(RecordingInfo(f'{self.classes[label]}/{number:02d}', seconds, robot='simulated'))
            place[rows] = recording_base_ns(recording) + np.arange(count) * window_ns
        channel = ChannelConfig('drive', 'motor_current', MOTOR_CURRENT_TYPE, 'current[drive]')
        config = WindowConfig((PartConfig('motor', self.sample_rate_hz, (channel,)),), samples, samples)
        return Dataset.save(
            path,
            config=config,
            classes=self.classes,
            parts={'motor': self.windows},
            labels=self.labels,
            start_ns=place,
            end_ns=place + round((samples - 1) * period_ns),
            recording=self.recordings,
            recordings=infos,
            counters={'windows': len(self.labels)},
            history=[history_entry('simulate task', name=self.name)],
            overwrite=overwrite,
        )


def forum_task(
    generator: Generator,
    seed: int,
    windows: int = 98,
    samples: int = 100,
    recordings_per_surface: int = RECORDINGS_PER_SURFACE,
) -> ForumTask:
    """Make a task.

    Args:
        generator: `texture`, `ripple` or `simulator`.
        seed: Seed of the recordings; the surfaces do not depend on it.
        windows: How many, divided evenly among the surfaces and then among their recordings.
        samples: Length of a window [samples].
        recordings_per_surface: Recordings of each surface; fewer where there are fewer windows.

    Raises:
        ValueError: The generator is unknown, or there are fewer windows than surfaces.
    """
    if generator not in GENERATORS:
        raise ValueError(f'generator must be one of {", ".join(GENERATORS)}, not {generator!r}')
    make = {'texture': _texture_signals, 'ripple': _ripple_signals, 'simulator': _simulated_signals}[generator]
    return _task(f'{generator}-{seed}', make, tuple(SURFACES), seed, windows, samples, recordings_per_surface)


def two_class_toy(
    seed: int, windows: int = 98, samples: int = 100, recordings_per_class: int = RECORDINGS_PER_SURFACE
) -> ForumTask:
    """Make the easy task of two classes: a cosine against an arc cosine, at random phases and in noise.

    Args:
        seed: Seed of phases, noise and recordings.
        windows: How many, half of each class.
        samples: Length of a window [samples].
        recordings_per_class: Recordings of each class; fewer where there are fewer windows.

    Raises:
        ValueError: There are fewer windows than classes.
    """
    classes = ('cosine', 'arc_cosine')
    return _task(f'toy-{seed}', _toy_signals, classes, seed, windows, samples, recordings_per_class)


# From a seed and the number of samples of each recording, by (class, number of the recording), to their currents.
_Make = Callable[[int, Mapping[tuple[int, int], int]], Mapping[tuple[int, int], Values]]


def _task(
    name: str, make: _Make, classes: tuple[str, ...], seed: int, windows: int, samples: int, recordings: int
) -> ForumTask:
    if windows < len(classes):
        raise ValueError(f'{windows} windows are too few for {len(classes)} classes; give one for each or more')
    rng = _random(name, 0)
    # Which classes get the windows that are left over is drawn, so that no class is always the larger one.
    of_class = np.full(len(classes), windows // len(classes))
    of_class[rng.permutation(len(classes))[: windows % len(classes)]] += 1
    counts = {
        (label, number): len(part)
        for label, count in enumerate(of_class)
        for number, part in enumerate(np.array_split(np.arange(count), min(recordings, count)))
    }
    signals = make(seed, {key: count * samples for key, count in counts.items()})
    order = sorted(counts)
    return ForumTask(
        name=name,
        windows=np.concatenate([signals[key].reshape(-1, samples, 1) for key in order]),
        labels=np.concatenate([np.full(counts[key], key[0], dtype=np.int64) for key in order]),
        recordings=np.repeat(np.arange(len(order), dtype=np.int64), [counts[key] for key in order]),
        sample_rate_hz=SAMPLE_RATE_HZ,
        classes=classes,
    )


def _random(*key: int | str) -> np.random.Generator:
    """A stream of random numbers of its own for each purpose."""
    numbers = [zlib.crc32(item.encode()) if isinstance(item, str) else item for item in key]
    return np.random.default_rng(np.random.SeedSequence(numbers))


def _wander(rng: np.random.Generator, samples: int, time_constant_s: float) -> Values:
    """A slow Gaussian process of standard deviation 1 (a first-order autoregression), shape (samples,)."""
    pole = np.exp(-1.0 / (time_constant_s * SAMPLE_RATE_HZ))
    noise = rng.standard_normal(samples) * np.sqrt(1.0 - pole**2)
    noise[0] = rng.standard_normal()
    filtered: Values = lfilter([1.0], [1.0, -pole], noise)
    return filtered


@dataclass(frozen=True)
class _Recording:
    """What a recording has of its own: level, gain and roughness, all wandering slowly."""

    level_a: Values
    roughness: Values

    @classmethod
    def draw(cls, rng: np.random.Generator, level_a: float, samples: int, roughness_spread: float) -> _Recording:
        gain = np.exp(0.03 * rng.standard_normal())
        offset = 0.05 * rng.standard_normal()
        load = 0.09 * _wander(rng, samples, 3.0)
        rough = roughness_spread * (0.5 * rng.standard_normal() + _wander(rng, samples, 1.0))
        return cls(level_a * gain + offset + load, np.exp(rough))


@dataclass(frozen=True)
class _Texture:
    """Noise of one surface: level [A], standard deviation [A], resonance as a share of Nyquist, pole radius, skew."""

    level_a: float
    std_a: float
    resonance: float
    radius: float
    skew: float


_TEXTURES = (
    _Texture(1.06, 0.050, 0.05, 0.60, 0.0),
    _Texture(1.00, 0.038, 0.40, 0.40, 0.0),
    _Texture(1.24, 0.070, 0.10, 0.55, 0.5),
    _Texture(1.16, 0.068, 0.35, 0.35, 0.9),
    _Texture(0.95, 0.034, 0.20, 0.60, 0.0),
    _Texture(1.10, 0.046, 0.60, 0.45, 0.5),
)


def _texture_signals(seed: int, counts: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], Values]:
    signals = {}
    for (label, number), samples in counts.items():
        rng = _random('texture', seed, label, number)
        texture = _TEXTURES[label]
        own = _Recording.draw(rng, texture.level_a, samples, 0.30)
        noise = rng.standard_normal(samples + _SETTLING_SAMPLES)
        if texture.skew:
            # Mixed with a centred exponential: bumps that push harder than they pull.
            noise = np.sqrt(1.0 - texture.skew**2) * noise + texture.skew * (rng.exponential(size=len(noise)) - 1.0)
        angle = np.pi * np.clip(texture.resonance + 0.05 * rng.standard_normal(), 0.01, 0.95)
        coloured = lfilter([1.0], [1.0, -2.0 * texture.radius * np.cos(angle), texture.radius**2], noise)
        power = _autoregression_power(texture.radius, angle)
        coloured = coloured[_SETTLING_SAMPLES:] / np.sqrt(power)
        signals[label, number] = own.level_a + texture.std_a * own.roughness * coloured
    return signals


def _autoregression_power(radius: float, angle: float) -> float:
    """Variance of a second-order autoregression with poles radius e^(+-i angle), driven by unit white noise."""
    first, second = 2.0 * radius * np.cos(angle), -(radius**2)
    return float((1.0 - second) / ((1.0 + second) * ((1.0 - second) ** 2 - first**2)))


@dataclass(frozen=True)
class _Ripple:
    """One surface: level [A], band [Hz] and its amplitude [A], impulses [1/s], their height [A] and decay [s]."""

    level_a: float
    band_hz: tuple[float, float]
    ripple_a: float
    impulses_per_s: float
    impulse_a: float
    decay_s: float
    periodic: bool = False


_RIPPLES = (
    _Ripple(1.06, (2.0, 9.0), 0.050, 0.5, 0.05, 0.02),
    _Ripple(1.00, (8.0, 22.0), 0.035, 1.0, 0.06, 0.01),
    _Ripple(1.24, (3.0, 14.0), 0.055, 3.0, 0.10, 0.04),
    _Ripple(1.16, (10.0, 28.0), 0.045, 8.0, 0.10, 0.01),
    _Ripple(0.95, (4.0, 14.0), 0.030, 1.2, 0.14, 0.02, periodic=True),
    _Ripple(1.10, (6.0, 20.0), 0.030, 5.0, 0.12, 0.015, periodic=True),
)
_SINUSOIDS = 6


def _ripple_signals(seed: int, counts: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], Values]:
    signals = {}
    for (label, number), samples in counts.items():
        rng = _random('ripple', seed, label, number)
        ripple = _RIPPLES[label]
        own = _Recording.draw(rng, ripple.level_a, samples, 0.20)
        speed = 1.0 + 0.10 * rng.standard_normal() + 0.10 * _wander(rng, samples, 1.5)
        speed = np.clip(speed, 0.4, 2.0)
        travelled_s = np.cumsum(speed) / SAMPLE_RATE_HZ
        frequencies = rng.uniform(*ripple.band_hz, _SINUSOIDS)
        phases = rng.uniform(0.0, 2.0 * np.pi, _SINUSOIDS)
        waves = np.sin(2.0 * np.pi * frequencies[:, None] * travelled_s + phases[:, None])
        waves = waves.sum(axis=0) / np.sqrt(_SINUSOIDS / 2.0)
        pulses = _impulses(rng, ripple, travelled_s)
        noise = 0.012 * rng.standard_normal(samples)
        signals[label, number] = own.level_a + own.roughness * (ripple.ripple_a * waves + pulses) + noise
    return signals


def _impulses(rng: np.random.Generator, ripple: _Ripple, travelled_s: Values) -> Values:
    """Impulses that jump and decay: joints at even distances, or stones at random ones, shape (samples,) [A]."""
    samples = len(travelled_s)
    count = travelled_s[-1] * ripple.impulses_per_s
    if ripple.periodic:
        places = (np.arange(int(count) + 2) + rng.uniform(0.0, 1.0)) / ripple.impulses_per_s
    else:
        places = rng.uniform(0.0, travelled_s[-1], rng.poisson(count))
    hit = np.searchsorted(travelled_s, places)
    hit = hit[hit < samples]
    kicks = np.zeros(samples)
    np.add.at(kicks, hit, ripple.impulse_a * rng.uniform(0.5, 1.5, len(hit)))
    decayed: Values = lfilter([1.0], [1.0, -np.exp(-1.0 / (ripple.decay_s * SAMPLE_RATE_HZ))], kicks)
    return decayed


def _simulated_signals(seed: int, counts: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], Values]:
    """Drive over every surface once for each recording number: a drive has its own floors, load, gain and battery."""
    signals = {}
    longest = max(counts.values())
    stay = longest + _SETTLING_SAMPLES
    for drive in sorted({number for _, number in counts}):
        simulator = Simulator(
            SimulatorConfig(
                # Hashed: other words would make other drives.
                seed=zlib.crc32(f'seed task {seed} {drive}'.encode()),
                sample_rate_hz=SAMPLE_RATE_HZ,
                motors=1,
                seconds_per_surface=stay / SAMPLE_RATE_HZ,
            )
        )
        current = simulator.step(stay * len(SURFACES)).current_a[:, 0]
        for stretch in range(len(SURFACES)):
            first = stretch * stay
            label = int(simulator.surface_indices(first, 1)[0])
            if (label, drive) in counts:
                begin = first + _SETTLING_SAMPLES
                signals[label, drive] = current[begin : begin + counts[label, drive]]
    return signals


def _toy_signals(seed: int, counts: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], Values]:
    signals = {}
    for (label, number), samples in counts.items():
        rng = _random('toy', seed, label, number)
        gain, offset = np.exp(0.05 * rng.standard_normal()), 0.05 * rng.standard_normal()
        # x sweeps from -1 to 1 again and again, about twice a second, with no phase that a window could count on.
        sweep = 2.0 * ((np.arange(samples) * 2.3 / SAMPLE_RATE_HZ + rng.uniform()) % 1.0) - 1.0
        shape = np.cos(np.pi * sweep) if label == 0 else 2.0 * np.arccos(sweep) / np.pi - 1.0
        signals[label, number] = gain * shape + offset + 0.1 * rng.standard_normal(samples)
    return signals
