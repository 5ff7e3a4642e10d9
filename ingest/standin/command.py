"""The command that runs a stand-in: its HTTP API and its pushes, until it is told to stop.

*Belongs here*: options, the composition of provider, server and pusher, a clean end.
*Does not belong here*: what any of them does.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator

import click
import uvicorn
from pydantic import ValidationError

from ingest.standin.live import LivePusher
from ingest.standin.provider import Provider
from ingest.standin.server import build_app
from ingest.standin.settings import StandinSettings

# Callers held by an outage are cut off this long after a stop was asked for.
STOP_SECONDS = 2


class _Server(uvicorn.Server):
    """An HTTP server that leaves signals to its caller, so that the pushes end before the process does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield


def listening_socket(settings: StandinSettings) -> socket.socket:
    """Return a socket bound to the configured address, or raise OSError."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(settings: StandinSettings, bound: socket.socket) -> None:
    """Answer the API and push deliveries until SIGTERM or SIGINT; nothing is left running then."""
    provider = Provider(settings)
    server = _Server(
        uvicorn.Config(
            build_app(provider),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    pushing = asyncio.create_task(LivePusher(provider).run()) if settings.push else None
    if pushing is not None:
        pushing.add_done_callback(stop)
    try:
        await server.serve(sockets=[bound])
    finally:
        if pushing is not None:
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pushing


@click.command()
@click.option("--host", help="Address to listen on (STANDIN_HOST).")
@click.option("--port", type=int, help="Port to listen on (STANDIN_PORT, 8090).")
@click.option("--seed", type=int, help="Decides the whole world (STANDIN_SEED).")
@click.option("--tweets-per-hour", type=float, help="Mean rate of the world (STANDIN_TWEETS_PER_HOUR, 10000).")
@click.option("--webhook-url", help="Where deliveries go (STANDIN_WEBHOOK_URL).")
@click.option("--webhook-key", help="The X-API-Key sent with deliveries (STANDIN_WEBHOOK_KEY).")
@click.option("--api-key", help="The X-API-Key callers must send (STANDIN_API_KEY).")
@click.option("--speed", type=float, help="Seconds of the world in a real second (STANDIN_SPEED, 1).")
@click.option("--push/--no-push", default=None, help="Deliver to the webhook, or only answer calls (STANDIN_PUSH).")
def standin(**options: object) -> None:
    """Run the stand-in provider: twitterapi.io's HTTP API over a synthetic world, pushing to the webhook.

    Options override the STANDIN_ environment variables.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = StandinSettings.model_validate(given)
    except ValidationError as fault:
        raise click.ClickException(_in_words(fault)) from None
    try:
        bound = listening_socket(settings)
    except OSError as fault:
        where = f"{settings.host}:{settings.port}"
        raise click.ClickException(
            f"Cannot listen on {where} ({fault.strerror}). Choose another STANDIN_PORT."
        ) from None
    port = bound.getsockname()[1]
    click.echo(f"Stand-in provider on http://{settings.host}:{port}, world {settings.seed}.")
    if settings.push:
        click.echo(f"Pushing about {settings.tweets_per_hour:.0f} tweets an hour to {settings.webhook_url}.")
    asyncio.run(serve(settings, bound))


def _in_words(fault: ValidationError) -> str:
    lines = [f"STANDIN_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}" for error in fault.errors()]
    return "A setting of the stand-in cannot be used. " + "; ".join(lines)
