# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The classifier node: windows in, surface labels out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from std_msgs.msg import Float32, String

from current_driver.errors import DamagedMessageError, SurfaceError
from current_driver.node.acknowledgement import Acknowledgement
from current_driver.node.arrival_watch import ArrivalWatch
from current_driver.node.base_node import MonitoredNode
from current_driver.node.health import Health
from current_driver.node.qos import qos_overrides, stream_qos
from current_driver.node.run_nodes import run
from surface_classifier.model.backlog_gate import BacklogGate
from surface_classifier.model.contract import ModelContract, check_compatible, check_window_digest
from surface_classifier.model.engine import InferenceEngine, load_engine
from surface_classifier.model.inference_worker import InferenceWorker
from surface_classifier.model.labeller import Labeller
from surface_classifier.model.loading.model_loader import ModelLoader
from surface_classifier.nodes.background import in_thread
from surface_classifier.nodes.chain_health import ClassifierState, classifier_health
from surface_classifier.nodes.conversion import describe_window_message, label_message, to_ns, window_from_message
from surface_classifier.nodes.message_limit import MessageLimit
from surface_classifier.nodes.parameters import CLASSIFIER_PARAMETERS
from surface_classifier.nodes.progress_reporter import ProgressReporter
from surface_classifier.nodes.publishers import OthersBeside
from surface_classifier.signal.window_stream import Window
from surface_msgs.msg import CurrentWindow, SurfaceLabel
from surface_msgs.srv import LoadModel

WINDOW_TOPIC = 'current_window'
LABEL_TOPIC = 'surface_label'
NAME_TOPIC = 'surface_name'
CONFIDENCE_TOPIC = 'surface_confidence'
WINDOW_DEPTH = 64
LOSSLESS_DEPTH = 1000
LABEL_DEPTH = 100
SERVICE_DEPTH = 100
DURATIONS_KEPT = 100
# Windows come seldom; a deadline is learned from few.
ARRIVALS_LEARNED = 4


class WindowKind(NamedTuple):
    """What windows hold: their configuration's digest, and the same in words."""

    digest: str
    description: str


class _Serving(NamedTuple):
    """The model in use."""

    path: str
    labeller: Labeller

    @property
    def contract(self) -> ModelContract:
        return self.labeller.engine.contract


class _Job(NamedTuple):
    """A window in the queue."""

    window: Window
    kind: WindowKind
    frame_id: str


