"""The product, run by its own commands, as its next version would be: with one more migration, and a column from it.

`NEWER_MIGRATIONS` names a folder with all migrations and that one.
"""

import os
from pathlib import Path

import sqlalchemy as sa

from app.store import revision

revision.MIGRATIONS = Path(os.environ["NEWER_MIGRATIONS"])

from app import wiring  # noqa: E402  whoever imports the folder by its name must find the other one
from app.store.tables import Base, IssueRow  # noqa: E402  the same

IssueRow.__table__.append_column(sa.Column("seen_by_newer", sa.Text(), nullable=True))

if __name__ == "__main__":
    assert Base.metadata.tables["app.issues"].c.seen_by_newer is not None
    wiring.pledge()
