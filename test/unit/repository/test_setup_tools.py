# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The tools that make the environment: what they decide, what they say, and what they put on the paths."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import lock_requirements
import pytest
import setup_environment
from relocate_ros_wheels import relocate
from setup_environment import SetupError, Wanted

ROOT = Path(__file__).resolve().parents[3]
PRESENT = Wanted('jazzy', 'cpu', '', 'https://index.example', 'python', 'digest')


def arguments(**given: str) -> argparse.Namespace:
    """Command line with everything else left empty."""
    return argparse.Namespace(**{'ros_set': '', 'torch': '', 'torch_spec': '', 'torch_index_url': '', **given})


def test_a_fresh_clone_gets_the_defaults() -> None:
    wanted = setup_environment.resolve(arguments(), None)
    assert (wanted.ros_set, wanted.torch) == ('kilted', 'default')


def test_what_is_there_is_kept() -> None:
    wanted = setup_environment.resolve(arguments(), PRESENT)
    assert (wanted.ros_set, wanted.torch, wanted.torch_index_url) == ('jazzy', 'cpu', 'https://index.example')


def test_what_is_asked_for_wins() -> None:
    wanted = setup_environment.resolve(arguments(ros_set='kilted', torch='none'), PRESENT)
    assert (wanted.ros_set, wanted.torch, wanted.torch_index_url) == ('kilted', 'none', '')
    assert not wanted.same_base(PRESENT)


@pytest.mark.parametrize(('name', 'variable'), [('ros_set', 'ROS_SET'), ('torch', 'TORCH')])
def test_an_unknown_choice_is_refused_by_name(name: str, variable: str) -> None:
    with pytest.raises(SetupError, match=f'{variable}=rolling: not one of '):
        setup_environment.resolve(arguments(**{name: 'rolling'}), None)


def test_system_needs_a_sourced_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)
    with pytest.raises(SetupError, match=r'source /opt/ros/\w+/setup\.bash'):
        setup_environment.check_machine('system')


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SetupError) as caught:
        setup_environment.check_machine('kilted')
    for package in ('cmake', 'g++', 'make'):
        assert f'sudo apt install {package}' in str(caught.value)


def test_a_python_that_is_not_supported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'version_info', (3, 9, 18))
    with pytest.raises(SetupError, match='PYTHON=python3'):
        setup_environment.check_machine('none')


