# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer node: records raw topics with the surface the robot stands on, and trains models from recordings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any, TypeVar

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import Joy

from current_driver.errors import DamagedMessageError, RefusedMessageError, SurfaceError
from current_driver.files.names import check_name
from current_driver.files.plain_text import plain_text
from current_driver.messages import NANOSECONDS, SURFACE_TRUTH
from current_driver.node.arrival_watch import ArrivalWatch
from current_driver.node.base_node import MonitoredNode
from current_driver.node.decoding import decode
from current_driver.node.health import Health
from current_driver.node.qos import qos_overrides, stream_qos
from current_driver.node.ros_types import ros_message_class
from current_driver.node.run_nodes import run
from current_driver.node.shared_memory import leftover_warning
from current_driver.optional_packages import require_training_packages
from current_driver.recordings.message_definitions import message_definition
from current_driver.recordings.writing.recording_session import RecordingSession
from current_driver.recordings.writing.recording_writer import RecordingWriter
from surface_classifier.nodes.background import in_thread
from surface_classifier.nodes.chain_health import TrainerState, trainer_health
from surface_classifier.nodes.conversion import to_ns, truth_message
from surface_classifier.nodes.parameters import TRAINER_PARAMETERS
from surface_classifier.nodes.progress_reporter import ProgressReporter
from surface_classifier.nodes.raw_stamps import MessageTimes, TimeReader, time_reader
from surface_classifier.terminal.joy_labels import JoyLabels
from surface_classifier.training_process.train_job import TrainJob
from surface_msgs.action import Train
from surface_msgs.msg import SurfaceTruth
from surface_msgs.srv import SetSurface, StartRecording, StopRecording

TRUTH_TOPIC = 'surface_truth'
SEARCH_PERIOD_S = 0.2
JOY_DEPTH = 100
# Ten seconds at 1,000 messages a second, of which none must be lost.
INPUT_DEPTH = 10_000

FEEDBACK_NUMBERS = (
    'progress',
    'loss',
    'loss_noise',
    'loss_low',
    'loss_high',
    'validation_loss',
    'validation_accuracy',
)

METADATA_FIELDS = {
    'operator': 'operator_name',
    'robot': 'robot',
    'place': 'place',
    'payload': 'payload',
    'battery': 'battery',
    'note': 'note',
}

Response = TypeVar('Response')


@dataclass
class _Input:
    """A topic that is recorded."""

    topic: str
    msgtype: str
    definition: str | None
    latched: bool
    times: TimeReader
    reporter: ProgressReporter | None
    arrivals: ArrivalWatch


