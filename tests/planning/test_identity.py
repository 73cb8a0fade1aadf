"""Which pairs of lights are worth a look at their pixels, and what becomes of twins."""

from n2n.planning.identity import candidates, find_twins


def light(path, date="2026-01-02T20:00:00.000", stage="raw", exptime="60", **more):
    row = {
        "path": path,
        "kind": "light",
        "camera": "C",
        "width": "100",
        "height": "80",
        "date_obs": date,
        "stage": stage,
    }
    return row | {"exptime_s": exptime, "filter": "Ha"} | more


def paths(rows):
    return [(a["path"], b["path"]) for a, b in candidates(rows)]


def test_two_that_begin_together_are_suspicious_and_the_raw_one_is_kept():
    rows = [light("a/reduced.fits", stage="calibrated"), light("b/raw.fits", "2026-01-02T20:00:00.400")]
    assert paths(rows) == [("b/raw.fits", "a/reduced.fits")]


def test_a_series_is_not_suspicious():
    assert not paths([light(f"{n}.fits", f"2026-01-02T20:{n:02d}:00.000") for n in range(20)])
    fast = [light(f"{n}.fits", f"2026-01-02T20:00:00.{n * 100:03d}", exptime="0.1") for n in range(9)]
    assert not paths(fast)


def test_a_clock_that_stands_still_is_no_evidence_but_names_are():
    rows = [light(f"l_{n:03d}.fits") for n in range(30)]
    assert not paths(rows)
    assert paths([*rows, light("c_l_007.fits", stage="calibrated")]) == [("l_007.fits", "c_l_007.fits")]


def test_without_a_clock_names_tell():
    rows = [light("m31_01.fits", ""), light("m31_01_c.fits", ""), light("m31_011.fits", ""), light("m31_02.fits", "")]
    assert paths(rows) == [("m31_01.fits", "m31_01_c.fits")]


def test_other_cameras_and_kinds_are_not_compared_a_cropped_copy_is():
    assert not paths([light("a.fits"), light("b.fits", camera="D", width="50")])
    assert paths([light("a.fits"), light("b.fits", width="50")])
    assert not paths([light("a.fits"), light("b.fits", kind="flat")])


def test_only_new_frames_are_compared_and_a_copy_leaves_once():
    rows = [light("a.fits"), light("b.fits"), light("c.fits")]
    assert not find_twins(rows, set(), lambda a, b: True)
    found = find_twins(rows, {"b.fits", "c.fits"}, lambda a, b: True)
    assert [(a["path"], b["path"]) for a, b in found] == [("a.fits", "b.fits"), ("a.fits", "c.fits")]


def test_a_copy_with_another_clock_is_suspicious_where_it_looks_otherwise():
    raw = [light(f"light/l_{n:03d}.fits", f"2026-01-02T20:{n:02d}:07.000") for n in range(20)]
    local = [light(f"out/l_{n:03d}.fits", f"2026-01-02T22:{n:02d}:07.000") for n in range(20)]
    middle = [light(f"mid/m{n:03d}x.fits", f"2026-01-02T20:{n:02d}:37.000") for n in range(20)]
    for copies in (local, middle):
        found = paths(raw + copies)
        wanted = [(a["path"], b["path"]) for a, b in zip(raw, copies, strict=True)]
        assert set(wanted) <= {tuple(sorted(pair)) for pair in found} and len(found) <= 4 * len(wanted)
    assert not paths(raw)


def test_the_larger_copy_and_the_one_that_masters_fit_is_kept():
    whole, crop = light("z/whole.fits"), light("a/crop.fits", width="50")
    assert paths([whole, crop]) == [("z/whole.fits", "a/crop.fits")]
    dark = light("dark.fits") | {"kind": "dark", "row_order": "TOP-DOWN"}
    rows = [light("a/flipped.fits", row_order="BOTTOM-UP"), light("z/plain.fits", row_order="TOP-DOWN"), dark]
    assert paths(rows) == [("z/plain.fits", "a/flipped.fits")]