@pytest.mark.parametrize(
    ('torch', 'said'),
    [('default', ['3 GB', 'TORCH=none', 'TORCH=cpu']), ('cpu', ['200 MB']), ('none', [])],
)
def test_the_downloads_are_announced(torch: str, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted('kilted', torch, '', '', 'python', 'digest')
    setup_environment.announce(wanted, Path('.venv'))
    output = capsys.readouterr().out
    assert 'ROS 2 Kilted' in output
    assert ('torch' in output) == (torch != 'none')
    assert all(text in output for text in said)


def test_an_unfinished_environment_has_no_stamp(tmp_path: Path) -> None:
    assert setup_environment.read_stamp(tmp_path) is None
    (tmp_path / 'setup.json').write_text('{"ros_set": "kilt')
    assert setup_environment.read_stamp(tmp_path) is None


def test_pip_leaves_nothing_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('PIP_CACHE_DIR', raising=False)
    monkeypatch.setenv('PYTHONPATH', '/opt/ros/jazzy/lib')
    variables = setup_environment.environment_variables('kilted')
    assert variables['PIP_NO_CACHE_DIR'] == '1'
    assert 'PYTHONPATH' not in variables
    assert setup_environment.environment_variables('system')['PYTHONPATH'] == '/opt/ros/jazzy/lib'


def test_the_build_prefix_gives_way_to_the_environment(tmp_path: Path) -> None:
    text = tmp_path / 'rclConfig.cmake'
    text.write_text('set(a "/opt/python/cp311-cp311/share/rcl")\nset(b "/opt/python/cp311-cp311/include/python3.11")\n')
    headers = tmp_path / 'numpyConfig.cmake'
    headers.write_text('set(c "/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include")\n')
    binary = tmp_path / 'librcl.so'
    binary.write_bytes(b'\x7fELF\0/opt/python/cp311-cp311/lib')
    other = tmp_path / 'package.xml'
    other.write_text('/opt/python/here')
    assert relocate(tmp_path, '/home/me/.venv', '/usr/include/python3.11', '/usr/lib/numpy/include') == 2
    assert headers.read_text() == 'set(c "/usr/lib/numpy/include")\n'
    assert text.read_text() == 'set(a "/home/me/.venv/share/rcl")\nset(b "/usr/include/python3.11")\n'
    assert binary.read_bytes().endswith(b'/opt/python/cp311-cp311/lib')
    assert other.read_text() == '/opt/python/here'
    assert relocate(tmp_path, '/home/me/.venv', '/usr/include/python3.11', '/usr/lib/numpy/include') == 0


def test_no_wheel_of_this_environment_points_at_the_machine_that_built_it() -> None:
    share = Path(sys.prefix, 'share', 'rclpy')
    if not share.is_dir():
        pytest.skip('ROS 2 is not from wheels here')
    found = [path for path in share.parent.glob('*/cmake/*.cmake') if '/opt/python/cp' in path.read_text()]
    assert not found
    assert Path(sysconfig.get_paths()['include'], 'Python.h').exists()


@pytest.mark.parametrize('shell', ['bash', 'sh'])
def test_the_underlay_is_put_on_the_paths_once(shell: str, tmp_path: Path) -> None:
    libraries = tmp_path / 'lib' / 'python3.11' / 'site-packages' / 'ros_rcl.libs'
    libraries.mkdir(parents=True)
    setup_environment.write_local_setup(tmp_path, 'jazzy')
    script = tmp_path / f'local_setup.{shell}'
    command = f'. {script}; . {script}; echo "$PATH|$AMENT_PREFIX_PATH|$LD_LIBRARY_PATH|$ROS_DISTRO"'
    environment = {'PATH': os.environ['PATH'], 'AMENT_PREFIX_PATH': '/other'}
    done = subprocess.run([shell, '-euc', command], env=environment, capture_output=True, text=True, check=True)
    path, prefixes, loader, distribution = done.stdout.strip().split('|')
    assert distribution == 'jazzy'
    assert path == f'{tmp_path}/bin:{os.environ["PATH"]}'
    assert prefixes == f'{tmp_path}:/other'
    assert loader == f'{tmp_path}/lib:{libraries}'


def run_in_environment(venv: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run tools/run_in_environment with another environment than the clone's."""
    environment = {'PATH': os.environ['PATH'], 'SURFACE_VENV': str(venv), 'SURFACE_OVERLAY': '0', **variables}
    tool = str(ROOT / 'tools' / 'run_in_environment')
    return subprocess.run([tool, *command], env=environment, capture_output=True, text=True, check=False)


def test_a_command_without_environment_says_what_to_run(tmp_path: Path) -> None:
    done = run_in_environment(tmp_path, 'true')
    assert done.returncode == 2
    assert "run 'make setup'" in done.stderr


def test_a_sourced_ros_does_not_leak_into_an_environment_that_has_its_own(tmp_path: Path) -> None:
    (tmp_path / 'setup.json').write_text('{"ros_set": "kilted"}')
    done = run_in_environment(tmp_path, 'env', AMENT_PREFIX_PATH='/opt/ros/jazzy', PYTHONPATH='/opt/ros/jazzy/lib')
    assert done.returncode == 0, done.stderr
    assert '/opt/ros' not in done.stdout
    assert re.search(rf'^ROS_LOG_DIR={re.escape(str(ROOT))}/', done.stdout, re.MULTILINE)


def test_an_environment_on_a_sourced_ros_wants_it_sourced(tmp_path: Path) -> None:
    (tmp_path / 'setup.json').write_text('{"ros_set": "system"}')
    assert 'none is sourced' in run_in_environment(tmp_path, 'env').stderr
    done = run_in_environment(tmp_path, 'env', AMENT_PREFIX_PATH='/opt/ros/jazzy')
    assert 'AMENT_PREFIX_PATH=/opt/ros/jazzy' in done.stdout


def test_pins_differ_by_python_only_where_they_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_requirements, 'ROOT', tmp_path)
    pins = lock_requirements.merge({'3.10': {'numpy': '2.2', 'rich': '15'}, '3.11': {'numpy': '2.4', 'rich': '15'}})
    lock_requirements.write(tmp_path / 'constraints.txt', pins, 'Pins.')
    assert (tmp_path / 'constraints.txt').read_text().splitlines()[1:] == [
        "numpy==2.2; python_version == '3.10'",
        "numpy==2.4; python_version == '3.11'",
        'rich==15',
    ]


def test_every_requirement_is_pinned() -> None:
    requirements = ROOT / 'requirements'
    for name, constraints in [
        ('build', ['constraints']),
        ('dev', ['constraints']),
        ('train', ['constraints']),
        ('ros-kilted', ['constraints', 'constraints-kilted']),
        ('ros-jazzy', ['constraints', 'constraints-jazzy']),
    ]:
        pinned = {
            line.split('==')[0]
            for constraint in constraints
            for line in (requirements / f'{constraint}.txt').read_text().splitlines()
        }
        for line in (requirements / f'{name}.txt').read_text().splitlines():
            package = re.split(r'[<>=;\s]', line)[0].lower().replace('_', '-')
            if package and not package.startswith('#'):
                assert package in pinned, f'{package} of {name}.txt: run tools/lock_requirements.py'
    torch = (requirements / 'torch.txt').read_text().splitlines()
    assert sum(re.fullmatch(r'torch==\d+\.\d+\.\d+', line) is not None for line in torch) == 1
