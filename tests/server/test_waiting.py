"""Calls that wait: any order of comings and goings loses none and repeats none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore_server.calls.call import Call
from adscore_server.calls.waiting import WaitingCalls

STEPS = ("append", "take", "take_newest", "take_older", "remove")


def call_of(caller: str, arrival: float) -> Call:
    call = Call("/test")
    call.caller, call.arrival = caller, arrival
    return call


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from("abc"), st.integers(0, 4))))
def test_each_call_is_taken_once_and_a_caller_s_own_in_their_order(
    steps: list[tuple[str, str, int]],
) -> None:
    waiting, inside = WaitingCalls(), list[Call]()
    for moment, (step, caller, number) in enumerate(steps):
        if step == "append":
            call = call_of(caller, moment)
            waiting.append(call)
            inside.append(call)
        elif step == "take_older":
            taken = waiting.take_older(moment - number, keep=number)
            assert (
                taken
                == [one for one in inside if one.arrival < moment - number][
                    : max(0, len(inside) - number)
                ]
            )
            inside = [one for one in inside if one not in taken]
        elif inside:
            if step == "take":
                first = waiting.first()
                call = waiting.take()
                assert call is first
                assert call is next(one for one in inside if one.caller == call.caller)
            elif step == "take_newest":
                call = waiting.take_newest()
                assert call is inside[-1]
            else:
                call = inside[number % len(inside)]
                waiting.remove(call)
            inside.remove(call)
        assert len(waiting) == len(inside)


def test_a_call_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(ValueError, match="not in"):
        WaitingCalls().remove(call_of("a", 0.0))
