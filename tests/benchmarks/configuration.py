"""1,000 strategy documents: read, checked and listed, against `json.load` and `model_validate` alone.

The peer reads each file with the standard library and validates the document and its parameters with the
same pydantic models; the project's loader adds limits, duplicate keys, numbers that are none, links, names,
content hashes, what is installed, and defaults. Goal: at most 2x.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import compare, markdown

from stratkernel import Kernel
from stratkernel.engine.catalogue import KernelCatalogue
from stratkernel.kernel.kinds import STRATEGY
from stratkernel_config.files import write_json
from stratkernel_config.managers import StrategyManager
from stratkernel_config.models import StrategyDocument

DOCUMENTS = 1000


def write_documents(manager: StrategyManager) -> None:
    """Documents of the three built-in strategies, in turns, as `config new` writes them."""
    templates = [template for template in manager.templates() if template.checked is not None]
    manager.store.folder.mkdir(parents=True)
    for number in range(DOCUMENTS):
        template = templates[number % len(templates)]
        name = f"document-{number:04}"
        requires = {template.installed.distribution: ">=0.1,<0.2"}
        raw = {**template.raw, "name": name, "timeframe": "1h", "requires": requires}
        raw["strategy"] = template.installed.qualified
        write_json(manager.store.path(name), raw)


def peer(folder: Path, params: dict[str, Any]) -> int:
    """The standard library's loader and the models, nothing else."""
    valid = 0
    for path in folder.glob("*.json"):
        with path.open(encoding="utf-8") as file:
            document = StrategyDocument.model_validate(json.load(file))
        params[document.strategy].model_validate(document.parameters)
        valid += 1
    return valid


def table() -> str:
    """Ratio and milliseconds for all documents."""
    kernel = Kernel()
    params = {item.qualified: item.cls.Params for item in kernel.items(STRATEGY)}
    with tempfile.TemporaryDirectory() as folder:
        manager = StrategyManager(Path(folder), KernelCatalogue(kernel))
        write_documents(manager)
        assert peer(manager.store.folder, params) == DOCUMENTS
        assert sum(each.valid for each in manager.list()) == DOCUMENTS
        found = compare(
            {"list()": manager.list, "json.load + model_validate": lambda: peer(manager.store.folder, params)}
        )
    ratio = found.ratio("list()", "json.load + model_validate")
    rows = [(f"{DOCUMENTS:,} documents", 1000 * found.typical("list()"), ratio, "at most 2")]
    return markdown(("what", "milliseconds", "x json.load + model_validate", "goal"), rows)


if __name__ == "__main__":
    print(table())
