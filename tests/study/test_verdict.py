import pytest

from n2n.study.verdict import sentence, with_error


@pytest.mark.parametrize(
    ("sign", "more", "word"), [(1, True, "better"), (-1, True, "worse"), (1, False, "worse"), (-1, False, "better")]
)
def test_more_or_less_is_better(sign, more, word):
    row = {"what": "A less B", "figure": "f", "unit": "", "difference": sign * 1.0, "standard_error": 0.1}
    assert f"**A is {word} than B**" in sentence(row | {"limit": 0.2, "decided": True, "more_is_better": more}, 2)


def test_an_undecided_comparison_is_no_verdict():
    row = {"what": "A less B", "figure": "f", "unit": "dB", "difference": 0.1, "standard_error": 0.1}
    said = sentence(row | {"limit": 0.43, "decided": False, "more_is_better": True}, 2)
    assert said == "f: no verdict, A less B +0.10 ± 0.10 dB, limit 0.43."


def test_one_value_has_no_error():
    assert with_error([3.0]) == "3.00" and with_error([1.0, 3.0]) == "2.00 ± 1.00"
