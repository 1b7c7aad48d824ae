# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Opens the database that the workers of a sweep share, and says what is wrong when it cannot be used."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from current_driver.errors import SurfaceError
from current_driver.optional_packages import environment_remedy, install_command

# What to install for the driver that an address asks for, by the module that is missing.
_DRIVERS = {
    'psycopg': 'psycopg[binary]',
    'psycopg2': 'psycopg2-binary',
    'MySQLdb': 'mysqlclient',
    'pymysql': 'PyMySQL',
}
_FORMS = 'sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE'
# A busy machine may be late with its heartbeat; a trial that is taken for lost too early is run twice.
GRACE_HEARTBEATS = 6
_SQLITE_PATIENCE_S = 60.0  # how long a worker waits while another one writes


def open_storage(address: str, heartbeat_s: int, retries: int) -> RDBStorage:
    """Open a database for trials, and make its tables if it has none.

    Args:
        address: Such as `sqlite:///sweep.db` or `postgresql://user@host/database`.
        heartbeat_s: Interval at which a running trial gives a sign of life; it counts as lost after `GRACE_HEARTBEATS`
            of them without one [s].
        retries: How often a lost trial is run again.

    Raises:
        SurfaceError: There is no such database, or no driver for it.
    """
    shown = shown_address(address)
    arguments: dict[str, Any] = {'pool_pre_ping': True}
    if address.startswith('sqlite'):
        arguments['connect_args'] = {'timeout': _SQLITE_PATIENCE_S}
    try:
        return _open(address, arguments, heartbeat_s, retries)
    except NoSuchModuleError as error:
        raise SurfaceError(f'--storage {shown}: there is no such kind of database; give {_FORMS}') from error
    except ArgumentError as error:
        raise SurfaceError(f'--storage {shown}: is not the address of a database; give {_FORMS}') from error
    except ImportError as error:
        module = getattr(error.__cause__, 'name', None) or str(error)
        raise SurfaceError(
            f'--storage {shown}: its driver, {module}, is not installed; '
            f'{environment_remedy(install_command([_DRIVERS.get(module, module)]))}'
        ) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        raise SurfaceError(
            f'--storage {shown}: the database cannot be used ({_reason(error)}); check that it is there and may be '
            'written, and the user and password in the address'
        ) from error
    except RuntimeError as error:
        # Optuna's own sentence says which command upgrades tables of another version.
        raise SurfaceError(f'--storage {shown}: {" ".join(str(error).split())}') from error


def _open(address: str, arguments: Mapping[str, Any], heartbeat_s: int, retries: int, attempts: int = 10) -> RDBStorage:
    try:
        with warnings.catch_warnings():
            # That heartbeats are new in Optuna is for us to know, who pin its version.
            warnings.simplefilter('ignore', ExperimentalWarning)
            return RDBStorage(
                address,
                engine_kwargs=dict(arguments),
                heartbeat_interval=heartbeat_s,
                grace_period=GRACE_HEARTBEATS * heartbeat_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=retries),
            )
    except (SQLAlchemyError, StorageInternalError) as error:
        # Workers that begin at the same time make the same tables; who comes second finds them there.
        if attempts == 1 or not _made_by_another(error):
            raise
    time.sleep(0.1)
    return _open(address, arguments, heartbeat_s, retries, attempts - 1)


def shown_address(address: str) -> str:
    """Return an address without its password."""
    try:
        return make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        return address


def _made_by_another(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return isinstance(cause, IntegrityError) or 'already exists' in str(cause)


def _reason(error: Exception) -> str:
    cause: BaseException = error.__cause__ or error
    if isinstance(cause, DBAPIError) and cause.orig is not None:
        cause = cause.orig
    return ' '.join(str(cause).split())
