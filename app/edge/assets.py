"""Addresses of our own files."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Addresses of our own files, each with the hash of its content as the query."""

    tokens_css: str
    pledge_css: str
    htmx_js: str
    panel_js: str
