"""Where Custom UI bundles come from: an origin of its own, with the bridge stand-in put into every page."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask, Response, abort, send_from_directory
from werkzeug.security import safe_join

from simulator.pages import guard
from simulator.world import World

# what a Custom UI gets without any permission for content or external addresses
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors http://127.0.0.1:* http://localhost:*"
)
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)


def custom_ui_app(world: World) -> Flask:
    """Return the application that serves the folder `world.forge_ui` below the key of a module.

    Atlassian serves bundles below a path too, so that only relative addresses of assets work.
    """
    app = Flask("simulator", static_folder=None)
    guard(app)

    @app.get("/bridge.js")
    def bridge() -> Response:
        return send_from_directory(f"{app.root_path}/static", "bridge.js", max_age=0)

    @app.get("/<module>/<path:name>")
    def bundle(module: str, name: str) -> Response:
        if world.forge_ui is None:
            abort(404)
        folder = world.forge_ui.absolute()
        answer = _page(folder, name) if name.endswith(".html") else send_from_directory(folder, name, max_age=0)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    return app


def _page(folder: Path, name: str) -> Response:
    path = safe_join(str(folder), name)
    if path is None or not Path(path).is_file():
        abort(404)
    page, found = _HEAD.subn(r'\g<0><script src="/bridge.js"></script>', Path(path).read_text("utf-8"), count=1)
    if not found:
        abort(500, f"{name} has no <head> to put the bridge into")
    return Response(page, content_type="text/html; charset=utf-8")
