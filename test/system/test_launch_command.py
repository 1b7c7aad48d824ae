# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The `ros2 launch` command as a person types it: arguments, refusals, a plot, Ctrl-C, and the end of a replay."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ament_index_python.packages import get_packages_with_prefixes
from untrained_model import save_untrained_model

from current_driver.testing.drives import write_drive
from current_driver.testing.ros_graph import LosslessReader, open_graph
from surface_classifier.signal.window_config import default_window_config
from surface_classifier.startup.launch_arguments import LABEL_TOPIC, plotted_fields
from surface_msgs.msg import SurfaceLabel, SurfaceTruth
from surface_msgs.srv import LoadModel

REQUIRES = ('ros2launch', 'surface_msgs')

pytestmark = pytest.mark.usefixtures('ros_domain')

ROS2 = shutil.which('ros2') or 'ros2'
DEADLINE_S = 30.0
CLASSES = ('ice', 'snow')


class Launched:
    """A running `ros2 launch`, in a session of its own, whose output is collected."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [ROS2, 'launch', 'surface_classifier', *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """What was printed so far."""
        with self._changed:
            return ''.join(self._lines)

    def wait_for(self, pattern: str) -> None:
        """Wait until a pattern is printed."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, ''.join(self._lines)), DEADLINE_S)
        assert found, f'waited in vain for {pattern!r} in:\n{self.output}'

    def interrupt(self) -> int:
        """Press Ctrl-C, which reaches every process of the terminal, and return the exit code."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.end()
        _, alive = psutil.wait_procs(started, timeout=5)
        assert not alive, f'left behind: {alive}'
        return code

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def kill(self) -> None:
        """End what a failed test has left."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            process.kill()
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()


