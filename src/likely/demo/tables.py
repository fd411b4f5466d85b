"""The summary of the demonstration as text, for its page and for the terminal."""

from __future__ import annotations

import pandas as pd


def cells(summary: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the summary as text, the head first."""
    head = ("parameter", "truth", "mean", "sd", "94% interval", "r-hat", "ESS")
    rows = [
        (
            str(name), f"{r['truth']:g}", f"{r['mean']:.3f}", f"{r['sd']:.3f}",
            f"{r['lower']:.3f} to {r['upper']:.3f}", f"{r['r_hat']:.3f}", f"{r['ess']:.0f}",
        )
        for name, r in summary.iterrows()
    ]  # fmt: skip
    return [head, *rows]


def table(summary: pd.DataFrame) -> str:
    """Return the summary as text in columns."""
    head, *rows = cells(summary)
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join([row[0].ljust(widths[0])]
                  + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)])
        for row in (head, *rows)
    ]  # fmt: skip
    return "\n".join(lines)
