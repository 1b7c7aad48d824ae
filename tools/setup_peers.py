# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Make `.venv-peers`: what `bench/epoch_time.py` is compared with, apart from the project's own environment.

`make peers` calls it. It says what it will download before it does, does nothing when the environment already is what
is asked for, and writes nothing outside the clone. Keras, JAX and TensorFlow are pinned in `requirements/peers.txt`;
torch is the one that trains the project's own networks.
"""

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from setup_environment import (
    BASE_PYTHON,
    REQUIREMENTS,
    ROOT,
    Pip,
    SetupError,
    Wanted,
    bring_up_to_date,
    environment_variables,
    read_stamp,
    resolve,
)

TORCH_LINES = {
    'cpu': ('torch (CPU build)', 'about 200 MB', '750 MB'),
    'default': ('torch (Linux: the CUDA build, unless pip finds another)', 'up to 3 GB', '7 GB'),
}


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; an empty value means: as the environment is, else the default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--torch', default='', help='default (what pip finds), cpu (the +cpu build) or none')
    parser.add_argument('--torch-spec', default='', help='what pip installs as torch instead: a requirement or a wheel')
    parser.add_argument('--torch-index-url', default='', help='a further package index to find torch on')
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv-peers', help='where it goes; default .venv-peers')
    return parser.parse_args()


def digest_of_inputs() -> str:
    """Digest the files that decide what is installed."""
    digest = hashlib.sha256()
    for path in (*(REQUIREMENTS / f'{name}.txt' for name in ('constraints', 'peers', 'torch')), Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def announce(wanted: Wanted, venv: Path) -> None:
    """Say what is about to be downloaded and how large it is."""
    lines = [('Keras 3, JAX and TensorFlow (CPU builds), numpy and scipy', 'about 440 MB', '2.1 GB')]
    if wanted.torch_spec:
        lines.append((f'torch: {wanted.torch_spec}', 'as chosen', ''))
    elif wanted.torch in TORCH_LINES:
        lines.append(TORCH_LINES[wanted.torch])
    print(f'Setting up {venv} (peers of bench/epoch_time.py, Python {platform.python_version()}). To download:')
    for what, download, disk in lines:
        print(f'  {what + " ":.<84} {download}' + (f', {disk} on the disk' if disk else ''))
    sys.stdout.flush()


def make_environment(wanted: Wanted, venv: Path, present: Wanted | None) -> None:
    """Make the environment, or bring it up to date, and stamp it."""
    variables = environment_variables('none')
    if present is None or not wanted.same_base(present):
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([BASE_PYTHON, '-m', 'venv', '--prompt', 'surface-peers', str(venv)], check=True, env=variables)
    (venv / 'setup.json').unlink(missing_ok=True)
    pip = Pip(venv, variables, [REQUIREMENTS / 'constraints.txt'])
    pip.install('Keras, JAX and TensorFlow', '-r', str(REQUIREMENTS / 'peers.txt'))
    if wanted.torch != 'none':
        arguments = ['--extra-index-url', wanted.torch_index_url] if wanted.torch_index_url else []
        pip.install('torch', _torch_requirement(wanted), *arguments)
    (venv / 'setup.json').write_text(json.dumps(asdict(wanted), indent=2) + '\n')


def _torch_requirement(wanted: Wanted) -> str:
    pin = next(line for line in (REQUIREMENTS / 'torch.txt').read_text().splitlines() if line.startswith('torch=='))
    return wanted.torch_spec or (f'{pin}+cpu' if wanted.torch == 'cpu' else pin)


def main() -> int:
    """Set up the environment; return the exit status."""
    arguments = parse_arguments()
    arguments.ros_set = 'none'
    venv = arguments.venv.absolute()
    present = read_stamp(venv)
    try:
        wanted = replace(resolve(arguments, present), inputs=digest_of_inputs())
        if not bring_up_to_date(wanted, venv, present, announce, make_environment):
            return 0
    except SetupError as error:
        print(f'peers: error: {error}', file=sys.stderr)
        return 2
    print(f'{venv} is ready: Keras on JAX, TensorFlow and torch {wanted.torch_spec or wanted.torch}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
