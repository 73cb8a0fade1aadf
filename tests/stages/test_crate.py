"""ro-crate-metadata.json: a whole crate, true to the files, the same for the same results."""

import hashlib
import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from astropy.io import fits
from PIL import Image, PngImagePlugin
from reported import GROUPS, command, write_night

from n2n.cli import main
from n2n.formats.fits import sha256_file
from n2n.formats.tables import read_json, write_json
from n2n.nets import prior

ROOT = Path(__file__).parents[2]
DIGEST = "ab" * 32


@pytest.fixture
def night(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_night(tmp_path)
    (folder / "settings.json").write_text("{}")
    write_json(folder / "M31_Ha" / "calibration.json", {"dark": "dark-x", "flat": None})
    (folder.parent / "masters").mkdir()
    (folder.parent / "masters" / "dark-x.fits").write_bytes(b"dark")
    facts = PngImagePlugin.PngInfo()
    facts.add_text("Description", "red Ha")
    facts.add_text("Source", "M31_Ha/denoised.fits")
    Image.new("RGB", (4, 4)).save(folder / "M31_HOO.png", pnginfo=facts)
    with fits.open(folder / "M31_Ha" / "denoised.fits", mode="update") as file:
        file[0].header.add_history("2026-10-04T09:12:30 n2n 0.1.0 assess DENOISED")
    command(folder)
    return folder


def crate(night):
    words = [night / group / "assessment.json" for group in GROUPS]
    words += ["--frames", night / "frames.csv", "--colour", night / "M31_HOO.png"]
    assert main(["crate", *map(str, words), "-o", str(night / "ro-crate-metadata.json")]) == 0
    content = json.loads((night / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(entities) == len(content["@graph"]), "every id once"
    return content, entities


def ids(found):
    return [entry["@id"] for entry in found]


def test_it_is_a_process_run_crate(night):
    content, entities = crate(night)
    assert content["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    about, root = entities["ro-crate-metadata.json"], entities["./"]
    assert about["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1" and about["about"]["@id"] == "./"
    assert entities[root["conformsTo"]["@id"]]["@type"] == "CreativeWork"
    assert root["datePublished"] == "2026-10-04T09:12:30Z" and root["name"] and root["description"] and root["license"]
    actions = [entity for entity in entities.values() if entity["@type"] == "CreateAction"]
    assert sorted(ids(root["mentions"])) == sorted(action["@id"] for action in actions) and len(actions) == 5
    assert {action["instrument"]["@id"] for action in actions} == {"#n2n"}
    assert entities["#n2n"]["@type"] == "SoftwareApplication" and entities["#n2n"]["softwareVersion"] == "0.1.0"


def test_every_reference_leads_somewhere_and_every_file_is_part(night):
    _, entities = crate(night)

    def references(value):
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            else:
                for item in value.values():
                    yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    wanted = {name for entity in entities.values() for key, value in entity.items() for name in references(value)}
    assert {name for name in wanted if not name.startswith("https://w3id.org/ro/crate")} <= set(entities)
    files = {name for name, entity in entities.items() if entity["@type"] == "File"}
    assert files == set(ids(entities["./"]["hasPart"]))


def test_digests_and_sizes_are_those_of_the_files(night):
    _, entities = crate(night)
    local = [e for e in entities.values() if e["@type"] == "File" and not e["@id"].startswith("ni:")]
    names = {unquote(entity["@id"]) for entity in local}
    assert {"report.html", "summary.csv", "settings.json", "M31_HOO.png", "M42_R/denoised.fits"} <= names
    for entity in local:
        content = (night / unquote(entity["@id"])).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest() and entity["contentSize"] == str(len(content))


def test_a_product_leads_back_to_exposures_network_masters_and_settings(night):
    _, entities = crate(night)
    action = next(e for e in entities.values() if e.get("name", "").startswith("M31_Ha:"))
    assert action["@id"].startswith("urn:uuid:") and "M31_Ha/denoised.fits" in ids(action["result"])
    assert action["description"].startswith("PASS: worth 16.0") and action["endTime"] == "2026-10-04T09:12:30Z"
    inputs = {entities[name].get("alternateName", name): entities[name]["sha256"] for name in ids(action["object"])}
    assert inputs["2026-10-03/LIGHT/light_03.fits"] == f"{3:064x}"
    assert inputs["models/cam_Ha/abc123/model.safetensors"] == "f" * 64
    assert inputs["masters/dark-x.fits"] == hashlib.sha256(b"dark").hexdigest()
    assert {"settings.json", "M31_Ha/calibration.json"} <= set(inputs)
    assert ids(entities["#M31_HOO"]["object"]) == ["M31_Ha/denoised.fits"]


def test_the_weights_that_come_with_n2n_are_named_by_their_file(night):
    path = night / "M31_Ha" / "assessment.json"
    facts = read_json(path)
    write_json(path, facts | {"model": facts["model"] | prior.description()})
    _, entities = crate(night)
    named = {entity.get("alternateName"): entity["sha256"] for entity in entities.values() if "sha256" in entity}
    assert named["n2n/nets/prior.safetensors"] == sha256_file(ROOT / "n2n/nets/prior.safetensors")
    assert not [name for name in named if name and name.startswith("models/n2n")]


def test_the_same_results_give_the_same_crate(night):
    crate(night)
    first = (night / "ro-crate-metadata.json").read_bytes()
    crate(night)
    assert (night / "ro-crate-metadata.json").read_bytes() == first
