"""The queue: procrastinate's own schema, in a schema of its own."""

import hashlib

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0005"
down_revision = "0004"

SHA256 = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"
"""Of the schema of procrastinate 3.10.0. A later version needs a migration of its own, not another text here."""


def upgrade() -> None:
    """Make them."""
    schema = SchemaManager.get_schema()
    if hashlib.sha256(schema.encode()).hexdigest() != SHA256:
        raise RuntimeError("procrastinate's schema is not that of 3.10.0; install the locked version")
    driver = op.get_bind().connection.driver_connection
    driver.execute("CREATE SCHEMA jobs")
    driver.execute("SET LOCAL search_path = jobs")
    driver.execute(schema)
    # Back, or Alembic would look for its own table there.
    driver.execute("SET LOCAL search_path = DEFAULT")
