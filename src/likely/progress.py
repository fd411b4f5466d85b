"""Progress bars on stderr for whatever takes more than two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

DELAY = 2.0  # seconds before a bar appears


class Progress:
    """A progress bar that appears once a run has taken `DELAY` seconds.

    Args:
        label: what is being done.
        total: how much there is to do, in any unit.
        show: False keeps it silent.
        delay: seconds before it appears.
    """

    def __init__(
        self, label: str, total: float, *, show: bool = True, delay: float = DELAY
    ) -> None:
        self._label, self._total, self._show, self._delay = label, total, show, delay
        self._done = 0.0
        self._began = time.monotonic()
        self._bar: RichProgress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        """Start the clock."""
        return self

    def advance(self, amount: float, note: str = "") -> None:
        """Record that `amount` more is done; `note` is shown beside the bar."""
        self.update(self._done + amount, note)

    def update(self, done: float, note: str = "") -> None:
        """Record that `done` in all is done; `note` is shown beside the bar."""
        self._done = done
        if self._bar is None and self._show and time.monotonic() - self._began >= self._delay:
            self._open()
        if self._bar is not None:
            self._bar.update(self._task, completed=min(done, self._total), note=note)

    def _open(self) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=sys.stderr),
        )
        self._bar.start()
        self._task = self._bar.add_task(self._label, total=self._total, note="")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bar, if it ever appeared."""
        if self._bar is not None:
            self._bar.stop()
