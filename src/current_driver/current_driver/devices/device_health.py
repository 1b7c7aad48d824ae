# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How a device is: a pure function from what its thread has counted to a level, a sentence and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from current_driver.devices.sample_timing import Timing
from current_driver.node.health import Health, Level

SILENCE_S = 2.0
LOSS_SHOWN_S = 10.0


@dataclass(frozen=True)
class DeviceState:
    """What a device's thread has done.

    Attributes:
        device: The device in words.
        trouble: Why it is not connected; empty while it is.
        retry_s: Time between two tries to connect [s].
        samples: Samples taken in.
        lost: Samples lost, as far as can be known.
        lost_ago_s: Time since the last loss; None: none so far [s].
        silent_s: Time since the last sample, or since the connection [s].
        timing: Rate and jitter.
        stamps: How stamps come about, in words; empty before the first sample.
        loss: How missing samples are noticed, in words.
        drift_ppm: Drift of the device's clock; None without one.
        counters: Whatever else was counted, by name.
        warning: What was asked for and is not so; empty when all is.
        hint: What comes, where no sample can be read from it, with the remedy; empty where that is not known.
    """

    device: str
    trouble: str = ''
    retry_s: float = 1.0
    samples: int = 0
    lost: int = 0
    lost_ago_s: float | None = None
    silent_s: float = 0.0
    timing: Timing = field(default_factory=Timing)
    stamps: str = ''
    loss: str = ''
    drift_ppm: float | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    warning: str = ''
    hint: str = ''


def device_health(state: DeviceState) -> Health:
    """Return the device's health."""
    values: dict[str, object] = {
        'device': state.device,
        'connected': 'no' if state.trouble else 'yes',
        'samples': state.samples,
        'lost samples': state.lost,
        'rate [Hz]': f'{state.timing.rate_hz:.2f}',
        'jitter [ms]': f'{state.timing.jitter_ms:.3f}',
        'arrival jitter [ms]': f'{state.timing.arrival_jitter_ms:.3f}',
        'longest wait [ms]': f'{state.timing.longest_ms:.1f}',
        'stamps are': state.stamps,
        'loss is seen by': state.loss,
        **{name: count for name, count in sorted(state.counters.items()) if count},
    }
    if state.drift_ppm is not None:
        values['clock drift [ppm]'] = f'{state.drift_ppm:.1f}'
    if state.trouble:
        return Health(Level.ERROR, f'{state.trouble}; trying again every {state.retry_s:g} s', values)
    if state.silent_s > SILENCE_S:
        text = f'{state.device} is connected and sends no sample that can be read; '
        noise = max(state.counters, key=lambda name: state.counters[name], default='')
        if state.hint and not state.samples:
            text += state.hint
        elif noise and not state.samples:
            text += f'there are {noise}: check the speed and the format'
        else:
            text += 'check that it sends'
        return Health(Level.WARN, text, values)
    if state.lost_ago_s is not None and state.lost_ago_s < LOSS_SHOWN_S:
        return Health(Level.WARN, f'{state.device} loses samples; windows that they belong to are left out', values)
    if state.warning:
        return Health(Level.WARN, state.warning, values)
    return Health(Level.OK, 'publishing', values)
