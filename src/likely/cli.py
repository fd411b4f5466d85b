"""The command `likely`: progress on stderr, results in files and short tables on stdout."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import NoReturn, TextIO

import click

from likely.commands.check import check
from likely.commands.compare import compare
from likely.commands.demo import demo
from likely.commands.exit_codes import BAD_INPUT, INTERRUPTED, SUCCESS
from likely.commands.fit import fit
from likely.commands.generate import generate
from likely.commands.interruption import Interrupted, was_interrupted
from likely.commands.messages import say
from likely.commands.models import models
from likely.commands.report import report
from likely.commands.simulate import simulate
from likely.commands.train import train
from likely.commands.zoo import zoo
from likely.errors import LikelyError, LikelyWarning


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("likely"), message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Turn a simulator of behaviour into a likelihood, and trials into a posterior."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (models, simulate, generate, train, check, fit, report, compare, demo, zoo):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code; the entry point of the script `likely`."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Args:
        arguments: the words after `likely`.

    Returns:
        0 if all went well; 2 after one line on stderr for bad input; 130 after Ctrl-C.
    """
    try:
        with _short_warnings():
            result = cli.main(list(arguments), prog_name="likely", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        say("interrupted.")
        return INTERRUPTED
    except Interrupted as error:
        say(error.format_message())
        return INTERRUPTED
    except click.ClickException as error:
        say(error.format_message())
        return BAD_INPUT
    except LikelyError as error:
        say(str(error))
        return BAD_INPUT
    except BrokenPipeError:  # the reader of our output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except OSError as error:
        if error.strerror is None:
            raise
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)!r}: "
        say(f"{where}{error.strerror}.")
        return BAD_INPUT
    except Exception as error:
        if not was_interrupted(error):
            raise
        say("interrupted.")
        return INTERRUPTED
    return result if isinstance(result, int) else SUCCESS


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show our own warnings, one line each, and nobody else's."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", LikelyWarning)
        warnings.showwarning = show
        yield
