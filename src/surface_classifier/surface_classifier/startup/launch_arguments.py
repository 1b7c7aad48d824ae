# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the arguments of the launch files mean: the parameters of each node.

Arguments come as text. One that is left empty sets nothing, so that the parameter file holds. Nothing here needs ROS or
`launch`: the launch files only start what is worked out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from current_driver.devices.device_parameters import DEVICES
from current_driver.driver_parameters import DRIVER_PARAMETERS, REPLAY, SIMULATOR, TOPIC
from current_driver.errors import SurfaceError
from current_driver.node.node_parameters import NodeParameter
from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.parameters import CLASSIFIER_PARAMETERS, TRAINER_PARAMETERS

Parameters = dict[str, Any]

DRIVER = 'current_driver'
PREPROCESSOR = 'preprocessor'
CLASSIFIER = 'classifier'
TRAINER = 'trainer'

LABEL_TOPIC = 'surface_label'
TRUTH_TOPIC = 'surface_truth'


class DriverArgument(NamedTuple):
    """A launch argument that sets a parameter of the driver.

    Attributes:
        parameter: The parameter.
        sources: The sources it has a meaning for.
        description: What the launch files say of it.
    """

    parameter: str
    sources: tuple[str, ...]
    description: str


DRIVER_ARGUMENTS = {
    'bag': DriverArgument(
        'replay.paths',
        (REPLAY,),
        'With source:=replay: the recording, a rosbag2 folder, .mcap, .db3 or .csv file; several with commas between.',
    ),
    'columns_file': DriverArgument(
        'replay.columns_file',
        (REPLAY,),
        'With source:=replay: YAML file that says what the columns of CSV recordings are. Empty: by their names.',
    ),
    'rate': DriverArgument(
        'rate',
        (SIMULATOR, REPLAY),
        'Speed of the simulator or replay as a factor on real time; 0: as fast as the nodes follow, without loss. '
        'Empty: as in params_file (1.0).',
    ),
    'lossless': DriverArgument(
        'lossless',
        (SIMULATOR, REPLAY),
        'true: begin when all nodes are there and lose nothing, at any rate. Empty: as in params_file (false).',
    ),
    'loop': DriverArgument(
        'replay.loop',
        (REPLAY,),
        'With source:=replay: true begins again after the last recording. Empty: as in params_file (false).',
    ),
    'start_offset_s': DriverArgument(
        'replay.start_offset_s',
        (REPLAY,),
        'With source:=replay: seconds left out at the start of the first recording. Empty: as in params_file (0.0).',
    ),
    'exit_when_done': DriverArgument(
        'exit_when_done',
        (SIMULATOR, REPLAY),
        'true: end everything when the simulator or replay has ended. Empty: as in params_file (false).',
    ),
}
_TRAINER_ARGUMENTS = ('output_dir', 'topics', 'label_topic', 'surfaces', 'storage')
_PATHS = {'bag', 'columns_file', 'model', 'output_dir'}


def bringup_parameters(arguments: Mapping[str, str]) -> dict[str, Parameters]:
    """Return what `bringup.launch.py` sets, by node and parameter.

    Args:
        arguments: The launch arguments.

    Raises:
        SurfaceError: A value is refused, a file is missing, or two arguments contradict each other.
    """
    parameters = {DRIVER: _driver(arguments), PREPROCESSOR: _reader(arguments), CLASSIFIER: _reader(arguments)}
    if arguments['model']:
        model = _path('model', arguments['model'])
        load_contract(model)
        parameters[PREPROCESSOR]['model'] = parameters[CLASSIFIER]['model'] = str(model)
    if arguments['device']:
        parameters[CLASSIFIER]['device'] = _value('device', arguments['device'], _find(CLASSIFIER_PARAMETERS, 'device'))
    return parameters