class TrainerNode(MonitoredNode):
    """Records labelled bags and runs training in a child process."""

    _actions: ActionServer | None = None  # a node with bad parameters is destroyed before it has one

    def __init__(self, **options: Any) -> None:
        """Offer the services and look for the topics.

        Args:
            options: Passed on to `rclpy.node.Node`.
        """
        super().__init__('trainer', TRAINER_PARAMETERS, **options)
        self._joy = self._joy_labels()
        self.add_concern(leftover_warning)
        self._fault = ''
        self._stopped = ''
        self._surface = ''
        self._origin = 'operator'
        self._session: RecordingSession | None = None
        self._session_began_s = 0.0
        self._job: TrainJob | None = None
        self._training_stage = ''
        self._inputs: dict[str, _Input] = {}
        # Damaged messages in the recording in progress, by topic.
        self._damaged: dict[str, int] = {}
        self._truth_topic = self.resolve_topic_name(TRUTH_TOPIC)
        label_topic = self.values['label_topic']
        self._label_topic = self.resolve_topic_name(label_topic) if label_topic else ''
        if not label_topic and self._truth_topic in map(self.resolve_topic_name, self.values['topics']):
            self._label_topic = self._truth_topic  # the label is one topic of a bag, whoever sets it
        self._label_reporter: ProgressReporter | None = None
        # By fully qualified name, as a bag names them.
        self._wanted = [self.resolve_topic_name(topic) for topic in self.values['topics']]
        self._labels_out = None
        if self._label_topic != self._truth_topic:
            self._labels_out = self.create_publisher(
                SurfaceTruth,
                TRUTH_TOPIC,
                stream_qos(1, reliable=True, latched=True),
                qos_overriding_options=qos_overrides(),
            )
        if self._joy.surfaces:
            self.create_subscription(
                Joy,
                self.values['joy_topic'],
                self.guarded(self._on_joy),
                stream_qos(JOY_DEPTH, reliable=False),
                qos_overriding_options=qos_overrides(),
            )
        self._search = self.create_timer(SEARCH_PERIOD_S, self.guarded(self._find_topics), clock=self.steady_clock)
        self.create_service(StartRecording, '~/start_recording', self._answering(self._start_recording))
        self.create_service(StopRecording, '~/stop_recording', self._answering(self._stop_recording))
        self.create_service(SetSurface, '~/set_surface', self._answering(self._set_surface))
        self._actions = ActionServer(
            self,
            Train,
            '~/train',
            execute_callback=self._train,
            goal_callback=self._accept_goal,
            cancel_callback=self._cancel_training,
        )

    def health(self) -> Health:
        """Return the present state."""
        if self._session is not None and self._session.failure:
            self._end_failed_recording()
        now_s = time.monotonic()
        session = self._session
        return trainer_health(
            TrainerState(
                fault=self._fault,
                stopped=self._stopped,
                recording=str(session.writer.path) if session else '',
                messages=session.writer.message_count if session else 0,
                refused=dict(session.writer.refused) if session else {},
                damaged=dict(self._damaged) if session else {},
                recorded_s=now_s - self._session_began_s if session else 0.0,
                surface=self._surface,
                # A latched topic, such as a label, is sent when it changes and may rest for long.
                ages_s={
                    topic: entry.arrivals.age_s(now_s) for topic, entry in self._inputs.items() if not entry.latched
                },
                deadlines_s={topic: entry.arrivals.deadline_s for topic, entry in self._inputs.items()},
                unresolved=tuple(self._missing_topics()),
                input_timeout_s=self.values['input_timeout_s'],
                uptime_s=self.uptime_s,
                training=self._training_stage,
            )
        )

    def close(self) -> None:
        """Complete the recording in progress and end a training run."""
        if self._session is not None:
            try:
                self._session.close()
            except SurfaceError as error:
                self.get_logger().error(str(error))
            self._session = None
        if self._job is not None:
            self._job.cancel()

    def destroy_node(self) -> None:
        """Destroy the action server with the node."""
        if self._actions is not None:
            self._actions.destroy()
        super().destroy_node()

    # ---- Topics ----

    def _missing_topics(self) -> list[str]:
        missing = [topic for topic in self._wanted if topic not in self._inputs]
        if self._label_topic and self._label_topic not in self._inputs:
            missing.append(self._label_topic)
        return missing

    def _find_topics(self) -> None:
        """Subscribe to the topics that somebody publishes by now, as they are published."""
        missing = self._missing_topics()
        if not missing:
            self._search.cancel()
            return
        published = {
            topic: types
            for topic, types in self.get_topic_names_and_types()
            if topic in missing and self.count_publishers(topic)
        }
        try:
            for topic, types in published.items():
                if len(types) > 1:
                    raise SurfaceError(f'topic {topic} is published with several types, {", ".join(types)}; end one')
                self._subscribe(topic, types[0])
        except SurfaceError as error:
            self._fault = str(error)
            raise
        self._fault = ''

    def _subscribe(self, topic: str, msgtype: str) -> None:
        is_label = topic == self._label_topic
        if is_label and msgtype != SURFACE_TRUTH:
            raise SurfaceError(f'label_topic {topic} carries {msgtype}; it must carry {SURFACE_TRUTH}')
        message_class = ros_message_class(msgtype)
        offers = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
        latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
        reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
        reporter = ProgressReporter(self, topic) if self.values['lossless'] else None
        entry = _Input(
            topic,
            msgtype,
            message_definition(msgtype),
            latched,
            time_reader(msgtype, message_class),
            reporter,
            ArrivalWatch(self.values['input_timeout_s'], learns=not self.values['lossless']),
        )
        if self._session is not None and not is_label:
            with self._recording():
                self._session.add_topic(topic, msgtype, entry.definition, latched=latched)
        self.create_subscription(
            message_class,
            topic,
            self.guarded(partial(self._on_label if is_label else self._on_message, entry)),
            stream_qos(INPUT_DEPTH, reliable=reliable or self.values['lossless'], latched=latched),
            qos_overriding_options=qos_overrides(),
            raw=True,
        )
        self._inputs[topic] = entry

    def _on_message(self, entry: _Input, cdr: bytes) -> None:
        entry.arrivals.arrive(time.monotonic())
        receive_ns = self.get_clock().now().nanoseconds
        if entry.reporter is not None:
            entry.reporter.take()
        try:
            if self._session is not None:
                times = self._times(entry, cdr, receive_ns)
                with self._recording():
                    self._session.write(entry.topic, cdr, *times)
        except RefusedMessageError:
            assert self._session is not None
            if self._session.writer.refused[entry.topic] == 1:
                raise  # the first one is reported, all are counted
        finally:
            if entry.reporter is not None:
                entry.reporter.finish(receive_ns)

    def _times(self, entry: _Input, cdr: bytes, receive_ns: int) -> MessageTimes:
        """Return the times of a message; a damaged one is recorded as it came, at the time of its receipt."""
        try:
            return entry.times(cdr, receive_ns)
        except DamagedMessageError:
            self._damaged[entry.topic] = self._damaged.get(entry.topic, 0) + 1
            return MessageTimes(receive_ns, receive_ns)

    def _on_label(self, entry: _Input, cdr: bytes) -> None:
        entry.arrivals.arrive(time.monotonic())
        if entry.reporter is not None:
            entry.reporter.take()
        stamp_ns = self.get_clock().now().nanoseconds
        try:
            truth = decode(cdr, SurfaceTruth, entry.topic)
            # A stamp of 0 was never set: the label holds from now on.
            stamp_ns = to_ns(truth.header.stamp) or stamp_ns
            self._check_name(truth.surface)
            _check_stamp(stamp_ns, f'topic {self._label_topic}')
            self._apply_surface(stamp_ns, truth.surface, truth.origin or 'topic')
        finally:
            if entry.reporter is not None:
                entry.reporter.finish(stamp_ns)

    # ---- Label ----

    def _check_name(self, surface: str) -> None:
        """Refuse a surface that is not among the allowed ones, or whose name no list of classes could show.

        Raises:
            SurfaceError: It is not.
        """
        check_name(surface, 'surface')
        allowed = self.values['surfaces']
        if surface and allowed and surface not in allowed:
            raise SurfaceError(
                f'surface {surface!r} is not one of {", ".join(allowed)}; use one of them or extend parameter surfaces'
            )

    def _apply_surface(self, stamp_ns: int, surface: str, origin: str) -> None:
        self._surface, self._origin = surface, origin
        if self._labels_out is not None:
            self._labels_out.publish(truth_message(stamp_ns, surface, origin))
        if self._session is not None:
            with self._recording():
                self._session.set_surface(stamp_ns, surface, origin)

    def _joy_labels(self) -> JoyLabels:
        """Return the joystick's buttons.

        Raises:
            SurfaceError: They are not stated well; the node is destroyed.
        """
        try:
            labels = JoyLabels(self.values['joy_buttons'])
            for surface in labels.surfaces.values():
                self._check_name(surface)
        except SurfaceError:
            self.destroy_node()
            raise
        return labels

    def _on_joy(self, message: Joy) -> None:
        surface = self._joy.pressed(message.buttons)
        if surface is not None:
            # Not the joystick's stamp: it may be read on the operator's computer, by another clock.
            self._apply_surface(self.get_clock().now().nanoseconds, surface, 'operator')
            self.publish_health()  # the terminal of `surface record` shows the label at once

    def _set_surface(self, request: SetSurface.Request, response: SetSurface.Response) -> None:
        self._check_name(request.surface)
        response.previous = self._surface
        stamp_ns = to_ns(request.stamp) or self.get_clock().now().nanoseconds
        _check_stamp(stamp_ns, 'the request')
        self._apply_surface(stamp_ns, request.surface, 'operator')
        response.message = f'surface is {request.surface}' if request.surface else 'not labelled from now on'
        if self._label_topic:
            warning = f'the next message on {self._label_topic} (label_topic) will override it'
            response.message += f'; {warning}'
            self.get_logger().warning(f'~/set_surface: {response.message}')

    # ---- Recording ----

    def _start_recording(self, request: StartRecording.Request, response: StartRecording.Response) -> None:
        if self._session is not None:
            raise SurfaceError(f'{self._session.writer.path} is being recorded; stop it first with ~/stop_recording')
        self._check_name(request.surface)
        name = request.name or time.strftime('%Y%m%d-%H%M%S', time.localtime(self.get_clock().now().nanoseconds * 1e-9))
        check_name(name, 'recording')
        if PurePath(name).is_absolute() or '..' in PurePath(name).parts:
            raise SurfaceError(f'the name {name!r} leads out of {self.values["output_dir"]}; give a plain name')
        metadata = {key: getattr(request, attribute) for key, attribute in METADATA_FIELDS.items()}
        path = Path(self.values['output_dir']) / name
        writer = RecordingWriter(path, self.values['storage'], metadata=metadata)
        if request.surface:
            self._surface, self._origin = request.surface, 'operator'
            if self._labels_out is not None:
                now_ns = self.get_clock().now().nanoseconds
                self._labels_out.publish(truth_message(now_ns, request.surface, 'operator'))
        session = RecordingSession(writer, self._truth_topic, self._surface, self._origin)
        try:
            for entry in self._inputs.values():
                if entry.topic != self._label_topic:
                    session.add_topic(entry.topic, entry.msgtype, entry.definition, latched=entry.latched)
        except SurfaceError:
            session.close(discard=True)
            raise
        self._session = session
        self._damaged = {}
        self._stopped = ''
        self._session_began_s = time.monotonic()
        response.path = str(path)
        response.message = f'recording {", ".join(self._wanted)} to {path}'
        if missing := self._missing_topics():
            response.message += f'; no publisher of {", ".join(missing)} yet'
        silent = [entry.topic for entry in self._inputs.values() if not entry.latched and not entry.arrivals.has_begun]
        if silent:
            response.message += f'; nothing has arrived on {", ".join(silent)} yet, see /diagnostics'

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """End the recording when its bag cannot take any more, and leave it readable up to there.

        Raises:
            SurfaceError: What else is wrong.
        """
        try:
            yield
        except SurfaceError:
            if self._session is None or not self._session.failure:
                raise
            self._end_failed_recording()

    def _end_failed_recording(self) -> None:
        assert self._session is not None
        session, self._session = self._session, None
        failure = session.failure
        summary = session.close()
        self._stopped = (
            f'recording has stopped: {failure} and start again; {summary.messages} messages '
            f'({summary.seconds:.1f} s) before it can be read'
        )
        self.get_logger().error(self._stopped)
        self.publish_health()

    def _stop_recording(self, request: StopRecording.Request, response: StopRecording.Response) -> None:
        if self._session is None:
            raise SurfaceError(self._stopped or 'nothing is being recorded; start with ~/start_recording')
        session, self._session = self._session, None
        try:
            summary = session.close(discard=request.discard)
        except SurfaceError as error:
            self._stopped = f'the end of the recording is missing: {error}'
            raise
        response.path = summary.path
        response.duration = summary.seconds
        response.messages = summary.messages
        response.surfaces = list(summary.surface_seconds)
        response.surface_durations = list(summary.surface_seconds.values())
        response.message = f'{summary.path} is {"deleted" if request.discard else "complete"}'

    def _answering(self, serve: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
        """Wrap a service so that what is wrong with a request is its answer."""

        def answer(request: Any, response: Response) -> Response:
            try:
                serve(request, response)
                response.success = True  # type: ignore[attr-defined]
            except Exception as error:
                if not isinstance(error, SurfaceError):
                    self.report_fault(error)
                response.success = False  # type: ignore[attr-defined]
                response.message = str(error)  # type: ignore[attr-defined]
            return response

        return answer

    # ---- Training ----

    async def _train(self, handle: Any) -> Train.Result:
        goal = handle.request
        result = Train.Result(accuracy=math.nan, balanced_accuracy=math.nan, model=goal.model)
        try:
            if self._job is not None:
                raise SurfaceError('a training run is in progress; wait for its end or cancel it')
            job = TrainJob(
                {
                    'recordings': list(goal.recordings),
                    'dataset': goal.dataset,
                    'model': goal.model,
                    'config': goal.config,
                    'seed': goal.seed,
                    'diagnose': goal.diagnose,
                }
            )
        except Exception as error:
            result.message = str(error)
            handle.abort()
            return result
        self._job, self._training_stage = job, 'starting'
        try:
            answer = await in_thread(self, lambda: job.run(partial(self._on_train_event, handle, result)))
        except Exception as error:
            result.message = str(error)
            if job.cancelled and handle.is_cancel_requested:
                handle.canceled()
            else:
                if not isinstance(error, SurfaceError):
                    self.report_fault(error)
                handle.abort()
            return result
        finally:
            self._job, self._training_stage = None, ''
        result.success = True
        result.message = f"{result.model} is trained; load it with the classifier's ~/load_model"
        _fill(result, answer)
        if result.verdicts:
            result.message += f'; diagnosed as {", ".join(result.verdicts)}, see {result.diagnosis}'
        handle.succeed()
        return result

    def _accept_goal(self, goal: Train.Goal) -> GoalResponse:
        """Reject a goal that no waiting makes possible; an action's rejection has no text, so it is reported."""
        try:
            self._check_goal(goal)
        except SurfaceError as error:
            self.report_fault(SurfaceError(f'~/train: the goal is rejected: {error}'))
            self.publish_health()
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _check_goal(self, goal: Train.Goal) -> None:
        if not goal.model:
            raise SurfaceError('the goal names no folder for the model; set its field model')
        if bool(goal.recordings) == bool(goal.dataset):
            raise SurfaceError('the goal must name either recordings or a data set')
        for path in (goal.model, goal.config, goal.dataset, *goal.recordings):
            _check_path(path)
        require_training_packages()

    def _cancel_training(self, _handle: Any) -> CancelResponse:
        if self._job is None:
            return CancelResponse.REJECT
        self._job.cancel()
        return CancelResponse.ACCEPT

    def _on_train_event(self, handle: Any, result: Train.Result, event: dict[str, Any]) -> None:
        """Pass on what the child says; runs in the thread that waits for it."""
        if event['event'] == 'trained':
            _fill(result, event)
            return
        self._training_stage = event.get('stage', self._training_stage)
        feedback = Train.Feedback(
            stage=self._training_stage,
            epochs=event['epochs'],
            **{name: event[name] for name in ('activity', 'epoch', 'verdict') if name in event},
            **{name: event.get(name, math.nan) for name in FEEDBACK_NUMBERS},
        )
        handle.publish_feedback(feedback)


def _check_path(path: str) -> None:
    """Refuse a path with control characters, which is never meant.

    The middleware cuts a text at its first NUL before it can be seen here.

    Raises:
        SurfaceError: It has some.
    """
    if path != plain_text(path) or '\n' in path or '\t' in path:
        raise SurfaceError(f'the path {path!r} holds control characters; give a path without them')


def _check_stamp(stamp_ns: int, source: str) -> None:
    """Refuse a label for a time that no recording can hold.

    Raises:
        SurfaceError: The stamp is negative.
    """
    if stamp_ns < 0:
        raise SurfaceError(
            f'{source} sets a surface from {stamp_ns / NANOSECONDS:g} s on; a stamp must not be negative: '
            'leave it at 0 for the present, or correct the clock of its sender'
        )


def _fill(result: Train.Result, event: Mapping[str, Any]) -> None:
    """Copy the fields that an event of the child shares with the result."""
    for name in result.get_fields_and_field_types():
        if name in event:
            setattr(result, name, event[name])


def main() -> int:
    """Run the node."""
    return run(lambda: [TrainerNode()])
