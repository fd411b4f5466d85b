"""Run the code of a page, and write what it prints and draws back into the page.

uv run python docs/execute.py docs/tutorials/own_simulator.md

Blocks marked `python` and `bash` run in order, in one folder that is thrown away; one marked
`python file=NAME` is written to that file instead. What a block prints follows it, marked `text`.
Figures are PNG files that the code saves; they go to the folder named like the page.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

BLOCK = re.compile(
    r"^```(?P<language>python|bash)(?: file=(?P<file>\S+))?\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n.*?^```\n)?",
    re.M | re.S,
)
FOOTER = re.compile(r"\n---\n\n\*Executed .*?<!-- (\w+) -->\n\Z", re.S)
NAMED = ("likely", "numpy", "jax", "pymc")  # whose versions the page gives


def digest(text: str) -> str:
    """Return the fingerprint of a page's code and its output."""
    blocks = "".join(block.group() for block in BLOCK.finditer(text))
    return hashlib.sha256(blocks.encode()).hexdigest()[:16]


def recorded(text: str) -> str | None:
    """Return the fingerprint that a page had when it was executed, None if it never was."""
    footer = FOOTER.search(text)
    return footer and footer.group(1)


def execute(text: str, name: str) -> str:
    """Run the blocks of a page in the current folder; return the page with their output."""
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def with_output(block: re.Match[str]) -> str:
        line = text.count("\n", 0, block.start("code"))
        code = block["code"]
        shown = block.group()[: block.end("code") - block.start()] + "```\n"
        print(f"line {line}", file=sys.stderr, flush=True)
        if block["file"]:
            Path(block["file"]).write_text(code)
            return shown
        if block["language"] == "bash":
            done = subprocess.run(["bash", "-euc", code], stdout=subprocess.PIPE, text=True)
            done.check_returncode()
            printed = done.stdout
        else:
            stream = io.StringIO()
            with contextlib.redirect_stdout(stream):
                exec(compile("\n" * line + code, name, "exec"), namespace)
            printed = stream.getvalue()
        lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
        return shown + ("\n```text\n" + "\n".join(lines) + "\n```\n" if lines else "")

    return BLOCK.sub(with_output, text)


def main(page: Path) -> None:
    """Execute a page, and write it and its figures."""
    text = FOOTER.sub("", page.read_text())
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sys.path.insert(0, folder)
        text = execute(text, page.name)
        figures = {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}
    seconds = time.monotonic() - began
    versions = ", ".join(f"{package} {version(package)}" for package in NAMED)
    for name, png in figures.items():
        page.with_suffix("").mkdir(exist_ok=True)
        (page.with_suffix("") / name).write_bytes(png)
    page.write_text(
        f"{text}\n---\n\n*Executed in {seconds:.0f} s by `uv run python docs/execute.py "
        f"docs/tutorials/{page.name}` on {os.cpu_count()} cores with Python "
        f"{platform.python_version()}, {versions}.* <!-- {digest(text)} -->\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
