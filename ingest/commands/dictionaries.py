"""``python -m ingest train-dictionary``: make stored bodies smaller.

Belongs here: the option and the printing.
Does not belong here: training.
"""

from __future__ import annotations

import click

from ingest import dictionaries
from ingest.commands.session import transaction


@click.command("train-dictionary")
@click.option("--another", is_flag=True, help="Train one more, although there is one: payloads have changed.")
def train_dictionary(*, another: bool) -> None:
    """Train the compression dictionary of deliveries on synthetic ones, unless there is one.

    The service uses it from its next start on. What was stored before stays readable.
    """
    with transaction() as connection:
        dictionary_id = dictionaries.train_another(connection) if another else dictionaries.ensure(connection)
    click.echo(f"Deliveries are compressed with dictionary {dictionary_id} from the service's next start on.")
