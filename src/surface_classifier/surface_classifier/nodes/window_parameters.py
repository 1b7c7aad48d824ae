# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The window configuration a preprocessor's parameters stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, parse_yaml, read_yaml
from current_driver.node.node_parameters import check_all
from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.parameters import PREPROCESSOR_PARAMETERS
from surface_classifier.signal.presets import load_windows
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig, default_window_config

MOTION_SAMPLE_RATE_HZ = 10.0
EXAMPLE_CHANNEL = (
    '"{name: left, topic: joint_states, type: sensor_msgs/msg/JointState, field: \'effort[left_wheel]\', unit: A}"'
)


def window_config(values: Mapping[str, Any]) -> WindowConfig:
    """Return the window configuration that parameters stand for.

    It starts from the model's contract (`model`), a file (`window_file`), the channels alone (`channels`), or the
    simulated robot's two motors. `channels` beside a model or a file say where its channels come from, by name.
    `motion_channels` make a last part that tells the motion; where there is one, they say where its channels come from.
    Numbers that are given (not 0) then replace those of the first part, of the motion and of the window.

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
    motion_channels = [parse_channel(text, 'motion_channels') for text in values['motion_channels']]
    if values['model']:
        config = load_contract(values['model']).config
    elif values['window_file']:
        config = load_windows(values['window_file'])
    elif channels:
        config = WindowConfig((PartConfig('motor', 100.0, tuple(channels)),))
    else:
        config = default_window_config()
    if channels:
        config = rewire(config, channels)
    if motion_channels and config.motion_part is not None:
        config = rewire(config, motion_channels, 'motion_channels')
    elif motion_channels and values['model']:
        raise SurfaceError(
            f'parameter motion_channels: the model {values["model"]} was trained without a motion part; leave them '
            'out, or build the data set with them and train again'
        )
    elif motion_channels:
        motion = PartConfig('motion', MOTION_SAMPLE_RATE_HZ, tuple(motion_channels), role='motion')
        config = replace(config, parts=(*config.parts, motion))
    if values['motion_sample_rate_hz']:
        if config.motion_part is None:
            raise SurfaceError(
                f'parameter motion_sample_rate_hz is {values["motion_sample_rate_hz"]:g}, but no part of the windows '
                'tells the motion; give motion_channels, too'
            )
        motion = replace(config.motion_part, sample_rate_hz=values['motion_sample_rate_hz'])
        config = replace(config, parts=(*config.input_parts, motion))

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
        **{name: values[name] for name in ('stamps', 'repeated_stamps') if values[name] != 'configured'},
    )


def windows_from_file(source: str | Path) -> WindowConfig:
    """Return the window configuration of a file of either form, or of a preset.

    Args:
        source: A YAML file of windows, a parameter file of the preprocessor, or the name of a preset.

    Raises:
        SurfaceError: It is none of them, or holds a value that cannot be used.
    """
    parameters = _preprocessor_parameters(Path(source))
    if parameters is None:
        return load_windows(source)
    names = {parameter.name for parameter in PREPROCESSOR_PARAMETERS}
    unknown = [str(name) for name in parameters if name not in names and name != 'use_sim_time']
    if unknown:
        raise SurfaceError(f'{source}: the preprocessor has no parameter {", ".join(unknown)}')
    try:
        return window_config(
            check_all(PREPROCESSOR_PARAMETERS, {name: parameters[name] for name in parameters if name in names})
        )
    except SurfaceError as error:
        raise SurfaceError(f'{source}: {error}') from error


def _preprocessor_parameters(path: Path) -> Mapping[str, Any] | None:
    """The preprocessor's parameters in a parameter file; None when it is no parameter file, or cannot be read."""
    try:
        values = read_yaml(path)
    except DocumentError:
        return None  # told by who reads it as a file of windows
    if not isinstance(values, Mapping):
        return None
    for key, value in values.items():
        node = str(key).rpartition('/')[2]
        if node in ('preprocessor', '**') and isinstance(value, Mapping) and 'ros__parameters' in value:
            parameters = value['ros__parameters']
            return parameters if isinstance(parameters, Mapping) else {}
    return None


def parse_channel(text: str, parameter: str = 'channels') -> ChannelConfig:
    """Return the channel that a YAML flow mapping describes.

    Args:
        text: The mapping.
        parameter: Name of the parameter that holds it, for errors.

    Raises:
        SurfaceError: It is not a mapping, or a key is unknown or missing.
    """
    values = parse_yaml(text, f'parameter {parameter}: {text!r}', f'write such as {EXAMPLE_CHANNEL}')
    if not isinstance(values, Mapping):
        raise SurfaceError(f'parameter {parameter}: {text!r} is not a mapping; write such as {EXAMPLE_CHANNEL}')
    try:
        return ChannelConfig.from_dict(values)
    except SurfaceError as error:
        raise SurfaceError(f'parameter {parameter}: {text!r}: {error}') from error


def rewire(config: WindowConfig, channels: Sequence[ChannelConfig], parameter: str = 'channels') -> WindowConfig:
    """Let channels of a configuration come from other topics or fields.

    Args:
        config: The configuration.
        channels: Replacements, found by name.
        parameter: Name of the parameter that holds them: `channels` are those that a network sees, `motion_channels`
            those of the motion.

    Raises:
        SurfaceError: A name is none of the configuration's channels, or is in several parts.
    """
    role = 'motion' if parameter == 'motion_channels' else 'input'
    meant = [part for part in config.parts if part.role == role]
    for channel in channels:
        count = sum(channel.name in part.channel_names for part in meant)
        if count != 1:
            known = ', '.join(name for part in meant for name in part.channel_names)
            problem = 'is in several parts' if count else 'is none of them'
            raise SurfaceError(
                f'parameter {parameter}: the windows are made of the channels {known}; {channel.name!r} {problem}, '
                'rename it or use a window_file'
            )
    by_name = {channel.name: channel for channel in channels}
    parts = [
        replace(part, channels=tuple(by_name.get(channel.name, channel) for channel in part.channels))
        if part.role == role
        else part
        for part in config.parts
    ]
    return replace(config, parts=tuple(parts))
