# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Each subpackage imports what the table allows, ROS stays in its files, and labelling needs no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SRC = ROOT / 'src'
DRIVER = SRC / 'current_driver' / 'current_driver'
CLASSIFIER = SRC / 'surface_classifier' / 'surface_classifier'

ROS_PACKAGES = {
    'ament_index_python',
    'builtin_interfaces',
    'launch',
    'launch_ros',
    'launch_testing',
    'rcl_interfaces',
    'rclpy',
    'rosidl_runtime_py',
}
# Where ROS may be imported; elsewhere in the repository it may not.
ROS_FOLDERS = (
    CLASSIFIER / 'nodes',
    DRIVER / 'node',
    SRC / 'surface_classifier' / 'launch',
    SRC / 'surface_classifier' / 'test' / 'node',
    SRC / 'current_driver' / 'test' / 'node',
    ROOT / 'bench',
    ROOT / 'test' / 'distro',
    ROOT / 'test' / 'node',
    ROOT / 'test' / 'system',
)
# The graph of a test, which node and system tests share.
ROS_FILES = (DRIVER / 'driver_node.py', DRIVER / 'testing' / 'ros_graph.py')

# What the subpackages without ROS may import beside the standard library and themselves. Every one may raise
# SurfaceError (current_driver.errors), read and write files, declare fields, name
# missing packages with their remedy, and name the package's version.
EVERYWHERE = {
    'current_driver.declared_fields',
    'current_driver.errors',
    'current_driver.files',
    'current_driver.optional_packages',
    'surface_classifier',
    'yaml',
}
RECORDINGS = {'current_driver.recordings', 'current_driver.messages', 'lz4', 'mcap', 'numpy', 'rosbags', 'zstandard'}
DATA = {'current_driver.messages', 'current_driver.recordings', 'numpy', 'surface_classifier.signal'}
MODEL = {'numpy', 'surface_classifier.signal'}
TRAINING = {
    'numpy',
    'sklearn',
    'torch',
    'surface_classifier.data',
    'surface_classifier.model',
    'surface_classifier.signal',
}
PAGES = {'jinja2', 'matplotlib', 'numpy', 'surface_classifier.data', 'surface_classifier.model'}
SUBPACKAGES: dict[Path, set[str]] = {
    DRIVER / 'recordings': RECORDINGS,
    DRIVER / 'devices': {
        'current_driver.messages',
        'current_driver.node.health',
        'current_driver.node.node_parameters',
        'current_driver.source',
        'numpy',
        # The libraries of devices.
        'can',
        'canopen',
        'cantools',
        'dynamixel_sdk',
        'serial',
    },
    DRIVER / 'simulation': {
        'current_driver.messages',
        'current_driver.recordings.reading.recording_reader',
        'current_driver.source',
        'numpy',
        'scipy',
    },
    CLASSIFIER / 'signal': {'current_driver.messages', 'numpy', 'scipy'},
    CLASSIFIER / 'data': {*DATA, 'matplotlib', 'mcap', 'ray', 'rosbags'},
    CLASSIFIER / 'model': {*MODEL, 'onnx', 'onnxruntime', 'onnxscript', 'safetensors', 'torch'},
    CLASSIFIER / 'training': {
        *TRAINING,
        'current_driver.messages',
        'current_driver.recordings',
        'llvmlite',
        'numba',
        'scipy',
    },
    CLASSIFIER / 'evaluation': {*TRAINING, 'joblib', 'scipy', 'surface_classifier.training'},
    CLASSIFIER / 'diagnosis': {*TRAINING, 'scipy', 'surface_classifier.training'},
    CLASSIFIER / 'sweep': {
        *TRAINING,
        'optuna',
        'sqlalchemy',
        'surface_classifier.evaluation',
        'surface_classifier.training',
    },
    CLASSIFIER / 'report': {
        *PAGES,
        'surface_classifier.diagnosis',
        'surface_classifier.training.metrics',
    },
    CLASSIFIER / 'reproduce': {
        *TRAINING,
        *PAGES,
        # The simulated tasks on which recipes and verdicts are tested come from the simulator.
        'current_driver.recordings.reading.recording_reader',
        'current_driver.simulation',
        'scipy',
        'surface_classifier.diagnosis',
        'surface_classifier.report',
        'surface_classifier.training',
    },
    CLASSIFIER / 'terminal': {'current_driver.messages', 'numpy', 'rich'},
    CLASSIFIER / 'training_process': {
        *TRAINING,
        'current_driver.recordings',
        'surface_classifier.diagnosis',
        'surface_classifier.training',
    },
    CLASSIFIER / 'startup': {
        'current_driver.driver_parameters',
        'current_driver.devices.device_parameters',
        'current_driver.entry',
        'current_driver.node.node_parameters',
        'surface_classifier.model.contract',
        'surface_classifier.nodes.parameters',
    },
}


