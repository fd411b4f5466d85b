"""Write the page and the figure of each model, and the table of all, to docs/models.

uv run python docs/models.py              # all of them: half a minute, once everything is compiled
uv run python docs/models.py ddm angle    # these, and the table
"""

import sys
from pathlib import Path

from PIL import Image

import likely as lk
from likely.handbook.page import index, write_page
from likely.writing import written_whole

COLOURS = 256  # that a figure keeps, which makes its file half as large
FOLDER = Path(__file__).parent / "models"


def main(names: list[str]) -> None:
    """Write the pages of the models with these names."""
    for name in names:
        print(write_page(lk.models[name], FOLDER), flush=True)
        _shrink(FOLDER / f"{name}.png")
    with written_whole(FOLDER / "README.md") as temporary:
        temporary.write_text(index(lk.models), encoding="utf-8")


def _shrink(png: Path) -> None:
    """Keep few colours of a figure."""
    with Image.open(png) as image:
        fewer = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    with written_whole(png) as temporary:
        fewer.save(temporary, format="png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(lk.models))
