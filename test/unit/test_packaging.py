# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What is installed: message definitions, versions and licences that agree, and wheels that are whole."""

import os
import re
import subprocess
import sys
import zipfile
from email.utils import parseaddr
from importlib.metadata import distribution
from pathlib import Path
from xml.etree import ElementTree

import pytest

import surface_classifier

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / 'src'
PYTHON_PACKAGES = ('current_driver', 'surface_classifier')
PACKAGES = ('surface_msgs', *PYTHON_PACKAGES)


def manifest(package: str) -> ElementTree.Element:
    """Parse a package.xml."""
    return ElementTree.parse(SRC / package / 'package.xml').getroot()


def tracked_files() -> list[Path]:
    """List the files under version control."""
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout')
    done = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split('\0') if name and (ROOT / name).is_file()]


def test_bundled_message_definitions_are_those_of_surface_msgs() -> None:
    bundled = SRC / 'current_driver' / 'current_driver' / 'recordings' / 'msg_definitions' / 'surface_msgs' / 'msg'
    original = {path.name: path.read_text() for path in (SRC / 'surface_msgs' / 'msg').glob('*.msg')}
    assert original
    copied = {path.name: path.read_text() for path in bundled.glob('*.msg')}
    assert copied == original, 'run: make messages'


@pytest.mark.parametrize('package', PACKAGES)
def test_manifest_is_one_that_colcon_takes_for_a_ros_package(package: str) -> None:
    root = manifest(package)
    assert root.findtext('name') == package
    assert root.findtext('license') == 'Apache-2.0'
    maintainer = root.find('maintainer')
    assert maintainer is not None
    # An invalid address turns an ament_python package into a plain Python one, without a word.
    address = parseaddr(maintainer.get('email', ''))[1]
    assert re.fullmatch(r'[\w.+-]+@[\w-]+(\.[\w-]+)+', address), address


def test_versions_agree() -> None:
    versions = {package: manifest(package).findtext('version') for package in PACKAGES}
    versions |= {f'{package} (installed)': distribution(package).version for package in PYTHON_PACKAGES}
    versions['__version__'] = surface_classifier.__version__
    assert set(versions.values()) == {'0.1.0'}, versions


def test_entry_points_name_modules_that_exist() -> None:
    for package in PYTHON_PACKAGES:
        scripts = distribution(package).entry_points.select(group='console_scripts')
        assert scripts
        for script in scripts:
            path = SRC / package / Path(*script.module.split('.')).with_suffix('.py')
            assert path.exists(), f'{script.name}: {path} is missing'
            assert re.search(rf'^def {script.attr}\(', path.read_text(), re.MULTILINE), f'{path}: no {script.attr}()'


def test_manifests_name_the_message_packages_that_are_imported() -> None:
    pattern = re.compile(r'^\s*(?:from|import) (\w+_(?:msgs|srvs)|builtin_interfaces)\b', re.MULTILINE)
    for package in PYTHON_PACKAGES:
        declared = {element.text for element in manifest(package) if element.tag in ('depend', 'exec_depend')}
        sources = (SRC / package / package).rglob('*.py')
        imported = {name for path in sources for name in pattern.findall(path.read_text())}
        assert imported <= declared, f'{package}/package.xml lacks {sorted(imported - declared)}'


def test_python_files_carry_the_licence_and_a_docstring() -> None:
    head = '# Copyright 2026 The surface_classifier authors\n# SPDX-License-Identifier: Apache-2.0\n'
    files = [path for path in tracked_files() if path.suffix == '.py']
    assert files
    found = []
    for path in files:
        text = path.read_text().removeprefix('#!/usr/bin/env python3\n')
        if not text.startswith(head) or not text.removeprefix(head).lstrip().startswith(('"""', 'r"""')):
            found.append(str(path.relative_to(ROOT)))
    assert not found, found


def test_nothing_tracked_is_large() -> None:
    found = {
        str(path.relative_to(ROOT)): path.stat().st_size for path in tracked_files() if path.stat().st_size > 2_000_000
    }
    assert not found, found


@pytest.mark.timeout(180)
def test_wheels_hold_what_a_machine_without_ros_needs(tmp_path: Path) -> None:
    pytest.importorskip('setuptools')
    for package in PYTHON_PACKAGES:
        # In the source tree, as `pip install ./src/...` does, but without leaving a build folder there.
        command = [
            sys.executable,
            '-c',
            'import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])',
            str(tmp_path),
        ]
        environment = {**os.environ, 'DIST_EXTRA_CONFIG': str(tmp_path / 'extra.cfg')}
        (tmp_path / 'extra.cfg').write_text(f'[build]\nbuild_base={tmp_path / "build" / package}\n')
        done = subprocess.run(command, cwd=SRC / package, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    names = {name for path in tmp_path.glob('*.whl') for name in zipfile.ZipFile(path).namelist()}

    def names_below(folder: Path, pattern: str) -> set[str]:
        return {str(path.relative_to(folder.parent)) for path in folder.rglob(pattern)}

    for package in PYTHON_PACKAGES:
        missing = names_below(SRC / package / package, '*.py') - names
        assert not missing, f'not in the wheel: {sorted(missing)} (is an __init__.py missing?)'
        assert f'{package}/py.typed' in names
    data = names_below(SRC / 'current_driver' / 'current_driver', '*.msg')
    data |= names_below(SRC / 'surface_classifier' / 'surface_classifier', '*.j2')
    data |= names_below(SRC / 'surface_classifier' / 'surface_classifier', '*.yaml')
    assert data
    assert data <= names, f'not in the wheel: {sorted(data - names)}'
    for folder in ('config', 'launch'):
        for path in (ROOT / folder).rglob('*'):
            if path.is_file() and '__pycache__' not in path.parts:
                installed = f'surface_classifier-0.1.0.data/data/share/surface_classifier/{path.relative_to(ROOT)}'
                assert installed in names, f'not in the wheel: {installed}'
