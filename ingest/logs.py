"""Logs: one line of JSON for each event, on standard output.

Belongs here: their format, for our own events and for those of the server underneath.
Does not belong here: what is logged. No caller ever passes headers, keys, queries or bodies.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
import structlog

_ENCODER = msgspec.json.Encoder(enc_hook=str)


def configure() -> None:
    """Send everything to standard output as JSON. Called once, by whoever starts the process."""
    before: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*before, structlog.processors.format_exc_info, _as_json],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _as_json_text,
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # What strangers send is counted (malformed_request); a line for each would let them fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def _as_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _ENCODER.encode(event)


def _as_json_text(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    return _ENCODER.encode(event).decode()
