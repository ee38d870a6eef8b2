"""Every column says what it holds of a person, and what it says is true."""

import json
from dataclasses import fields

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from app.domain.clocks.model import Event
from app.domain.privacy.accounts import digest_of
from app.domain.privacy.register import INFO, Erase, Kind
from app.store import personal_columns
from app.store.personal_columns import declared_keys, register, undeclared


def test_no_column_that_can_hold_personal_data_is_without_a_declaration():
    assert undeclared() == ()


def test_a_new_column_without_a_declaration_is_found(monkeypatch):
    class Other:
        metadata = MetaData()

    Table("notes", Other.metadata, Column("n", Integer), Column("nick", Text), schema="app")
    monkeypatch.setattr(personal_columns, "Base", Other)
    assert undeclared() == ("app.notes.nick",)


def test_every_key_of_a_clock_event_is_declared():
    columns = {"kind", "at", "source"}
    stored_as = {"added": "added_microseconds"}
    facts = {field.name for field in fields(Event)} - columns
    assert {stored_as.get(fact, fact) for fact in facts} == declared_keys("app.clock_events", "data")


def test_no_part_of_an_atlassian_profile_is_kept():
    """Whoever keeps one has to make an answer of `updated` erase it or fetch it again."""
    assert [each.name for each in register() if each.what.kind is Kind.PROFILE] == []


@pytest.mark.parametrize("declared", register(), ids=lambda each: each.name)
def test_a_declaration_says_why_how_long_and_how_it_is_erased(declared):
    assert declared.what.purpose
    assert declared.what.retention
    assert declared.what.erase in Erase
    assert declared.column in personal_columns.table_of(declared).columns
    if declared.what.since is not None:
        assert declared.what.since in personal_columns.table_of(declared).columns
    json.dumps(declared.to_json())


def test_what_is_global_holds_no_account_id_in_the_clear():
    found = [each for each in register() if each.table.startswith("registry.")]
    assert found
    assert {each.what.kind for each in found} == {Kind.PSEUDONYM}


def test_postgresql_makes_the_same_digest(database):
    account = "712020:0f3a1c52-9d1e-4b7e-8a50-1f2e3d4c5b6a"
    made = "SELECT sha256(convert_to('pledge account 1:' || %s, 'UTF8'))"
    assert database.rows(made, account) == [(digest_of(account),)]


def test_a_json_column_names_its_keys():
    column = personal_columns.Base.metadata.tables["app.clock_events"].c.data
    assert column.info[INFO]["actor"].kind is Kind.ACCOUNT_ID
    assert column.info[INFO]["severity"] is None
