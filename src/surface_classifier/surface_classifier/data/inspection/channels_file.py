# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Writes found channels as a parameter file, which the preprocessor and `surface dataset build` both read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import yaml

from surface_classifier.data.inspection.current_guesses import CurrentGuess, MotionGuess
from surface_classifier.data.inspection.topic_log import TopicTiming
from surface_classifier.signal.window_config import DEFAULT_GAP_PERIODS, LOW_PASS_RATIO, ChannelConfig

HIGHEST_GRID_HZ = 100.0
HIGHEST_MOTION_GRID_HZ = 10.0
WINDOW_S, LEAST_WINDOW_SAMPLES = 2.0, 16
# A gap limit that lets through what is usual on this topic.
USUAL_GAP_FACTOR = 1.5


def channels_file(guess: CurrentGuess, timing: TopicTiming, motion: MotionGuess | None = None) -> str:
    """Write the parameter file of one guess.

    Args:
        guess: The channels.
        timing: When their samples come.
        motion: What measures the robot's motion; it is offered in a comment.
    """
    lines = [f'# {guess.field} of {guess.topic} ({guess.msgtype}), written by `surface inspect`.', '#']
    lines += [f'# {text}' for text in _remarks(guess, timing)]
    lines += [
        '#',
        '#   surface dataset build RECORDINGS -o DATASET --channels FILE',
        '#   ros2 launch surface_classifier bringup.launch.py source:=topic params_file:=FILE model:=MODEL',
        '',
        '/**/preprocessor:',
        '  ros__parameters:',
        '    channels:',
    ]
    lines += [f'      - {json.dumps(flow_mapping(found.channel))}' for found in guess.channels]
    lines += [f'    {name}: {value}' for name, value in window_settings(timing).items()]
    if motion is not None:
        lines += _motion_lines(motion)
    return '\n'.join(lines) + '\n'


def _motion_lines(motion: MotionGuess) -> list[str]:
    rate_hz = min(HIGHEST_MOTION_GRID_HZ, float(f'{motion.rate_hz:.2g}'))
    lines = [
        f'    ## {motion.topic} shows how the robot moves. Without their # the next lines let a model say so at speeds',
        '    ## and turns that were never driven; the topic must then be there whenever the model runs.',
        '    # motion_channels:',
    ]
    lines += [f'    #   - {json.dumps(flow_mapping(channel))}' for channel in motion.channels]
    return [*lines, f'    # motion_sample_rate_hz: {rate_hz}']


def window_settings(timing: TopicTiming) -> dict[str, float | int]:
    """Parameters of windows that suit a topic: of two seconds, on a grid of its own rate up to 100 Hz."""
    rate_hz = timing.rate_hz
    grid_hz = min(HIGHEST_GRID_HZ, float(f'{rate_hz:.2g}'))
    samples = max(LEAST_WINDOW_SAMPLES, round(WINDOW_S * grid_hz))
    settings: dict[str, float | int] = {'sample_rate_hz': grid_hz}
    if rate_hz > LOW_PASS_RATIO * grid_hz:
        settings['input_rate_hz'] = float(f'{rate_hz:.4g}')
    settings |= {'window_samples': samples, 'stride_samples': samples // 2}
    usual_s = USUAL_GAP_FACTOR * timing.usual_longest_s
    if usual_s > DEFAULT_GAP_PERIODS / grid_hz:
        settings['gap_limit_s'] = math.ceil(usual_s * 1000) / 1000
    return settings


def flow_mapping(channel: ChannelConfig) -> str:
    """A channel as the YAML flow mapping that the parameter `channels` takes."""
    values = channel.to_dict()
    for name, usual in (('scale', 1.0), ('offset', 0.0)):
        if values[name] == usual:
            del values[name]
    return yaml.safe_dump(values, default_flow_style=True, sort_keys=False, width=math.inf).strip()


def _remarks(guess: CurrentGuess, timing: TopicTiming) -> Sequence[str]:
    remarks = []
    if guess.unit_known:
        unit = guess.channels[0].channel.unit
        source = f'the preset {guess.preset}' if guess.preset else guess.msgtype
        remarks.append(f'Quantity: {guess.quantity} [{unit}], as {source} has it.')
        if 'current' not in guess.quantity:
            remarks.append('This is no current. Where your driver puts a current there, correct unit and scale.')
    else:
        remarks.append('The message does not say its unit: correct unit and scale if it is not in A.')
    if timing.stamped == 'receipt':
        remarks.append('The messages carry no stamp: the time of receipt stands in, with the jitter of the network.')
    return remarks
