"""The normaliser as a process of its own, for short runs that cannot wait for Dagster to start.

Belongs here: exactly this: the work that Dagster's run does, without Dagster.
Does not belong here: normalising (``ingest.normalise``).
"""

from __future__ import annotations

from database.connections import connect, role_url
from database.settings import DatabaseSettings
from ingest.normalise.crew import Crew
from ingest.normalise.settings import NormaliseSettings


def main() -> None:
    """Normalise what comes until killed."""
    url = role_url(DatabaseSettings(), "pipeline")
    with (
        connect(url, application_name="normalize", autocommit=True) as connection,
        Crew(connection, NormaliseSettings().normalize_workers) as crew,
    ):
        crew.worker.follow(until=lambda: False)


if __name__ == "__main__":
    main()
