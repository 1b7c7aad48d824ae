# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A green test run in which too little ran is found."""

import shlex
import subprocess
from pathlib import Path

import check_test_run
import pytest

ROOT = Path(__file__).resolve().parents[3]


def write_run(folder: Path, *, ran: int, skipped: int = 0) -> Path:
    """Write a JUnit file of a run."""
    cases = '<testcase name="a"/>' * ran + '<testcase name="b"><skipped/></testcase>' * skipped
    path = folder / 'pytest.xml'
    path.write_text(f'<testsuites><testsuite>{cases}</testsuite></testsuites>')
    return path


def write_tests(folder: Path, count: int) -> None:
    """Write a test file of so many tests."""
    tests = folder / 'test'
    tests.mkdir(exist_ok=True)
    (tests / 'test_some.py').write_text(''.join(f'def test_{index}():\n    pass\n' for index in range(count)))


@pytest.mark.parametrize(
    ('ran', 'skipped', 'status'), [(20, 0, 0), (19, 1, 0), (18, 2, 1), (0, 20, 1), (0, 1, 1), (0, 0, 1)]
)
def test_fewer_than_95_percent_fail(ran: int, skipped: int, status: int, tmp_path: Path) -> None:
    write_tests(tmp_path, 20)
    assert (
        check_test_run.main([str(write_run(tmp_path, ran=ran, skipped=skipped)), '--folder', str(tmp_path)]) == status
    )


def test_a_file_may_be_missing_only_for_a_module_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(tmp_path, 3)
    (tmp_path / 'test' / 'test_lacking.py').write_text('import no_such_module\n\ndef test_it():\n    pass\n')
    (tmp_path / 'conftest.py').write_text('from current_driver.testing.collection import pytest_ignore_collect\n')
    command = [str(write_run(tmp_path, ran=3)), '--folder', str(tmp_path)]
    assert check_test_run.main(command) == 1
    assert 'test_lacking.py: not installed: no_such_module' in capsys.readouterr().err
    assert check_test_run.main([*command, '--without', 'no_such_module']) == 0


def test_a_file_without_tests_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tests(tmp_path, 3)
    (tmp_path / 'test' / 'test_empty.py').write_text('')
    assert check_test_run.main([str(write_run(tmp_path, ran=3)), '--folder', str(tmp_path)]) == 1
    assert 'test_empty.py: no test was collected' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'status'),
    [
        (['-k', 'replay'], 0),
        (['-x', '-kreplay'], 0),
        (['-m', 'not slow'], 0),
        (['--deselect=test/test_some.py::test_1'], 0),
        (['test/test_some.py::test_1'], 0),
        (['--lf'], 0),
        ([], 1),
        (['-x', '-q', '--durations', '3', '--maxfail=2'], 1),
    ],
)
def test_a_run_that_selected_tests_is_not_checked_and_that_is_printed(
    arguments: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(tmp_path, 20)
    command = [str(write_run(tmp_path, ran=1)), '--folder', str(tmp_path), '--without', 'launch_testing', '--']
    assert check_test_run.main([*command, *arguments]) == status
    assert ('not checked whether enough tests ran' in capsys.readouterr().out) == (status == 0)


def test_make_test_runs_every_test_of_the_repository() -> None:
    """The folders of unit tests, then the rest of the folder; the tests of the packages are links and left out."""
    shown = subprocess.run(['make', '-n', 'test'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    units, rest = (shlex.split(line.partition(' pytest ')[2]) for line in shown.splitlines() if ' pytest ' in line)
    folders = {path for path in (ROOT / 'test' / 'unit').iterdir() if path.is_dir() and not path.is_symlink()}
    assert set(units[2:]) == {str(path.relative_to(ROOT)) for path in folders if path.name != '__pycache__'}
    ignored = {argument.removeprefix('--ignore=') for argument in rest if argument.startswith('--ignore=')}
    assert [argument for argument in rest if not argument.startswith('--ignore=')] == ['test']
    links = {str(path.relative_to(ROOT)) for path in (ROOT / 'test').rglob('*') if path.is_symlink()}
    assert ignored == {*links, 'test/unit'}
