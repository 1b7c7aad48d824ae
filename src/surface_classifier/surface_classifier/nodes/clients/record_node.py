# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The node behind `surface record`: a terminal for the trainer node, with one key for each surface.

The trainer records, and keeps on while a terminal is drawn, hangs or is closed; this node asks it to, and counts what
has been driven. The trainer is that of the running graph, or one that is started in this process.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.task import Future

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.node.ros_types import ros_message_class
from current_driver.node.run_nodes import NodeExecutor
from surface_classifier.nodes.publishers import publishers_of
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_classifier.terminal.drive_motion import Motion, motion_of, preferred_topics
from surface_classifier.terminal.record_coverage import DEFAULT_SPEED_EDGES_MPS, Coverage
from surface_classifier.terminal.record_keys import QUIT_KEY, Command, KeyMap, Press, Terminal
from surface_classifier.terminal.record_view import RecordState, render
from surface_classifier.terminal.screen import Screen, save_view
from surface_msgs.srv import SetSurface, StartRecording, StopRecording

START_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 20.0
COUNT_PERIOD_S = 0.1
SEARCH_PERIOD_S = 0.5
KEY_WAIT_S = 0.05
# What is older does not hold any more.
MOTION_AGE_S = 1.0
ANSWER_HOLDS_S = 0.5
HEALTH_AGE_S = 4.0  # the trainer reports every second
# A step of the clock that no counting period explains is a jump, or the computer slept.
LONGEST_STEP_S = 5.0


@dataclass(frozen=True)
class RecordOptions:
    """What to record, and how.

    Attributes:
        surfaces: Names with a key each; none: the trainer's parameter `surfaces`.
        trainer: Name of the trainer node.
        namespace: Namespace of this node, and of the trainer.
        own_trainer: Parameters of a trainer to start in this process; None: that of the graph.
        fields: Fields of `surface_msgs/srv/StartRecording`, such as `name` or `operator_name`.
        speed_topic: Topic with the speed; empty: what is found.
        wheel_radius_m: For joint states with the speed; 0: not known [m].
        speed_edges_mps: Speeds that part the ranges [m/s].
    """

    surfaces: tuple[str, ...] = ()
    trainer: str = 'trainer'
    namespace: str = ''
    own_trainer: Mapping[str, Any] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    speed_topic: str = ''
    wheel_radius_m: float = 0.0
    speed_edges_mps: tuple[float, ...] = DEFAULT_SPEED_EDGES_MPS


