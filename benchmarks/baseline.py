"""Two Flask views on the same server as the product: an empty one, and one with a SELECT in a transaction."""

import argparse
import os

from flask import Flask, jsonify
from sqlalchemy import text

from app.jobs import logs, server
from app.store.database import open_engines


def make_app() -> Flask:
    """The same pool of connections, the same driver, nothing else of ours."""
    app = Flask("baseline")
    engine = open_engines(app, os.environ["PLEDGE_DATABASE_URL"], connections=8).writing

    @app.get("/empty")
    def empty():
        return jsonify(ok=True)

    @app.get("/select")
    def select():
        with engine.begin() as connection:
            row = connection.execute(text("SELECT version_num FROM registry.alembic_version")).one()
        return jsonify(version=row.version_num)

    return app


if __name__ == "__main__":
    logs.configure("json")
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    server.serve(make_app, host="127.0.0.1", port=parser.parse_args().port, processes=2, threads=8)
