# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Make `.venv`: a Python environment with ROS 2, the project's dependencies, and the project itself (editable).

`make setup` calls it with the Python that the environment is to be made of; it needs the standard library alone. It
says what it will download before it does, does nothing when the environment already is what is asked for, and writes
nothing outside the clone. Without an option it keeps what the environment has.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'requirements'
ROS_SETS = ('kilted', 'jazzy', 'system', 'none')
TORCH_CHOICES = ('default', 'cpu', 'none')
OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)

# The interpreter itself, also where this runs in a virtual environment: the one that is about to be replaced, perhaps.
BASE_PYTHON = getattr(sys, '_base_executable', sys.executable)

# Set by a sourced ROS installation; it must not leak into an environment that has its own.
ROS_VARIABLES = (
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'COLCON_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'PYTHONPATH',
    'ROS_DISTRO',
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
)


class SetupError(Exception):
    """What stops the set-up, and what to do about it."""


@dataclass(frozen=True)
class Wanted:
    """What an environment was made of; two equal ones need no work."""

    ros_set: str
    torch: str
    torch_spec: str
    torch_index_url: str
    python: str
    inputs: str  # digest of every file that decides what is installed

    def same_base(self, other: 'Wanted') -> bool:
        """Return whether packages can be changed in place, or the environment must be made again."""
        return (self.ros_set, self.python) == (other.ros_set, other.python)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; an empty value means: as the environment is, else the default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--ros-set', default='', help=f'one of {", ".join(ROS_SETS)} (none: unit tests only); default kilted'
    )
    parser.add_argument(
        '--torch', default='', help='default (what pip finds), cpu (the +cpu build) or none (no training)'
    )
    parser.add_argument('--torch-spec', default='', help='what pip installs as torch instead: a requirement or a wheel')
    parser.add_argument('--torch-index-url', default='', help='a further package index to find torch on')
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv', help='where the environment goes; default .venv')
    return parser.parse_args()


def digest_of_inputs() -> str:
    """Digest the files that decide what is installed."""
    digest = hashlib.sha256()
    files = [
        *REQUIREMENTS.glob('*.txt'),
        *ROOT.glob('src/*/setup.py'),
        ROOT / 'tools' / 'setup_environment.py',
        ROOT / 'tools' / 'relocate_ros_wheels.py',
    ]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_stamp(venv: Path) -> Wanted | None:
    """Read what an environment was made of; None when it is missing, or was never finished."""
    try:
        return Wanted(**json.loads((venv / 'setup.json').read_text()))
    except (OSError, ValueError, TypeError):
        return None


def resolve(arguments: argparse.Namespace, present: Wanted | None) -> Wanted:
    """Fill in what the command line leaves open, from the environment that is there or from the defaults."""
    spec, index_url = arguments.torch_spec, arguments.torch_index_url
    torch = arguments.torch or ('default' if spec or index_url else '')
    if present is not None and not torch:
        torch, spec, index_url = present.torch, present.torch_spec, present.torch_index_url
    wanted = Wanted(
        ros_set=arguments.ros_set or (present.ros_set if present else 'kilted'),
        torch=torch or 'default',
        torch_spec=spec,
        torch_index_url=index_url,
        python=f'{platform.python_version()} {Path(BASE_PYTHON).resolve()}',
        inputs=digest_of_inputs(),
    )
    if wanted.ros_set not in ROS_SETS:
        raise SetupError(f'ROS_SET={wanted.ros_set}: not one of {", ".join(ROS_SETS)}')
    if wanted.torch not in TORCH_CHOICES:
        raise SetupError(f'TORCH={wanted.torch}: not one of {", ".join(TORCH_CHOICES)}')
    return wanted


