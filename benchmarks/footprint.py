"""What `make run` weighs: seconds to a visible panel, memory of everything, bytes of the panel."""

import gzip
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from benchmarks.running import free_port, pss_kib


def main() -> None:
    """Print seconds (first start, second start), memory (PSS) and panel size."""
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    try:
        print(f"first start to a visible panel: {_run(folder, measure=False):.1f} s")
        print(f"second start, database kept: {_run(folder, measure=True):.1f} s")
    finally:
        shutil.rmtree(folder)


def _run(folder: Path, *, measure: bool) -> float:
    ports = {"--port": free_port(), "--simulator-port": free_port(), "--site-port": 20_000 + free_port() % 10_000}
    arguments = [str(part) for pair in ports.items() for part in pair]
    began_at = time.monotonic()
    demo = subprocess.Popen(
        [sys.executable, "-m", "app.wiring", "demo", *arguments], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        url = _await(demo, r"Ready\. Open (\S+)").group(1)
        seconds = time.monotonic() - began_at
        if measure:
            _await(demo, r"forge +\| ")  # what it packs in the background is over
            _measure(demo.pid, url)
    finally:
        demo.terminate()
        demo.communicate(timeout=60)
    return seconds


def _await(demo: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    said = ""
    for line in demo.stderr:
        said += line
        found = re.match(pattern, line)
        if found:
            return found
    raise RuntimeError(f"the demo ended before it said {pattern!r}:\n{said}")


def _measure(pid: int, url: str) -> None:
    with urlopen(url, timeout=30) as answer:  # noqa: S310  our own loopback server
        issue_page = answer.read().decode()
    panel_url = re.search(r'<iframe[^>]*\bsrc="([^"]+)"', issue_page).group(1).replace("&amp;", "&")
    for _ in range(30):  # the first view asks for the issue to be read
        with urlopen(panel_url, timeout=30) as answer:  # noqa: S310  the same
            panel = answer.read()
        if b"due in" in panel:
            break
        time.sleep(2)
    print(f"panel page: {len(panel)} bytes of HTML, {len(gzip.compress(panel))} compressed")
    print(f"memory of everything that `make run` starts: {pss_kib(pid) / 1024:.0f} MB (PSS)")


if __name__ == "__main__":
    main()
