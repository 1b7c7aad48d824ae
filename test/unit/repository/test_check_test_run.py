# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A green test run in which too little ran is found."""

from pathlib import Path

import check_test_run
import pytest


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
