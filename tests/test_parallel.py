import os
import time

import numpy as np
import pytest

from n2n.parallel import in_order, shared


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(processes):
    def work(number):
        time.sleep(0.02 * (number == 0))  # the first is ready last
        return number**2

    assert list(in_order(work, range(12), processes)) == [number**2 for number in range(12)]


@pytest.mark.parametrize("processes", [1, 2])
def test_nothing_to_do_gives_nothing(processes):
    assert list(in_order(str, [], processes)) == []


def test_one_process_works_here_and_two_work_beside():
    assert set(in_order(lambda _: os.getpid(), range(4), 1)) == {os.getpid()}
    beside = set(in_order(lambda _: os.getpid(), range(4), 2))
    assert os.getpid() not in beside and len(beside) <= 2


def test_a_fork_sees_what_is_there_when_the_first_result_is_asked_for():
    seen = {"value": 1}
    results = in_order(lambda number: number + seen["value"], range(3), 2)
    seen["value"] = 10
    assert list(results) == [10, 11, 12]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_arrives_after_the_results_before_it_and_stops_the_rest(processes, tmp_path):
    def work(number):
        (tmp_path / str(number)).touch()
        if number == 3:
            raise ValueError(f"number {number}")
        return number

    found = []
    with pytest.raises(ValueError, match="number 3"):
        for result in in_order(work, range(100), processes):
            found.append(result)
    assert found == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) < 20
    # The next one starts afresh.
    assert list(in_order(lambda number: -number, range(3), processes)) == [0, -1, -2]


@pytest.mark.parametrize("processes", [1, 2])
def test_only_a_few_items_are_ahead_of_the_reader(processes, tmp_path):
    """Each result of a stack is a strip of all its exposures: those that wait fill the memory."""

    def work(number):
        (tmp_path / str(number)).touch()
        return number

    for asked, _ in enumerate(in_order(work, range(30), processes), 1):
        time.sleep(0.02)
        assert len(list(tmp_path.iterdir())) <= asked + processes + 1


def test_a_reader_may_stop_early(tmp_path):
    def work(number):
        (tmp_path / str(number)).touch()
        return number

    results = in_order(work, range(1000), 2)
    assert next(results) == 0
    results.close()
    assert len(list(tmp_path.iterdir())) < 10


@pytest.mark.parametrize("processes", [1, 2])
def test_shared_arrays_collect_what_the_processes_write(processes):
    array = shared((10, 4), np.float32)

    def work(row):
        array[row] = row

    assert list(in_order(work, range(1, 10), processes)) == [None] * 9
    assert array[:, 0].tolist() == [*map(float, range(10))]
