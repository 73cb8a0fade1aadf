import json
import os

import frames
import pytest

from n2n.config import check_config
from n2n.errors import UserError
from n2n.formats.frametable import FRAME_COLUMNS, QUARANTINE_COLUMNS, keep_copy, write_table
from n2n.formats.overrides import matches
from n2n.formats.tables import read_csv
from n2n.planning.files import write_plan
from n2n.planning.models import model_id
from n2n.planning.nights import find_nights
from n2n.planning.plan import make_plan

NIGHT = "2026-01-02"


class Library:
    """Lists of frames of some nights, and plans made from them."""

    def __init__(self, root):
        self.root, self.tables, self.count = root, {}, 0
        self.config = check_config(
            {"raw": str(root / "raw"), "results": str(root / "results"), "models": str(root / "models")}
        )

    def add(self, night=NIGHT, number=1, kind="light", batch=0, chunk_size=32, **facts):
        """Add `number` frames of one kind."""
        rows = self.tables.setdefault(night, [])
        base = {
            "kind": kind,
            "target": "M 42",
            "filter": "Ha",
            "exptime_s": {"bias": "0", "flat": "2"}.get(kind, "60"),
            "camera": "Cam",
            "width": "80",
            "height": "70",
            "binning": "1x1",
            "gain_setting": "100",
            "offset": "50",
            "temperature_c": "-10",
            "hdu": "0",
        } | facts
        if kind in ("light", "flat"):
            base["group"] = facts.get("group", f"{base['target']}_{base['filter']}".replace(" ", "-"))
        if kind != "light":
            base |= {"target": "", "group": "", "filter": base["filter"] if kind == "flat" else ""}
        before = [row for row in rows if row["group"] == base["group"]]
        first = 1 + max((int(row["chunk"]) for row in before), default=-1) if kind == "light" else 0
        for index in range(number):
            self.count += 1
            path = f"{night}/{kind}{self.count:04d}.fits"
            chunk = str(first + index // chunk_size) if kind == "light" else ""
            rows.append(
                dict.fromkeys(FRAME_COLUMNS, "")
                | base
                | {"path": path, "sha256": f"{self.count:064x}", "chunk": chunk, "batch": str(batch)}
            )
        assert frames.problems(rows) == []
        write_table(self.root / "results" / night / "frames.csv", FRAME_COLUMNS, rows)
        (self.root / "raw" / night).mkdir(parents=True, exist_ok=True)
        for row in rows:
            (self.root / "raw" / row["path"]).touch()
        return self

    def calibrated(self, night=NIGHT, **facts):
        for kind in ("bias", "dark", "flat"):
            self.add(night, 4, kind, **facts)
        return self

    def plan(self, *nights, write=False):
        plan = make_plan(self.config, list(nights) or sorted(self.tables))
        if write:
            write_plan(self.config, plan)
        return plan

    def calibration(self, night=NIGHT, group="M-42_Ha"):
        return self.plan().groups[night, group].calibration

    def file(self, *parts):
        return self.root.joinpath("results", *parts)

    def train(self, model, **content):
        path = self.root / "models" / model / "model.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


def why(calibration, kind):
    return next(reason for reason in calibration["reasons"] if reason.startswith(f"{kind}:"))


def test_a_night_with_everything_uses_all_of_it(library):
    library.add(number=5).calibrated()
    plan = library.plan()
    chosen = plan.groups[NIGHT, "M-42_Ha"].calibration
    for kind in ("bias", "dark", "flat"):
        assert chosen[kind].startswith(f"{kind}-Cam-") and "the same night" in why(chosen, kind)
    assert chosen["defects"] is None and len(plan.masters) == 3
    assert plan.masters[chosen["flat"]].zero == chosen["bias"]
    assert len(plan.masters[chosen["dark"]].rows) == 4


def test_a_dark_of_the_flats_own_exposure_is_taken_before_the_bias(library):
    library.add(number=5).calibrated().add(number=3, kind="dark", exptime_s="2")
    plan = library.plan()
    flat = plan.masters[library.calibration()["flat"]]
    assert plan.masters[flat.zero].kind == "dark" and plan.masters[flat.zero].rows[0]["exptime_s"] == "2"


def test_the_defects_come_from_the_lights_where_there_is_no_dark(library):
    library.add(number=5)
    plan = library.plan()
    chosen = plan.groups[NIGHT, "M-42_Ha"].calibration
    master = plan.masters[chosen["defects"]]
    assert master.kind == "defects" and {row["kind"] for row in master.rows} == {"light"}
    assert "lights themselves" in why(chosen, "defects") and chosen["dark"] is None


@pytest.mark.parametrize(
    "facts",
    [
        {"camera": "Other"},
        {"gain_setting": "0"},
        {"binning": "2x2"},
        {"width": "40"},
        {"height": "35"},
        {"offset": "10"},
    ],
)
def test_masters_of_another_set_up_are_refused(library, facts):
    chosen = library.add(number=5).calibrated(**facts).calibration()
    assert chosen["dark"] is chosen["bias"] is chosen["flat"] is None
    for kind in ("bias", "dark", "flat"):
        found, wanted = next((facts[key], library.tables[NIGHT][0][key]) for key in facts)
        reason = why(chosen, kind)
        assert reason.startswith(f"{kind}: none of this camera and setting: ")
        assert f"{found} (lights: {wanted})" in reason


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (
            {"exptime_s": "30"},
            "dark: there are darks of 30 s, the lights have 60 s, and there is no bias to scale them with",
        ),
        ({"temperature_c": "-5"}, "dark: the darks were taken at -5.0 C, the lights at -10.0 C"),
    ],
)
def test_a_dark_that_does_not_fit_is_refused_with_its_reason(library, facts, reason):
    chosen = library.add(number=5).add(number=4, kind="dark", **facts).calibration()
    assert chosen["dark"] is None and why(chosen, "dark") == reason


