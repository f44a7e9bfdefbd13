"""A property that is worked out when it is first asked for."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - a decorator
    """`functools.cached_property` without its lock.

    Up to Python 3.11 all instances of a class share that lock, so that threads which decode an
    image each would decode one after another. Without it, threads that share an *instance* may
    each work the value out.

    Args:
        compute: The method that gives the value, which is then kept in the instance's `__dict__`.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "Self | T":
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value  # is found before this from now on
        return value
