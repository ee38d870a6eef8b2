"""The deployable folder: Atlassian's validator is content, the bundle is the same bytes each time and light."""

import gzip
import re
import shutil
from html.parser import HTMLParser

import pytest

from app.edge.languages import extract
from descriptor import forge_package
from descriptor.forge_package import ToolFailed, ToolsMissing, install, validate, write
from descriptor.yaml_text import to_yaml
from tests.descriptor.conftest import ROOT, STATIC, TOOLS, VARIANTS

BUNDLE = {
    "LICENSES.txt",
    "htmx.LICENSE.txt",
    "htmx.min.js",
    "icon.svg",
    "index.html",
    "panel.js",
    "address.js",
    "pages.css",
    "pledge.css",
    "shell.js",
    "tokens.css",
}
PAGE_TEMPLATE = ROOT / "app" / "edge" / "templates" / "page.html"


class Elements(HTMLParser):
    """Every start tag with its attributes, and what stands in script and style elements."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in {"script", "style"}:
            self.inline += data.strip()


@pytest.fixture
def page(bundle):
    return Elements((bundle / "index.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_atlassian_s_validator_finds_nothing(folders, variant):
    assert validate(folders[variant], tools=TOOLS) == ()


def test_atlassian_s_validator_is_heard_when_it_finds_something(folders, manifest, tmp_path):
    folder = shutil.copytree(folders["new"], tmp_path / "folder")
    manifest["modules"]["trigger"][0]["endpoint"] = "ep-nowhere"
    (folder / "manifest.yml").write_text(to_yaml(manifest), encoding="utf-8")
    (folder / "static" / "panel" / "index.html").unlink()
    found = validate(folder, tools=TOOLS)
    assert any("ep-nowhere" in finding for finding in found)
    assert all(re.match(r"\d+:\d+ (error|warning): ", finding) for finding in found)


def test_the_bundle_is_complete_and_nothing_else(bundle):
    assert {path.name for path in bundle.iterdir()} == BUNDLE


def test_the_same_source_gives_the_same_bytes(folders, manifest, tmp_path):
    write(tmp_path / "again", document=manifest, static=STATIC, tools=TOOLS)
    first = {path.relative_to(folders["new"]): path for path in folders["new"].rglob("*") if path.is_file()}
    for name, path in first.items():
        assert (tmp_path / "again" / name).read_bytes() == path.read_bytes(), name
    assert all(str(ROOT).encode() not in path.read_bytes() for path in first.values())


def test_a_second_write_leaves_nothing_of_the_first(manifest, packages, tmp_path):
    leftover = tmp_path / "static" / "panel" / "old.js"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    (tmp_path / "notes.txt").touch()
    write(tmp_path, document=manifest, static=STATIC, tools=TOOLS)
    assert not leftover.exists()
    assert (tmp_path / "notes.txt").exists()


def test_the_page_has_no_inline_script_or_style(page):
    assert page.inline == ""
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith(("on", "hx-on"))]


def test_every_address_in_the_page_is_relative_and_there(page, bundle):
    named = [attributes.get("src") or attributes.get("href") for _, attributes in page.tags]
    files = {name for name in named if name and name != "data:,"}
    assert files == {"panel.js", "htmx.min.js", "address.js", "shell.js", "pages.css", "pledge.css", "tokens.css"}
    assert all((bundle / name).is_file() for name in files)


def test_the_style_sheets_fetch_nothing(bundle):
    for sheet in bundle.glob("*.css"):
        assert not re.search(r"url\(|@import", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.parametrize(
    "name", ["htmx.min.js", "panel.js", "address.js", "pages.css", "pledge.css", "tokens.css", "icon.svg"]
)
def test_what_both_hosts_share_is_the_same_bytes(bundle, name):
    assert (bundle / name).read_bytes() == (STATIC / name).read_bytes()


def test_what_surrounds_a_fragment_is_the_same_in_both_hosts(bundle):
    forge_page = (bundle / "index.html").read_text(encoding="utf-8")
    forge_page = re.sub(r' data-de=".*?"', "", forge_page)
    connect_page = re.sub(r'\{\{ _\("(.*?)"\) \}\}', r"\1", PAGE_TEMPLATE.read_text(encoding="utf-8"))
    for pattern in (
        r'<section id="refresh-failed".*?</section>',
        r'<p id="announcement".*?</p>',
        r'<meta name="htmx.*?>',
    ):
        (part,) = re.findall(pattern, connect_page, flags=re.DOTALL)
        assert forge_page.count(part) == 1


def test_what_stands_before_the_first_fragment_is_translated_as_it_is_in_connect(bundle):
    forge_page = (bundle / "index.html").read_text(encoding="utf-8")
    told = dict(re.findall(r'data-de="([^"]*)"[^<]*>([^<]+)<', forge_page))
    catalogue = extract.of("de")
    opening = {"Wird geöffnet …": "Opening…"}
    assert (
        told == {catalogue.get(text).string: text for text in told.values() if text not in opening.values()} | opening
    )
    unmarked = re.sub(r'<(\w+)[^>]* data-de="[^<]*</\1>', "", forge_page.partition("<body>")[2])
    assert re.findall(r">\s*([^<>\s][^<>]*)<", unmarked) == []


def test_the_licence_of_every_package_in_the_bundle_lies_beside_it(bundle):
    text = (bundle / "LICENSES.txt").read_text(encoding="utf-8")
    titles = re.findall(r"^(\S+) \d+\.\d+\.\d+$", text, flags=re.MULTILINE)
    assert "@forge/bridge" in titles
    assert titles == sorted(set(titles))
    assert all(section.strip() for section in re.split(r"^\S+ \d+\.\d+\.\d+$", text, flags=re.MULTILINE)[1:])


def test_the_bundle_is_light(bundle):
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in bundle.iterdir()}
    assert sizes["shell.js"] < 25_000
    assert sum(sizes.values()) < 50_000


def test_nothing_under_atlassian_s_terms_is_in_the_repository():
    kept = {path.name for path in (ROOT / "descriptor" / "forge_ui").iterdir()}
    assert kept == {"index.html", "package-lock.json", "package.json", "shell.js", "validate.cjs"}


def test_the_lock_file_pins_every_package_by_content_and_names_no_registry():
    lock = (ROOT / "descriptor" / "forge_ui" / "package-lock.json").read_text(encoding="utf-8")
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
    assert '"resolved"' not in lock


def test_without_node_the_reason_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolsMissing, match="Node"):
        install(tmp_path)


def test_a_program_that_fails_is_quoted(packages, manifest, tmp_path, monkeypatch):
    broken = shutil.copytree(ROOT / "descriptor" / "forge_ui", tmp_path / "forge_ui")
    (broken / "shell.js").write_text("import '@forge/nowhere';\n", encoding="utf-8")
    monkeypatch.setattr(forge_package, "_SOURCES", broken)
    with pytest.raises(ToolFailed, match="@forge/nowhere"):
        write(tmp_path / "folder", document=manifest, static=STATIC, tools=TOOLS)