class RecordNode(Node):
    """Asks a trainer to record and label, and keeps the state of the view.

    Callbacks run in the executor's thread, keys come from another one.

    Attributes:
        state: What the view shows; None until the surfaces are known. Hold `lock` to read it.
        lock: Keeps the threads apart.
    """

    def __init__(self, options: RecordOptions, context: rclpy.Context | None = None) -> None:
        """Make the clients and look for a topic with the speed."""
        super().__init__('surface_record', namespace=options.namespace, context=context)
        self.lock = threading.RLock()
        self._options = options
        self._keys: KeyMap | None = None
        self.state: RecordState | None = None
        self._recordings = 0
        self._pending: list[tuple[str, float, Motion | None]] = []
        self._heard_s = time.monotonic()
        self._answered_s = 0.0
        self._answers = 0  # to keys, since the last report: each is a message of the recording
        self._reported_surface = ''
        self._motion_s = 0.0
        self._counted_ns: int | None = None
        self._speed: Subscription | None = None
        self._start = self.create_client(StartRecording, f'{options.trainer}/start_recording')
        self._stop = self.create_client(StopRecording, f'{options.trainer}/stop_recording')
        self._set = self.create_client(SetSurface, f'{options.trainer}/set_surface')
        # The client's own `srv_name` is the name as it was given.
        self.trainer_name = self.resolve_service_name(f'{options.trainer}/start_recording').rpartition('/')[0]
        self.create_subscription(DiagnosticArray, '/diagnostics', self._safely(self._on_diagnostics), 20)
        self.create_timer(COUNT_PERIOD_S, self._safely(self.count))
        self.create_timer(SEARCH_PERIOD_S, self._safely(self._find_speed))

    # ---- From the terminal's thread ----

    def is_trainer_there(self, waited_s: float) -> bool:
        """Return whether the trainer can be asked.

        Args:
            waited_s: For how long it has been waited for [s].

        Raises:
            SurfaceError: It has not come for too long.
        """
        if self._start.service_is_ready():
            return True
        if waited_s > START_TIMEOUT_S:
            raise SurfaceError(
                f'there is no trainer {self.trainer_name} after {START_TIMEOUT_S:g} s; start trainer_node, name '
                'another one with --trainer, or let this command record by itself with --topics'
            )
        return False

    def begin(self) -> None:
        """Ask the trainer for the surfaces, and start to record.

        Raises:
            SurfaceError: The trainer names no surfaces, or refuses.
        """
        surfaces = self._options.surfaces or self._surfaces_of_trainer()
        self._keys = KeyMap(surfaces)
        with self.lock:
            self.state = RecordState(self._keys.keys, Coverage(surfaces, self._options.speed_edges_mps))
        self.start_recording()

    def press(self, typed: str) -> bool:
        """Do what keys ask for; return whether one of them asks to quit."""
        assert self._keys is not None
        return any(self._obey(press) for press in self._keys.presses(typed))

    def start_recording(self) -> None:
        """Start a recording.

        Raises:
            SurfaceError: The trainer refuses.
        """
        fields = dict(self._options.fields)
        if self._recordings and fields.get('name'):
            fields['name'] = f'{fields["name"]}_{self._recordings + 1}'
        answer = self._call(self._start, StartRecording.Request(**fields))
        self._recordings += 1
        self._notify(answer.message, recording=answer.path)

    def stop_recording(self) -> None:
        """Complete the recording in progress.

        Raises:
            SurfaceError: The trainer refuses.
        """
        answer = self._call(self._stop, StopRecording.Request())
        driven = ', '.join(
            f'{name} {seconds:.0f} s' for name, seconds in zip(answer.surfaces, answer.surface_durations, strict=True)
        )
        self._notify(f'{answer.message}: {answer.messages} messages; {driven or "not labelled"}', recording='')

    @property
    def is_recording(self) -> bool:
        """Whether a recording of this terminal is in progress."""
        with self.lock:
            return self.state is not None and bool(self.state.recording)

    def _obey(self, press: Press) -> bool:
        try:
            if press.surface is not None:
                answer = self._call(self._set, SetSurface.Request(surface=press.surface))
                with self.lock:
                    assert self.state is not None
                    self.count()  # what was driven until now counts for the label until now
                    self.state.surface = press.surface
                    self._answered_s = time.monotonic()
                    self._answers += 1
                self._notify(answer.message)
            elif press.command == Command.RECORD and self.is_recording:
                self.stop_recording()
            elif press.command == Command.RECORD:
                self.start_recording()
            elif press.notice:
                self._notify(press.notice)
        except SurfaceError as error:
            self._notify(str(error))
        return press.command == Command.QUIT

    def _surfaces_of_trainer(self) -> tuple[str, ...]:
        client = AsyncParameterClient(self, self.trainer_name)
        future = client.get_parameters(['surfaces'])
        values = self._wait(future, f'parameters of {self.trainer_name}').values
        return tuple(name for name in values[0].string_array_value if name) if values else ()

    def _call(self, client: Client, request: Any) -> Any:
        answer = self._wait(client.call_async(request), f'service {client.srv_name}')
        if not answer.success:
            raise SurfaceError(answer.message)
        return answer

    def _wait(self, future: Future, what: str) -> Any:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(CALL_TIMEOUT_S):
            raise SurfaceError(f'{what}: no answer within {CALL_TIMEOUT_S:g} s; is the trainer still running?')
        return future.result()

    def _notify(self, notice: str, recording: str | None = None) -> None:
        with self.lock:
            assert self.state is not None
            self.state.notice = notice
            if recording is not None:
                self.state.recording, self.state.messages, self.state.recorded_s = recording, 0, 0.0
                self._pending.clear()
                self._heard_s = time.monotonic()

    # ---- From the executor's thread ----

    def _safely(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback so that an error in it is shown: the executor may be that of the trainer."""

        def run(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                with self.lock:
                    if self.state is not None:
                        self.state.notice = f'{type(error).__name__}: {error}'

        return run

    def count(self) -> None:
        """Note the time since the last call under the present label; it counts when the trainer has recorded data."""
        now_ns = self.get_clock().now().nanoseconds
        with self.lock:
            since_ns, self._counted_ns = self._counted_ns, now_ns
            if self.state is None or since_ns is None:
                return
            if time.monotonic() - self._motion_s > MOTION_AGE_S:
                self.state.motion = None
            seconds = (now_ns - since_ns) * 1e-9
            if self.state.recording and 0.0 < seconds <= LONGEST_STEP_S:
                self._pending.append((self.state.surface, seconds, self.state.motion))
            silent_s = time.monotonic() - self._heard_s
            if self.state.recording and silent_s > HEALTH_AGE_S:
                self.state.trouble = f'{self.trainer_name} has not reported its state for {silent_s:.0f} s'

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Take over what the trainer reports: label, messages, and what is wrong."""
        for status in message.status:
            if f'/{status.name}' != self.trainer_name:
                continue
            self.count()
            values = {item.key: item.value for item in status.values}
            with self.lock:
                self._heard_s = time.monotonic()
                if self.state is None:
                    return
                troubled = int.from_bytes(status.level, 'little') > 0
                troubles = [status.message if troubled else '', self._second_label_publisher()]
                self.state.trouble = '\n'.join(filter(None, troubles))
                reported = values.get('surface', '')
                labels = max(self._answers, int(reported != self._reported_surface))
                self._answers, self._reported_surface = 0, reported
                if self.state.recording and values.get('recording') == self.state.recording:
                    messages = int(values.get('messages', 0))
                    # A label is a message, too, and shows nothing of the robot's data.
                    self._count_recorded(messages > self.state.messages + labels)
                    self.state.messages = messages
                    self.state.recorded_s = float(values.get('recorded [s]', 0.0))
                elif self.state.recording and troubled and not values.get('recording'):
                    self.state.recording = ''  # the trainer ended it, as on a full disk
                    self._pending.clear()
                # The label of the trainer is what the bag holds, however it was set: a key, a joystick or a topic.
                # A report that was on its way when a key was answered is older than the answer.
                if time.monotonic() - self._answered_s > ANSWER_HOLDS_S:
                    self.state.surface = values.get('surface', self.state.surface)

    def _count_recorded(self, has_grown: bool) -> None:
        """Count the time since the last report of the trainer if the recording has grown in it."""
        assert self.state is not None
        if has_grown:
            for surface, seconds, motion in self._pending:
                self.state.coverage.add(surface, seconds, motion)
        self._pending.clear()

    def _second_label_publisher(self) -> str:
        others = [name for name in publishers_of(self, 'surface_truth') if name != self.trainer_name]
        if not others:
            return ''
        names = ', '.join(others)
        return f'{names} publishes surface_truth as well; shown and recorded is the label of {self.trainer_name}'

    def _find_speed(self) -> None:
        """Listen to the best topic there is with the speed."""
        published = {topic: types for topic, types in self.get_topic_names_and_types() if self.count_publishers(topic)}
        if self._options.speed_topic:
            wanted = self.resolve_topic_name(self._options.speed_topic)
            published = {topic: types for topic, types in published.items() if topic == wanted}
        found = preferred_topics(published, self._options.wheel_radius_m)
        if not found:
            return
        topic, msgtype = found[0]
        if self._speed is not None:
            if self._speed.topic_name == topic:
                return
            # A better topic has appeared, or the one before has gone.
            self.destroy_subscription(self._speed)
        self._speed = self.create_subscription(
            ros_message_class(msgtype),
            topic,
            self._safely(partial(self._on_speed, topic, msgtype)),
            stream_qos(10, reliable=False),
        )

    def _on_speed(self, topic: str, msgtype: str, message: Any) -> None:
        motion = motion_of(msgtype, message, self._options.wheel_radius_m)
        if motion is None:
            return
        self.count()
        with self.lock:
            self._motion_s = time.monotonic()
            if self.state is not None:
                self.state.motion, self.state.motion_topic = motion, topic


def record(options: RecordOptions, *, plain: bool = False, picture: Path | None = None) -> RecordState | None:
    """Record with keys until one asks to quit, or Ctrl-C; the recording in progress is completed.

    Args:
        options: What to record.
        plain: Print lines even in a terminal.
        picture: SVG file to write the last view to; None: none.

    Returns:
        The state at the end; None when it was interrupted before the recording began.

    Raises:
        SurfaceError: There is no terminal, or the trainer is not there or refuses.
    """
    terminal = Terminal()
    screen = Screen(render, 'surface record', plain=plain)
    # Ctrl-C must not bring ROS down before the recording is complete. The log of a trainer in this process would be
    # written through the picture; it stays in the log file.
    arguments = ['--ros-args', '--disable-stdout-logs'] if screen.draws else None
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    trainer: TrainerNode | None = None
    node: RecordNode | None = None
    executor = NodeExecutor()
    thread = threading.Thread(target=partial(_spin, executor), name='ros', daemon=True)
    try:
        if options.own_trainer is not None:
            overrides = [Parameter(name, value=value) for name, value in options.own_trainer.items()]
            # A name that no other trainer of the graph has: keys and `q` are for this one alone.
            options = replace(options, trainer=f'{options.trainer}_{secrets.token_hex(3)}')
            trainer = TrainerNode(
                parameter_overrides=overrides,
                namespace=options.namespace,
                cli_args=['--ros-args', '-r', f'__node:={options.trainer}'],
            )
            executor.add_node(trainer)
        node = RecordNode(options)
        executor.add_node(node)
        thread.start()
        with terminal:
            try:
                with screen:
                    if _wait_for_trainer(node, terminal, screen):
                        node.begin()
                        _keys_until_quit(node, terminal, screen)
            except KeyboardInterrupt:
                pass  # ends the recording as the key q does
            finally:
                if node.is_recording:
                    node.stop_recording()
                    assert node.state is not None
                    print(node.state.notice)
        if picture is not None and node.state is not None:
            save_view(node.state, picture, 'surface record', render)
        return node.state
    finally:
        executor.shutdown()
        if thread.is_alive():
            thread.join()
        if trainer is not None:
            trainer.close()
            trainer.destroy_node()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _wait_for_trainer(node: RecordNode, terminal: Terminal, screen: Screen[RecordState]) -> bool:
    """Wait until the trainer can be asked; return False when the key q was pressed before."""
    begin_s = time.monotonic()
    while not node.is_trainer_there(time.monotonic() - begin_s):
        screen.show_line(f'waiting for the trainer {node.trainer_name}; q quits')
        typed = terminal.read(KEY_WAIT_S)
        if typed is None or QUIT_KEY in typed.lower():
            return False
    return True


def _keys_until_quit(node: RecordNode, terminal: Terminal, screen: Screen[RecordState]) -> None:
    while True:
        typed = terminal.read(KEY_WAIT_S)
        if typed is None or node.press(typed):
            return
        with node.lock:
            assert node.state is not None
            screen.show(node.state, now=bool(typed))


def _spin(executor: NodeExecutor) -> None:
    with suppress(ExternalShutdownException):
        executor.spin()