def check_machine(ros_set: str) -> None:
    """Check what cannot be installed into an environment; raise SetupError with every remedy at once."""
    problems = []
    version = sys.version_info[:2]
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        problems.append(
            f'{BASE_PYTHON} is Python {platform.python_version()}, and 3.10 to 3.13 are supported: name another one, '
            'for example: make setup PYTHON=python3.12'
        )
    venv_works = subprocess.run([BASE_PYTHON, '-c', 'import ensurepip, venv'], capture_output=True, check=False)
    if venv_works.returncode:
        problems.append(f'{BASE_PYTHON} cannot make virtual environments: sudo apt install python3-venv')
    if ros_set != 'none':
        for tool, package in (('cmake', 'cmake'), ('g++', 'g++'), ('make', 'make')):
            if shutil.which(tool) is None:
                problems.append(f'{tool} is missing: sudo apt install {package}')
        header = Path(sysconfig.get_paths()['include'], 'Python.h')
        if not header.exists():
            problems.append(f'{header} is missing: sudo apt install python{version[0]}.{version[1]}-dev')
    if ros_set in ('kilted', 'jazzy') and (sys.platform, platform.machine()) != ('linux', 'x86_64'):
        problems.append(
            f'ROS_SET={ros_set} needs x86-64 Linux, and this is {sys.platform} {platform.machine()}: install ROS 2, '
            'source it, and use ROS_SET=system'
        )
    if ros_set == 'system':
        if not os.environ.get('AMENT_PREFIX_PATH'):
            problems.append(
                'ROS_SET=system needs a sourced ROS 2 (AMENT_PREFIX_PATH is not set): for example '
                'source /opt/ros/jazzy/setup.bash'
            )
        elif subprocess.run([BASE_PYTHON, '-c', 'import rclpy'], capture_output=True, check=False).returncode:
            problems.append(
                f'{BASE_PYTHON} cannot import rclpy from the sourced ROS 2: name the Python it was built for, '
                'for example: make setup ROS_SET=system PYTHON=/usr/bin/python3'
            )
    if problems:
        raise SetupError('\n  '.join(['this machine lacks something:', *problems]))


def announce(wanted: Wanted, venv: Path) -> None:
    """Say what is about to be downloaded, how large it is, and how to choose otherwise."""
    lines = [
        ('Python packages (numpy, scipy, scikit-learn, ONNX Runtime, Ray, test tools)', 'about 260 MB', '1.1 GB'),
    ]
    if wanted.ros_set in ('kilted', 'jazzy'):
        lines.insert(0, (f'ROS 2 {wanted.ros_set.capitalize()} as Python wheels', 'about 50 MB', '200 MB'))
    if wanted.torch_spec:
        lines.append((f'torch, for training: {wanted.torch_spec}', 'as chosen', ''))
    elif wanted.torch == 'cpu':
        lines.append(('torch, for training (CPU build)', 'about 200 MB', '750 MB'))
    elif wanted.torch == 'default':
        lines.append(('torch, for training (Linux: the CUDA build, unless pip finds another)', 'up to 3 GB', '7 GB'))
    print(f'Setting up {venv} (ROS set: {wanted.ros_set}, Python {platform.python_version()}). To download:')
    for what, download, disk in lines:
        print(f'  {what + " ":.<84} {download}' + (f', {disk} on the disk' if disk else ''))
    if wanted.torch == 'default' and not wanted.torch_spec:
        print(
            '  Smaller: TORCH=none leaves torch out (labelling works, training does not); TORCH=cpu takes its CPU\n'
            '  build, from the index TORCH_INDEX_URL (its address: the PyTorch start page, "Compute platform: CPU").'
        )
    sys.stdout.flush()


def environment_variables(ros_set: str) -> dict[str, str]:
    """Build the environment variables for the child processes."""
    variables = dict(os.environ)
    if ros_set != 'system':
        for name in ROS_VARIABLES:
            variables.pop(name, None)
    variables['PIP_DISABLE_PIP_VERSION_CHECK'] = '1'
    # pip's cache would be outside the clone.
    if 'PIP_CACHE_DIR' not in variables:
        variables['PIP_NO_CACHE_DIR'] = '1'
    return variables


