"""The night's page: whole, self-contained, honest, and the worst news first."""

import argparse
import csv
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from reported import GROUPS, NIGHT, command, facts_of, faults, write_night

from n2n.errors import UserError
from n2n.formats.tables import read_json, write_json
from n2n.nets import prior
from n2n.report.charts import gain_chart, plus_minus, steps
from n2n.report.frames import calibration_rows
from n2n.report.page import check
from n2n.report.terminal import terminal_summary
from n2n.report.words import equal_exposures, failure, headline, needs, zones_sentence
from n2n.stages.report import run

ROOT = Path(__file__).parents[2]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


@pytest.fixture
def night(tmp_path, monkeypatch):
    """A folder with three groups, one of each verdict, as the other stages leave it."""
    monkeypatch.chdir(tmp_path)
    return write_night(tmp_path)


class Checker(HTMLParser):
    """Collects text and attributes; complains about tags that do not match."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.attributes, self.ids = [], "", [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        if tag == "img":
            assert "alt" in dict(attrs)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def parsed(night):
    text = (night / "report.html").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return text, checker, re.sub(r"\s+", " ", checker.text)


def test_the_page_needs_nothing_else(night):
    assert command(night) == 0
    text, checker, _ = parsed(night)
    assert not re.search(r"https?:|//[a-z]+\.", re.sub(r"base64,[^\"]+", "", text))
    assert "@import" not in text and "url(" not in text
    for link in checker.links:
        assert link.startswith(("data:", "#")) or (night / link).resolve().is_relative_to(night.parent.parent)
    assert len(set(checker.ids)) == len(checker.ids)
    assert (night / "report.html").stat().st_size < 3 * 4_000_000


def test_everything_a_person_wants_to_know_is_there(night):
    command(night)
    _, _, said = parsed(night)
    for words in ("M31 Ha", "M33 L", "M42 R", "about 140 exposures", "16.0 ± 1.3", "700 steps on cpu", "abc123"):
        assert words in said.replace("\N{NO-BREAK SPACE}", " "), words
    for group in ("M31_Ha", "M33_L", "M42_R"):
        assert f"few stars in {group}: 45, limit 57" in said
    assert "gain unknown (9 lights)" in said and "M45_L: 1 light, not processed" in said
    assert "not measurable" in said and "f" * 64 in said


def test_bad_news_comes_first_and_in_plain_words(night):
    command(night)
    text, _, said = parsed(night)
    assert re.findall(r'class="card (\w+)"', text) == ["FAIL", "WARN", "PASS"]
    assert said.index("Denoising refused") < said.index("Not denoised") < said.index("Denoised and proven")
    assert "Stars became 4.20 ± 0.20 % wider" in said.replace("\N{NO-BREAK SPACE}", " ")
    assert "Only 9 exposures: too few to prove the result." in said
    assert text.count('class="pane compare"') == 1, "a plain stack has nothing to compare"


@pytest.mark.parametrize(
    ("name", "title", "value", "unit", "words"),
    [
        ("G2", "Light kept, diffuse light", -30.0, "%", "Light was lost: 30.00 ± 0.20 % (diffuse light)"),
        ("G2", "Light kept, all light", 4.0, "%", "Light was added: 4.00 ± 0.20 % (all light)"),
        ("G3", "Invented structure", 9.0, "%", "Structure was invented: 9.00 ± 0.20 %"),
        ("G3", "Leaked structure", 9.0, "%", "The held-out exposures were not held out: 9.00 ± 0.20 %"),
        ("G5", "Invented stars", 3.0, "%", "Stars were invented: 3.00 ± 0.20 %"),
        ("G5", "Invented dark spots", 3.0, "%", "Dark spots were invented: 3.00 ± 0.20 %"),
        ("G5", "Lost stars", 3.0, "%", "Stars were lost: 3.00 ± 0.20 %"),
        ("G5", "Erased stars", 0.2, "%", "Faint stars were erased: 0.20 ± 0.20 %"),
        ("G7", "Place of stars", 3.0, "px", "Stars were moved: 3.00 ± 0.20 px"),
        ("G9", "More removed than noise", 80.0, "%", "More than noise was removed: 80.00 ± 0.20 %"),
        ("G9", "Light of stars, S/N 20 to 60", -8.0, "%", "Light of stars was lost: 8.00 ± 0.20 % (S/N 20 to 60)"),
        ("G10", "Evenness of the sky", 0.5, "sigma", "The sky became uneven by 0.50 ± 0.20 σ"),
        ("G12", "Seams", -0.5, "sigma", "Tiles show a step: 0.50 ± 0.20 σ"),
    ],
)
def test_every_failure_has_plain_words(name, title, value, unit, words):
    said = failure({"name": name, "title": title, "value": value, "uncertainty": 0.2, "unit": unit})
    assert said.replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.parametrize(
    ("bound", "words"), [("at most", "at most 1 %"), ("within", "within ± 1 %"), (None, "within ± 1 %")]
)
def test_the_limit_says_on_which_side(bound, words):
    assert needs({"limit": 1.0, "unit": "%", "bound": bound}) == words


def test_names_from_outside_cannot_become_markup(night):
    command(night)
    text, checker, said = parsed(night)
    assert "<script>alert(1)" not in text and text.count("<script>") == 1
    assert f"{NIGHT}/<script>alert(1)</script>.fits" in said and "a <b> & c" in said
    assert not [name for name in checker.attributes if name.startswith("on")]


def test_a_missing_picture_or_table_stops_nothing(night):
    (night / "M31_Ha" / "denoised.fits").unlink()
    (night.parent.parent / "models" / "cam_Ha" / "abc123" / "training.csv").unlink()
    assert command(night) == 0
    assert "No pictures" in parsed(night)[2]
    outputs = ["--output", night / "report.html"]
    assert command(night, *outputs) == 0


def test_the_same_input_gives_the_same_page(night):
    command(night)
    first = (night / "report.html").read_bytes()
    command(night)
    assert (night / "report.html").read_bytes() == first


def test_strict_only_judges(night, capsys):
    assert command(night, "--strict", groups=("M31_Ha", "M33_L")) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    assert command(night, "--strict") == 1
    assert f"{NIGHT}/M42_R" in capsys.readouterr().err and not (night / "report.html").exists()
    with pytest.raises(UserError, match=r"M42_R: Stars became 4\.20 ± 0\.20 % wider; allowed is within ± 2 %"):
        check([facts_of("M42_R", "FAIL")])


def test_without_an_output_the_user_is_told(night, capsys):
    assert command(night, "--models", "models") == 1
    assert "--output" in capsys.readouterr().err


def test_the_end_of_a_run_in_the_terminal(night, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    command(night)
    groups = [(NIGHT, group) for group in ("M31_Ha", "M33_L", "M42_R", "M99_L")]
    (night / "M31_HOO.png").touch()
    said = terminal_summary(night.parent, groups)
    names = re.findall(r"M\d\d_\w+(?=  )", said)
    assert names == ["M99_L", "M42_R", "M33_L", "M31_Ha"]
    assert "worth 16.0 ± 1.3 times the exposures" in said and "9 of 10 exposures used" in said
    assert "Stars became 4.20 ± 0.20 % wider." in said and "too few to prove" in said
    assert f"{NIGHT}/report.html" in said and "M31_Ha/denoised.fits" in said and "before_after.png" not in said
    assert f"{NIGHT}/M31_HOO.png" in said
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert "16.0 +- 1.3" in terminal_summary(night.parent, groups) and terminal_summary(night.parent, groups).isascii()
    assert terminal_summary(night.parent, []) is not None


def test_a_group_of_which_only_the_stack_was_wanted_is_no_failure(night):
    groups = [(NIGHT, group) for group in ("M99_L", "M31_Ha")]
    assert "no result" in terminal_summary(night.parent, groups)
    (night / "M99_L").mkdir()
    (night / "M99_L" / "stack.fits").touch()
    said = terminal_summary(night.parent, groups)
    assert "stacked, not denoised" in said and "no result" not in said and "M99_L/stack.fits" in said
    (night / "M99_L" / "assessment.json").write_text("{")
    assert "no result" in terminal_summary(night.parent, groups)


@pytest.mark.parametrize(
    "value, error, digits, said",
    [
        (16.02, 1.31, 2, "16.0 ± 1.3"),
        (16.02, 1.31, 1, "16 ± 1"),
        (67.6, 19.4, 2, "68 ± 19"),
        (0.0092, 0.0020, 2, "0.0092 ± 0.0020"),
        (1.0167, 0.0047, 2, "1.017 ± 0.005"),
        (-0.00001, 0.00002, 2, "below 0.0001"),
        (-1.5, 0.0, 2, "−1.5"),
        (3.0, None, 2, "3"),
        (None, None, 2, "–"),
    ],
)
def test_a_value_with_its_error(value, error, digits, said):
    assert plus_minus(value, error, digits) == said


def test_axes_and_charts_of_odd_numbers():
    assert steps(0.16, 0.27, 6) == pytest.approx([0.16, 0.18, 0.20, 0.22, 0.24, 0.26])
    assert steps(5, 5) == [5]
    assert gain_chart([]) == ""
    assert "nan" not in gain_chart([("a", (1e6, None), None), ("b", (0.01, 0.5), (2.0, 0.1))])


def test_a_gain_nobody_can_know_stretches_no_axis():
    chart = gain_chart([("sky", (16.0, 1.0), (373.0, 747.0))])
    assert "○ too uncertain" in chart and "373" not in chart and "1000" not in chart
    assert chart.count("<circle") == 1


def test_a_gain_that_is_no_measurement_is_claimed_nowhere(night):
    reason = "the held-out exposures prove no gain: 176 +- 344 times the exposures, and an error as large as the value "
    path = night / "M31_Ha" / "assessment.json"
    facts = read_json(path) | {"product": "STACK", "qastat": "WARN", "reason": f"{reason}proves nothing"}
    facts["exposure_gain"] = {"value": 176.0, "standard_error": 344.0}
    facts["zones"] = {
        "background": {"value": 5.0, "standard_error": 5.0},
        "stars": {"value": 6.5, "standard_error": 0.4},
    }
    write_json(path, facts)
    assert command(night) == 0
    said = parsed(night)[2].replace("\N{NO-BREAK SPACE}", " ")
    assert "The held-out exposures prove no gain: 176 ± 344 times the exposures" in said
    assert "worth 176" not in said and "1 600" not in said
    rows = csv.DictReader(io.StringIO((night / "summary.csv").read_text(encoding="utf-8")))
    (row,) = (row for row in rows if row["group"] == "M31_Ha")
    assert (row["verdict"], row["product"], row["gain"], row["gain_error"]) == ("WARN", "STACK", "", "")
    assert "prove no gain: 176 ± 344" in row["reason"]
    assert (row["gain_background"], row["gain_stars"]) == ("", "6.5")
    terminal = terminal_summary(night.parent, [(NIGHT, "M31_Ha")])
    assert "Not denoised, plain stack shipped" in terminal and "prove no gain" in terminal
    # Whoever kept an assessment of before reads no claim either.
    assert headline(facts) == "the gain could not be measured" and equal_exposures(facts) == ""
    assert zones_sentence(facts) == "6.5 ± 0.4 in stars"


def test_defects_and_the_gain_are_no_refused_masters():
    sentences = ["dark: 8 frames of the same night (d)", "flat: none through L", "defects: found from the lights"]
    rows = calibration_rows({"calibration": [*sentences, "gain: 0.25 by photon transfer, the header says 0.8"]})
    assert [row["chosen"] for row in rows] == [True, False, True, True]


def test_the_gain_is_shown_by_surface_brightness(night):
    command(night)
    text, _, said = parsed(night)
    assert "below 1 σ" in said and "1 to 3 σ" in said and "above 3 σ" not in said, "what is not known is left out"
    assert text.count("<h3>Gain by surface brightness</h3>") == 2


def test_whether_the_variance_is_right_is_shown_for_what_was_denoised(night):
    command(night)
    text, _, _ = parsed(night)
    assert text.count("<h3>Is the error it states right?</h3>") == 1
    assert "Squared error over variance: below 1 σ 1.02 ± 0.01; 1 to 3 σ 0.97 ± 0.02" in text


def test_the_summary_has_a_row_a_group(night):
    command(night)
    with open(night / "summary.csv", newline="") as file:
        rows = {row["group"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["M31_Ha", "M33_L", "M42_R"]
    assert [row["verdict"] for row in rows.values()] == ["PASS", "WARN", "FAIL"]
    best = rows["M31_Ha"]
    assert (best["gain"], best["gain_error"], best["gain_stars"]) == ("16", "1.3", "")
    assert (best["exposures_found"], best["exposures_used"], best["total_s"]) == ("10", "9", "540.0")
    assert "wider" in rows["M42_R"]["reason"] and rows["M33_L"]["gain"] == ""
    assert all((night / row["path"]).is_file() for row in rows.values())


def test_colour_composites_are_shown_with_what_they_are_made_of(night):
    said = PngImagePlugin.PngInfo()
    said.add_text("Description", "red SII, green Ha, blue OIII")
    Image.new("RGB", (60, 40), "teal").save(night / "M31_SHO.png", pnginfo=said)
    tables = ["--colour", night / "M31_SHO.png", "--output", night / "report.html"]
    assert command(night, *tables) == 0
    _, checker, text = parsed(night)
    assert "red SII, green Ha, blue OIII" in text and "M31_SHO.png" in checker.links


INJECTION = {
    "objects": {"star": 321, "blob": 3, "filament": 3},
    "depth": {
        "bins_snr": [2.0, 4.0, 8.0, 40.0], "injected": [10, 10, 0, 10], "searched": "denoised", "reference": "filter",
        "images": {name: {"found": [0, 8, 0, 10], "snr90": 5.25 + shift, "snr50": 3.0}
                   for name, shift in (("denoised", 0), ("filter", 1), ("stack", 4))},
        "delta_m90": {"value": 0.19, "standard_error": 0.03}, "delta_m50": {"value": 0.1, "standard_error": 0.03},
    },
    "stars": [{
        "low": low, "high": high, "n": 55,
        **{image: {kind: {"bias_mmag": 12.0, "standard_error_mmag": 3.0, "scatter_mmag": 345.0}
                   for kind in ("aperture", "psf")} for image in ("stack", "denoised")},
    } for low, high in ((3.0, 5.0), (50.0, None))],
    "shapes": [{"low": 3.0, "high": 5.0, "n": 55, "width_change": -0.021, "standard_error": 0.01}],
    "extended": [{"kind": "blob", "low": 0.3, "high": 0.9, "n": 3, "flux": 0.93, "flux_error": 0.04, "width": 1.02,
                  "width_error": 0.01}],
}  # fmt: skip


def test_the_depth_and_what_is_left_of_injected_objects_are_told(night):
    path = night / "M31_Ha" / "assessment.json"
    write_json(path, read_json(path) | {"injection": INJECTION})
    assert command(night) == 0
    text, _, said = parsed(night)
    assert "321 stars of known light" in said and "+0.19 ± 0.03 mag fainter" in said
    assert "S/N 5.2 instead of 6.2" in said
    for row in (("3 to 5", "55", *["+12 ± 3"] * 4, *["345"] * 4, "−2.1"), ("above 50", "55"),
                ("blobs of 0.3 to 0.9 σ a pixel", "3", "93 ± 4", "102 ± 1")):  # fmt: skip
        cells = "".join(f'<td class="number">{cell}</td>' for cell in row[1:])
        assert f'<th scope="row">{row[0]}</th>{cells}' in text
    chart = text[text.index("How faint stars are found") :]
    assert chart.count("<polyline") >= 3 and "90 % at 5.2" in chart
    # Bins without a star, and those where everything is found, are not drawn.
    assert len(re.search('polyline class="curve training" points="([^"]*)"', chart)[1].split()) == 2


def test_nothing_injected_is_no_figure(night):
    path = night / "M31_Ha" / "assessment.json"
    for injection in ({}, {"schema": 1, "refused": "inject.realisations is 0"}):
        write_json(path, read_json(path) | {"injection": injection})
        assert command(night) == 0
        assert "How faint stars are found" not in parsed(night)[2]


def test_changed_sources_are_shown_where_there_are_any(night):
    group = night / "M31_Ha"
    counts = {"n": 3, "denoised": 2, "stack": 0, "undecided": 1}
    Image.new("L", (40, 60), 90).save(group / "changed_sources.png")
    (group / "changed_sources.csv").write_text("x,y\n")
    facts = read_json(group / "assessment.json")
    for changed, shown in ((counts, True), (counts | {"n": 0}, False)):
        write_json(group / "assessment.json", facts | {"changed_sources": changed})
        assert command(night) == 0
        text, checker, said = parsed(night)
        assert ("Sources changed by more than 3" in said) == shown
        assert ('alt="Cut-outs of the sources' in text) == shown
        assert any(link == "M31_Ha/changed_sources.csv" for link in checker.links)


@pytest.mark.parametrize("key", ["unsuited", "untrained"])
def test_what_the_start_weights_denoised_says_why(night, key):
    path = night / "M31_Ha" / "assessment.json"
    model = read_json(path)["model"] | {"groups": [], key: "its network was trained on stars 3.0 px wide"}
    model |= {"path": prior.description()["path"]}
    write_json(path, read_json(path) | {"model": model})
    command(night)
    text, _, said = parsed(night)
    assert "Denoised by the start weights that come with n2n: its network was trained on stars 3.0" in said
    assert "models/n2n" not in text and model["path"] in said and (ROOT / model["path"]).is_file()


def test_what_was_inferred_is_said():
    from n2n.report import frames as exposures

    frames = [{"evidence": "kind: the word 'Lights' in the path; filter: the word 'Ha' in the path"}] * 3 + [{}]
    said = exposures.inferred(frames)
    assert "the kind of 3 frames" in said and "the filter of 3 frames" in said
    assert exposures.inferred([{}]) == ""
    rows = [{"group": "g", "kind": "light", "notes": "", "evidence": "kind: 12 stars"}]
    assert exposures.header_notes(rows, "g") == ["inferred: kind: 12 stars (1 light)"]


@pytest.mark.parametrize(("group", "verdict"), GROUPS.items())
def test_assessments_of_these_tests_are_as_assess_writes_them(group, verdict):
    assert faults(facts_of(group, verdict)) == []


@pytest.mark.parametrize("option", ["--frames", "--quarantine"])
def test_a_table_of_another_kind_is_named(tmp_path, option):
    one = tmp_path / "other.csv"
    one.write_text("a,b\n1,2\n")
    args = argparse.Namespace(
        assessments=[], strict=False, output=tmp_path / "r.html", frames=None, quarantine=None, colour=[], summary=None
    )
    setattr(args, option[2:], one)
    with pytest.raises(UserError, match=r"other\.csv is not the table"):
        run(args)
