"""The command line ``agentflow``: one file per command group in ``commands``, nothing heavy imported before a command needs it."""

import os
import sys

import typer

from agentflow.entrypoints.cli.commands import (
    artifacts,
    audit,
    backup,
    collections,
    doctor,
    keys,
    migrate,
    people,
    roles,
    run,
    runs,
    secrets,
    serve,
    sources,
    steering,
    tenants,
    time_travel,
    transfer,
    users,
    validate,
    variables,
    version,
    worker,
    workflows,
)
from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.printer import report
from agentflow.errors import AgentFlowError, Kind

# Plain help: rich's would cost a third of the start-up time.
app = typer.Typer(
    name="agentflow",
    help="Durable AI workflows: one JSON specification in, a streamed, recoverable run out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("run")(run.run)
app.command("validate")(validate.validate)
runs.app.command("inbox")(people.inbox)
runs.app.command("answer")(people.answer)
runs.app.command("pause")(steering.pause)
runs.app.command("resume")(steering.resume)
runs.app.command("signal")(steering.signal)
runs.app.command("send")(steering.send)
runs.app.command("checkpoints")(time_travel.checkpoints)
runs.app.command("fork")(time_travel.fork)
runs.app.command("retry")(time_travel.retry)
app.add_typer(runs.app, name="runs")
app.add_typer(workflows.app, name="workflows")
app.add_typer(collections.app, name="collections")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.add_typer(roles.app, name="roles")
app.add_typer(tenants.app, name="tenants")
app.add_typer(secrets.app, name="secrets")
app.add_typer(variables.app, name="variables")
app.add_typer(sources.app, name="sources")
app.add_typer(audit.app, name="audit")
app.command("export")(transfer.export)
app.command("import")(transfer.import_)
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("migrate")(migrate.migrate)
app.command("version")(version.version)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except CliError as error:
        report(error)
        sys.exit(error.exit_code)
    except AgentFlowError as error:
        code = Exit.UNREACHABLE if error.kind is Kind.UNAVAILABLE else Exit.BAD_USAGE
        report(CliError(error.message, code, hint=error.hint, problems=error.errors))
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone (`agentflow runs list | head`); Python must not complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)


if __name__ == "__main__":
    main()
