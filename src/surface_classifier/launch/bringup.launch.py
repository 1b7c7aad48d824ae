# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From motor current to surface labels: driver, preprocessor and classifier, apart or composed, and a plot if wanted.

An example for each source:

    ros2 launch surface_classifier bringup.launch.py model:=MODEL
    ros2 launch surface_classifier bringup.launch.py model:=MODEL source:=replay bag:=RECORDING use_sim_time:=true
    ros2 launch surface_classifier bringup.launch.py model:=MODEL source:=can params_file:=my_drives.yaml
    ros2 launch surface_classifier bringup.launch.py model:=MODEL source:=topic params_file:=my_robot.yaml
"""

import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnShutdown
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.substitutions import FindPackageShare

from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.launching.supervision import supervised
from surface_classifier.startup.launch_arguments import (
    CLASSIFIER,
    DRIVER,
    DRIVER_ARGUMENTS,
    PREPROCESSOR,
    bringup_parameters,
    parameter_file,
    resolve_name,
    truth_value,
)
from surface_classifier.startup.plot_layouts import check_installed, plot_tool

PACKAGE = 'surface_classifier'

ARGUMENTS = [
    DeclareLaunchArgument(
        'source',
        default_value='simulator',
        choices=['simulator', 'replay', 'serial', 'can', 'dynamixel', 'topic'],
        description='Where the motor current comes from: a simulated robot, a recording (bag:=), a device '
        '(params_file:= says which; see config/serial.yaml, can.yaml and dynamixel.yaml), or a topic of your robot '
        '(params_file:= as well; see config/joint_states.yaml).',
    ),
    DeclareLaunchArgument(
        'model',
        default_value='',
        description='Folder of the model, as `surface train` writes it. Empty: as in params_file; without any, no '
        "label is given until one is loaded through the classifier's service ~/load_model.",
    ),
    DeclareLaunchArgument(
        'device',
        default_value='',
        choices=['', 'auto', 'cpu', 'cuda'],
        description='Where the model runs; auto: on a CUDA device if there is one, else on the CPU. Empty: as in '
        'params_file.',
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'bringup.yaml']),
        description='Parameter file of all nodes; $(env VAR) and other substitutions are resolved in it. '
        'Launch arguments that are given go first.',
    ),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the nodes and their topics, such as robot1.'
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        description='true: the nodes follow /clock. The simulator and the replay then publish it; with source:=topic '
        'somebody else must, such as `ros2 bag play --clock`.',
    ),
    DeclareLaunchArgument(
        'composed',
        default_value='false',
        description='true: one process for all nodes, which takes less memory and CPU; false: a process for each.',
    ),
    DeclareLaunchArgument(
        'plot',
        default_value='false',
        choices=['false', 'true', 'rqt', 'plotjuggler', 'foxglove'],
        description='Opens a window on currents, labels, probabilities, novelty and diagnostics: rqt (true: the same) or '
        'plotjuggler; foxglove: starts foxglove_bridge for Foxglove or Lichtblick.',
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


def start_chain(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the nodes that the arguments ask for."""
    arguments = dict(context.launch_configurations)
    parameters = bringup_parameters(arguments)
    actions: list[LaunchDescriptionEntity] = []
    if not arguments['model']:
        node = resolve_name(arguments['namespace'], CLASSIFIER)
        actions.append(
            LogInfo(
                msg='No model:= is given. Unless params_file names one, no label is published until you load one: '
                f'ros2 service call {node}/load_model surface_msgs/srv/LoadModel "{{path: /path/to/model}}". '
                'Models are made with `surface train`.'
            )
        )
    # First the plot: a missing package is reported before anything has been started.
    if (tool := plot_tool(arguments['plot'])) is not None:
        actions += plot(tool, arguments, parameters[CLASSIFIER].get('model'))
    if truth_value('composed', arguments['composed']):
        actions += composed_chain(arguments, parameters)
    else:
        actions += separate_chain(arguments, parameters)
    return actions


def separate_chain(
    arguments: Mapping[str, str], parameters: Mapping[str, dict[str, Any]]
) -> list[LaunchDescriptionEntity]:
    """Return a process for each node; no driver where the input is a topic of the robot."""
    packages = {DRIVER: 'current_driver', PREPROCESSOR: PACKAGE, CLASSIFIER: PACKAGE}
    if arguments['source'] == 'topic':
        del packages[DRIVER]
    actions: list[LaunchDescriptionEntity] = []
    for name, package in packages.items():
        make_node = partial(
            Node,
            package=package,
            executable=f'{name}_node',
            name=name,
            parameters=[given_parameters(arguments), parameters[name]],
            **common_options(arguments),
        )
        actions += supervised(name, make_node, respawn=truth_value('respawn', arguments['respawn']))
    return actions


def composed_chain(
    arguments: Mapping[str, str], parameters: Mapping[str, dict[str, Any]]
) -> list[LaunchDescriptionEntity]:
    """Return one process for all nodes."""
    # Parameters given as a dictionary would go to all nodes of the process alike; a file tells them apart.
    descriptor, path = tempfile.mkstemp(prefix='bringup_', suffix='.yaml')
    with os.fdopen(descriptor, 'w') as file:
        file.write(parameter_file(parameters))
    make_node = partial(
        Node,
        package=PACKAGE,
        executable='bringup',
        parameters=[given_parameters(arguments), path],
        **common_options(arguments),
    )
    return [
        *supervised('bringup', make_node, respawn=truth_value('respawn', arguments['respawn'])),
        RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: Path(path).unlink(missing_ok=True))),
    ]


def given_parameters(arguments: Mapping[str, str]) -> ParameterFile:
    """Return the parameter file, with its substitutions resolved."""
    return ParameterFile(os.path.expanduser(arguments['params_file']), allow_substs=True)  # noqa: PTH111


def common_options(arguments: Mapping[str, str]) -> dict[str, Any]:
    """Return what all nodes are started with."""
    return {
        'namespace': arguments['namespace'],
        'output': 'screen',
        'ros_arguments': ['--log-level', arguments['log_level']],
    }


def plot(tool: str, arguments: Mapping[str, str], model: str | None) -> list[LaunchDescriptionEntity]:
    """Return what opens a window on the labels; the chain does not depend on it.

    Raises:
        SurfaceError: The tool is not installed.
    """
    check_installed(tool)
    classes = load_contract(model).classes if model else ()
    named = ', '.join(f'probabilities[{index}] is {name}' for index, name in enumerate(classes))
    options = ['--namespace', arguments['namespace']]
    if classes:
        options += ['--classes', str(len(classes))]
    if arguments['source'] != 'topic':
        options.append('--currents')
    return [
        LogInfo(msg=f'{tool} opens when the labels have a publisher; {named or "without model:= six classes are shown"}'),
        Node(package=PACKAGE, executable='surface_plot', arguments=[tool, *options], output='screen'),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what they start."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_chain)])
