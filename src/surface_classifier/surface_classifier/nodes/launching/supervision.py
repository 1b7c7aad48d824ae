# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Node processes of `ros2 launch`: an end with an error gives it a non-zero status, or starts the process again."""

from __future__ import annotations

from collections.abc import Callable

from launch import LaunchContext
from launch.actions import LogInfo, OpaqueFunction, RegisterEventHandler, Shutdown, TimerAction
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessExited, ProcessIO
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node

from surface_classifier.startup.process_ends import RESPAWN_DELAY_S, Consequence, ProcessEnds


class ProcessFailed(RuntimeError):  # noqa: N818 - `ros2 launch` prints the text alone
    """A process ended with an error; raised in an event handler, it gives `ros2 launch` the exit status 1."""


def supervised(name: str, make_node: Callable[..., Node], *, respawn: bool) -> list[LaunchDescriptionEntity]:
    """Return the actions that start a node's process and act on its end.

    Args:
        name: What messages call the process.
        make_node: Makes the `Node` action from the keyword `on_exit`; called again for each restart, because `launch`
            runs an action once.
        respawn: Start the process again after an error other than bad parameters.
    """
    ends = ProcessEnds(name, respawn=respawn)

    def keep(event: ProcessIO) -> None:
        ends.keep(event.text)

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if context.is_shutdown:
            return []
        consequence, sentence = ends.judge(event.returncode)
        if consequence is Consequence.FAIL:
            raise ProcessFailed(sentence)
        if consequence is Consequence.END:
            return [Shutdown(reason=sentence)]
        restart = OpaqueFunction(function=lambda _: start())
        return [LogInfo(msg=sentence), TimerAction(period=RESPAWN_DELAY_S, actions=[restart])]

    def start() -> list[LaunchDescriptionEntity]:
        node = make_node(on_exit=on_exit)
        return [RegisterEventHandler(OnProcessIO(target_action=node, on_stderr=keep)), node]

    return start()