def record_parameters(arguments: Mapping[str, str]) -> dict[str, Parameters]:
    """Return what `record.launch.py` sets, by node and parameter.

    The simulator's own labels are recorded unless another topic of labels is given.

    Args:
        arguments: The launch arguments.

    Raises:
        SurfaceError: A value is refused, a file is missing, or two arguments contradict each other.
    """
    trainer = _reader(arguments)
    for name in _TRAINER_ARGUMENTS:
        if arguments[name]:
            trainer[name] = _value(name, arguments[name], _find(TRAINER_PARAMETERS, name))
    if arguments['source'] == SIMULATOR:
        trainer.setdefault('label_topic', TRUTH_TOPIC)
    return {DRIVER: _driver(arguments), TRAINER: trainer}


def parameter_file(parameters: Mapping[str, Parameters]) -> str:
    """Return parameters of several nodes as a parameter file that holds in any namespace."""
    return yaml.safe_dump({f'/**/{node}': {'ros__parameters': values} for node, values in parameters.items()})


def truth_value(name: str, text: str) -> bool:
    """Return a launch argument that is true or false.

    Raises:
        SurfaceError: It is neither.
    """
    if text.lower() not in ('true', 'false'):
        raise SurfaceError(f'{name}:={text} must be true or false')
    return text.lower() == 'true'


def resolve_name(namespace: str, name: str) -> str:
    """Return the fully qualified name of a node or topic, such as `/robot1/surface_label`."""
    return '/'.join(['', *filter(None, namespace.split('/')), name])


def _driver(arguments: Mapping[str, str]) -> Parameters:
    source = arguments['source']
    if source == REPLAY and not arguments['bag']:
        raise SurfaceError('source:=replay needs bag:=RECORDING, a rosbag2 folder, .mcap, .db3 or .csv file')
    parameters: Parameters = {'source': source}
    for name, (parameter, sources, _) in DRIVER_ARGUMENTS.items():
        text = arguments[name]
        if not text:
            continue
        if source not in sources:
            raise SurfaceError(
                f'{name}:={text} has no meaning with source:={source}, only with source:={" or ".join(sources)}'
            )
        parameters[parameter] = _value(name, text, _find(DRIVER_PARAMETERS, parameter))
    if source in DEVICES and truth_value('use_sim_time', arguments['use_sim_time']):
        raise SurfaceError(f'use_sim_time:=true has no meaning with source:={source}: a device measures now')
    if source != TOPIC and truth_value('use_sim_time', arguments['use_sim_time']):
        # The driver makes the time that the others follow.
        parameters |= {'publish_clock': True, 'use_sim_time': False}
    return parameters


def _reader(arguments: Mapping[str, str]) -> Parameters:
    """Return the parameters of every node behind the driver."""
    parameters: Parameters = {}
    if truth_value('use_sim_time', arguments['use_sim_time']):
        parameters['use_sim_time'] = True
    driver = {
        name: _value(name, arguments[name], _find(DRIVER_PARAMETERS, name))
        for name in ('rate', 'lossless')
        if arguments[name]
    }
    if driver.get('rate') == 0.0 or driver.get('lossless'):
        parameters['lossless'] = True
    return parameters


def _find(table: Sequence[NodeParameter], name: str) -> NodeParameter:
    return next(parameter for parameter in table if parameter.name == name)


def _value(name: str, text: str, parameter: NodeParameter) -> Any:
    """Return an argument's text as a value of the parameter it sets."""
    kind = type(parameter.default)
    value: Any = text
    if kind is bool:
        value = truth_value(name, text)
    elif kind is float:
        try:
            value = float(text)
        except ValueError:
            raise SurfaceError(f'{name}:={text} must be a number, such as {parameter.default}') from None
    elif kind is tuple:
        value = [item.strip() for item in text.split(',') if item.strip()]
    if name in _PATHS:
        value = [str(_path(name, item)) for item in value] if isinstance(value, list) else str(_path(name, value))
    try:
        parameter.check(value)
    except SurfaceError as error:
        raise SurfaceError(f'{name}:={text}: {error}') from error
    return value


def _path(name: str, text: str) -> Path:
    path = Path(text).expanduser().absolute()
    # A folder to write to need not exist.
    if name != 'output_dir' and not path.exists():
        raise SurfaceError(f'{name}:={text}: there is no {path}')
    return path
