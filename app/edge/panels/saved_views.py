"""What a reader keeps of lists: views to open, one to save, and what became of the last form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from flask import Response, render_template, request

from app.domain.tracking.saved_views import LONGEST_NAME, MOST, TooManyViews, ViewNameMalformed, ViewUnknown
from app.edge import parameters
from app.edge.caller import caller, now, services
from app.edge.forms import read_form
from app.edge.panels import shell
from app.edge.panels.admin_frame import not_sent, sent
from app.edge.panels.asked import of_request
from app.edge.parameters import Malformed
from app.edge.translation import gettext as _

_SECTIONS = {"site": "clocks", "project": "table"}
"""Where a view is opened, by page."""


@dataclass(frozen=True, kw_only=True)
class ViewLink:
    """One view: where its list is, and by what it is named in a form."""

    id: str
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ViewsPanel:
    """`views.html`. `form_url`: where this very list is saved, or a view forgotten; None where nothing can be changed.

    `said`, `refusal`: what became of the form that was sent; `typed`: the name that it had.
    """

    views: tuple[ViewLink, ...]
    form_url: str | None
    longest_name: int = LONGEST_NAME
    said: str = ""
    refusal: str = ""
    typed: str = ""


def panel_of(path: str, *, around: Mapping[str, object], query: Mapping[str, object]) -> ViewsPanel:
    """The reader's own views, to be opened on that page. `query`: the list that is shown there."""
    place = {**around, "section": _SECTIONS[path]}
    views = tuple(
        ViewLink(id=str(each.view), name=each.name, url=shell.fragment_url(path, place | dict(parse_qsl(each.query))))
        for each in services().saved_views.of(caller())
    )
    form_url = shell.fragment_url("views", {**around, **query, "section": None})
    return ViewsPanel(views=views, form_url=None if caller().is_lapsed else form_url)


def changed() -> Response:
    """`POST /fragments/views?projectId=&projectKey=`, and what `asked` takes: `name` to save, or what to `forget`.

    A refusal is a problem document, as everywhere, in which `html` is the form again with why it does not stand.
    """
    path, around, query = _asked()
    given = read_form()
    try:
        said = _forget(given["forget"]) if "forget" in given else _save(given.get("name", ""), query)
    except ViewNameMalformed as fault:
        return _refused(
            fault,
            _("A name has from 1 to %(most)s characters.", most=LONGEST_NAME),
            given,
            panel_of(path, around=around, query=query),
        )
    except TooManyViews as fault:
        told = _("You have %(most)s views, which is as many as a person can keep. Forget one first.", most=MOST)
        return _refused(fault, told, given, panel_of(path, around=around, query=query))
    return sent(render_template("views.html", panel=replace(panel_of(path, around=around, query=query), said=said)))


def _asked() -> tuple[str, Mapping[str, object], Mapping[str, object]]:
    # Read as a list reads it, so that nothing is stored that no list would take.
    query = {name: value for name, value in of_request().query.items() if value is not None}
    if "projectId" not in request.args:
        return "site", {}, query
    place = {"projectId": parameters.required_project_id(), "projectKey": parameters.project_key()}
    return "project", place, query


def _save(name: str, query: Mapping[str, object]) -> str:
    services().saved_views.save(caller(), name, query=urlencode(query), now=now())
    return _("Saved.")


def _forget(view: str) -> str:
    try:
        services().saved_views.forget(caller(), UUID(view))
    except ViewUnknown:  # gone is gone, whoever was first
        return _("It is not there any more.")
    except ValueError as error:
        raise Malformed from error
    return _("Forgotten.")


def _refused(error: Exception, words: str, given: Mapping[str, str], panel: ViewsPanel) -> Response:
    shown = replace(panel, refusal=words, typed=given.get("name", "")[:LONGEST_NAME])
    return not_sent(error, render_template("views.html", panel=shown))
