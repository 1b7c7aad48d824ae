# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A client of the trainer node that waits for its services and its action and raises where the trainer says no."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import rclpy
from rclpy.action import ActionClient
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from current_driver.errors import SurfaceError
from surface_msgs.action import Train
from surface_msgs.srv import SetSurface, StartRecording, StopRecording

START_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 20.0


class TrainerClient:
    """Records and trains with one trainer node; a context manager that brings ROS up and down.

    Use it from one thread, in a process that has no other use of ROS at the time.
    """

    def __init__(self, trainer: str = 'trainer') -> None:
        """Takes the name of the trainer node, with its namespace where it has one."""
        self._trainer = trainer
        self._context = rclpy.Context()

    def __enter__(self) -> TrainerClient:
        """Brings ROS up and makes the clients."""
        rclpy.init(context=self._context, args=[])
        self._node = Node('trainer_client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._start = self._node.create_client(StartRecording, f'{self._trainer}/start_recording')
        self._stop = self._node.create_client(StopRecording, f'{self._trainer}/stop_recording')
        self._set_surface = self._node.create_client(SetSurface, f'{self._trainer}/set_surface')
        self._train = ActionClient(self._node, Train, f'{self._trainer}/train')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Brings ROS down."""
        self._executor.shutdown()
        self._train.destroy()
        self._node.destroy_node()
        self._context.try_shutdown()

    def start_recording(self, **fields: str) -> StartRecording.Response:
        """Starts a recording.

        Args:
            fields: Fields of `surface_msgs/srv/StartRecording`, such as `name`, `surface` or `operator_name`.

        Raises:
            SurfaceError: The trainer is not there, does not answer, or refuses; the message says why.
        """
        return self._call(self._start, StartRecording.Request(**fields))

    def stop_recording(self, *, discard: bool = False) -> StopRecording.Response:
        """Stops the recording in progress; raises like `start_recording`."""
        return self._call(self._stop, StopRecording.Request(discard=discard))

    def set_surface(self, surface: str) -> SetSurface.Response:
        """Says which surface the robot stands on from now on; raises like `start_recording`."""
        return self._call(self._set_surface, SetSurface.Request(surface=surface))

    def train(self, on_feedback: Callable[[Train.Feedback], None] | None = None, **fields: Any) -> Train.Result:
        """Trains a model, and waits for it however long it takes; an interruption, such as Ctrl-C, cancels it.

        Args:
            on_feedback: Called with each feedback, such as after every epoch.
            fields: Fields of the goal of `surface_msgs/action/Train`, such as `dataset`, `model` or `diagnose`.

        Raises:
            SurfaceError: The trainer is not there, does not answer, or cannot do all of it; the message says why.
        """
        if not self._train.wait_for_server(timeout_sec=START_TIMEOUT_S):
            raise SurfaceError(
                f'action {self._trainer}/train is not there after {START_TIMEOUT_S:g} s; start trainer_node'
            )

        def pass_on(message: Any) -> None:
            if on_feedback is not None:
                on_feedback(message.feedback)

        sent = self._train.send_goal_async(Train.Goal(**fields), feedback_callback=pass_on)
        self._executor.spin_until_future_complete(sent, timeout_sec=CALL_TIMEOUT_S)
        if not sent.done():
            raise SurfaceError(f'action {self._trainer}/train did not answer within {CALL_TIMEOUT_S:g} s')
        handle = sent.result()
        if not handle.accepted:
            raise SurfaceError(f'{self._trainer}/train: the goal is rejected; the log of the trainer has the reason')
        done = handle.get_result_async()
        try:
            self._executor.spin_until_future_complete(done)
        finally:
            if not done.done():
                cancelled = handle.cancel_goal_async()
                self._executor.spin_until_future_complete(cancelled, timeout_sec=CALL_TIMEOUT_S)
        result = done.result().result
        if not result.success:
            raise SurfaceError(f'{self._trainer}/train: {result.message}')
        return result

    def _call(self, client: Client, request: Any) -> Any:
        if not client.wait_for_service(timeout_sec=START_TIMEOUT_S):
            raise SurfaceError(
                f'service {client.srv_name} is not there after {START_TIMEOUT_S:g} s; start trainer_node'
            )
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=CALL_TIMEOUT_S)
        if not future.done():
            client.remove_pending_request(future)
            raise SurfaceError(f'service {client.srv_name} did not answer within {CALL_TIMEOUT_S:g} s')
        response = future.result()
        if not response.success:
            raise SurfaceError(f'{client.srv_name}: {response.message}')
        return response