class Pip:
    """pip of one environment, under the project's constraints."""

    def __init__(self, venv: Path, variables: dict[str, str], constraints: list[Path]) -> None:
        """Take the environment's folder, the variables to run with and the files of constraints."""
        self._command = [str(venv / 'bin' / 'python'), '-m', 'pip', 'install']
        for path in constraints:
            self._command += ['-c', str(path)]
        self._variables = variables

    def install(self, what: str, *arguments: str, quiet: bool = True) -> None:
        """Install, or raise SetupError.

        Args:
            what: What is being installed, for people.
            *arguments: pip's arguments.
            quiet: Leave out pip's own account, which for hundreds of packages is long.
        """
        started = time.monotonic()
        print(f'Installing {what} ...', flush=True)
        command = [*self._command, *(['-q'] if quiet else []), *arguments]
        if subprocess.run(command, env=self._variables, check=False).returncode:
            raise SetupError(f'pip could not install {what}; its reason is above')
        print(f'  done in {time.monotonic() - started:.0f} s', flush=True)


def system_constraints(venv: Path, variables: dict[str, str]) -> Path:
    """Write constraints that leave the system's numpy as it is: its ROS messages were compiled for that one."""
    probe = 'import numpy; print(numpy.__version__)'
    found = subprocess.run([BASE_PYTHON, '-c', probe], env=variables, capture_output=True, text=True, check=False)
    lines = (REQUIREMENTS / 'constraints.txt').read_text().splitlines()
    if found.returncode == 0:
        lines = [line for line in lines if not line.startswith('numpy==')] + [f'numpy=={found.stdout.strip()}']
    path = venv / 'constraints.txt'
    path.write_text('\n'.join(lines) + '\n')
    return path


def write_local_setup(venv: Path, ros_set: str) -> None:
    """Write the files that make the environment an underlay: colcon's install/setup.* sources them by name."""
    libraries = [venv / 'lib', *sorted(venv.glob('lib/python3*/site-packages/ros_*.libs'))]
    script = f"""\
# Puts this environment's ROS 2 on the paths. Written by tools/setup_environment.py.
_prepend() {{
  eval "_value=\\"\\${{$1:-}}\\""
  case ":$_value:" in
    *":$2:"*) ;;
    *) export "$1=$2${{_value:+:$_value}}" ;;
  esac
}}
_prepend PATH '{venv}/bin'
_prepend AMENT_PREFIX_PATH '{venv}'
_prepend CMAKE_PREFIX_PATH '{venv}'
_prepend LD_LIBRARY_PATH '{':'.join(map(str, libraries))}'
# The paths are complete: Python need not start a second time to set them.
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
# Recordings note it.
export ROS_DISTRO='{ros_set}'
unset -f _prepend
unset _value
"""
    for suffix in ('sh', 'bash', 'zsh'):
        (venv / f'local_setup.{suffix}').write_text(script)


