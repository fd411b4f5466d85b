"""Python that repeats a fit: in the folder of the fit it needs no other file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from likely.results.source import UNKNOWN, source

ABOUT = '"""Fit the same model to the same trials, with the same seed. Run it in this folder."""'
IMPORTS = {
    "bmb.": "import bambi as bmb",
    "np.": "import numpy as np",
    "stats.": "from scipy import stats",
}
SHELL = """\
# Fit the same model to the same trials with the same seed, from the files of this folder alone,
# wherever it lies: sh reproduce.sh writes the folder "again" beside them. trials.csv has the rows
# that were chosen, with times and choices read already. The command that was given first:
"""
HERE = 'cd "$(dirname "$0")" || exit 1'
TRIALS = 'trials = lk.open_fit(".").data  # those of trials.csv'
NOTE = "# ... stands for what has no source, such as a density of your own: write it there.\n"


def script(known: Mapping[str, Any]) -> str:
    """Return the text of reproduce.py.

    Args:
        known: formula, fixed, seed and request of the results.
    """
    called = call(known, "likelihood.likely")
    return f'{ABOUT}\n\n{imports(called)}\n\n{TRIALS}\n{called}\nlk.save_fit(fit, "again")\n'


def shell_script(command: str, again: str | None) -> str:
    """Return the text of reproduce.sh.

    Args:
        command: the command line that was given; its file of trials may be anywhere.
        again: one that does the same with the files of the folder; None if it is not known.
    """
    if again is None:
        return f"#!/bin/sh\n{command}"
    return f"#!/bin/sh\n{SHELL}{textwrap.indent(command, '#     ')}\n{HERE}\n{again}"


def imports(called: str) -> str:
    """Return the import statements that a call needs."""
    needed = [line for name, line in IMPORTS.items() if name in called]
    return "\n".join([*needed, "import likely as lk"])


def call(known: Mapping[str, Any], model: str) -> str:
    """Return the call of `likely.fit`.

    Args:
        known: formula, fixed, seed and request of the results.
        model: name or path of the likelihood.
    """
    arguments = ["trials", f"model={source(model)}", *_arguments(known)]
    lines = "".join(textwrap.indent(f"{argument},\n", "    ") for argument in arguments)
    note = NOTE if any(UNKNOWN in argument for argument in arguments) else ""
    return f"{note}fit = lk.fit(\n{lines})"


def _arguments(known: Mapping[str, Any]) -> Iterator[str]:
    request = known["request"]
    for name in ("formula", "fixed"):
        if known[name]:
            yield f"{name}={source(known[name])}"
    for name, written in (*request.arguments.items(), *request.sample.items()):
        yield f"{name}={written if name in request.arguments else source(written)}"
    yield f"seed={known['seed']}"
