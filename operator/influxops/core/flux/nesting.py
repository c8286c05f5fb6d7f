"""Whether a script may be nested deeply, told without parsing it.

The server's parser takes time and memory by the square of a chain's links (measured on 2.7.12: 2 s for 220 links of ``or``,
19 s for 400), while its compiler refuses more than some 200 at once, with ``TOO_DEEP``. Deep brackets are refused by both.
"""

from __future__ import annotations

import re

LINKS = 150
"""Operators that a script may have in all and surely be parsed within a second or so."""
TOO_DEEP = "nested too deep"
"""What the compiler says of such a script."""
_LINK = re.compile(r"\b(?:or|and|not|exists)\b|\|>|[-+*/%^]")


def may_be_deep(script: str) -> bool:
    """Whether it has so many operators that, should they be of one chain, the parser would take long. Those in strings and comments
    count, too: to say yes costs a request.
    """
    return sum(1 for _ in _LINK.finditer(script)) > LINKS
