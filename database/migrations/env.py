"""How alembic reaches the database: one transaction a migration, short waits for locks."""

from __future__ import annotations

import sqlalchemy
from alembic import context

LOCK_TIMEOUT = "5s"
"""A migration that waits longer for a lock gives up rather than queue every reader behind it."""


def run() -> None:
    url = sqlalchemy.make_url(context.config.attributes["url"]).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        connection.exec_driver_sql("set timezone = 'UTC'")
        connection.exec_driver_sql("create schema if not exists ops")
        connection.commit()
        context.configure(
            connection=connection,
            version_table_schema="ops",
            version_table="schema_version",
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
