"""`pledge privacy`: what is held of people, and whether it is reported to Atlassian in time."""

import click

from app.domain.operator import Operations
from app.jobs.commands.operating import json_option, show


@click.group()
def privacy() -> None:
    """People's data: where it is, whether it is reported to Atlassian, and what became of it."""


@privacy.command("map")
@json_option
@click.pass_obj
def privacy_map(operations: Operations, *, as_json: bool) -> None:
    """Every place that can hold personal data: kind, purpose, retention, and how it is erased. Needs no database."""
    rows = [each.to_json() for each in operations.personal_data()]
    lines = [
        f"{row['where']}\n    {row['kind']}: {row['purpose']}\n    kept {row['retention']}; {row['erased']}"
        for row in rows
    ]
    show(rows, lines, as_json=as_json)


COMMANDS: tuple[click.Command, ...] = (privacy,)
