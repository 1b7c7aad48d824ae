# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Build of current_driver, for colcon (ament_python) and for pip on a machine without ROS."""

from setuptools import find_packages, setup

PACKAGE = 'current_driver'
SERIAL = ['pyserial>=3.5']
CAN = ['canopen>=2.2', 'cantools>=39.0', 'python-can>=4.1']
DYNAMIXEL = ['dynamixel-sdk>=3.7']

setup(
    name=PACKAGE,
    version='0.1.0',
    description='Sources of motor current (simulator, replay, devices) and the node that publishes them.',
    author='The surface_classifier authors',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test']),
    # The message definitions that bags carry: copies of src/surface_msgs, kept equal by a test.
    package_data={PACKAGE: ['py.typed', 'recordings/msg_definitions/*/msg/*.msg']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
    ],
    zip_safe=False,
    install_requires=['PyYAML>=6.0', 'numpy>=1.24'],
    extras_require={
        # Reading bags, and writing MCAP; no package of a distribution holds them.
        'bags': ['lz4>=4.0', 'mcap>=1.5', 'rosbags>=0.11', 'zstandard>=0.20'],
        # The libraries of devices: only who has one needs them.
        'serial': SERIAL,
        'can': CAN,
        'dynamixel': DYNAMIXEL,
        'devices': [*SERIAL, *CAN, *DYNAMIXEL],
        'test': ['pytest>=7.2', 'pytest-timeout>=2.1'],  # makes `colcon test` run pytest
    },
    entry_points={'console_scripts': ['current_driver_node = current_driver.entry:driver_node']},
)
