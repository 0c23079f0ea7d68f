"""How signs read where a terminal has no letters for them: −2 is written -2, and never ?2."""

from __future__ import annotations

import codecs
import unicodedata

PLAINLY = "tinygrad_pool"
"""The name under which Python's encoders know it, as they know "replace"."""

SIGNS = {
    **dict.fromkeys("−–—─", "-"),
    **dict.fromkeys("│├", "|"),
    **{"└": "`", "×": "*", "·": "*", "÷": "/", "±": "+-", "√": "sqrt ", "∞": "inf"},
    **{"∂": "d", "δ": "delta", "ε": "eps", "σ": "sigma", "μ": "mu", "β": "beta", "Σ": "sum"},
    **{"→": "->", "←": "<-", "≥": ">=", "≤": "<=", "≈": "~", "²": "^2", "³": "^3", "ᵀ": ".T"},
}


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks by what it means: a sign in words, a letter by its base.

    >>> "−2 × é → ☂".encode("ascii", PLAINLY)
    b'-2 * e -> ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def written(text: str, stream: object) -> str:
    """Write a text in the letters that a stream has."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, PLAINLY).decode(encoding)


def _plain(letter: str) -> str:
    if letter in SIGNS:
        return SIGNS[letter]
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


codecs.register_error(PLAINLY, plainly)