@pytest.mark.parametrize("facts", [{"exptime_s": "60.3"}, {"temperature_c": "-11.5"}, {"temperature_c": ""}])
def test_a_dark_that_nearly_fits_is_used(library, facts):
    assert library.add(number=5).add(number=4, kind="dark", **facts).calibration()["dark"]


@pytest.mark.parametrize(("facts", "reason"), [({"filter": "OIII"}, "Ha"), ({"filter_bw_nm": "3"}, "Ha")])
def test_a_flat_through_another_filter_is_refused(library, facts, reason):
    chosen = library.add(number=5).add(number=4, kind="flat", **facts).calibration()
    assert chosen["flat"] is None and why(chosen, "flat") == f"flat: none through {reason}"


def test_two_frames_are_no_master(library):
    chosen = library.add(number=5).add(number=2, kind="dark").calibration()
    assert chosen["dark"] is None and why(chosen, "dark") == f"dark: only 2 of night {NIGHT}, a master needs 3"


def test_the_choice_is_told_in_one_line_when_it_is_new_or_changes_and_not_again(library):
    library.add(number=5).add(number=4, kind="dark")
    line = f"{NIGHT}/M-42_Ha: dark 4 frames of the same night; bias refused: there is none; flat refused: there is none"
    assert library.plan(write=True).notes == [line]
    assert library.plan(write=True).notes == []
    library.add(number=1, batch=1)
    assert library.plan(write=True).notes == []
    library.add(number=4, kind="flat", filter="OIII")
    assert library.plan(write=True).notes == [
        line.replace("flat refused: there is none", "flat refused: none through Ha")
    ]


