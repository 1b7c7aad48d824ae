# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Models are loaded in bounded time, whatever their files do."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from surface_classifier.model.loading.model_loader import HANGING_LIMIT, ModelLoader


def make_loader(load: object, limit_s: float = 5.0) -> ModelLoader[str]:
    return ModelLoader(load, limit_s, lambda: False)  # type: ignore[arg-type]


def test_results_and_errors_reach_the_caller(tmp_path: Path) -> None:
    assert make_loader(lambda path: path + '!').load(str(tmp_path)) == f'{tmp_path}!'
    with pytest.raises(ZeroDivisionError):
        make_loader(lambda path: path * (1 // 0)).load(str(tmp_path))


def test_a_model_that_does_not_answer_is_given_up_and_the_next_one_loads() -> None:
    go_on = threading.Event()
    loader = make_loader(lambda path: str(go_on.wait(60)) if path == 'hung' else path, 0.3)
    began_s = time.monotonic()
    with pytest.raises(SurfaceError, match=r'hung: does not answer within 0\.3 s'):
        loader.load('hung')
    assert time.monotonic() - began_s < 5.0
    assert loader.load('good') == 'good'
    for _ in range(HANGING_LIMIT - 1):
        with pytest.raises(SurfaceError, match='does not answer within'):
            loader.load('hung')
    with pytest.raises(SurfaceError, match='start the node again'):
        loader.load('good')
    go_on.set()


def test_every_call_of_many_is_answered_in_time() -> None:
    go_on = threading.Event()
    loader = make_loader(lambda path: path * go_on.wait(60), 0.5)
    began_s = time.monotonic()

    def refusal(_: int) -> str:
        with pytest.raises(SurfaceError) as caught:
            loader.load('hung')
        return str(caught.value)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(refusal, range(20)))
    assert time.monotonic() - began_s < 5.0
    assert all('hung' in answer for answer in answers)
    go_on.set()


def test_a_node_that_ends_waits_for_no_model() -> None:
    go_on, stopped = threading.Event(), threading.Event()
    loader: ModelLoader[str] = ModelLoader(lambda path: path * go_on.wait(60), 60.0, stopped.is_set)
    threading.Timer(0.2, stopped.set).start()
    began_s = time.monotonic()
    with pytest.raises(SurfaceError):
        loader.load('hung')
    assert time.monotonic() - began_s < 10.0
    go_on.set()
