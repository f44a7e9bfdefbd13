from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from adscore.offline.in_order import in_order


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
