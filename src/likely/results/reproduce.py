"""Python that repeats a fit: in the folder of the fit it needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pprint import pformat
from typing import Any

HEAD = '''"""Fit the same model to the same trials, with the same seed. Run it in this folder."""

import likely as lk

trials = lk.open_fit(".").data  # those of trials.csv
'''
NOTE = "# Priors and lapses of your own, if there were any, are to be given again (see fit.json).\n"


def script(known: Mapping[str, Any]) -> str:
    """Return the text of reproduce.py.

    Args:
        known: formula, fixed, lapse, seed and request of the results.
    """
    return f'{HEAD}{call(known, "likelihood.likely")}\nlk.save_fit(fit, "again")\n'


def call(known: Mapping[str, Any], model: str) -> str:
    """Return the call of `likely.fit`.

    Args:
        known: formula, fixed, lapse, seed and request of the results.
        model: name or path of the likelihood.
    """
    arguments = ["trials", f'model="{model}"', *_arguments(known)]
    lines = "".join(f"    {_with_comma(argument)}\n" for argument in arguments)
    note = "" if known["request"].arguments else NOTE
    return f"{note}fit = lk.fit(\n{lines})"


def _with_comma(argument: str) -> str:
    """Return an argument with a comma behind it, before a comment."""
    value, mark, comment = argument.partition("  #")
    return f"{value},{mark}{comment}"


def _arguments(known: Mapping[str, Any]) -> Iterator[str]:
    request = known["request"]
    further = {"formula": known["formula"], "fixed": known["fixed"], **request.arguments}
    if known["lapse"]:
        further.setdefault("lapse", known["lapse"])
    if known["lapse"] is None and "lapse" not in further:
        yield f"lapse=lk.Lapses()  # {known['lapses']}"
    for name, value in further.items():
        if value or value == 0:
            text = pformat(value, width=92, sort_dicts=False, compact=True)
            yield f"{name}={text.replace(chr(10), chr(10) + ' ' * (5 + len(name)))}"
    yield f"seed={known['seed']}"
    for name, value in request.sample.items():
        yield f"{name}={value!r}"
