"""The built-in plugin `sources`: found like any other, and cheap to import."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import DataSource
from stratkernel.kernel.kinds import DATA_SOURCE
from stratkernel.kernel.manager import Kernel
from stratkernel.sources import plugin
from stratkernel.sources.candle_file import CandleFileSource


def test_plugin_provides_the_candle_file_source() -> None:
    kernel = Kernel(discover=False)
    kernel.register(plugin, "sources")
    item = kernel.resolve(DATA_SOURCE, "candle_file")
    assert item.cls is CandleFileSource
    assert issubclass(CandleFileSource, DataSource)
    assert CandleFileSource.suffixes == (".csv", ".csv.gz", ".parquet", ".feather", ".json")
    assert CandleFileSource.schemes == ("file",)


def test_importing_the_plugin_module_imports_nothing_heavy() -> None:
    code = (
        "import sys, stratkernel.sources.plugin\n"
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_parquet_does_not_import_pandas(tmp_path: Path) -> None:
    times = pa.array([1704067200, 1704070800]).cast(pa.timestamp("s", "UTC"))
    numbers = {name: [1.0, 1.0] for name in CANDLE_COLUMNS}
    pq.write_table(pa.table({"open_time": times, **numbers}), tmp_path / "x.parquet")
    code = (
        "import sys\n"
        "from stratkernel.contracts.admission import admit\n"
        "from stratkernel.contracts.source import SourceRequest\n"
        "from stratkernel.sources.candle_file import CandleFileSource\n"
        "candles = admit(CandleFileSource().load(SourceRequest(sys.argv[1])))\n"
        "print(len(candles), 'pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
