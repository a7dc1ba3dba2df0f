"""How a class learns its parameter model from `BaseStrategy[MyParams]`."""

from typing import Any, get_args, get_origin

from stratkernel.contracts.params import Params


def params_of(cls: type[Any], base: type[Any]) -> type[Params] | None:
    """The model in the class's own `base[...]` (or that of a subclass), `None` when it names none."""
    for origin in getattr(cls, "__orig_bases__", ()):
        generic = get_origin(origin)
        if isinstance(generic, type) and issubclass(generic, base):
            for argument in get_args(origin):
                if isinstance(argument, type) and issubclass(argument, Params):
                    return argument
    return None
