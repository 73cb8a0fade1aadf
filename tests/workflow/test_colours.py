"""A night of one target through two filters: its picture in colour, from raw frames to the crate."""

import json
import shutil

import pytest
from PIL import Image

from n2n.simulate import recipe, simulate_night

from .conftest import NIGHT, Workspace

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Few exposures, so that nothing is trained; those in OIII are another night's in H-alpha under another name."""
    workspace = Workspace(tmp_path_factory.mktemp("colours"))
    raw = workspace.folder / "data/raw"
    recipe.PRESETS["colours"] = recipe.Preset((256, 240), (recipe.HA_CROWDED,), (4,), 3, 3, 3, ())
    try:
        simulate_night(raw, preset="colours", night=NIGHT, report=lambda text: None)
        simulate_night(raw, preset="colours", night="other", seed=1, scene_seed=0, report=lambda text: None)
    finally:
        del recipe.PRESETS["colours"]
    for path in [*(raw / "other").rglob("*_Ha_*.fits")]:
        content = path.read_bytes().replace(b"FILTER  = 'Ha      '", b"FILTER  = 'OIII    '")
        place = raw / NIGHT / path.relative_to(raw / "other")
        place.with_name(path.name.replace("_Ha_", "_OIII_")).write_bytes(content)
    shutil.rmtree(raw / "other")
    workspace.snakemake()
    return workspace


def test_the_picture_is_made_shown_and_accounted_for(workspace):
    night = workspace.folder / "results" / NIGHT
    with Image.open(night / "NGC7000_HOO.png") as picture:
        assert picture.info["Description"] == "red Ha, green OIII, blue OIII; not denoised: Ha, OIII"
    assert "red Ha, green OIII, blue OIII" in (night / "report.html").read_text(encoding="utf-8")
    crate = json.loads((night / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert [part["@id"] for part in entities["#NGC7000_HOO"]["object"]] == [
        "NGC7000_Ha/denoised.fits",
        "NGC7000_OIII/denoised.fits",
    ]
    assert {"NGC7000_HOO.png", "summary.csv", "settings.json"} <= set(entities)
    assert workspace.jobs() == {}


def test_other_colours_paint_again_and_none_leave_the_groups_alone(workspace):
    for setting, jobs in (
        ("colour: {saturation: 1.0}", {"colour": 1, "report": 1, "crate": 1}),
        ("palettes: none", {"report": 1, "crate": 1}),
        ("palettes: HOO", {}),
    ):
        (workspace.folder / "config").mkdir(exist_ok=True)
        (workspace.folder / "config/config.yaml").write_text(setting + "\n")
        assert workspace.jobs() == jobs, setting