def test_what_the_header_says_of_the_gain_goes_along_and_what_the_user_says_is_marked(library):
    library.add(number=5, e_per_adu="0.25")
    chosen = library.calibration()
    assert (chosen["e_per_adu"], chosen["e_per_adu_by_user"]) == (0.25, False)
    library.tables.clear()
    library.add(number=5, e_per_adu="0.3", notes="no camera profile; stated by overrides: camera e_per_adu")
    chosen = library.calibration()
    assert (chosen["e_per_adu"], chosen["e_per_adu_by_user"], chosen["dark_scale"]) == (0.3, True, 1.0)


def test_the_unit_of_a_file_binds_its_gain_as_the_user_does(library):
    library.add(number=5, e_per_adu="1", notes="no camera profile; the file's unit is electron")
    assert library.calibration()["e_per_adu_by_user"] == "unit of the file"


def test_the_fitting_dark_is_found_among_others(library):
    library.add(number=5)
    for exptime in ("10", "60", "300"):
        library.add(number=3, kind="dark", exptime_s=exptime)
    plan = library.plan()
    assert [master.rows[0]["exptime_s"] for master in plan.masters.values()] == ["60"]


def test_the_fitting_temperature_is_found_among_others(library):
    library.add(number=5).add(number=3, kind="dark", temperature_c="0").add(number=3, kind="dark")
    plan = library.plan()
    dark = plan.groups[NIGHT, "M-42_Ha"].calibration["dark"]
    assert dark and {row["temperature_c"] for row in plan.masters[dark].rows} == {"-10"}


def test_masters_of_the_nearest_other_night_are_used_where_a_night_has_none(library):
    library.calibrated("2026-01-01").calibrated("2025-06-01").add(number=5)
    plan = library.plan(NIGHT)
    chosen = plan.groups[NIGHT, "M-42_Ha"].calibration
    for kind in ("bias", "dark", "flat"):
        assert "night 2026-01-01" in why(chosen, kind)
    assert {master.night for master in plan.masters.values()} == {"2026-01-01"}
    assert plan.nights == [NIGHT]


def test_the_nights_own_masters_come_first(library):
    library.calibrated("2026-01-01").add(number=5).calibrated()
    assert "the same night" in why(library.calibration(), "dark")


def test_keys_of_masters_follow_their_frames(library):
    library.add(number=5).calibrated()
    before = set(library.plan().masters)
    library.add(number=1, kind="dark", batch=1)
    after = set(library.plan().masters)
    assert len(before & after) == 2 and len(after) == 3
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.+") for key in after)


def test_names_of_cameras_cannot_leave_the_folder(library):
    library.add(number=5, camera="../x/y").calibrated(camera="../x/y")
    for key in library.plan().masters:
        assert "/" not in key


