"""Addresses of our own files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Addresses of our own files, each with the hash of its content as the query."""

    tokens_css: str
    pledge_css: str
    pages_css: str
    htmx_js: str
    panel_js: str
    address_js: str


def assets_at(prefix: str, folder: Path) -> Assets:
    """The files of that folder, served below that path."""

    def address(name: str) -> str:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16]
        return f"{prefix}/{name}?v={digest}"

    return Assets(
        tokens_css=address("tokens.css"),
        pledge_css=address("pledge.css"),
        pages_css=address("pages.css"),
        htmx_js=address("htmx.min.js"),
        panel_js=address("panel.js"),
        address_js=address("address.js"),
    )
