"""Axes of charts: round steps, and ticks that hold their values."""

from hypothesis import given
from hypothesis import strategies as st

from adscore.report.svg import nice_step, number_axis, rate_axis


@given(st.floats(1e-9, 1e9))
def test_steps_are_round(rough):
    step = nice_step(rough)
    assert rough * (1 - 1e-6) <= step <= 2.5 * rough


@given(st.floats(0, 1), st.floats(0, 1))
def test_rate_axes_hold_their_values(one, other):
    low, high = sorted((one, other))
    axis = rate_axis(low, high, "rate")
    assert axis.low < axis.high
    assert 0 <= axis.low <= low + 1e-9
    assert high - 1e-9 <= axis.high <= 1 + 1e-9
    labels = [text for _, text in axis.ticks]
    assert len(labels) == len(set(labels)) <= 12


def test_ticks_are_labelled_as_people_write_them():
    assert [text for _, text in rate_axis(0.003, 0.0101, "").ticks] == [
        "0.2%",
        "0.4%",
        "0.6%",
        "0.8%",
        "1.0%",
        "1.2%",
    ]
    assert [text for _, text in number_axis(0, 1900, "").ticks][-1] == "2,000"
