# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the preprocessor, the classifier and the trainer, one table each."""

from __future__ import annotations

from typing import Any

from current_driver.declared_fields import declarations
from current_driver.node.node_parameters import NodeParameter, Value
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig


def of_windows(config: type[Any], name: str, default: Value, unset: str, maximum: float | None = None) -> NodeParameter:
    """Return the parameter that sets a field of the windows, with the description, unit and choices of the field.

    Args:
        config: Class of the configuration that has the field.
        name: Name of the field, and of the parameter.
        default: What leaves the field as the windows are configured: 0, or `configured`.
        unset: What the default means.
        maximum: Largest value.
    """
    declared = declarations(config)[name]
    return NodeParameter(
        name,
        default,
        f'{declared.description} {unset}',
        declared.unit,
        None if maximum is None else 0,
        maximum,
        ('configured', *declared.choices) if declared.choices else (),
    )


LOSSLESS = NodeParameter(
    'lossless',
    False,
    'Take every message, reliably, and report on TOPIC/progress how far it has come, so that a replay at rate 0 can go '
    'as fast as this node follows. Off: sensor-data quality of service, the newest data first.',
)

MAX_MESSAGE_MB = NodeParameter(
    'max_message_mb',
    16.0,
    'Largest message that is taken; larger ones are refused before they are decoded, and counted.',
    'MB',
    0.001,
    1000,
)

PREPROCESSOR_PARAMETERS = (
    NodeParameter('model', '', 'Folder of a model whose contract says how windows are cut; empty: see window_file.'),
    NodeParameter(
        'window_file',
        '',
        'YAML file that says how windows are cut (parts, channels, rates, window), or name of a preset; empty: see '
        'channels.',
    ),
    NodeParameter(
        'channels',
        (),
        f'A YAML flow mapping for each channel: {{{", ".join(declarations(ChannelConfig))}}}. Beside a model or '
        "a window_file: where its channels of these names come from. None of the three: the simulated robot's motors.",
    ),
    NodeParameter(
        'motion_channels',
        (),
        'Such mappings of wheel speeds or of a twist, which no network sees: a model trained with them tells speeds '
        'and turns that were never driven. No window comes without their topic.',
    ),
    NodeParameter(
        'motion_sample_rate_hz',
        0.0,
        'Rate of the even grid of motion_channels, at most that of their topic; 0: as configured, else 10.',
        'Hz',
        0,
        1e5,
    ),
    of_windows(PartConfig, 'sample_rate_hz', 0.0, 'Of the first part; 0: as configured, else 100.', 1e5),
    of_windows(PartConfig, 'input_rate_hz', 0.0, 'Of the first part; 0: as configured.', 1e6),
    of_windows(WindowConfig, 'window_samples', 0, '0: as configured, else 100.', 1e6),
    of_windows(WindowConfig, 'stride_samples', 0, '0: as configured, else 50.', 1e6),
    of_windows(WindowConfig, 'gap_limit_s', 0.0, '0: as configured.', 3600),
    of_windows(WindowConfig, 'min_coverage', 0.0, '0: as configured, else 1.', 1),
    of_windows(WindowConfig, 'stamps', 'configured', '`configured`: as configured, else header.'),
    of_windows(WindowConfig, 'repeated_stamps', 'configured', '`configured`: as configured, else refuse.'),
    NodeParameter(
        'input_timeout_s',
        2.0,
        'Warn when a topic has been silent for so long; after three periods, once its period is known.',
        's',
        0.1,
        3600,
        changeable=True,
    ),
    MAX_MESSAGE_MB,
    NodeParameter(
        'in_flight', 64, 'Lossless: windows published and not yet processed by their reader.', 'windows', 16, 1000
    ),
    NodeParameter(
        'readers',
        1,
        'Lossless: nodes that must report on current_window/progress before windows are sent.',
        'nodes',
        0,
        100,
    ),
    LOSSLESS,
)

CLASSIFIER_PARAMETERS = (
    NodeParameter(
        'model',
        '',
        'Folder of the model; empty: wait for ~/load_model.',
        read_only_because='~/load_model loads another model and answers whether it suits',
    ),
    NodeParameter(
        'engine',
        'auto',
        'What runs the model; auto: torch on a CUDA device, else onnx where ONNX Runtime is installed, else numpy.',
        choices=('auto', 'onnx', 'torch', 'numpy'),
    ),
    NodeParameter('device', 'auto', 'Where the model runs.', choices=('auto', 'cpu', 'cuda')),
    NodeParameter(
        'queue_size',
        8,
        'Windows that wait for the model at most; the oldest is dropped, and counted.',
        'windows',
        1,
        1000,
    ),
    NodeParameter(
        'input_timeout_s',
        5.0,
        'Warn when no window has come for so long; after three strides, once they are known from the windows.',
        's',
        0.1,
        3600,
        changeable=True,
    ),
    MAX_MESSAGE_MB,
    NodeParameter(
        'load_timeout_s',
        30.0,
        'Longest time that loading a model may take; then the model is refused and the one in use keeps serving.',
        's',
        0.1,
        3600,
    ),
    NodeParameter(
        'possible_level',
        0.0,
        'Coverage of possible_ids, one that the model has, such as 0.9; 0: possible_ids stay empty.',
        '1',
        0,
        0.99,
        changeable=True,
    ),
    NodeParameter(
        'check_novelty',
        True,
        'Answer known = false where windows are unlike the training data, a sensor is dead or the robot stands. Off: a '
        'label for every measured window, with REASON_NOT_CHECKED.',
        changeable=True,
    ),
    LOSSLESS,
)

TRAINER_PARAMETERS = (
    NodeParameter(
        'output_dir',
        'recordings',
        'Folder for new recordings.',
        read_only_because='the recordings of one session belong in one folder',
    ),
    NodeParameter('topics', ('motor_current',), 'Topics to record, as raw bytes, of any installed type.'),
    NodeParameter(
        'label_topic',
        '',
        'Topic of surface_msgs/msg/SurfaceTruth that sets the label, such as surface_truth of the simulator; '
        'empty: by ~/set_surface alone.',
    ),
    NodeParameter(
        'surfaces',
        (),
        'Names of surfaces that are allowed, so that a typing error makes no new class; none: any.',
        read_only_because='the buttons of the joystick are checked against it at the start',
    ),
    NodeParameter('joy_topic', 'joy', 'Topic of sensor_msgs/msg/Joy whose joy_buttons set the label.'),
    NodeParameter(
        'joy_buttons',
        (),
        'A YAML flow mapping for each button that sets the label: {button, surface}; without a surface: not labelled '
        'from then on. None: no joystick.',
    ),
    NodeParameter(
        'storage',
        'auto',
        'Storage of the bags; auto: MCAP where the Python package mcap is installed, else sqlite3.',
        choices=('auto', 'mcap', 'sqlite3'),
    ),
    NodeParameter(
        'input_timeout_s',
        2.0,
        'Warn when a recorded topic has been silent for so long.',
        's',
        0.1,
        3600,
        changeable=True,
    ),
    LOSSLESS,
)
