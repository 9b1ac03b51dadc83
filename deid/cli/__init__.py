"""The command `deid`: parse, call one function, print.

Commands are loaded when they are named, so that `deid --help` answers at once.
Rules for output: results on standard output; progress, errors and hints on standard error; no cell value anywhere.
"""

from __future__ import annotations

import resource
import signal
import sys
import traceback
from importlib import import_module
from typing import NoReturn

import click

import deid
from deid.errors import DeidError

# name -> (module, attribute, what --help says)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", "Make a site, an officer and a researcher, export the samples, and open the release."),
    "describe": (
        "describe",
        "describe",
        "Draft a dataset description from names and a sample, for a person to confirm.",
    ),
    "quality": ("quality", "quality", "Judge the codes of a source: malformed, unknown, retired on the day, and more."),
    "policy": ("policy", "policy", "Check, show and sign policies."),
    "request": ("request", "request", "Check, sign, approve and compare requests, and show which papers they lack."),
    "agreement": ("agreement", "agreement", "Check and sign data-use agreements."),
    "plan": ("plan", "plan", "Show what an export would do to every column, and the legal basis it earns."),
    "export": ("export", "export", "Run a request and publish an encrypted release."),
    "due": ("due", "due", "Show which periods of the standing requests are due."),
    "run-due": ("run_due", "run_due", "Make the releases that are due, each of them once."),
    "schedule": ("schedule", "schedule", "Write what starts `deid run-due` by itself: systemd units, a crontab line."),
    "choices": ("choices", "choices", "Keep the lists of patients who opted out or consented."),
    "segments": ("segments", "segments", "Show the sensitive classes of rows that a policy can leave out."),
    "ledger": ("ledger", "ledger", "Show, verify and restore the ledger that holds the releases of a series together."),
    "tabulate": ("tabulate", "tabulate", "Make public-health tables whose small cells nobody can work out."),
    "deliver": ("deliver", "deliver", "Deliver a release to an object store, its manifest last."),
    "stores": ("stores", "stores", "Show what was delivered to a store, and clean what was not delivered to its end."),
    "open": ("opening", "open_", "Open a release with a recipient's private key."),
    "verify": ("opening", "verify", "Check a release: digests, structure and, with a private key, every value."),
    "attack": ("attack", "attack", "Attack a release with what outsiders know, and judge it by the policy's ceilings."),
    "recall": ("recall", "recall", "Take a release back: shred it, tell who has it, and keep its series still."),
    "report": ("report", "report", "Show the report of a release: risk against ceilings, utility, coding quality."),
    "audit": ("audit", "audit", "Show and verify the log of what the site did, and sign receipts of it."),
    "crosswalk": ("crosswalk", "crosswalk", "Verify, copy and restore the crosswalk of random pseudonyms."),
    "reidentify": ("reidentify", "reidentify", "Lead a pseudonym back, on an order that two people have signed."),
    "redact": ("redact", "redact", "Remove identifiers from text on standard input, or from notes in JSON lines."),
    "codes": ("codes", "codes", "Show the code systems and lists of codes at hand, and add lists to the site."),
    "keys": ("keys", "keys", "Generate keys for a site, an officer or a recipient."),
}


class _Lazy(click.Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"deid.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(deid.__version__, prog_name="deid")
def cli() -> None:
    """Turn identified, coded healthcare encounters into encrypted datasets for research and public health."""


INTERNAL = 70  # EX_SOFTWARE of sysexits.h: a defect of deid, not a fault of anybody's data


def main() -> None:
    """Run the command line and exit with the code of the fault, if there is one."""
    # A core file would hold cells in clear.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    # A scheduler stops a run with SIGTERM: like Ctrl-C it then removes what it has staged.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        # What `Context.exit` was given comes back as a value here.
        code = cli.main(prog_name="deid", standalone_mode=False)
    except DeidError as error:
        if stopped:  # the blow fell inside a library, which made an error of its own of it
            _interrupted()
        _fail(error.message, error.hint, error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _interrupted()
    except BrokenPipeError:
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 - the last line of defense: its text might quote a cell
        if stopped:
            _interrupted()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        _fail(
            f"internal fault: {type(error).__name__} at {where}",
            "nothing was published; report this line, which holds no data, as a defect of deid",
            INTERNAL,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted() -> NoReturn:
    _fail("interrupted", "nothing was published", 130)


def _fail(message: str, hint: str, code: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    click.echo(f"hint: {hint}", err=True)
    sys.exit(code)