def times(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_writing_the_same_plan_again_touches_nothing(library):
    library.add(number=40).calibrated().plan(write=True)
    for path in library.file().rglob("*.*"):
        os.utime(path, ns=(7, 7))
    library.plan(write=True)
    assert set(times(library.file()).values()) == {7}


def test_a_group_says_how_large_its_exposures_are(library):
    library.add(number=4).calibrated().plan(write=True)
    assert library.plan().groups[NIGHT, "M-42_Ha"].pixels == 80 * 70


def test_a_late_frame_gets_a_chunk_of_its_own_and_leaves_the_others_alone(library):
    library.add(number=40).calibrated().plan(write=True)
    folder = library.file(NIGHT, "M-42_Ha")
    old = library.plan().groups[NIGHT, "M-42_Ha"]
    assert sorted(old.chunks) == ["000", "001"] and old.lights == 40
    for path in library.file().rglob("*.*"):
        os.utime(path, ns=(7, 7))
    library.add(number=1, batch=1)
    plan = library.plan(write=True)
    group = plan.groups[NIGHT, "M-42_Ha"]
    assert sorted(group.chunks) == ["000", "001", "002"] and len(group.chunks["002"]) == 1
    changed = {name for name, time in times(folder).items() if time != 7}
    assert changed == {"chunks/002.csv"}
    assert {name for name, time in times(library.file("masters")).items() if time != 7} == set()
    assert (group.reference_chunks, group.model) == (old.reference_chunks, old.model)
    assert read_csv(folder / "chunks" / "002.csv")[0]["path"] == group.chunks["002"][0]["path"]


def test_the_reference_rests_on_whole_batches_until_there_are_eight_lights(library):
    library.add(number=3)
    assert library.plan().groups[NIGHT, "M-42_Ha"].reference_chunks == ("000",)
    library.add(number=6, batch=1)
    library.add(number=20, batch=2)
    assert library.plan().groups[NIGHT, "M-42_Ha"].reference_chunks == ("000", "001")
    library.add(number=20, batch=3)
    assert library.plan().groups[NIGHT, "M-42_Ha"].reference_chunks == ("000", "001")


def test_defects_from_lights_are_not_found_again_for_a_late_frame(library):
    library.add(number=20)
    before = library.calibration()["defects"]
    library.add(number=2, batch=1)
    assert library.calibration()["defects"] == before


def test_the_model_is_the_same_for_every_night_and_target(library):
    library.add(number=20).add("2026-02-02", 20, target="M 31").calibrated()
    plan = library.plan()
    assert len({group.model for group in plan.groups.values()}) == 1 and len(plan.groups) == 2


def test_only_the_earliest_night_trains(library):
    library.add("2026-02-02", 20).add("2026-01-05", 20).add("2026-01-05", 20, target="M 31").add("2026-01-01", 5)
    plan = library.plan()
    assert list(plan.training.values()) == [[("2026-01-05", "M-31_Ha"), ("2026-01-05", "M-42_Ha")]]
    assert plan.groups["2026-01-01", "M-42_Ha"].model is None


def test_a_model_that_is_there_is_used_and_not_trained_again(library):
    library.add(number=20)
    model = library.plan().groups[NIGHT, "M-42_Ha"].model
    library.train(model, groups=["x/y"])
    plan = library.plan()
    assert not plan.training and plan.groups[NIGHT, "M-42_Ha"].model == model
    library.config["model"]["mode"] = "retrain"
    assert list(library.plan().training) == [model]


def test_training_that_was_refused_is_tried_again_only_with_other_groups(library):
    library.add(number=20)
    model = library.plan().groups[NIGHT, "M-42_Ha"].model
    library.train(model, refused="too few", groups=[f"{NIGHT}/M-42_Ha"])
    assert not library.plan().training
    library.add("2026-01-09", 20)
    assert library.plan().training == {model: [("2026-01-09", "M-42_Ha")]}


def test_reuse_without_a_model_names_the_path_and_the_remedy(library):
    library.add(number=20)
    library.config["model"]["mode"] = "reuse"
    with pytest.raises(UserError) as caught:
        library.plan()
    text = str(caught.value)
    model = model_id(library.config, library.tables[NIGHT][0])
    assert f"models/{model}/model.json" in text and "model.mode: auto" in text and f"{NIGHT}/M-42_Ha" in text
    library.train(model)
    assert not library.plan().training


def test_a_single_light_is_left_out_with_a_note(library):
    library.add(number=5).add(number=1, target="M 31")
    plan = library.plan()
    assert list(plan.groups) == [(NIGHT, "M-42_Ha")]
    assert any("M-31_Ha: only one light" in note and "two" in note for note in plan.notes)


def test_only_single_lights_are_nothing_to_do(library):
    library.add(number=1)
    with pytest.raises(UserError, match="M-42_Ha: only one light"):
        library.plan()


def test_no_lights_at_all_is_told_with_the_first_reason_of_quarantine(library):
    library.add(number=4, kind="dark")
    bad = {"path": f"{NIGHT}/x.fits", "reason_code": "truncated", "reason": "the file ends early"}
    write_table(library.file(NIGHT, "quarantine.csv"), QUARANTINE_COLUMNS, [bad])
    with pytest.raises(UserError) as caught:
        library.plan()
    text = str(caught.value)
    assert "no lights among 5 files" in text and "x.fits: the file ends early" in text and "quarantine.csv" in text


def test_an_empty_night_is_told_with_what_to_do(library):
    library.add(number=0)
    with pytest.raises(UserError, match=rf"night {NIGHT}: no FITS file in .*raw/{NIGHT}; put"):
        library.plan()


def test_a_night_without_lights_does_not_stop_the_others(library):
    library.add(number=5).calibrated("2026-01-01")
    plan = library.plan()
    assert plan.nights == [NIGHT] and any("2026-01-01: no lights" in note for note in plan.notes)


def lose(library, *rows):
    for row in rows:
        (library.root / "raw" / row["path"]).unlink()


def test_lights_that_are_gone_leave_the_plan_and_come_back_with_their_files(library):
    library.add(number=40).calibrated()
    before = library.plan(write=True).groups[NIGHT, "M-42_Ha"]
    folder = library.file(NIGHT, "M-42_Ha")
    texts = {path: path.read_text() for path in folder.rglob("*.*")}
    for path in library.file().rglob("*.*"):
        os.utime(path, ns=(7, 7))
    lost = library.tables[NIGHT][33:36]
    lose(library, *lost)
    plan = library.plan(write=True)
    group = plan.groups[NIGHT, "M-42_Ha"]
    assert group.lights == 37 and group.reference_chunks == before.reference_chunks
    assert f"{NIGHT}/M-42_Ha: 3 of 40 listed exposures are not there any more; left out" in plan.notes
    assert {name for name, time in times(folder).items() if time != 7} == {"chunks/001.csv"}
    for row in lost:
        (library.root / "raw" / row["path"]).touch()
    assert library.plan(write=True).notes == []
    assert {path: path.read_text() for path in folder.rglob("*.*")} == texts


def test_a_night_of_which_nothing_is_left_keeps_its_products_and_is_told_in_one_line(library):
    library.add(number=5).calibrated().plan(write=True)
    texts = {path: path.read_text() for path in library.file().rglob("*.*")}
    lose(library, *library.tables[NIGHT])
    plan = library.plan(write=True)
    assert not plan.groups and not plan.nights and len(plan.notes) == 1
    assert "none of its 17 listed frames" in plan.notes[0] and "products stay" in plan.notes[0]
    assert {path: path.read_text() for path in library.file().rglob("*.*")} == texts
    library.add("2026-03-03", 4)
    assert library.plan().nights == ["2026-03-03"]


def test_a_group_of_which_nothing_is_left_stops_no_other(library):
    library.add(number=5).add(number=5, target="M 31").calibrated()
    lose(library, *[row for row in library.tables[NIGHT] if row["target"] == "M 31"])
    plan = library.plan()
    assert list(plan.groups) == [(NIGHT, "M-42_Ha")]
    assert any("M-31_Ha: none of its 5 listed exposures" in note for note in plan.notes)


def test_masters_of_a_renamed_night_come_from_where_its_frames_are_now(library):
    library.calibrated("2026-01-01").add(number=5)
    rows = library.tables["2026-01-01"]
    lose(library, *rows)
    assert library.calibration()["dark"] is None
    library.tables["2026-01-01 M 42"] = []
    library.calibrated("2026-01-01 M 42")
    chosen = library.calibration()
    for kind in ("bias", "dark", "flat"):
        assert "night 2026-01-01 M 42" in why(chosen, kind)


def test_a_master_that_was_made_before_its_frames_went_is_used_and_not_made_again(library):
    library.calibrated("2026-01-01").add(number=5)
    before = library.plan(NIGHT, write=True)
    for key in before.masters:
        library.file("masters", f"{key}.fits").touch()
    lose(library, *library.tables["2026-01-01"])
    plan = library.plan(NIGHT)
    assert set(plan.masters) == set(before.masters) and all(master.kept for master in plan.masters.values())


def test_every_exposure_names_its_own_masters_and_the_group_those_of_most(library):
    library.add(number=6, rotator_deg="10").add(number=2, rotator_deg="190").calibrated(rotator_deg="10")
    library.add(number=4, kind="flat", rotator_deg="190").plan(write=True)
    group = library.plan().groups[NIGHT, "M-42_Ha"]
    rows = [
        row for chunk in group.chunks for row in read_csv(library.file(NIGHT, group.name, "chunks", f"{chunk}.csv"))
    ]
    flats = [row["flat"] for row in rows]
    assert len(set(flats[:6])) == 1 and len(set(flats[6:])) == 1 and flats[0] != flats[6]
    assert group.calibration["flat"] == flats[0]
    assert set(flats) < set(group.masters(group.chunks)) and len(group.sets(group.chunks)) == 2
    for name, exposures in group.vetted.items():
        table = read_csv(library.file(NIGHT, group.name, "vetting", f"{name}.csv"))
        assert [row["path"] for row in table] == [row["path"] for row in exposures]


def test_a_damaged_list_of_a_night_that_only_gives_masters_is_put_back(library):
    library.calibrated("2026-01-01").add(number=5)
    table = library.file("2026-01-01", "frames.csv")
    keep_copy(table)
    before, chosen = table.read_bytes(), library.plan(NIGHT).groups[NIGHT, "M-42_Ha"].calibration
    table.write_bytes(before.replace(b",-10,", b",-90,"))
    plan = library.plan(NIGHT)
    assert any("frames.csv was not as n2n wrote it" in note for note in plan.notes)
    assert plan.groups[NIGHT, "M-42_Ha"].calibration == chosen and table.read_bytes() == before


def test_the_list_of_exposures_that_masters_are_looked_at_on_is_kept_unless_damaged(library):
    library.add(number=5).calibrated().plan(write=True)
    table = next(library.file(NIGHT, "M-42_Ha", "vetting").glob("*.csv"))
    before, first = table.read_bytes(), read_csv(table)[0]
    table.write_bytes(before.replace(first["path"].encode(), b"2026-01-02/light9999.fits"))
    library.plan(write=True)
    assert table.read_bytes() == before
    lose(library, first)
    library.plan(write=True)
    assert table.read_bytes() == before


def test_exposures_left_out_for_their_masters_are_told_when_that_is_new(library):
    library.add(number=6, rotator_deg="10").add(number=2, rotator_deg="190").calibrated(rotator_deg="10")
    (told,) = [note for note in library.plan(write=True).notes if "left out" in note]
    assert "2 exposures are left out: no flat fits this exposure" in told
    pattern = json.loads(told.split("overrides: {")[1].split(": {skip")[0])
    assert all(matches(pattern, row["path"]) == (row["kind"] == "flat") for row in library.tables[NIGHT])
    assert not [note for note in library.plan(write=True).notes if "left out" in note]


def test_nights_are_found_or_their_absence_is_told(tmp_path):
    raw, results = tmp_path / "raw", tmp_path / "results"
    with pytest.raises(UserError, match=r"raw.* does not exist; create .*<night>"):
        find_nights(raw, "all", results)
    raw.mkdir()
    with pytest.raises(UserError, match="no night in"):
        find_nights(raw, "all", results)
    for name in ("2026-01-02", "a night", ".hidden"):
        (raw / name).mkdir()
    (raw / "file.fits").write_text("")
    assert find_nights(raw, "all", results) == ["2026-01-02", "a night"]
    assert find_nights(raw, "a night", results) == ["a night"]
    assert find_nights(raw, ["a night"], results) == ["a night"]
    with pytest.raises(UserError, match=r"night 'b' is not in .*; there: 2026-01-02, a night"):
        find_nights(raw, ["b"], results)
