"""How many cores a process takes for its own, and how far work on threads runs ahead."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.cores import in_order, usable_cores


@pytest.mark.parametrize(
    ("outer", "inner", "cores"),
    [
        ("max 100000", "max 100000", 8),
        ("max 100000", "150000 100000", 2),
        ("100000 100000", "400000 100000", 1),
        ("max 100000", "1000 100000", 1),
        ("nonsense", "", 8),
    ],
)
def test_cores_are_those_that_the_quotas_of_all_groups_pay_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outer: str, inner: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    own.write_text("0::/outer/inner\n")
    (groups / "outer" / "inner").mkdir(parents=True)
    (groups / "outer" / "cpu.max").write_text(outer)
    (groups / "outer" / "inner" / "cpu.max").write_text(inner)
    assert usable_cores(own, groups) == cores


def test_cores_without_control_groups_are_those_the_process_may_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert usable_cores(tmp_path / "none", tmp_path) == 2


@given(st.integers(0, 30), st.integers(1, 4), st.integers(0, 8))
def test_results_keep_their_order_and_few_are_ahead(count: int, threads: int, ahead: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(count):
            taken += 1
            yield number

    with ThreadPoolExecutor(threads) as pool:
        for given_out, result in enumerate(in_order(pool, lambda number: -number, items(), ahead)):
            assert result == -given_out
            assert taken <= given_out + 1 + ahead
    assert taken == count
