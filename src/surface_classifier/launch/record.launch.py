# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings: the trainer, and the driver unless the motor current is a topic of your robot.

An example for each source:

    ros2 launch surface_classifier record.launch.py output_dir:=recordings
    ros2 launch surface_classifier record.launch.py source:=replay bag:=RECORDING
    ros2 launch surface_classifier record.launch.py source:=topic topics:=joint_states,imu surfaces:=gravel,grass
"""

import os
from functools import partial
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.substitutions import FindPackageShare

from surface_classifier.nodes.launching.supervision import supervised
from surface_classifier.startup.launch_arguments import (
    DRIVER,
    DRIVER_ARGUMENTS,
    TRAINER,
    record_parameters,
    resolve_name,
    truth_value,
)

PACKAGE = 'surface_classifier'

ARGUMENTS = [
    DeclareLaunchArgument(
        'source',
        default_value='simulator',
        choices=['simulator', 'replay', 'serial', 'can', 'dynamixel', 'topic'],
        description='Where the motor current comes from: a simulated robot, which labels itself, a recording (bag:=), '
        'a device (params_file:= says which; see config/serial.yaml, can.yaml and dynamixel.yaml), or topics of your '
        'robot (topics:=), without a driver.',
    ),
    DeclareLaunchArgument(
        'output_dir',
        default_value='',
        description='Folder for new recordings. Empty: as in params_file (./recordings).',
    ),
    DeclareLaunchArgument(
        'topics',
        default_value='',
        description='Topics to record, of any installed type, with commas between them. Empty: as in params_file '
        '(motor_current).',
    ),
    DeclareLaunchArgument(
        'label_topic',
        default_value='',
        description='Topic of surface_msgs/msg/SurfaceTruth that sets the label. Empty: with source:=simulator its '
        'surface_truth, else as in params_file; without any, the service ~/set_surface sets it.',
    ),
    DeclareLaunchArgument(
        'surfaces',
        default_value='',
        description='Names of surfaces that are allowed, with commas between them, so that a typing error makes no new '
        'class. Empty: as in params_file (any).',
    ),
    DeclareLaunchArgument(
        'storage',
        default_value='',
        choices=['', 'auto', 'mcap', 'sqlite3'],
        description='Storage of the bags. Empty: as in params_file (auto: MCAP where the package mcap is installed).',
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'record.yaml']),
        description='Parameter file of all nodes; $(env VAR) and other substitutions are resolved in it. '
        'Launch arguments that are given go first.',
    ),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the nodes and their topics, such as robot1.'
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        description='true: the trainer follows /clock. The simulator and the replay then publish it; with '
        'source:=topic somebody else must.',
    ),
    *[
        DeclareLaunchArgument(name, default_value='', description=argument.description)
        for name, argument in DRIVER_ARGUMENTS.items()
    ],
    DeclareLaunchArgument(
        'respawn',
        default_value='false',
        description='true: start a node that ended with an error again, after 2 s and at most five times; never after bad '
        'parameters (exit status 2) or the end of a replay.',
    ),
    DeclareLaunchArgument(
        'log_level', default_value='info', description='Severity from which the nodes log: debug, info, warn, error.'
    ),
]


def start_recorder(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes that the arguments ask for."""
    arguments = dict(context.launch_configurations)
    parameters = record_parameters(arguments)
    respawn = truth_value('respawn', arguments['respawn'])
    options: dict[str, Any] = {
        'namespace': arguments['namespace'],
        'output': 'screen',
        'ros_arguments': ['--log-level', arguments['log_level']],
    }
    given = ParameterFile(os.path.expanduser(arguments['params_file']), allow_substs=True)  # noqa: PTH111
    trainer = resolve_name(arguments['namespace'], TRAINER)
    actions: list[LaunchDescriptionEntity] = [
        LogInfo(
            msg=f'To record: ros2 service call {trainer}/start_recording surface_msgs/srv/StartRecording '
            '"{name: drive1, surface: gravel}"; '
            f'then {trainer}/set_surface at every change of surface, and {trainer}/stop_recording.'
        ),
        *supervised(
            TRAINER,
            partial(
                Node,
                package=PACKAGE,
                executable='trainer_node',
                name=TRAINER,
                parameters=[given, parameters[TRAINER]],
                **options,
            ),
            respawn=respawn,
        ),
    ]
    if arguments['source'] != 'topic':
        actions += supervised(
            DRIVER,
            partial(
                Node,
                package='current_driver',
                executable='current_driver_node',
                name=DRIVER,
                parameters=[given, parameters[DRIVER]],
                **options,
            ),
            respawn=respawn,
        )
    return actions


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_recorder)])
