# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the preprocessor, the classifier and the trainer, one table each."""

from __future__ import annotations

from current_driver.node.node_parameters import NodeParameter

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
        'A YAML flow mapping for each channel: {name, topic, type, field, unit, scale, offset, names_topic, '
        'names_type}. Beside a model or '
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
    NodeParameter(
        'sample_rate_hz', 0.0, 'Rate of the even grid of the first part; 0: as configured, else 100.', 'Hz', 0, 1e5
    ),
    NodeParameter(
        'input_rate_hz',
        0.0,
        'Rate of the incoming samples; above 1.5 times the grid they are low-passed first; 0: as configured.',
        'Hz',
        0,
        1e6,
    ),
    NodeParameter('window_samples', 0, 'Samples of a window; 0: as configured, else 100.', 'samples', 0, 1e6),
    NodeParameter('stride_samples', 0, 'Samples from window to window; 0: as configured, else 50.', 'samples', 0, 1e6),
    NodeParameter(
        'gap_limit_s',
        0.0,
        'Longest gap between samples that is bridged; 0: as configured, else 2.5 periods.',
        's',
        0,
        3600,
    ),
    NodeParameter(
        'min_coverage',
        0.0,
        'Share of a window that must be measured, or it is voided; 0: as configured, else 1.',
        '1',
        0,
        1,
    ),
    NodeParameter(
        'stamps',
        'configured',
        'When a sample was taken: header, the stamp of its message, or receipt, for devices whose clock is not '
        'set; configured: as configured, else header.',
        choices=('configured', 'header', 'receipt'),
    ),
    NodeParameter(
        'repeated_stamps',
        'configured',
        'What becomes of samples that repeat the stamp before: drop, spread over the time since it, or refuse, which '
        'drops them and lets no data set be built of a recording with more than 10 %; '
        'configured: as configured, else refuse.',
        choices=('configured', 'refuse', 'drop', 'spread'),
    ),
    NodeParameter(
        'input_timeout_s',
        2.0,
        'Warn when a topic has been silent for so long; after three periods, once its period is known.',
        's',
        0.1,
        3600,
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
    NodeParameter('model', '', 'Folder of the model; empty: wait for ~/load_model.'),
    NodeParameter(
        'engine',
        'auto',
        'What runs the model; auto: torch on a CUDA device, else onnx.',
        choices=('auto', 'onnx', 'torch'),
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
    ),
    NodeParameter(
        'check_novelty',
        True,
        'Answer known = false where windows are unlike the training data, a sensor is dead or the robot stands. Off: a '
        'label for every measured window, with REASON_NOT_CHECKED.',
    ),
    LOSSLESS,
)

TRAINER_PARAMETERS = (
    NodeParameter('output_dir', 'recordings', 'Folder for new recordings.'),
    NodeParameter('topics', ('motor_current',), 'Topics to record, as raw bytes, of any installed type.'),
    NodeParameter(
        'label_topic',
        '',
        'Topic of surface_msgs/msg/SurfaceTruth that sets the label, such as surface_truth of the simulator; '
        'empty: by ~/set_surface alone.',
    ),
    NodeParameter(
        'surfaces', (), 'Names of surfaces that are allowed, so that a typing error makes no new class; none: any.'
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
    NodeParameter('input_timeout_s', 2.0, 'Warn when a recorded topic has been silent for so long.', 's', 0.1, 3600),
    LOSSLESS,
)
