"""Make a project home: a settings file, templates with their JSON Schema, a place for your strategies."""

import argparse
from pathlib import Path

from stratkernel.cli.session import open_kernel, warn_of_broken_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", nargs="?", help="(default: the home that is in use)")


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel.engine.catalogue import KernelCatalogue
    from stratkernel_config.home import project_home
    from stratkernel_config.managers import IndicatorManager, StrategyManager
    from stratkernel_config.project import make_home

    in_use = project_home()
    home = Path(arguments.folder).expanduser() if arguments.folder else in_use
    kernel = open_kernel(arguments)
    catalogue = KernelCatalogue(kernel)
    written = make_home(home, (StrategyManager(home, catalogue), IndicatorManager(home, catalogue)))
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    print(f"project home: {home.absolute()} ({len(written)} files written)")
    if home.absolute() != in_use.absolute():
        print(f"use it with:  export STRATKERNEL_HOME={home.absolute()}")
    print("next:         stratkernel config templates")
    return 0
