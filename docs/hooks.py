"""What mkdocs does beside building: models in the navigation, formulas, no assets from elsewhere.

Named in mkdocs.yml; `uv run --group docs mkdocs build` calls it.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

MODELS = "Models"
INDEX = "models/README.md"
LISTED = re.compile(r"^\| \[(\w+)\]\((\w+\.md)\)", re.M)
ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href|srcset)=\"?(?:https?:)?//[^>]*>"
)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_config(config: Any) -> Any:
    """Put the page of every model below "Models", in the order of their table."""
    table = (Path(config.docs_dir) / INDEX).read_text(encoding="utf-8")
    pages: list[Any] = [INDEX, *({name: f"models/{page}"} for name, page in LISTED.findall(table))]
    for section in config.nav:
        if MODELS in section:
            section[MODELS] = pages
    return config


def on_page_content(content: str, **_: Any) -> str:
    """Write formulas as MathML, which browsers draw by themselves, without scripts or fonts."""

    def formula(found: re.Match[str]) -> str:
        display = "block" if found[2] == "[" else "inline"
        return convert(html.unescape(found[3]), display=display)

    return FORMULA.sub(formula, content)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would load anything from elsewhere."""
    found = ELSEWHERE.search(output)
    if found is not None:
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {found[0]}")
    return output
