# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Packages that a robot does not need: which are missing, and the one command that installs them.

A robot's part runs with what `rosdep` installs from apt. Everything else comes from pip, into an environment that sees
the packages of apt as well, whose Python then has to run colcon (README.md, "What needs pip").
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Iterable, Mapping
from importlib import metadata

from current_driver.errors import SurfaceError

# Packages of apt that bring what pip would bring.
_APT = {
    'jinja2': 'python3-jinja2',
    'matplotlib': 'python3-matplotlib',
    'pyserial': 'python3-serial',
    'python-can': 'python3-can',
    'scikit-learn': 'python3-sklearn',
    'scipy': 'python3-scipy',
}
# What reads bags beside the standard library.
BAG_PACKAGES = {'rosbags': 'rosbags', 'mcap': 'mcap', 'zstandard': 'zstandard', 'lz4': 'lz4'}
# What training from bags needs: module by requirement.
TRAINING_PACKAGES = {
    'torch>=2.5': 'torch',
    'onnx>=1.16': 'onnx',
    'onnxscript>=0.1': 'onnxscript',
    'onnxruntime>=1.17': 'onnxruntime',
    'safetensors>=0.4': 'safetensors',
    'numba>=0.61': 'numba',
    'optuna>=5.0': 'optuna',
} | BAG_PACKAGES
# The modules without which no model can be trained and saved.
_TRAINING_MODULES = ('torch', 'onnx', 'onnxscript', 'safetensors')


def missing_packages(packages: Mapping[str, str]) -> list[str]:
    """Return the requirements whose modules cannot be found.

    Args:
        packages: Name of the module by requirement.
    """
    return [requirement for requirement, module in packages.items() if not _is_installed(module)]


def install_command(requirements: Iterable[str]) -> str:
    """Return the command that installs requirements, from apt where apt has all of them, else into an environment.

    Args:
        requirements: As pip takes them.
    """
    requirements = list(requirements)
    pip = f'python3 -m venv --system-site-packages VENV && VENV/bin/pip install {shlex.join(requirements)}'
    if all(requirement in _APT for requirement in requirements):
        return f'sudo apt-get install {" ".join(_APT[requirement] for requirement in requirements)}, or: {pip}'
    return pip


def training_command() -> str:
    """Return the command that installs everything that training needs.

    numpy stays as it is, because apt's scipy and matplotlib are built for its version; setuptools stays below 80, which
    colcon cannot use.
    """
    try:
        numpy = [f'numpy=={metadata.version("numpy")}']
    except metadata.PackageNotFoundError:
        numpy = []
    return install_command([*numpy, 'setuptools<80', *TRAINING_PACKAGES])


def require_training_packages() -> None:
    """Refuse to go on where a package without which no model can be trained is missing.

    Raises:
        SurfaceError: Some are missing, with the command that installs what training needs.
    """
    missing = [name for name in _TRAINING_MODULES if not _is_installed(name)]
    if missing:
        raise SurfaceError(
            f'training needs packages that are not installed: {", ".join(missing)}; '
            f'{environment_remedy(training_command())}'
        )


def environment_remedy(command: str) -> str:
    """Return the remedy for packages that are missing, which ends with the command.

    Args:
        command: As `install_command` or `training_command` returns it.
    """
    where = 'README.md, "What needs pip"'
    return f'make an environment with what is missing and run colcon with its Python ({where}): {command}'


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that was put into sys.modules without a spec
        return True
