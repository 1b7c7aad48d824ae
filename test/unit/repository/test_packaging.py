# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What is installed: message definitions, versions and licences that agree, and wheels that are whole."""

import re
import shutil
import subprocess
import sys
import zipfile
from email.utils import parseaddr
from importlib.metadata import distribution
from pathlib import Path
from xml.etree import ElementTree

import pytest

import surface_classifier

ROOT = Path(__file__).resolve().parents[3]
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


def build_wheel(folder: Path, target: Path) -> set[str]:
    """Build the wheel of a package from a copy of its folder alone; return the names of its files."""
    pytest.importorskip('setuptools')
    copy = target / 'src' / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns('build', '*.egg-info', '__pycache__', '.pytest_cache'))
    command = [sys.executable, '-c', 'import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])', str(target)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob(f'{folder.name}-*.whl')
    return set(zipfile.ZipFile(wheel).namelist())


def files_below(folder: Path, *patterns: str) -> set[str]:
    """List the files below a folder, by their paths from the folder's parent."""
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return {str(path.relative_to(folder.parent)) for path in found if '__pycache__' not in path.parts}


@pytest.mark.timeout(180)
@pytest.mark.parametrize('package', PYTHON_PACKAGES)
def test_package_is_complete_when_built_from_its_folder_alone(package: str, tmp_path: Path) -> None:
    """A release branch holds a package's folder and nothing else of the repository."""
    names = build_wheel(SRC / package, tmp_path)
    expected = files_below(SRC / package / package, '*.py', '*.msg', '*.j2', '*.yaml', 'py.typed')
    assert len(expected) > 30
    assert expected <= names, f'not in the wheel: {sorted(expected - names)} (is an __init__.py missing?)'
    share = f'{package}-0.1.0.data/data/share/{package}'
    assert f'{share}/package.xml' in names
    if package == 'surface_classifier':
        installed = {f'{share}/{name}' for name in files_below(SRC / package / 'launch', '*')}
        installed |= {f'{share}/{name}' for name in files_below(SRC / package / 'config', '*')}
        assert f'{share}/launch/bringup.launch.py' in installed
        assert f'{share}/config/bringup.yaml' in installed
        assert installed <= names, f'not in the wheel: {sorted(installed - names)}'


@pytest.mark.parametrize('package', PYTHON_PACKAGES)
def test_package_holds_its_tests(package: str, tmp_path: Path) -> None:
    copy = tmp_path / package
    shutil.copytree(SRC / package, copy, ignore=shutil.ignore_patterns('build', '*.egg-info', '__pycache__'))
    command = [sys.executable, '-m', 'pytest', '--collect-only', '-q', 'test/unit']
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r'^(\d+) tests collected', done.stdout, re.MULTILINE)[0]) > 200


@pytest.mark.parametrize('folder', ['launch', 'config'])
def test_a_package_without_its_launch_or_parameter_files_is_not_built(folder: str, tmp_path: Path) -> None:
    copy = tmp_path / 'surface_classifier'
    shutil.copytree(SRC / 'surface_classifier', copy, ignore=shutil.ignore_patterns('build', '*.egg-info', folder))
    command = [sys.executable, 'setup.py', '--quiet', 'install_data', '--install-dir', str(tmp_path / 'installed')]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f'surface_classifier/{folder} holds no file' in done.stderr


def test_top_level_folders_are_links_to_those_of_the_package() -> None:
    for folder in ('launch', 'config'):
        assert (ROOT / folder).is_symlink(), f'{folder} is no link'
        assert (ROOT / folder).resolve() == SRC / 'surface_classifier' / folder


def test_no_test_skips_at_module_level() -> None:
    """Under launch_testing's plugin one such skip leaves out the whole collection; a file names what it `REQUIRES`."""
    pattern = re.compile(r'^(pytest\.importorskip|pytest\.skip|\w+ = pytest\.importorskip)', re.MULTILINE)
    files = [path for path in tracked_files() if path.suffix == '.py' and path.name.startswith('test_')]
    assert len(files) > 100
    found = [str(path.relative_to(ROOT)) for path in files if pattern.search(path.read_text())]
    assert not found, found
