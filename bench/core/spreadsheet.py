"""Text in the tables that people open in a spreadsheet, which takes a cell that begins with ``=`` for a program.

Labels, file names and messages are other people's words. Before what would begin a formula stands ``'``, as OWASP's
"CSV Injection" advises; ``restored`` takes it away again, so a table can be read back word for word.
"""

from __future__ import annotations

import re
from typing import Any

# A cell begins where the text does, and where a spreadsheet that parts fields by semicolons or tabs begins another.
_BEGIN = r"(^|[;\t\r\n])(\s*)"
_FORMULA = r"('*[=+\-@\uff1d\uff0b\uff0d\uff20])"  # as typed on Latin and on East Asian keyboards
_HOT, _COLD = re.compile(_BEGIN + _FORMULA), re.compile(_BEGIN + "'" + _FORMULA)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def defused(value: Any) -> Any:
    """``value``; of a text that a spreadsheet would run, one that it shows."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return _HOT.sub(r"\1\2'\3", value)


def restored(value: Any) -> Any:
    """The text of which ``defused`` made ``value``; what no ``defused`` made is as it was."""
    return _COLD.sub(r"\1\2\3", value) if isinstance(value, str) else value
