"""What there is to say of each model: the table of all, a card and a page of each."""

from likely.handbook.card import card
from likely.handbook.contents import contents, families
from likely.handbook.standing import Standing, standing

__all__ = ["Standing", "card", "contents", "families", "standing"]
