"""The frame of the administration: its sections, and how what a form of one came to is answered."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, jsonify, render_template

from app.edge.caller import is_forge
from app.edge.panels import shell
from app.edge.panels.sayings import said
from app.edge.problems import answer, trace_id
from app.edge.translation import gettext as _
from app.edge.translation import mark

TITLE = "Pledge"
PURPOSE = mark("How this site is served.")
SECTIONS = {
    "overview": mark("Overview"),
    "following": mark("Following"),
    "policies": mark("Policies"),
    "numbers": mark("Numbers"),
    "integrations": mark("Integrations"),
    "audit": mark("Audit log"),
    "privacy": mark("Privacy"),
    "people": mark("People and roles"),
}


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a form came to, in the language of the reader: `message` of `_admin.html`.

    `appearance`: `success`, `warning` or `danger`.
    """

    title: str
    appearance: str
    lines: tuple[str, ...] = ()
    trace_id: str | None = None


def url(section: str, **query: object) -> str:
    """Where the fragment of that section is."""
    return shell.fragment_url("admin", {"section": section, **query})


def rendered(
    section: str, *, notice: Notice | None = None, is_kept: bool = False, here: str | None = None, **content: object
) -> str:
    """That section. `is_kept`: a refresh must not take away what somebody fills in or reads only once."""
    links = shell.sections("admin", SECTIONS, current=section)
    where = here or url(section)
    said = _(SECTIONS[section]) if notice is None else notice.title
    frame = shell.frame(TITLE, PURPOSE, url=where, links=links, announcement=said, is_kept=is_kept)
    return render_template(f"admin_{section}.html", page=frame, notice=notice, **content)


def refused(error: Exception, title: str, *lines: str) -> Notice:
    """Why nothing has changed: in these lines, else in the sentences of the error."""
    why = lines or tuple(map(said, error.args))
    return Notice(title=title, appearance="danger", lines=why, trace_id=trace_id())


def sent(html: str) -> Response:
    """What a form came to."""
    return jsonify(html=html) if is_forge() else Response(html, mimetype="text/html")


def not_sent(error: Exception, html: str) -> Response:
    """The problem document of that error, in which `html` is the page with the form as it was filled in."""
    response = answer(error, html=html)
    if is_forge():
        # through Forge a document of another type does not arrive: its browser is told of a broken answer instead
        response.mimetype = "application/json"
    return response


Form = Mapping[str, str]
"""What `read_form` has read."""