def is_ros(module: str) -> bool:
    """Return whether a module belongs to ROS."""
    package = module.split('.')[0]
    return package in ROS_PACKAGES or package.endswith(('_msgs', '_srvs'))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Give the line and the absolute name of every module a file imports, wherever in the file."""
    package = path.relative_to(SRC).parts[1:-1] if path.is_relative_to(SRC) else ()
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join([*base, *([node.module] if node.module else [])])
            # `from package import x` may name a module x: one step more, to find out which subpackage it is.
            if module in ('current_driver', 'surface_classifier'):
                yield from ((node.lineno, f'{module}.{alias.name}') for alias in node.names)
            else:
                yield node.lineno, module


def python_files(*folders: Path) -> list[Path]:
    """List the Python files below folders."""
    return sorted(path for folder in folders for path in folder.rglob('*.py') if 'build' not in path.parts)


def may_import_ros(path: Path) -> bool:
    """Return whether a file is one of those that may import ROS."""
    return path in ROS_FILES or any(path.is_relative_to(folder) for folder in ROS_FOLDERS)


def allowed(module: str, names: set[str]) -> bool:
    """Return whether a module is one of the names, or inside one."""
    return any(module == name or module.startswith(f'{name}.') for name in names)


def violations(subpackage: Path, extra: set[str]) -> list[str]:
    """List the imports of a subpackage that the table does not allow."""
    own = '.'.join(subpackage.relative_to(SRC).parts[1:])
    found = []
    for path in python_files(subpackage):
        if path in ROS_FILES:
            continue
        for line, module in imports(path):
            package = module.split('.')[0]
            top = (
                package in sys.stdlib_module_names
                or module in EVERYWHERE
                or module.startswith('current_driver.files.')
                or module == 'surface_classifier.__version__'
            )
            if not top and not allowed(module, {own} | extra):
                found.append(f'{path.relative_to(ROOT)}:{line} imports {module}')
    return found


def test_ros_is_imported_only_where_it_belongs() -> None:
    files = python_files(SRC, ROOT / 'test', ROOT / 'demo', ROOT / 'tools')
    assert len(files) > 20, 'the walk has lost the source files'
    found = [
        f'{path.relative_to(ROOT)}:{line} imports {module}'
        for path in files
        if not may_import_ros(path)
        for line, module in imports(path)
        if is_ros(module)
    ]
    assert not found, '\n'.join(found)


@pytest.mark.parametrize('subpackage', SUBPACKAGES, ids=lambda path: path.name)
def test_subpackage_imports_what_the_table_allows(subpackage: Path) -> None:
    assert python_files(subpackage), f'{subpackage} is empty'
    found = violations(subpackage, SUBPACKAGES[subpackage])
    assert not found, '\n'.join(found)


def test_only_nodes_reach_the_modules_of_the_nodes_that_import_ros() -> None:
    ros_modules = [
        '.'.join(path.relative_to(SRC).with_suffix('').parts[1:])
        for path in [DRIVER / 'driver_node.py', *python_files(DRIVER / 'node')]
        if any(is_ros(module) for _, module in imports(path))
    ]
    assert 'current_driver.node.base_node' in ros_modules
    found = [
        f'{path.relative_to(ROOT)}:{line}'
        for path in python_files(SRC)
        if not may_import_ros(path)
        for line, module in imports(path)
        if allowed(module, set(ros_modules))
    ]
    assert not found, '\n'.join(found)


def test_every_file_of_the_nodes_knows_ros_but_parameter_tables_and_health() -> None:
    plain = {'__init__.py', 'chain_health.py', 'parameters.py', 'window_parameters.py', 'window_watch.py'}
    bases = {f'current_driver.node.{name}' for name in ('base_node', 'decoding', 'flow_control', 'qos', 'run_nodes')}
    found = [
        path.name
        for path in python_files(CLASSIFIER / 'nodes')
        if not any(is_ros(module) or allowed(module, bases) for _, module in imports(path))
    ]
    assert set(found) == plain


def test_the_walk_sees_every_form_of_import(tmp_path: Path) -> None:
    path = tmp_path / 'module.py'
    path.write_text(
        'import rclpy.node\n'
        'def f():\n'
        '    from sensor_msgs.msg import Imu\n'
        '    from current_driver import driver_node\n'
        'if False:\n'
        '    import numpy as np, std_srvs.srv\n'
    )
    modules = [module for _, module in imports(path)]
    assert modules == ['rclpy.node', 'sensor_msgs.msg', 'current_driver.driver_node', 'numpy', 'std_srvs.srv']
    assert [is_ros(module) for module in modules] == [True, True, False, False, True]


def loaded_after(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; give the top-level modules it leaves loaded."""
    code = f'{statement}\nimport sys\nprint(" ".join(sorted({{name.split(".")[0] for name in sys.modules}})))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    'statement',
    [
        'import surface_classifier.cli.main',
        'import surface_classifier.signal.window_stream',
        'import surface_classifier.model.engine, surface_classifier.model.labeller, surface_classifier.model.contract',
    ],
)
def test_import_stays_light(statement: str) -> None:
    heavy = {'torch', 'safetensors', 'onnxruntime', 'sklearn', 'matplotlib', 'pandas', 'rclpy'}
    assert not loaded_after(statement) & heavy


def test_classifier_node_labels_without_torch() -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    pytest.importorskip('surface_msgs', reason='the workspace is not built')
    assert not {'torch', 'safetensors'} & loaded_after('import surface_classifier.nodes.classifier_node')


@pytest.mark.parametrize('module', ['watch_node', 'record_node'])
def test_nodes_that_show_labels_load_no_model(module: str) -> None:
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    pytest.importorskip('surface_msgs', reason='the workspace is not built')
    statement = f"""
import sys
import surface_classifier.nodes.clients.{module}
assert 'surface_classifier.model.engine' not in sys.modules"""
    assert not {'torch', 'safetensors', 'onnxruntime', 'rosbags', 'mcap'} & loaded_after(statement)
