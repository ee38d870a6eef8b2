"""One list of cells for both documents; a list that would send a site nowhere is refused."""

import pytest

from descriptor import connect, forge
from descriptor.cells import REGIONS, Cell, CellsWrong, global_url, pinned_urls

CELLS = tuple(
    Cell(region=region, base_url=f"https://{region.lower()}.example.com") for region in ("global", *sorted(REGIONS))
)


def test_both_documents_name_every_cell_once():
    manifest = forge.render(app_id="ari:cloud:ecosystem::app/x", cells=CELLS, migration=None)
    descriptor = connect.render(app_key="io.pledge.app", base_url=global_url(CELLS), cells=CELLS)
    (remote,) = manifest["remotes"]
    assert remote["baseUrl"] == {"default": descriptor["baseUrl"], **descriptor["regionBaseUrls"]}
    assert set(remote["baseUrl"].values()) == {cell.base_url for cell in CELLS}
    assert connect.check(descriptor) == ()


def test_a_descriptor_of_one_cell_names_no_regions():
    descriptor = connect.render(app_key="io.pledge.app", base_url="https://example.com", cells=CELLS[:1])
    assert "regionBaseUrls" not in descriptor
    assert descriptor == connect.render(app_key="io.pledge.app", base_url="https://example.com")


@pytest.mark.parametrize(
    "regions",
    [(), ("EU",), ("global", "global"), ("global", "EU", "EU"), ("global", "MOON"), ("global", "eu"), ("default",)],
)
@pytest.mark.parametrize("question", [global_url, pinned_urls])
def test_a_list_that_would_send_a_site_nowhere_is_refused(regions, question):
    with pytest.raises(CellsWrong):
        question([Cell(region=region, base_url="https://example.com") for region in regions])
