# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Files of a model folder are read in bounded time and memory, and only from inside the folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import CONTRACT_FILE, SIZE_LIMITS, load_contract, read_verified
from surface_classifier.model.loading.model_files import MissingMemberError, read_member


@pytest.mark.parametrize('name', SIZE_LIMITS)
@pytest.mark.parametrize('kind', ['pipe', 'device', 'folder', 'large', 'outside', 'loop'])
def test_files_that_cannot_be_read_in_bounded_time_and_memory_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    model = tmp_path / 'model'
    model.mkdir()
    file = model / name
    if kind == 'pipe':
        os.mkfifo(file)
    elif kind == 'device':
        file.symlink_to('/dev/zero')
    elif kind == 'folder':
        file.mkdir()
    elif kind == 'outside':
        (tmp_path / 'other').write_text('{}')
        file.symlink_to('../other')
    elif kind == 'loop':
        file.symlink_to(name)
    else:
        with file.open('wb') as stream:
            stream.truncate(SIZE_LIMITS[name] + 1)  # sparse
    with pytest.raises(SurfaceError, match=re.escape(str(file))):
        load_contract(model) if name == CONTRACT_FILE else read_verified(file, '0' * 64)


def test_a_pipe_inside_the_folder_is_refused_however_it_is_linked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'weights').symlink_to('pipe')
    with pytest.raises(SurfaceError, match='not a regular file'):
        read_member(tmp_path / 'weights', 100)


def test_sound_files_are_read_also_by_a_link_inside_the_folder_and_to_the_folder(tmp_path: Path) -> None:
    model = tmp_path / 'model'
    model.mkdir()
    (model / 'weights.1').write_bytes(b'weights')
    (model / 'weights').symlink_to('weights.1')
    (tmp_path / 'newest').symlink_to('model')
    assert read_member(tmp_path / 'newest' / 'weights', 7) == b'weights'
    with pytest.raises(MissingMemberError, match='nothing cannot be read'):
        read_member(model / 'nothing', 7)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for name in ('a\0b', 'x' * 5000):
        with pytest.raises(SurfaceError):
            read_member(tmp_path / name, 7)
        with pytest.raises(SurfaceError):
            load_contract(tmp_path / name)
