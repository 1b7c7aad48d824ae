# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A shutdown that comes while the executor is being made leaves no traceback behind."""

from __future__ import annotations

import gc

import pytest
from rclpy.context import Context

from current_driver.node.run_nodes import NodeExecutor

REQUIRES = ('rclpy', 'surface_msgs')


def test_a_shutdown_while_the_executor_is_made_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr('sys.unraisablehook', lambda event: unraisable.append(event.exc_value))
    context = Context()
    context.init(domain_id=0)
    context.shutdown()
    with pytest.raises(Exception, match='context'):
        NodeExecutor(context=context)
    gc.collect()
    assert unraisable == []
