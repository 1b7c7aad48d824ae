# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Build of surface_classifier, for colcon (ament_python) and for pip on a machine without ROS.

Paths are relative to this folder, as setuptools requires; each folder below `launch/` and `config/` keeps its place.
"""

from glob import glob
from os.path import dirname, isfile

from setuptools import find_packages, setup

PACKAGE = 'surface_classifier'


def share_files(folder: str) -> list[tuple[str, list[str]]]:
    """List the files of a folder of this package, by the folder they are installed to.

    Raises:
        SystemExit: There are none: the package would be installed without its launch or parameter files.
    """
    by_target: dict[str, list[str]] = {}
    for path in sorted(glob(f'{folder}/**/*', recursive=True)):
        if isfile(path) and '__pycache__' not in path:
            by_target.setdefault(f'share/{PACKAGE}/{dirname(path)}', []).append(path)
    if not by_target:
        raise SystemExit(
            f'setup.py: error: {PACKAGE}/{folder} holds no file; build from a complete copy of the package'
        )
    return sorted(by_target.items())


EVALUATE = ['jinja2>=3.1', 'matplotlib>=3.6', 'scikit-learn>=1.2', 'scipy>=1.10']
ONNX = ['onnxruntime>=1.17']

setup(
    name=PACKAGE,
    version='0.1.0',
    description='Classifies the surface that a robot stands on from its motor current, with an LSTM.',
    author='The surface_classifier authors',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test']),
    package_data={PACKAGE: ['py.typed', '**/*.yaml', '**/*.html', '**/*.j2']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        *share_files('config'),
        *share_files('launch'),
    ],
    zip_safe=False,
    install_requires=['PyYAML>=6.0', 'current_driver==0.1.0', 'numpy>=1.24', 'rich>=13.3'],
    # What no package of a distribution holds, and what a robot does without.
    extras_require={
        'bags': ['current_driver[bags]==0.1.0'],
        'evaluate': EVALUATE,
        'onnx': ONNX,
        'ray': ['ray>=2.40'],
        'test': ['pytest>=7.2', 'pytest-timeout>=2.1'],  # makes `colcon test` run pytest
        'train': [
            *EVALUATE,
            *ONNX,
            'current_driver[bags]==0.1.0',
            'numba>=0.61',
            'onnx>=1.16',
            'onnxscript>=0.1',
            'optuna>=5.0',
            'safetensors>=0.4',
            'torch>=2.5',
        ],
    },
    entry_points={
        'console_scripts': [
            'surface = surface_classifier.cli.main:main',
            'bringup = surface_classifier.startup.executables:bringup',
            'classifier_node = surface_classifier.startup.executables:classifier_node',
            'surface_plot = surface_classifier.startup.executables:plot',
            'preprocessor_node = surface_classifier.startup.executables:preprocessor_node',
            'trainer_node = surface_classifier.startup.executables:trainer_node',
        ],
        'ros2cli.command': ['surface = surface_classifier.startup.ros2_command:SurfaceCommand'],
    },
)
