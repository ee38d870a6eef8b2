"""The frame of every page of its own: a shell that goes out at once, sections to go between, refusals in words.

A page is two routes: `GET /connect/…` sends the shell with the first fragment in it, `GET /fragments/…` sends a
fragment alone, to both hosts. A fragment has one root, `#panel`; a link in it asks for another fragment in its place.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import Response, jsonify, render_template, request, stream_with_context

from app.domain.access.roles import NotPermitted
from app.domain.ports import DatabaseUnavailable, JiraUnavailable
from app.domain.secrets import VaultCannotAnswer
from app.edge.caller import caller, config, is_forge, now, services
from app.edge.panels.view_models import PageShell
from app.edge.parameters import Malformed, single
from app.edge.problems import contained, report, trace_id
from app.edge.shields import allow_frames
from app.edge.translation import gettext as _
from app.edge.translation import mark

_SLOT = "<!--fragment-->"


@dataclass(frozen=True)
class Link:
    """A way to another fragment. `key`: its name in the page, so that focus stays on it after a swap."""

    key: str
    title: str
    url: str
    is_current: bool = False


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around the content of a page: `section.html`. `url`: where a fresh one of this very content is."""

    title: str
    purpose: str
    url: str
    as_of: datetime
    sections: tuple[Link, ...] = ()
    announcement: str = ""
    """What a screen reader is told when it changes."""
    is_kept: bool = False
    """Whether it stays as it is when its reader comes back to it: there is a form in it, or what is shown once."""


@dataclass(frozen=True, kw_only=True)
class PageRefusal:
    """A page without a fact: `page_refusal.html`."""

    title: str
    explanation: str
    url: str
    trace_id: str | None = None


def fragment_url(path: str, query: Mapping[str, object] | None = None) -> str:
    """The address of a fragment, `path` below `/fragments`; what is None is left out of the query."""
    values = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{config().base_path}/fragments/{path}" + (f"?{urlencode(values)}" if values else "")


def site_url() -> str:
    """Where people reach the site: what the token says, as of a Forge site only its API may be known."""
    stated = caller().site_url
    # It becomes the beginning of links.
    if stated is not None and stated.startswith(("https://", "http://")):
        return stated
    return services().database.view_tenant(caller().tenant).display_url


def section_of(known: Mapping[str, object]) -> str:
    """`section` of the query, the first of the known where it names none; raises `Malformed` on an unknown one."""
    if "section" not in request.args:
        return next(iter(known))
    section = single("section")
    if section not in known:
        raise Malformed
    return section


def sections(
    path: str, known: Mapping[str, str], *, current: str, query: Mapping[str, object] | None = None
) -> tuple[Link, ...]:
    """The sections of a page, by name and title, as links."""
    return tuple(
        Link(f"section-{name}", title, fragment_url(path, {**(query or {}), "section": name}), name == current)
        for name, title in known.items()
    )


def page(title: str, make: Callable[[], str], *, url: str) -> Response:
    """`GET /connect/…`: the shell goes out before Jira is asked, so that a slow Jira never shows a blank frame."""
    allow_frames(services().database.view_tenant(caller().tenant).frame_ancestors())
    shell = PageShell(title=_(title), host_script_url=config().host_script_url, assets=config().assets)
    before, _slot, after = render_template("page_shell.html", shell=shell, fragment="slot.html").partition(_SLOT)

    def pieces() -> Iterator[str]:
        yield before
        yield contained(lambda: _made(make, url=url), lambda: _unavailable(url))
        yield after

    return Response(stream_with_context(pieces()), mimetype="text/html")


def fragment(make: Callable[[], str], *, url: str) -> Response:
    """`GET /fragments/…`: the same content, fresh. A refusal is a fragment too, without a fact in it."""
    html = _made(make, url=url)
    return jsonify(html=html) if is_forge() else Response(html, mimetype="text/html")


def frame(
    title: str,
    purpose: str,
    *,
    url: str,
    links: tuple[Link, ...] = (),
    announcement: str = "",
    is_kept: bool = False,
) -> Frame:
    """What stands around content of this very instant."""
    return Frame(
        title=title, purpose=purpose, url=url, as_of=now(), sections=links, announcement=announcement, is_kept=is_kept
    )


def _made(make: Callable[[], str], *, url: str) -> str:
    try:
        return make()
    except NotPermitted as refusal:
        report(refusal)
        refused = PageRefusal(
            title=mark("This page is for administrators"),
            explanation=mark(
                "Jira says that you do not administer this site. An administrator of Jira can give you that, "
                "or look here for you."
            ),
            url=url,
        )
        return render_template("page_refusal.html", page=refused)
    except (JiraUnavailable, DatabaseUnavailable, VaultCannotAnswer) as failure:
        report(failure)
        return _unavailable(url)


def _unavailable(url: str) -> str:
    refused = PageRefusal(
        title=mark("Cannot confirm what you may see"),
        explanation=mark(
            "Jira could not be asked which projects and issues you may see, so nothing of them is shown. The "
            "clocks keep running, and nothing is lost."
        ),
        url=url,
        trace_id=trace_id(),
    )
    return render_template("page_refusal.html", page=refused)
