"""Commands that answer a question and touch nothing: `qsh`, `clock-case`."""

import json
from pathlib import Path

import click

from app.domain.clocks.cases import run_cases
from app.jobs.commands.operating import json_option, show
from app.protocol.connect_qsh import canonical_request, query_hash


@click.command()
@click.argument("method")
@click.argument("url")
@click.option("--base-path", default="", help="Path of the app's base URL, which the hash leaves out.")
@json_option
def qsh(*, method: str, url: str, base_path: str, as_json: bool) -> None:
    """Print the canonical request and query-string hash of METHOD URL, as Atlassian Connect defines them."""
    canonical = canonical_request(method, url, base_path=base_path)
    digest = query_hash(method, url, base_path=base_path)
    show({"canonical": canonical, "qsh": digest}, [canonical, digest], as_json=as_json)


@click.command("clock-case")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def clock_case(*, file: Path) -> int:
    """Derive the dates of every case in FILE and print them as JSON: [{"id": …, "result": {…}}]."""
    entries = run_cases(json.loads(file.read_text()))
    click.echo(json.dumps(entries, indent=1))
    return 1 if any("error" in entry for entry in entries) else 0


COMMANDS: tuple[click.Command, ...] = (qsh, clock_case)