@pytest.fixture
def ros2_launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Launched]]:
    """Give what starts `ros2 launch surface_classifier ARGUMENTS`, and end what is left of it."""
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    monkeypatch.setenv('PYTHONUNBUFFERED', '1')
    running: list[Launched] = []

    class Kept(Launched):
        def __init__(self, *arguments: str) -> None:
            super().__init__(*arguments)
            running.append(self)

    yield Kept
    for launched in running:
        if launched.process.poll() is None:
            launched.kill()


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the folder of a model."""
    path = tmp_path_factory.mktemp('model') / 'model'
    save_untrained_model(path, default_window_config(), classes=CLASSES)
    return str(path)


@pytest.mark.parametrize('name', ['bringup', 'record'])
def test_show_args_describes_every_argument(ros2_launch: type[Launched], name: str) -> None:
    launched = ros2_launch(f'{name}.launch.py', '--show-args')
    assert launched.end() == 0
    shown = re.findall(r"^    '(\w+)':\n +(.+)", launched.output, re.MULTILINE)
    assert {'source', 'params_file', 'namespace', 'use_sim_time', 'bag', 'rate'} <= {argument for argument, _ in shown}
    for argument, description in shown:
        assert len(description.split()) > 3, f'{argument}: {description}'
        assert 'no description' not in description


def test_ctrl_c_ends_everything_with_exit_code_0(ros2_launch: type[Launched], ros_domain: int, model: str) -> None:
    launched = ros2_launch('bringup.launch.py', f'model:={model}')
    with open_graph(ros_domain) as graph:
        graph.collect(SurfaceLabel, LABEL_TOPIC).wait_for(2)
    assert launched.interrupt() == 0
    assert launched.output.count('process has finished cleanly') == 3
    assert 'Traceback' not in launched.output


def test_without_a_model_it_says_so_and_takes_one_later(
    ros2_launch: type[Launched], ros_domain: int, model: str
) -> None:
    launched = ros2_launch('bringup.launch.py', 'composed:=true', 'namespace:=robot1')
    launched.wait_for(r'No model:= is given.*ros2 service call /robot1/classifier/load_model')
    with open_graph(ros_domain) as graph:
        labels = graph.collect(SurfaceLabel, f'/robot1/{LABEL_TOPIC}')
        answer = graph.call(LoadModel, '/robot1/classifier/load_model', LoadModel.Request(path=model))
        assert answer.success, answer.message
        assert tuple(labels.wait_for(2)[0].class_names) == CLASSES
    assert launched.interrupt() == 0


@pytest.mark.parametrize('speed', [['rate:=0'], ['rate:=20', 'lossless:=true']])
def test_a_replay_ends_the_launch_when_it_is_done(
    ros2_launch: type[Launched], ros_domain: int, model: str, tmp_path: Path, speed: list[str]
) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 10.0)])
    # No node waits for the reader of the labels: the replay begins when this test asks for it and hears the classifier.
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text('/**/current_driver: {ros__parameters: {readers: 2}}\n', encoding='utf-8')
    with open_graph(ros_domain) as graph:
        labels = graph.collect(SurfaceLabel, LABEL_TOPIC)
        truths = LosslessReader(graph, SurfaceTruth, 'surface_truth')
        arguments = ('source:=replay', f'bag:={bag}', 'use_sim_time:=true', 'exit_when_done:=true', *speed)
        launched = ros2_launch('bringup.launch.py', f'model:={model}', f'params_file:={parameters}', *arguments)
        graph.wait_for_publishers(LABEL_TOPIC, deadline_s=DEADLINE_S)
        truths.start(DEADLINE_S)
        # 10 s in windows of 1 s, one every 0.5 s; none is lost.
        labels.wait_for(19)
        assert launched.end() == 0, launched.output
        first = labels[0].window_index
        assert [label.window_index for label in labels] == list(range(first, first + 19))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['source:=replay'], 'source:=replay needs bag:=RECORDING'),
        (['rate:=fast'], 'rate:=fast must be a number'),
        (['source:=camera'], '"camera".*simulator.*replay.*topic'),
        (['model:=/no/such/model'], 'model:=/no/such/model: there is no /no/such/model'),
    ],
)
def test_a_refused_argument_starts_nothing(ros2_launch: type[Launched], arguments: list[str], message: str) -> None:
    launched = ros2_launch('bringup.launch.py', *arguments)
    assert launched.end() == 1
    assert re.search(message, launched.output), launched.output
    assert 'process started' not in launched.output


@pytest.mark.skipif('rqt_plot' in get_packages_with_prefixes(), reason='rqt_plot is installed')
def test_a_plot_without_rqt_plot_says_what_to_install(ros2_launch: type[Launched], model: str) -> None:
    launched = ros2_launch('bringup.launch.py', f'model:={model}', 'plot:=true')
    assert launched.end() == 1
    assert re.search(r'plot:=true needs rqt_plot.*apt install ros-\S+-rqt-plot', launched.output), launched.output
    assert 'process started' not in launched.output


def test_the_plot_opens_at_the_first_label(
    ros2_launch: type[Launched], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in that says what it is asked to show, since the genuine one needs a screen.
    program = tmp_path / 'rqt' / 'lib' / 'rqt_plot' / 'rqt_plot'
    program.parent.mkdir(parents=True)
    program.write_text(f'#!{sys.executable}\nimport signal, sys\nprint("plotted:", *sys.argv[1:])\nsignal.pause()\n')
    program.chmod(0o755)
    index = tmp_path / 'rqt' / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'rqt_plot').touch()
    (tmp_path / 'rqt' / 'share' / 'rqt_plot').mkdir()
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "rqt"}:{os.environ["AMENT_PREFIX_PATH"]}')

    launched = ros2_launch('bringup.launch.py', f'model:={model}', 'plot:=true', 'namespace:=robot1')
    fields = ' '.join(f'/robot1/{LABEL_TOPIC}/{field}' for field in plotted_fields(len(CLASSES)))
    launched.wait_for(rf'plotted: {re.escape(fields)}( --ros-args|\n)')
    assert 'probabilities[0] is ice, probabilities[1] is snow' in launched.output
    assert launched.interrupt() == 0
