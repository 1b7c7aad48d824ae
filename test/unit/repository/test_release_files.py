# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What rosdep and bloom need of a package: keys that resolve to apt, a valid manifest, a changelog and a licence."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
SRC = ROOT / 'src'
PACKAGES = ('surface_msgs', 'current_driver', 'surface_classifier')
DATA = ROOT / 'test' / 'data' / 'rosdep'
DEPENDENCY_TAGS = ('depend', 'build_depend', 'buildtool_depend', 'build_export_depend', 'exec_depend', 'test_depend')

# Python modules of the packages' own imports, by the key that brings them.
MODULE_KEYS = {
    'can': 'python3-can',
    'jinja2': 'python3-jinja2',
    'matplotlib': 'python3-matplotlib',
    'numpy': 'python3-numpy',
    'rich': 'python3-rich',
    'scipy': 'python3-scipy',
    'serial': 'python3-serial',
    'sklearn': 'python3-sklearn',
    'yaml': 'python3-yaml',
}
# Modules that no rosdep key installs from apt; setup.py names them, and what needs them reports which are missing.
PIP_MODULES = {
    'canopen',
    'cantools',
    'dynamixel_sdk',
    'lz4',
    'mcap',
    'numba',
    'onnx',
    'onnxruntime',
    'onnxscript',
    'optuna',
    'ray',
    'rosbags',
    'safetensors',
    'torch',
    'zstandard',
}


def manifest(package: str) -> ElementTree.Element:
    """Parse a package.xml."""
    return ElementTree.parse(SRC / package / 'package.xml').getroot()


def keys(package: str) -> set[str]:
    """Return the names a package depends on that are not packages of this repository."""
    found = {element.text or '' for element in manifest(package) if element.tag in DEPENDENCY_TAGS}
    return found - set(PACKAGES)


def sources_of_keys() -> dict[str, dict[str, str]]:
    """Read the copy of rosdistro's names: key to what installs it, by Ubuntu release or as `ros`."""
    found = {}
    for line in (DATA / 'keys.txt').read_text().splitlines():
        if not line.startswith('#'):
            key, *fields = line.split()
            found[key] = dict(field.split('=') for field in fields)
    return found


def problem(sources: dict[str, str] | None) -> str:
    """Return why rosdep would not install a key from apt on every supported distribution; empty when it would."""
    if sources is None:
        return 'is not in test/data/rosdep/keys.txt: unknown to rosdep, or not copied from its list'
    if 'ros' in sources:
        missing = {'jazzy', 'lyrical'} - set(sources['ros'].split(','))
        return f'is not released for {", ".join(sorted(missing))}' if missing else ''
    others = {release: source for release, source in sources.items() if source != 'apt'}
    return f'does not come from apt: {others}' if others or set(sources) != {'noble', 'resolute'} else ''


@pytest.mark.parametrize('package', PACKAGES)
def test_every_key_resolves_to_apt(package: str) -> None:
    known = sources_of_keys()
    assert keys(package)
    problems = {key: text for key in sorted(keys(package)) if (text := problem(known.get(key)))}
    assert not problems, problems


@pytest.mark.parametrize(
    ('key', 'expected'),
    [
        ('python3-onnxruntime-pip', 'does not come from apt'),
        ('mcap-ros2-support', 'does not come from apt'),
        ('python3-zstandard', 'unknown'),
    ],
)
def test_keys_that_rosdep_refuses_are_found(key: str, expected: str) -> None:
    assert expected in problem(sources_of_keys().get(key))


@pytest.mark.parametrize('package', ['current_driver', 'surface_classifier'])
def test_keys_bring_the_modules_that_are_imported(package: str) -> None:
    pattern = re.compile(r'^\s*(?:from|import) (\w+)', re.MULTILINE)
    texts = [path.read_text() for path in (SRC / package / package).rglob('*.py')]
    imported = {name for text in texts for name in pattern.findall(text)}
    third_party = imported & (set(MODULE_KEYS) | PIP_MODULES)
    assert 'numpy' in third_party
    declared = keys(package)
    missing = {name for name in third_party - PIP_MODULES if MODULE_KEYS[name] not in declared}
    assert not missing, f'{package}/package.xml lacks the keys of {sorted(missing)}'
    known_keys = {element for element in declared if element in MODULE_KEYS.values()}
    # The libraries of devices are loaded by name, in importlib.
    loaded = {name for text in texts for name in re.findall(r"'(can|serial)'", text)}
    unused = known_keys - {MODULE_KEYS[name] for name in (third_party | loaded) & set(MODULE_KEYS)}
    assert not unused, f'{package}/package.xml names {sorted(unused)}, which it does not import'