def make_environment(wanted: Wanted, venv: Path, present: Wanted | None) -> None:
    """Make the environment, or bring it up to date, and stamp it."""
    stamp = venv / 'setup.json'
    if present is None or not wanted.same_base(present):
        if present is not None:
            print(f'{venv} holds ROS set {present.ros_set} on Python {present.python}: making it again')
        # What colcon built belongs to the environment it was built with.
        stale = [venv] if wanted.ros_set == 'none' else [venv, ROOT / 'build', ROOT / 'install', ROOT / 'log']
        for folder in stale:
            shutil.rmtree(folder, ignore_errors=True)
        command = [BASE_PYTHON, '-m', 'venv', '--prompt', f'surface-{wanted.ros_set}', str(venv)]
        if wanted.ros_set == 'system':
            command.append('--system-site-packages')
        subprocess.run(command, check=True, env=environment_variables(wanted.ros_set))
    stamp.unlink(missing_ok=True)

    variables = environment_variables(wanted.ros_set)
    constraints = [REQUIREMENTS / 'constraints.txt']
    if wanted.ros_set == 'system':
        constraints = [system_constraints(venv, variables)]
    requirements = ['build.txt', 'dev.txt']
    if wanted.ros_set in ('kilted', 'jazzy'):
        requirements.append(f'ros-{wanted.ros_set}.txt')
        constraints.append(REQUIREMENTS / f'constraints-{wanted.ros_set}.txt')
    pip = Pip(venv, variables, constraints)

    # First, since without them pip falls back on ways of building that are about to go.
    pip.install('setuptools and wheel', 'setuptools', 'wheel')
    arguments = [argument for name in requirements for argument in ('-r', str(REQUIREMENTS / name))]
    pip.install('ROS and build and test tools' if len(requirements) > 2 else 'build and test tools', *arguments)
    if wanted.ros_set in ('kilted', 'jazzy'):
        subprocess.run([venv / 'bin' / 'python', ROOT / 'tools' / 'relocate_ros_wheels.py'], check=True, env=variables)
        write_local_setup(venv, wanted.ros_set)
    pip.install(
        'the project and what it needs',
        *('--no-build-isolation', '--use-pep517', '--config-settings', 'editable_mode=compat'),
        *('-e', str(ROOT / 'src' / 'current_driver')),
        *('-e', f'{ROOT / "src" / "surface_classifier"}[bags,evaluate,onnx]'),
    )
    if wanted.torch != 'none':
        install_torch(pip, wanted)
    stamp.write_text(json.dumps(asdict(wanted), indent=2) + '\n')


def install_torch(pip: Pip, wanted: Wanted) -> None:
    """Install torch and the exporter to ONNX."""
    pin = next(line for line in (REQUIREMENTS / 'torch.txt').read_text().splitlines() if line.startswith('torch=='))
    spec = wanted.torch_spec or (f'{pin}+cpu' if wanted.torch == 'cpu' else pin)
    arguments = ['-r', str(REQUIREMENTS / 'train.txt'), spec]
    if wanted.torch_index_url:
        arguments += ['--extra-index-url', wanted.torch_index_url]
    try:
        pip.install(f'{spec} and the ONNX exporter', *arguments, quiet=False)
    except SetupError as error:
        raise SetupError(
            f'{error}. TORCH_INDEX_URL names a further index to find torch on, TORCH_SPEC another requirement or a '
            'wheel, and TORCH=none does without training'
        ) from error


def bring_up_to_date(
    wanted: Wanted,
    venv: Path,
    present: Wanted | None,
    announce: Callable[[Wanted, Path], None],
    make_environment: Callable[[Wanted, Path, Wanted | None], None],
) -> bool:
    """Make an environment, or bring it up to date; return whether there was anything to do.

    Args:
        wanted: What it shall be.
        venv: Its folder.
        present: What it is; None: it is not there.
        announce: Prints what will be downloaded.
        make_environment: Makes it.

    Raises:
        SetupError: The machine lacks something, or an installation failed.
    """
    if wanted == present:
        return False
    check_machine(wanted.ros_set)
    if present is None or not wanted.same_base(present) or wanted.torch != present.torch:
        announce(wanted, venv)
    else:
        print(f'Bringing {venv} up to date: what it is made of has changed', flush=True)
    make_environment(wanted, venv, present)
    return True


def main() -> int:
    """Set up the environment; return the exit status."""
    arguments = parse_arguments()
    venv = arguments.venv.absolute()
    present = read_stamp(venv)
    try:
        wanted = resolve(arguments, present)
        if not bring_up_to_date(wanted, venv, present, announce, make_environment):
            return 0
    except SetupError as error:
        print(f'setup: error: {error}', file=sys.stderr)
        return 2
    print(f'{venv} is ready: ROS set {wanted.ros_set}, torch {wanted.torch_spec or wanted.torch}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
