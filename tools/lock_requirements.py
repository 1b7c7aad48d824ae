# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Pin every package, direct or not, for each supported Python: writes requirements/constraints*.txt.

Resolves the requirement files and the project's own dependencies with each Python given (pip's dry run) and merges the
results, with environment markers where versions differ. A pin without a marker holds for every Python; a constraint
installs nothing.

Example:
    python3.11 tools/lock_requirements.py python3.10 python3.11 python3.12 python3.13
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'requirements'
PYTHON_FILES = ('build.txt', 'dev.txt', 'train.txt')
ROS_SETS = ('kilted', 'jazzy')

Pins = dict[str, dict[str, str]]  # package -> Python version -> package version


def resolve(python: str, arguments: list[str]) -> tuple[str, dict[str, str]]:
    """Let pip resolve requirements with one Python.

    Args:
        python: The interpreter, as one types it.
        arguments: pip's requirement arguments.

    Returns:
        The Python's version ('3.11') and the versions of every package in the closure.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv, report = Path(folder, 'venv'), Path(folder, 'report.json')
        subprocess.run([python, '-m', 'venv', venv], check=True)
        command = [str(venv / 'bin' / 'python'), '-m', 'pip', 'install', '-q', '--dry-run', '--ignore-installed']
        subprocess.run([*command, '--report', str(report), *arguments], check=True)
        content = json.loads(report.read_text())
    version = content['environment']['python_version']
    packages = {
        item['metadata']['name'].lower().replace('_', '-'): item['metadata']['version'] for item in content['install']
    }
    return version, packages


def merge(resolved: dict[str, dict[str, str]]) -> Pins:
    """Turn versions by Python into versions by package."""
    pins: Pins = {}
    for python, packages in resolved.items():
        for name, version in packages.items():
            pins.setdefault(name, {})[python] = version
    return pins


def marker(pythons: list[str]) -> str:
    """Write the environment marker for some Python versions."""
    return ' or '.join(f"python_version == '{python}'" for python in pythons)


def write(path: Path, pins: Pins, comment: str) -> None:
    """Write one file of constraints."""
    lines = [f'# {comment} Written by tools/lock_requirements.py.']
    for name, by_python in sorted(pins.items()):
        versions = sorted(set(by_python.values()))
        if len(versions) == 1:
            lines.append(f'{name}=={versions[0]}')
            continue
        for version in versions:
            where = marker([python for python, found in by_python.items() if found == version])
            lines.append(f'{name}=={version}; {where}')
    path.write_text('\n'.join(lines) + '\n')
    print(f'{path.relative_to(ROOT)}: {len(pins)} packages')


def main() -> None:
    """Resolve and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pythons', nargs='+', help='one interpreter for each supported version')
    pythons = parser.parse_args().pythons

    own = [
        'setuptools<80',
        str(ROOT / 'src' / 'current_driver'),
        f'{ROOT / "src" / "surface_classifier"}[bags,evaluate,onnx]',
    ]
    files = [argument for name in PYTHON_FILES for argument in ('-r', str(REQUIREMENTS / name))]
    python_pins = merge(dict(resolve(python, [*files, *own]) for python in pythons))
    for name in ('current-driver', 'surface-classifier'):
        python_pins.pop(name)
    write(REQUIREMENTS / 'constraints.txt', python_pins, 'Every Python package, for CPython 3.10 to 3.13.')

    for ros_set in ROS_SETS:
        arguments = ['-r', str(REQUIREMENTS / f'ros-{ros_set}.txt'), '-c', str(REQUIREMENTS / 'constraints.txt')]
        pins = merge(dict(resolve(python, arguments) for python in pythons))
        ros_pins = {name: versions for name, versions in pins.items() if name not in python_pins}
        write(REQUIREMENTS / f'constraints-{ros_set}.txt', ros_pins, f'The ROS 2 {ros_set.capitalize()} wheels.')


if __name__ == '__main__':
    main()
