"""A property that is computed on first access."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - a decorator
    """`functools.cached_property` without its lock.

    Up to Python 3.11 all instances of a class share that lock, so threads that each decode an
    image would decode one after another. Without it, threads that share an *instance* may each
    compute the value.

    Args:
        compute: Computes the value, which is then stored in the instance's `__dict__`.
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
        instance.__dict__[self._name] = value  # further lookups find it first
        return value
