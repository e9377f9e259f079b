"""``docs/python.md``: its blocks run one after the other, as a reader types them."""

from __future__ import annotations

import re
from pathlib import Path

import faceleak
import pandas as pd
import pytest

ROOT = Path(faceleak.__file__).resolve().parent


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    monkeypatch.chdir(ROOT)  # it reads a committed board
    names: dict[str, object] = {"__name__": "page"}
    found = re.findall(r"^```python ?([\w ]*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert len(found) == 8
    for about, code in found:
        if about.startswith("run"):
            exec(code, names)
        else:
            compile(code, "docs/python.md", "exec")
    table = names["table"]
    assert isinstance(table, pd.DataFrame)
    assert set(table["status"]) == {"ok"}
    floor = names["floor"]
    assert isinstance(floor, pd.DataFrame)
    sar = [frame.query("metric == 'sar_type2' and judge == 'judge' and fmr == 0.1")["value"].item()
           for frame in (table, floor)]  # fmt: skip
    assert sar[0] > sar[1], "the attack of the page beats the floor of the page"
    assert "sar_type2" in capsys.readouterr().out
