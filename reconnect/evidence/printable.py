"""Texts that came from elsewhere, made fit to be shown: one line each, and nothing that moves a cursor or turns the writing."""

from __future__ import annotations

from html import escape


def printable(text: str) -> str:
    """Return a text as one line without control characters; what cannot be printed is written as Python writes it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def html(value: object) -> str:
    """Return a value as it may stand in a page, within an element or an attribute."""
    return escape(printable(str(value)))
