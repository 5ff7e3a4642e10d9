"""The command line of the read API: ``python -m api serve``.

Belongs here: the command, and turning errors into sentences and exit codes.
Does not belong here: the service.
"""

from __future__ import annotations

import sys

import click
import uvicorn
from pydantic import ValidationError

from api.app import build
from api.errors import ConfigurationError
from api.settings import ApiSettings, require_keys
from database.connections import role_url
from database.errors import DatabaseUnavailableError
from database.settings import DatabaseSettings


@click.group()
def main() -> None:
    """Read API and dashboard of the tweet-analytics pipeline."""


@main.command()
def serve() -> None:
    """Serve until SIGTERM or Ctrl-C. Where to listen and whom to let in: see .env.example (API_…)."""
    try:
        settings, databases = ApiSettings(), DatabaseSettings()
        require_keys(settings)
        app = build(settings, role_url(databases, "api_reader"), databases.redis_url)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
        raise click.ClickException(wrong) from None
    except (ConfigurationError, DatabaseUnavailableError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"listening on http://{settings.api_host}:{settings.api_port}", err=True)
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    sys.exit(main())
