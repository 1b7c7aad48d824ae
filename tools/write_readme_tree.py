# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Write the tree in README.md: every tracked file with its purpose, as the file itself states it.

`make tree` runs it; a test fails when README.md is not up to date.
"""

import ast
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = '<!-- tree: begin -->', '<!-- tree: end -->'
PURPOSE_COLUMN = 36

# Files that cannot say it themselves, or whose first lines say something else.
PURPOSES = {
    'CMakeLists.txt': 'Generates the message classes.',
    'LICENSE': 'Apache-2.0.',
    'py.typed': 'The package is typed.',
    'pytest.ini': 'What `colcon test` runs for this package.',
    'config': 'Link to src/surface_classifier/config.',
    'launch': 'Link to src/surface_classifier/launch.',
    'test/node/current_driver': 'Link to the node tests of the driver.',
    'test/node/surface_classifier': 'Link to the node tests of the classifier.',
    'test/unit/current_driver': 'Link to the unit tests of the driver.',
    'test/unit/surface_classifier': 'Link to the unit tests of the classifier.',
    'setup.cfg': 'Where colcon puts the executables.',
    'package.xml': 'Dependencies, for rosdep and colcon.',
    'Makefile': 'setup, build, demo, demo-real, test, lint.',
    'pyproject.toml': 'ruff, mypy and pytest.',
    '.ci/run': 'What continuous integration runs.',
    '.github/workflows/ros.yml': 'The packages on apt installations of ROS 2, for GitHub; not run by us.',
    '.gitignore': 'What set-up, build and demo leave in the clone.',
    'README.md': 'This page.',
    'CHANGELOG.md': 'What changed, version by version.',
    'CHANGELOG.rst': 'What changed in this package, as bloom reads it.',
    'CONTRIBUTING.md': 'How to set up, test and add things; the rules of the house.',
    'EXPERIMENTS.md': 'What was tried and measured, also what did not help.',
    'ROS_API.md': 'Every topic, service, action and parameter.',
    'page.html.j2': 'The page that page.py fills.',
    'forum_page.html.j2': 'The page that forum_page.py fills.',
}
# Folders in which, and below which, one line says enough.
FOLDED = {
    'docs': 'pictures for this page, and what the nodes report: cause and remedy',
    'examples/ina_current': 'a sketch for Arduino and ESP32: currents from INA219 or INA226 sensors',
    'requirements': 'what is installed, pinned for each Python and each set of ROS wheels',
    'src/current_driver/current_driver/recordings/msg_definitions/surface_msgs/msg': (
        'copies of the message definitions that bags carry; a test compares them'
    ),
    'src/current_driver/resource': 'the marker of ament',
    'src/surface_classifier/config/layouts': 'layouts of rqt, PlotJuggler and Foxglove',
    'src/surface_classifier/resource': 'the marker of ament',
    'src/surface_classifier/test/data/msg': (
        'message definitions of other packages for tests; README.md there states origin and licence'
    ),
    'src/surface_classifier/test/data/v0_1_0': 'a recording, a data set, a window file and a model of version 0.1.0',
    'test/data/robot_model': 'a small trained model, for the tests beside apt packages',
    'test/data/rosdep': "names of rosdistro's keys and the schema of package.xml, for tests",
    'test/arduino': 'an Arduino on a PC, on which a test runs the example sketch',
}


def purpose(path: PurePosixPath) -> str:
    """Return what a file says of itself in its first sentence.

    Raises:
        SystemExit: It says nothing.
    """
    for key in (str(path), path.name):
        if key in PURPOSES:
            return PURPOSES[key]
    text = (ROOT / path).read_text(encoding='utf-8')
    if path.suffix == '.py':
        said = ast.get_docstring(ast.parse(text)) or ''
    else:
        lines = [line[1:].strip() for line in text.splitlines() if line.startswith('#') and not line.startswith('#!')]
        lines = [line for line in lines if not re.match(r'(Copyright|SPDX)', line)]
        said = '\n'.join(lines).strip()
    sentence = re.split(r'(?<=[.])\s', ' '.join(said.split('\n\n')[0].split()))[0].rstrip('.')
    if not sentence:
        sys.exit(f'{path} does not say what it is for: begin it with a docstring or a comment')
    return sentence + '.'


def folded(folder: str) -> str:
    """Return the folded folder that a folder is, or lies in; the folder itself when there is none."""
    return next((name for name in FOLDED if folder == name or folder.startswith(f'{name}/')), folder)


def tree() -> str:
    """Return the tree as the lines of a code block."""
    listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    present = [line for line in listed.splitlines() if (ROOT / line).is_file() or (ROOT / line).is_symlink()]
    paths = sorted({PurePosixPath(line) for line in present})
    lines = []
    by_folder = sorted(paths, key=lambda path: (str(path.parent) != '.', str(path.parent), path.name))
    for folder, files in groupby(by_folder, key=lambda path: folded(str(path.parent))):
        if folder in FOLDED:
            lines.append(f'{folder}/  {FOLDED[folder]}')
            continue
        if folder != '.':
            lines.append(f'{folder}/')
        lines += [
            f'{"  " if folder != "." else ""}{path.name:<{PURPOSE_COLUMN}} {purpose(path)}'
            for path in files
            if path.name != '__init__.py'
        ]
    return '\n'.join(lines)


def with_tree(readme: str) -> str:
    """Return the page with its tree brought up to date."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f'{before}{BEGIN}\n```\n{tree()}\n```\n{END}{after}'


if __name__ == '__main__':
    page = ROOT / 'README.md'
    page.write_text(with_tree(page.read_text(encoding='utf-8')), encoding='utf-8')
