"""The SQLAlchemy object and the naming convention; tables are in `app.store.tables`."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table; named constraints, so that migrations are predictable."""

    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)

UTC = DateTime(timezone=True)


def tenant_key() -> Mapped[int]:
    """The column that every primary key of schema `app` begins with."""
    return mapped_column(BigInteger, primary_key=True, autoincrement=False)
