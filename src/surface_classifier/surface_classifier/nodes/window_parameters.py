# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The window configuration a preprocessor's parameters stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import load_contract
from surface_classifier.signal.config import ChannelConfig, PartConfig, WindowConfig, default_window_config

EXAMPLE_CHANNEL = (
    '"{name: left, topic: joint_states, type: sensor_msgs/msg/JointState, field: \'effort[left_wheel]\', unit: A}"'
)


def window_config(values: Mapping[str, Any]) -> WindowConfig:
    """Return the window configuration that parameters stand for.

    It starts from the model's contract (`model`), a file (`window_file`), the channels alone (`channels`), or the
    simulated robot's two motors. `channels` beside a model or a file say where its channels come from, by name. Numbers
    that are given (not 0) then replace those of the first part and of the window.

    Args:
        values: Parameters of the preprocessor by name.

    Raises:
        SurfaceError: They contradict each other, a file cannot be used, or a channel cannot be parsed.
    """
    if values['model'] and values['window_file']:
        raise SurfaceError(
            f'parameters model ({values["model"]}) and window_file ({values["window_file"]}) both say how windows are '
            'cut; give one of them'
        )
    channels = [parse_channel(text) for text in values['channels']]
    if values['model']:
        config = load_contract(values['model']).config
    elif values['window_file']:
        config = WindowConfig.from_yaml(values['window_file'])
    elif channels:
        config = WindowConfig((PartConfig('motor', 100.0, tuple(channels)),))
    else:
        config = default_window_config()
    if channels:
        config = rewire(config, channels)

    part = config.parts[0]
    part = replace(
        part,
        sample_rate_hz=values['sample_rate_hz'] or part.sample_rate_hz,
        input_rate_hz=values['input_rate_hz'] or part.input_rate_hz,
    )
    return replace(
        config,
        parts=(part, *config.parts[1:]),
        window_samples=values['window_samples'] or config.window_samples,
        stride_samples=values['stride_samples'] or config.stride_samples,
        gap_limit_s=values['gap_limit_s'] or config.gap_limit_s,
        min_coverage=values['min_coverage'] or config.min_coverage,
    )


def parse_channel(text: str) -> ChannelConfig:
    """Return the channel that a YAML flow mapping describes.

    Raises:
        SurfaceError: It is not a mapping, or a key is unknown or missing.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SurfaceError(f'parameter channels: {text!r} is not YAML ({" ".join(str(error).split())})') from error
    if not isinstance(values, Mapping):
        raise SurfaceError(f'parameter channels: {text!r} is not a mapping; write such as {EXAMPLE_CHANNEL}')
    try:
        return ChannelConfig.from_dict(values)
    except SurfaceError as error:
        raise SurfaceError(f'parameter channels: {text!r}: {error}') from error


def rewire(config: WindowConfig, channels: Sequence[ChannelConfig]) -> WindowConfig:
    """Let channels of a configuration come from other topics or fields.

    Args:
        config: The configuration.
        channels: Replacements, found by name.

    Raises:
        SurfaceError: A name is none of the configuration's channels, or is in several parts.
    """
    for channel in channels:
        count = sum(channel.name in part.channel_names for part in config.parts)
        if count != 1:
            known = ', '.join(name for part in config.parts for name in part.channel_names)
            problem = 'is in several parts' if count else 'is none of them'
            raise SurfaceError(
                f'parameter channels: the windows are made of the channels {known}; {channel.name!r} {problem}, '
                'rename it or use a window_file'
            )
    by_name = {channel.name: channel for channel in channels}
    parts = [
        replace(part, channels=tuple(by_name.get(channel.name, channel) for channel in part.channels))
        for part in config.parts
    ]
    return replace(config, parts=tuple(parts))
