"""Pledge: the backend of a Jira Cloud app. `create_app` is the package's one public name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def create_app() -> Flask:
    """The WSGI application, made from the environment (see `app.settings`); raises `SettingsRefused`."""
    # Imported here, and only here, so that `import app.protocol.x` loads neither Flask nor SQLAlchemy.
    from app.wiring import serving_app

    return serving_app()
