"""Nothing that is tracked names a folder of somebody's machine or a host that packages come from."""

import re
import subprocess

import pytest

# one letter of each in brackets, so that this file does not name them
HOME_FOLDERS = re.compile(r"(?<![\w.])/(?:[h]ome|[r]oot|[U]sers|[w]ork|[m]nt)/[\w.]")
PACKAGE_HOSTS = re.compile("|".join(("[p]ypi.(?:org|python)", "[p]ythonhosted.org", "[r]egistry.npmjs", "[c]rates.io")))
INSTALL_SOURCES = re.compile("--(?:[e]xtra-index-url|[i]ndex-url|[t]rusted-host|[f]ind-links)")


@pytest.fixture(scope="module")
def tracked(root):
    """Text of every tracked file by name; without git, of every file that a clone would have."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.split("\0") if name]
    else:
        hidden = {".venv", ".pledge", ".git", "build"}
        paths = [path for path in root.rglob("*") if not hidden & set(path.relative_to(root).parts)]
    files = [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files}


@pytest.mark.parametrize("pattern", [HOME_FOLDERS, PACKAGE_HOSTS, INSTALL_SOURCES], ids=["homes", "hosts", "sources"])
def test_no_tracked_file_names_a_place_of_this_machine(tracked, pattern):
    assert len(tracked) > 100
    found = {name: pattern.findall(text) for name, text in tracked.items()}
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (HOME_FOLDERS, "cd /" + "home/somebody"),
        (HOME_FOLDERS, "open('/" + "root/.netrc')"),
        (PACKAGE_HOSTS, "https://py" + "pi.org/simple"),
        (INSTALL_SOURCES, "pip install --index" + "-url x"),
    ],
)
def test_this_check_sees_what_it_looks_for(pattern, text):
    assert pattern.search(text)
