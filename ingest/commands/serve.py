"""``python -m ingest serve``: run the webhook service.

Belongs here: options, and turning errors into sentences and exit codes.
Does not belong here: the service.
"""

from __future__ import annotations

import click

from database.connections import role_url
from database.errors import DatabaseUnavailableError
from database.settings import DatabaseSettings
from ingest import logs, server, settings
from ingest.errors import ConfigurationError


@click.command()
@click.option("--host", help="Address to listen on (INGEST_HOST, 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port to listen on (INGEST_PORT, 8080); 0 takes a free one."
)
def serve(host: str | None, port: int | None) -> None:
    """Take deliveries on HTTP until SIGTERM or Ctrl-C.

    A delivery is answered with 2xx only after it was committed. Needs TWITTERAPI_IO_WEBHOOK_KEYS or
    X_API_CONSUMER_SECRETS; .env.example explains every setting.
    """
    try:
        given = {"ingest_host": host, "ingest_port": port}
        chosen = settings.load().model_copy(update={name: value for name, value in given.items() if value is not None})
        settings.require_a_webhook_key(chosen)
        database = DatabaseSettings()
        if chosen.ingest_disk_path is None and database.database_url is None:
            chosen = chosen.model_copy(update={"ingest_disk_path": database.state_dir})
        url = role_url(database, "ingest_writer")
        logs.configure()
        server.run(chosen, url)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except DatabaseUnavailableError as error:
        raise click.ClickException(str(error)) from None
