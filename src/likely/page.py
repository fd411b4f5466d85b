"""One HTML file that holds everything it shows: text, tables, code, and figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, singledispatch

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

STRIP = 740  # CSS pixels; a wider figure takes the width of the screen, and scrolls on a small one
WIDE = 720  # CSS pixels; as wide a figure keeps a readable size on a phone, and scrolls


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Code:
    """Source code."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text below a head; the first columns name the rows, the others are numbers.

    Args:
        head: over the columns.
        rows: of cells.
        words: how many columns name the rows.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True)
class Listing:
    """Rows of words below a head; without a head, the first column names what the second says."""

    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()


@dataclass(frozen=True)
class Notice:
    """Something that should not be overlooked: what it is, and what follows from it.

    Args:
        text: what it is.
        advice: what follows.
        good: whether it is good news.
    """

    text: str
    advice: str
    good: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure.

    Args:
        png: the picture, a PNG file's bytes.
        caption: what it shows, and how to read it.
        alternative: a description for those who cannot see it.
        width: width in CSS pixels at which it is shown, if there is room.
    """

    png: bytes
    caption: str
    alternative: str
    width: int = 720


@dataclass(frozen=True)
class Folded:
    """Items that are shown once their title is clicked on, such as long tables."""

    title: str
    items: Sequence[Item]


Item = Paragraph | Code | Table | Listing | Notice | Picture | Folded


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    items: Sequence[Item]


@dataclass(frozen=True)
class Page:
    """A page.

    Args:
        title: of the page and of its tab.
        lead: the first paragraph.
        sections: the rest, from the top.
        footer: the small print.
        contents: whether the headings are listed below the lead, as links.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    footer: str
    contents: bool = False


def render(page: Page) -> str:
    """Return the page as HTML that needs no other file and fits screens down to a phone's."""
    return _template().render(page=page, draw=_draw)


@cache
def _template() -> Template:
    loader = PackageLoader("likely", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html")


@singledispatch
def _draw(item: Item) -> Markup:
    """Return an item as HTML; to add a kind of item, register how it is drawn."""
    raise TypeError(f"{type(item).__name__} cannot be put on a page.")


@_draw.register
def _(item: Paragraph) -> Markup:
    return Markup("<p>{}</p>").format(item.text)


@_draw.register
def _(item: Code) -> Markup:
    return Markup("<pre><code>{}</code></pre>").format(item.text.strip("\n"))


@_draw.register
def _(item: Table) -> Markup:
    heads = (
        Markup('<th scope="col"{}>{}</th>').format(_kind(i, item), cell)
        for i, cell in enumerate(item.head)
    )
    head = Markup("").join(heads)
    rows = Markup("\n").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td{}>{}</td>").format(_kind(i, item), cell) for i, cell in enumerate(row)
            )
        )
        for row in item.rows
    )
    table = '<div class="scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    return Markup(table).format(head, rows)


def _kind(column: int, table: Table) -> Markup:
    return Markup(' class="word"' if column < table.words else "")


@_draw.register
def _(item: Listing) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(cell) for cell in item.head)
    head = Markup("<thead><tr>{}</tr></thead>").format(head) if item.head else Markup("")
    rows = Markup("\n").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row[1:])
        )
        for row in item.rows
    )
    table = '<div class="scroll"><table class="words">{}<tbody>{}</tbody></table></div>'
    return Markup(table).format(head, rows)


@_draw.register
def _(item: Notice) -> Markup:
    kind = "good" if item.good else "bad"
    return Markup('<div class="notice {}" role="note"><strong>{}</strong> {}</div>').format(
        kind, item.text, item.advice
    )


@_draw.register
def _(item: Picture) -> Markup:
    source = "data:image/png;base64," + base64.b64encode(item.png).decode("ascii")
    figure = (
        '<figure class="{}"><div class="scroll"><img src="{}" alt="{}" width="{}"></div>'
        "<figcaption>{}</figcaption></figure>"
    )
    kind = "strip" if item.width > STRIP else "wide" if item.width >= WIDE else "narrow"
    return Markup(figure).format(kind, source, item.alternative, item.width, item.caption)


@_draw.register
def _(item: Folded) -> Markup:
    inner = Markup("\n").join(_draw(each) for each in item.items)
    return Markup("<details><summary>{}</summary>{}</details>").format(item.title, inner)
