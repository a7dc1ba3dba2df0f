"""What a module must be like to take part as a plugin."""

import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

import pluggy

from stratkernel.kernel.errors import did_you_mean, one_line
from stratkernel.kernel.kinds import KINDS, OBSERVER_HOOK
from stratkernel.kernel.markers import API_VERSION
from stratkernel.kernel.records import PluginRecord, PluginState

HOOK_NAMES: Final = frozenset({*(kind.hook for kind in KINDS), OBSERVER_HOOK})


def register_module(record: PluginRecord, module: object, manager: pluggy.PluginManager) -> None:
    """Check a module against the hook API and register it, or withdraw its record; nothing in between."""
    if not isinstance(module, ModuleType):
        got = type(module).__name__
        record.withdraw(
            PluginState.FAILED, f"its entry point must name a module; '{record.target}' is a {got}"
        )
        return
    problem = _api_problem(record, module) or _hook_problem(module, manager)
    if problem:
        record.withdraw(PluginState.INCOMPATIBLE, problem)
        return
    if not any(hook in HOOK_NAMES for hook, _ in _implementations(module, manager)):
        example = f"`@hookimpl def {KINDS[0].hook}(): ...`"
        record.withdraw(
            PluginState.FAILED, f"offers nothing: '{record.target}' has no hook such as {example}"
        )
        return
    try:
        manager.register(module, name=record.name)
    except pluggy.PluginValidationError as error:
        # pluggy 1.6 leaves a plugin half registered
        if manager.has_plugin(record.name):
            manager.unregister(name=record.name)
        record.withdraw(PluginState.INCOMPATIBLE, f"a hook has the wrong signature: {one_line(str(error))}")
        record.error = error
        return
    record.module = module
    hooks = {hook for hook, _ in _implementations(module, manager)}
    record.provides = {kind.plural: () for kind in KINDS if kind.hook in hooks}
    if OBSERVER_HOOK in hooks:
        record.provides["observers"] = ()


def _api_problem(record: PluginRecord, module: ModuleType) -> str:
    wanted = getattr(module, "STRATKERNEL_API", API_VERSION)
    if wanted == API_VERSION:
        return ""
    return (
        f"needs hook API {wanted!r}, this stratkernel has {API_VERSION}; "
        f"install a release of {record.distribution} that was made for it"
    )


def _hook_problem(module: ModuleType, manager: pluggy.PluginManager) -> str:
    for hook, options in _implementations(module, manager):
        if hook not in HOOK_NAMES and not options["optionalhook"]:
            hint = did_you_mean(hook, HOOK_NAMES) or " Was it made for a newer stratkernel?"
            return f"unknown hook '{hook}'.{hint}"
        if options["wrapper"] or options["hookwrapper"]:
            return f"'{hook}' is a hook wrapper; plugins are called one by one and cannot wrap each other"
    for name in HOOK_NAMES:
        function = vars(module).get(name)
        if inspect.isfunction(function) and manager.parse_hookimpl_opts(module, name) is None:
            return f"the function '{name}' lacks its @hookimpl marker"
    return ""


def _implementations(
    module: ModuleType, manager: pluggy.PluginManager
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The name of each hook that the module implements, and its marker's options."""
    for name in sorted(vars(module)):
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            yield options["specname"] or name, options
