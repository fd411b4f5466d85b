"""Python that repeats a fit: in the folder of the fit it needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pprint import pformat
from typing import Any

HEAD = '''"""Fit the same model to the same trials, with the same seed. Run it in this folder."""

import likely as lk

trials = lk.open_fit(".").data  # those of trials.csv
'''


def script(known: Mapping[str, Any]) -> str:
    """Return the text of reproduce.py.

    Args:
        known: formula, fixed, lapse, seed and request of the results.
    """
    arguments = ",\n".join(f"    {argument}" for argument in _arguments(known))
    return f'{HEAD}fit = lk.fit(\n{arguments},\n)\nlk.save_fit(fit, "again")\n'


def _arguments(known: Mapping[str, Any]) -> Iterator[str]:
    yield "trials"
    yield 'model="likelihood.likely"'
    request = known["request"]
    further = {"formula": known["formula"], "fixed": known["fixed"], **request.arguments}
    if known["lapse"]:
        further.setdefault("lapse", known["lapse"])
    for name, value in further.items():
        if value or value == 0:
            text = pformat(value, width=92, sort_dicts=False, compact=True)
            yield f"{name}={text.replace(chr(10), chr(10) + ' ' * (5 + len(name)))}"
    yield f"seed={known['seed']}"
    for name, value in request.sample.items():
        yield f"{name}={value!r}"
