from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2n.config import load_config
from n2n.planning.grouping import deal_into_chunks

CHUNK = load_config(None)["ingest"]["chunk_size"]


def lights(count, group="M31_L"):
    return [{"group": group} for _ in range(count)]


def sizes(rows):
    """Exposures a chunk, chunk by chunk."""
    return list(Counter(int(row["chunk"]) for row in rows).values())


def jobs(rows):
    """Every chunk is measured and registered."""
    return 2 * len({(row["group"], row["chunk"]) for row in rows})


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [1]), (7, [7]), (8, [4, 4]), (16, [8, 8]), (20, [10, 10]), (24, [12, 12]), (33, [11, 11, 11])],
)
def test_a_group_is_cut_into_chunks_of_like_size(count, expected):
    fresh = lights(count)
    deal_into_chunks(fresh, [], CHUNK)
    assert sizes(fresh) == expected


@given(
    counts=st.lists(st.integers(1, 90), min_size=1, max_size=4),
    late=st.integers(0, 40),
    chunk_size=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_chunks_are_even_in_order_and_never_larger_than_asked(counts, late, chunk_size):
    first = [row for name, count in enumerate(counts) for row in lights(count, str(name))]
    deal_into_chunks(first, [], chunk_size)
    before = [dict(row) for row in first]
    second = lights(late, "0")
    deal_into_chunks(second, first, chunk_size)
    assert first == before
    for rows in ([row for row in first if row["group"] == "0"], second):
        chunks = [int(row["chunk"]) for row in rows]
        assert chunks == sorted(chunks)
        found = sizes(rows)
        assert max(found, default=0) <= chunk_size and max(found, default=0) - min(found, default=0) <= 1
    assert not {row["chunk"] for row in first if row["group"] == "0"} & {row["chunk"] for row in second}
    assert {row["batch"] for row in second} <= {"1"}


def test_calibration_frames_have_a_batch_and_no_chunk():
    fresh = [{"group": ""}, *lights(2)]
    deal_into_chunks(fresh, [], CHUNK)
    assert fresh[0] == {"group": "", "batch": "0"}


def test_ten_thousand_lights_are_fewer_than_two_thousand_jobs():
    """Snakemake's own work grows with the jobs."""
    fresh = [row for group in range(5) for row in lights(2000, str(group))]
    deal_into_chunks(fresh, [], CHUNK)
    assert jobs(fresh) == 1250
    alone = lights(10_000)
    deal_into_chunks(alone, [], CHUNK)
    assert jobs(alone) < 2000