class ClassifierNode(MonitoredNode):
    """Labels windows with a model, in a thread of its own."""

    def __init__(self, *, local_kind: WindowKind | None = None, **options: Any) -> None:
        """Load the model, warm it up, and subscribe to the windows.

        Args:
            local_kind: What windows hold that arrive through `accept` in this process; None: they come by subscription.
            options: Passed on to `rclpy.node.Node`.
        """
        super().__init__('classifier', CLASSIFIER_PARAMETERS, **options)
        self._fault = ''
        self._mismatch = ''
        self._serving: _Serving | None = None
        self._kind = local_kind
        self._received = 0
        self._labels = 0
        self._refused = 0
        self._told_dropped = 0
        # Lossless windows come at whatever pace their readers allow.
        lossless = self._lossless = bool(self.values['lossless'])
        self._arrivals = ArrivalWatch(self.values['input_timeout_s'], minimum=ARRIVALS_LEARNED, learns=not lossless)
        self._backlog = BacklogGate()
        self._told_late = 0
        self._loader: ModelLoader[_Serving] = ModelLoader(
            self._load, self.values['load_timeout_s'], lambda: not self.context.ok()
        )
        self._durations_s: deque[float] = deque(maxlen=DURATIONS_KEPT)
        if self.values['model']:
            try:
                self._serving = self._loader.load(self.values['model'])
            except SurfaceError as error:
                self._fault = str(error)
            except Exception as error:  # whatever is wrong with the files, the node waits for ~/load_model
                self._fault = f'{self.values["model"]}: {type(error).__name__}: {error}'
        self._labels_out = self._stream(SurfaceLabel, LABEL_TOPIC)
        self._names_out = self._stream(String, NAME_TOPIC)
        self._confidences_out = self._stream(Float32, CONFIDENCE_TOPIC)
        outputs = (self._labels_out, self._names_out, self._confidences_out)
        self._acknowledgements = [Acknowledgement(self, output) for output in outputs]
        self._beside = OthersBeside(self, LABEL_TOPIC)
        # The sender of lossless windows keeps few on their way, so that the long queue is never full; in one process it
        # is the queue that holds the sender back.
        self._worker: InferenceWorker[_Job] = InferenceWorker(
            self._label,
            LOSSLESS_DEPTH if lossless and local_kind is None else self.values['queue_size'],
            waits=lossless,
        )
        self._reporter: ProgressReporter | None = None
        if local_kind is None:
            if lossless:
                self._reporter = ProgressReporter(self, WINDOW_TOPIC)
            limit = MessageLimit(self, self.values['max_message_mb'])
            self.create_subscription(
                CurrentWindow,
                WINDOW_TOPIC,
                self.guarded(
                    limit.decoding(
                        WINDOW_TOPIC,
                        CurrentWindow,
                        self._on_window,
                        on_refused=self._refuse,
                        on_damaged=self._refuse_damaged,
                    )
                ),
                stream_qos(LOSSLESS_DEPTH if lossless else WINDOW_DEPTH, reliable=lossless),
                qos_overriding_options=qos_overrides(),
                raw=True,
            )
        # In a group of its own: the node's group rests until a coroutine of it has ended.
        self.create_service(
            LoadModel,
            '~/load_model',
            self._on_load_model,
            qos_profile=stream_qos(SERVICE_DEPTH, reliable=True),
            callback_group=ReentrantCallbackGroup(),
        )
        self.report_changes_of(lambda: self._arrivals.is_silent(time.monotonic()))
        if self._serving is not None:
            self.get_logger().info(
                f'ready to label with {self._serving.path}, {self._serving.labeller.engine.description}'
            )

    def accept(self, window: Window, frame_id: str) -> None:
        """Take in a window of this process; with `lossless`, wait while the queue is full.

        Args:
            window: The window, of the kind that was told to the constructor.
            frame_id: Frame of its signals.
        """
        assert self._kind is not None
        self._take(_Job(window, self._kind, frame_id))

    def finish(self, timeout_s: float) -> None:
        """Wait until every window is labelled and every label has arrived.

        Args:
            timeout_s: Longest time to wait for each [s].
        """
        self._worker.wait_until_idle(timeout_s)
        self._labels_out.wait_for_all_acked(Duration(seconds=timeout_s))

    def health(self) -> Health:
        """Return the present state."""
        serving = self._serving
        dropped, told = self._worker.dropped, self._told_dropped
        self._told_dropped = dropped
        late, told_late = self._backlog.refused, self._told_late
        self._told_late = late
        durations_s = list(self._durations_s)
        return classifier_health(
            ClassifierState(
                fault=self._fault or self._mismatch,
                model=serving.path if serving else '',
                model_digest=serving.contract.weights_sha256 if serving else '',
                engine=serving.labeller.engine.description if serving else '',
                age_s=self._arrivals.age_s(time.monotonic()),
                deadline_s=self._arrivals.deadline_s,
                first_window_s=serving.contract.config.window_s if serving else math.inf,
                input_timeout_s=self.values['input_timeout_s'],
                uptime_s=self.uptime_s,
                received=self._received,
                labels=self._labels,
                dropped=dropped,
                newly_dropped=dropped - told,
                late=late,
                newly_late=late - told_late,
                refused=self._refused,
                queue=len(self._worker),
                twins=self._beside.names(),
                label_topic=LABEL_TOPIC,
                inference_ms=1e3 * sum(durations_s) / len(durations_s) if durations_s else math.nan,
            )
        )

    def check_changes(self, changes: Mapping[str, Any]) -> None:
        """Refuse a level of `possible_ids` that the model in use does not have."""
        if self._serving is not None and 'possible_level' in changes:
            self._labeller(self._serving.labeller.engine, changes)

    def on_changes(self, changes: Mapping[str, Any]) -> None:
        """Label by the new values from the next window on, which begins without a memory of those before."""
        if 'input_timeout_s' in changes:
            self._arrivals.set_limit(changes['input_timeout_s'])
        serving = self._serving
        if serving is not None and {'possible_level', 'check_novelty'} & set(changes):
            self._serving = _Serving(serving.path, self._labeller(serving.labeller.engine))

    def close(self) -> None:
        """End the inference thread."""
        self._worker.stop()

    def _stream(self, kind: type, topic: str) -> Publisher:
        """Make a reliable publisher whose quality of service parameters can override."""
        return self.create_publisher(
            kind, topic, stream_qos(LABEL_DEPTH, reliable=True), qos_overriding_options=qos_overrides()
        )

    def _load(self, path: str) -> _Serving:
        """Load a model and run it once, so that the first label is as fast as the others.

        Raises:
            SurfaceError: The model or the device cannot be used.
        """
        engine = load_engine(path, self.values['engine'], self.values['device'])
        engine.warm_up()
        return _Serving(path, self._labeller(engine))

    def _labeller(self, engine: InferenceEngine, changes: Mapping[str, Any] | None = None) -> Labeller:
        """Return what labels by the node's parameters, changed or not.

        Raises:
            SurfaceError: The model has no sets of possible surfaces of the level.
        """
        values = {**self.values, **(changes or {})}
        return Labeller(
            engine,
            possible_level=values['possible_level'] or None,
            check_novelty=bool(values['check_novelty']),
        )

    async def _on_load_model(self, request: LoadModel.Request, response: LoadModel.Response) -> LoadModel.Response:
        try:
            serving = await in_thread(self, lambda: self._loader.load(request.path))
            self._check_suits(serving)
            self._serving = serving
            self._fault = self._mismatch = ''
            response.success = True
            response.message = f'{request.path} is in use, {serving.labeller.engine.description}'
        except Exception as error:  # whatever is wrong with the new model, the one in use keeps serving
            kept = f'; {self._serving.path} keeps serving' if self._serving else ''
            response.success = False
            response.message = f'{error}{kept}'
            self.report_fault(error)
        if self._serving is not None:
            response.model_digest = self._serving.contract.weights_sha256
            response.class_names = list(self._serving.contract.classes)
        return response

    def _check_suits(self, serving: _Serving) -> None:
        """Compare a new model with the windows that come or, before the first, with those the model in use takes.

        Raises:
            SurfaceError: They differ.
        """
        if self._kind is not None:
            check_window_digest(serving.contract, *self._kind, f'topic {WINDOW_TOPIC}')
        elif self._serving is not None:
            check_compatible(
                serving.contract, self._serving.contract.config, f'the model in use, {self._serving.path},'
            )

    def _on_window(self, message: CurrentWindow) -> None:
        if self._reporter is not None:
            self._reporter.take()
        try:
            if self._kind is None or message.config_digest != self._kind.digest:
                self._kind = WindowKind(message.config_digest, describe_window_message(message))
            window = window_from_message(message)
        except Exception:
            self._refused += 1
            self._finish(to_ns(message.header.stamp))
            raise
        self._take(_Job(window, self._kind, message.header.frame_id))

    def _refuse(self) -> None:
        """Count a message that cannot be used as processed."""
        self._refused += 1
        if self._reporter is not None:
            self._reporter.take()
            self._finish(self.get_clock().now().nanoseconds)

    def _refuse_damaged(self, error: DamagedMessageError) -> None:
        self._refuse()
        raise error

    def _take(self, job: _Job) -> None:
        self._received += 1
        now_s = time.monotonic()
        self._arrivals.arrive(now_s)
        if not self._lossless and self._backlog.is_late(job.window.end_ns, now_s):
            self._finish(job.window.end_ns)
            return
        dropped = self._worker.put(job)
        if dropped is not None:
            self._finish(dropped.window.end_ns)

    def _label(self, job: _Job) -> None:
        """Label one window; runs in the inference thread."""
        try:
            serving = self._serving
            if serving is None:
                self._refused += 1
                return
            try:
                check_window_digest(serving.contract, *job.kind, f'topic {WINDOW_TOPIC}')
            except SurfaceError as error:
                self._refused += 1
                self._mismatch = str(error)
                return
            self._mismatch = ''
            label = serving.labeller.label(job.window)
            self._labels_out.publish(label_message(label, job.frame_id))
            # For displays and scripts that lack this project's messages.
            self._names_out.publish(String(data=label.surface))
            self._confidences_out.publish(Float32(data=label.confidence))
            self._labels += 1
            if self._lossless and self._labels % (LABEL_DEPTH // 2) == 0:
                # Readers of labels report no progress; a label must not be overwritten before they have it.
                for acknowledgement in self._acknowledgements:
                    acknowledgement.wait()
            self._durations_s.append(label.inference_s)
        except Exception as error:  # one window must not end the thread that labels the next one
            self.report_fault(error)
        finally:
            self._finish(job.window.end_ns)

    def _finish(self, stamp_ns: int) -> None:
        if self._reporter is not None:
            self._reporter.finish(stamp_ns, at_once=not len(self._worker))


def main() -> int:
    """Run the node."""
    return run(lambda: [ClassifierNode()])
