import copy
import pickle
import re

import grpc
import pytest

import adscore_client
from adscore_client import _exceptions

ERRORS = [
    error
    for error in vars(adscore_client).values()
    if isinstance(error, type) and issubclass(error, Exception)
]


@pytest.mark.parametrize("error", ERRORS)
def test_docstring_of_the_module_shows_the_tree(error: type[Exception]):
    lines = _exceptions.__doc__.splitlines()
    depths = {
        match[2]: len(match[1]) // 4
        for line in lines
        if (match := re.match(r"([ │├└─]+)(\w+Error)\b", line))
    }
    mro = [kind for kind in error.__mro__ if issubclass(kind, adscore_client.AdscoreError)]
    assert depths[error.__name__] == len(mro)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_exception_survives_a_process_boundary(error, clone):
    original = error("no", code=grpc.StatusCode.ABORTED, reason="R", retry_after_seconds=1.5)
    copied = clone(original)
    assert type(copied) is error
    assert str(copied) == "no"
    assert vars(copied) == vars(original)


def test_type_error_of_a_part_survives_a_process_boundary():
    copied = pickle.loads(pickle.dumps(_exceptions.WrongTypeError("no", field="image")))
    assert (str(copied), copied.field) == ("no", "image")


@pytest.mark.parametrize("error", ERRORS)
def test_field_that_no_exception_has_is_named(error):
    assert (error("no").code, error("no").reason, error("no").retryable) == (None, "", False)
    with pytest.raises(TypeError, match=r"Error: expected fields among .*code.* Received: status"):
        error("no", status=7)