def test_launch_files_find_what_they_start() -> None:
    """The plots and `ros2 bag` are started by name, so no import shows that they are needed."""
    assert {'rqt_gui', 'rqt_plot', 'rqt_robot_monitor', 'ros2bag', 'launch', 'launch_ros'} <= keys('surface_classifier')


@pytest.mark.parametrize('package', PACKAGES)
def test_manifest_is_valid(package: str) -> None:
    catkin_pkg = pytest.importorskip('catkin_pkg.package', reason='catkin_pkg is not installed')
    warnings: list[str] = []
    found = catkin_pkg.parse_package(str(SRC / package / 'package.xml'), warnings=warnings)
    assert found.name == package
    assert not warnings, warnings


@pytest.mark.parametrize('package', PACKAGES)
def test_manifest_agrees_with_the_schema(package: str) -> None:
    """As ament_xmllint does, with a copy of the schema that the manifest names."""
    if shutil.which('xmllint') is None:
        pytest.skip('xmllint is not installed: apt-get install libxml2-utils')
    path = SRC / package / 'package.xml'
    assert 'package_format3.xsd' in path.read_text()
    command = ['xmllint', '--nonet', '--noout', '--schema', str(DATA / 'package_format3.xsd'), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('package', PACKAGES)
def test_package_holds_its_licence(package: str) -> None:
    element = manifest(package).find('license')
    assert element is not None
    assert (SRC / package / element.attrib['file']).read_bytes() == (ROOT / 'LICENSE').read_bytes()


@pytest.mark.parametrize('package', PACKAGES)
def test_package_holds_a_changelog_that_bloom_reads(package: str) -> None:
    changelog = pytest.importorskip('catkin_pkg.changelog', reason='catkin_pkg is not installed')
    pytest.importorskip('docutils', reason='docutils is not installed')
    text = (SRC / package / 'CHANGELOG.rst').read_text()
    title = f'Changelog for package {package}'
    assert text.splitlines()[:3] == ['^' * len(title), title, '^' * len(title)]
    # A release puts its number and date in place of the word.
    released = text.replace('Forthcoming\n-----------\n', '0.1.0 (2026-12-01)\n------------------\n')
    assert released != text
    found = changelog.populate_changelog_from_rst(changelog.Changelog(package), released)
    assert [version for version, _, _ in found.foreach_version()] == ['0.1.0']
    assert len(found.get_content_of_version('0.1.0')) > 0


def lower_bounds(package: str) -> dict[str, str]:
    """Return the lower bound of each requirement in a setup.py."""
    text = (SRC / package / 'setup.py').read_text()
    return dict(re.findall(r"'([A-Za-z][\w.-]*)>=([\d.]+)'", text))


# Debian 12 has the oldest versions that are tested (`make test-distro`).
DEBIAN_12 = {
    'PyYAML': '6.0',
    'jinja2': '3.1',
    'matplotlib': '3.6',
    'numpy': '1.24',
    'pyserial': '3.5',
    'pytest': '7.2',
    'pytest-timeout': '2.1',
    'python-can': '4.1',
    'rich': '13.3',
    'scikit-learn': '1.2',
    'scipy': '1.10',
}


@pytest.mark.parametrize('package', ['current_driver', 'surface_classifier'])
def test_lower_bounds_are_the_oldest_versions_that_are_tested(package: str) -> None:
    bounds = lower_bounds(package)
    assert {'numpy', 'PyYAML', 'pytest'} <= set(bounds)
    found = {name: bound for name, bound in bounds.items() if name in DEBIAN_12}
    assert found == {name: DEBIAN_12[name] for name in found}


def test_this_python_is_supported() -> None:
    for package in ('current_driver', 'surface_classifier'):
        bound = re.search(r"python_requires='>=(\d+)\.(\d+)'", (SRC / package / 'setup.py').read_text())
        assert bound is not None
        assert sys.version_info[:2] >= (int(bound[1]), int(bound[2]))
