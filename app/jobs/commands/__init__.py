"""The commands that an operator gives: `pledge`. Each is a thin shell around what the operator asks for.

Exit codes: 0 ok, 1 error, 2 the policy says no, 3 stale or unknown, 4 usage, 5 partial.
"""

import click

from app.domain.operator import Operations
from app.jobs.commands import (
    audit,
    backups,
    clocks,
    following,
    integrations,
    keys,
    leaving,
    moving,
    operating,
    policy,
    privacy,
    processes,
    publishing,
    questions,
    receipts,
    recipients,
    recording,
    requests,
)

ERROR, USAGE = 1, 4


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pledge")
def pledge() -> None:
    """Backend of a Jira Cloud app: serve it, run its jobs, look after it."""


for _command in (
    *processes.COMMANDS,
    *operating.COMMANDS,
    *keys.COMMANDS,
    *questions.COMMANDS,
    *policy.COMMANDS,
    *clocks.COMMANDS,
    *audit.COMMANDS,
    *backups.COMMANDS,
    *privacy.COMMANDS,
    *integrations.COMMANDS,
):
    pledge.add_command(_command)
for _command in (moving.migrate, following.following, following.sync, publishing.publish, recipients.recipients):
    operating.installations.add_command(_command)
keys.keys.add_command(backups.keys_backup)
for _command in (leaving.export, leaving.import_, leaving.erase, leaving.left_list):
    operating.installations.add_command(_command)
for _command in recording.COMMANDS:
    clocks.clocks.add_command(_command)
for _command in (receipts.receipt, requests.requests):
    privacy.privacy.add_command(_command)


def main(group: click.Group, operations: Operations) -> int:
    """Run the command line of this process; returns its exit code. Known errors are one line, not a traceback."""
    try:
        result = group.main(prog_name="pledge", standalone_mode=False, obj=operations)
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return ERROR
    except (KeyboardInterrupt, click.Abort):
        return 130
    except (*operating.KNOWN_ERRORS, *operations.known_errors) as error:
        click.echo(f"error: {error}", err=True)
        return ERROR
    return result if isinstance(result, int) else 0
