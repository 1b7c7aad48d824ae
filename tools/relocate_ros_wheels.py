# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Point the CMake and ament files of the ROS wheels at the environment they were installed into.

The wheels carry the prefix of the machine that built them (/opt/python/cpXY-cpXY) in the text files below `share/`;
with it neither `find_package` nor `rosidl` works. Run it with the environment's own Python after every installation of
wheels.
"""

import importlib.util
import re
import sys
import sysconfig
from pathlib import Path

BUILD_PREFIX = re.compile(rb'/opt/python/cp\d+-cp\d+')
BUILD_INCLUDE = re.compile(BUILD_PREFIX.pattern + rb'/include/python3\.\d+')
BUILD_NUMPY = re.compile(BUILD_PREFIX.pattern + rb'/lib/python3\.\d+/site-packages/numpy/_?core/include')


def numpy_include() -> str:
    """Return the folder of numpy's headers, which depends on its version and on where it is installed.

    Raises:
        SystemExit: There is no numpy, with which rosidl builds message packages.
    """
    spec = importlib.util.find_spec('numpy')
    folders = [
        Path(folder, core, 'include')
        for folder in (spec and spec.submodule_search_locations) or ()
        for core in ('_core', 'core')
    ]
    found = [str(folder) for folder in folders if folder.is_dir()]
    if not found:
        raise SystemExit('relocate_ros_wheels: error: the headers of numpy are missing: install numpy first')
    return found[0]


def relocate(share: Path, prefix: str, include: str, numpy: str) -> int:
    """Replace the wheels' build prefix in every text file below a folder.

    Args:
        share: The environment's `share/` folder.
        prefix: The environment's prefix.
        include: The folder of `Python.h`, which an environment does not have below its own prefix.
        numpy: The folder of numpy's headers, which an environment may have outside its own prefix.

    Returns:
        The number of files changed.
    """
    changed = 0
    for path in share.rglob('*'):
        if not path.is_file() or path.is_symlink():
            continue
        old = path.read_bytes()
        if b'\0' in old or not BUILD_PREFIX.search(old):
            continue
        new = BUILD_NUMPY.sub(lambda _: numpy.encode(), old)
        new = BUILD_INCLUDE.sub(lambda _: include.encode(), new)
        new = BUILD_PREFIX.sub(lambda _: prefix.encode(), new)
        path.write_bytes(new)
        changed += 1
    return changed


if __name__ == '__main__':
    count = relocate(Path(sys.prefix, 'share'), sys.prefix, sysconfig.get_paths()['include'], numpy_include())
    print(f'{count} files of the ROS wheels now point at {sys.prefix}')
