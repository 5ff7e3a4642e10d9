"""``python -m ingest``: the front door, the stand-in provider, replay, zones and rules.

Belongs here: the names of the commands and where each lives.
Does not belong here: the commands. They are imported when they are called, so that each starts fast.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "serve": "ingest.commands.serve:serve",
    "standin": "ingest.standin.command:standin",
    "replay": "ingest.commands.replay:replay",
    "deliveries": "ingest.commands.deliveries:deliveries",
    "zones": "ingest.commands.zones:zones",
    "rules": "ingest.commands.rules:rules",
    "dead-letters": "ingest.commands.dead_letters:dead_letters",
    "train-dictionary": "ingest.commands.dictionaries:train_dictionary",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101
        return command


@click.group(cls=_LazyGroup)
def main() -> None:
    """Take in tweets: the webhook service and what belongs to it."""


if __name__ == "__main__":
    main(prog_name="python -m ingest")
