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
from surface_classifier.nodes.classifier_node import LABEL_TOPIC
from surface_classifier.signal.window_config import default_window_config
from surface_msgs.msg import SurfaceLabel, SurfaceTruth
from surface_msgs.srv import LoadModel

REQUIRES = ('ros2launch', 'surface_msgs')

pytestmark = pytest.mark.usefixtures('ros_domain')

ROS2 = shutil.which('ros2') or 'ros2'
DEADLINE_S = 60.0
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

    def process_of(self, executable: str) -> psutil.Process:
        """Find the process of a node."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        (found,) = [process for process in started if any(part.endswith(executable) for part in process.cmdline())]
        return found

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


@pytest.mark.parametrize('speed', [['rate:=0', 'respawn:=true'], ['rate:=20', 'lossless:=true']])
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
        assert 'starting it again' not in launched.output
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


@pytest.mark.parametrize('composed', ['false', 'true'])
def test_a_node_with_bad_parameters_ends_the_launch_with_an_error_and_the_reason(
    ros2_launch: type[Launched], model: str, tmp_path: Path, composed: str
) -> None:
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text('/**/classifier: {ros__parameters: {queue_size: 0}}\n', encoding='utf-8')
    arguments = (f'model:={model}', f'params_file:={parameters}', f'composed:={composed}', 'respawn:=true')
    launched = ros2_launch('bringup.launch.py', *arguments)
    assert launched.end() == 1, launched.output
    name = 'bringup' if composed == 'true' else 'classifier'
    reason = rf'{name} ended with exit status 2: .*queue_size'
    assert re.search(reason, launched.output), launched.output
    assert 'starting it again' not in launched.output


def test_the_recorder_ends_with_an_error_as_well(ros2_launch: type[Launched], tmp_path: Path) -> None:
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text('/**/trainer: {ros__parameters: {input_timeout_s: -1.0}}\n', encoding='utf-8')
    launched = ros2_launch('record.launch.py', f'params_file:={parameters}', f'output_dir:={tmp_path}')
    assert launched.end() == 1, launched.output
    assert re.search(r'trainer ended with exit status 2: .*input_timeout_s', launched.output), launched.output


def test_without_respawn_a_killed_node_ends_the_launch_with_an_error(
    ros2_launch: type[Launched], ros_domain: int, model: str
) -> None:
    launched = ros2_launch('bringup.launch.py', f'model:={model}')
    with open_graph(ros_domain) as graph:
        graph.collect(SurfaceLabel, LABEL_TOPIC).wait_for(1, DEADLINE_S)
    launched.process_of('classifier_node').kill()
    assert launched.end() == 1, launched.output
    assert 'classifier was ended by signal 9' in launched.output


def test_respawn_starts_a_killed_node_again(ros2_launch: type[Launched], ros_domain: int, model: str) -> None:
    launched = ros2_launch('bringup.launch.py', f'model:={model}', 'respawn:=true')
    with open_graph(ros_domain) as graph:
        labels = graph.collect(SurfaceLabel, LABEL_TOPIC)
        labels.wait_for(1, DEADLINE_S)
        launched.process_of('classifier_node').kill()
        launched.wait_for(r'classifier was ended by signal 9; starting it again in 2 s \(1 of 5\)')
        # The window of the kill may have been labelled before it.
        labels.wait_for(len(labels) + 2, DEADLINE_S)
    assert launched.interrupt() == 0, launched.output


def install_program(folder: Path, package: str, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a Python program as an executable of a package that hides the genuine one."""
    program = folder / 'lib' / package / name
    program.parent.mkdir(parents=True)
    program.write_text(f'#!{sys.executable}\n{body}', encoding='utf-8')
    program.chmod(0o755)
    index = folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True, exist_ok=True)
    (index / package).touch()
    (folder / 'share' / package).mkdir(exist_ok=True)
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{folder}:{os.environ["AMENT_PREFIX_PATH"]}')


def test_a_node_that_fails_again_and_again_is_started_five_times(
    ros2_launch: type[Launched], tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_program(tmp_path / 'broken', 'current_driver', 'current_driver_node', 'raise SystemExit(3)\n', monkeypatch)
    launched = ros2_launch('bringup.launch.py', f'model:={model}', 'respawn:=true')
    launched.wait_for(r'\(5 of 5\)')
    assert launched.end() == 1, launched.output
    assert len(re.findall(r'starting it again in 2 s', launched.output)) == 5
    assert 'current_driver ended with exit status 3; it was started again 5 times' in launched.output


@pytest.mark.skipif('rqt_plot' in get_packages_with_prefixes(), reason='rqt_plot is installed')
def test_a_plot_without_rqt_plot_says_what_to_install(ros2_launch: type[Launched], model: str) -> None:
    launched = ros2_launch('bringup.launch.py', f'model:={model}', 'plot:=true')
    assert launched.end() == 1
    assert re.search(r'plot:=rqt needs .*rqt_plot.*apt install .*ros-\S+-rqt-plot', launched.output), launched.output
    assert 'process started' not in launched.output


def test_a_plot_tool_opens_with_the_layout_of_the_robot(
    ros2_launch: type[Launched], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands in for PlotJuggler, and prints the curves of the layout that it is given.
    body = (
        'import re, signal, sys\n'
        'layout = open(sys.argv[sys.argv.index("--layout") + 1]).read()\n'
        'print("plotted:", *re.findall(r\'curve name="([^"]+)"\', layout), flush=True)\n'
        'signal.pause()\n'
    )
    install_program(tmp_path / 'tool', 'plotjuggler', 'plotjuggler', body, monkeypatch)
    install_program(tmp_path / 'plugins', 'plotjuggler_ros', 'none', '', monkeypatch)
    monkeypatch.setenv('ROS_HOME', str(tmp_path / 'home'))
    launched = ros2_launch('bringup.launch.py', f'model:={model}', 'plot:=plotjuggler', 'namespace:=robot1')
    launched.wait_for(r'plotted: /robot1/motor_current/current\[0\] .*/robot1/surface_label/probabilities\[1\]')
    assert 'surface_label/probabilities[2]' not in launched.output
    assert 'probabilities[0] is ice, probabilities[1] is snow' in launched.output
    assert launched.interrupt() == 0


def test_the_surface_command_is_a_command_of_ros2(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROS2, 'surface', 'info', str(tmp_path / 'none')], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert 'surface: error' in done.stderr
    help_text = subprocess.run([ROS2, 'surface', '--help'], capture_output=True, text=True, check=True).stdout
    assert help_text.startswith('usage: surface')
    assert ' surface ' in subprocess.run([ROS2, '--help'], capture_output=True, text=True, check=True).stdout
