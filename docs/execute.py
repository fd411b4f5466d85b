"""Run the code of a page, and write what it prints and draws back into the page.

uv run python docs/execute.py docs/tutorials/own_simulator.md
uv run python docs/execute.py docs/tutorials/hierarchical.md cavanagh_theta.csv

Blocks marked `python` and `bash` run in order, in one folder that is thrown away; one marked
`python file=NAME` is written to that file instead. What a block prints follows it, marked `text`.
Files named after the page are data that its code reads; they are copied there. Figures are PNG
files that the code saves; they go to the folder named like the page.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from likely.writing import written_whole

BLOCK = re.compile(
    r"^```(?P<language>python|bash)(?: file=(?P<file>\S+))?\n(?P<code>.*?)^```\n"
    r"(?P<output>\n```text\n.*?^```\n)?",
    re.M | re.S,
)
FOOTER = re.compile(r"\n---\n\n\*Executed .*?<!-- (\w+) -->\n\Z", re.S)
NAMED = ("likely", "numpy", "jax", "pymc")  # whose versions the page gives


def digest(text: str) -> str:
    """Return the fingerprint of a page's code and its output."""
    blocks = "".join(block.group() for block in BLOCK.finditer(text))
    return hashlib.sha256(blocks.encode()).hexdigest()[:16]


def execute(text: str, name: str) -> str:
    """Run the blocks of a page in the current folder; return the page with their output."""
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def with_output(block: re.Match[str]) -> str:
        source = block.group().removesuffix(block["output"] or "")
        line = text.count("\n", 0, block.start("code"))  # so that errors name the page's line
        printed = _run(block["code"], block, "\n" * line, name, namespace).strip("\n")
        lines = [each.rstrip() for each in printed.splitlines()]
        return source + ("\n".join(["\n```text", *lines, "```\n"]) if printed else "")

    return BLOCK.sub(with_output, text)


def _run(code: str, block: re.Match[str], above: str, name: str, namespace: dict[str, Any]) -> str:
    """Run one block and return what it prints."""
    if block["file"]:
        Path(block["file"]).write_text(code)
        return ""
    if block["language"] == "bash":
        command = ["bash", "-euc", code]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(above + code, name, "exec"), namespace)
    return printed.getvalue()


def main(page: Path, data: list[Path]) -> None:
    """Execute a page, and write it and its figures."""
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sys.path.insert(0, folder)
        for path in data:
            shutil.copy(path, folder)
        text = execute(FOOTER.sub("", page.read_text()), page.name)
        figures = {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}
    for name, png in figures.items():
        page.with_suffix("").mkdir(exist_ok=True)
        (page.with_suffix("") / name).write_bytes(png)
    used = (
        f"{os.cpu_count()} cores (load {os.getloadavg()[1]:.0f}), Python {sys.version.split()[0]}"
    )
    versions = ", ".join(f"{package} {version(package)}" for package in NAMED)
    names = " ".join(["docs/tutorials/" + page.name, *(path.name for path in data)])
    command = f"uv run python docs/execute.py {names}"
    footer = (
        f"*Executed in {time.monotonic() - began:.0f} s on {used}, {versions}, by\n"
        f"`{command}`.* <!-- {digest(text)} -->\n"
    )
    with written_whole(page) as temporary:
        temporary.write_text(f"{text}\n---\n\n{footer}")


if __name__ == "__main__":
    first, *others = (Path(argument).resolve() for argument in sys.argv[1:])
    main(first, others)
