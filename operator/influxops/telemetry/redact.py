"""Takes secrets out of text: known ones wherever they stand, unknown ones by their shape.

It works on rendered text (a whole log line, a status message, an exception's text), because only there is nothing left
that could still bring a secret in. Plain substring search beats one big pattern here: ten connections make about a
hundred needles, and a log line costs some microseconds.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from threading import Lock
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
"""What stands where a secret stood; it needs no escaping in JSON, YAML, URLs or HTML."""

MIN_SECRET = 8
"""Shortest secret that is searched for, in characters: shorter ones would mangle ordinary words."""

CUT = "…"
"""What stands at the end of a text that was too long."""

_MIN_LINE = 16
_CUT_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{40,86}+={0,2}\Z")
"""What may be the beginning of a token of which only the shape is known, at the end of a text that was cut."""
_STOP = r"[^\s\"'\\,;&<>(){}\[\]]"
_PATTERNS = tuple(
    (hint, re.compile(pattern), replacement)
    for hint, pattern, replacement in (
        (
            "authorization",
            # scheme and credential, also as a JSON or Python mapping: "Authorization": "Token abc"
            rf"(?i)(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:(?:token|bearer|basic)\s+)?+)(?!\[redacted\]){_STOP}+",
            rf"\g<1>{MASK}",
        ),
        ("bearer", rf"(?i)\b(bearer\s+)(?!\[redacted\]){_STOP}{{8,}}", rf"\g<1>{MASK}"),
        (
            "token",
            # behind a colon only what is too long for a word: "invalid token: unauthorized" stays
            rf"(?i)(token\\?[\"']?(?:\s?=\s?\\?[\"']?|:\s?\\?[\"']?(?={_STOP}{{20}})))(?!\[redacted\]){_STOP}{{8,}}",
            rf"\g<1>{MASK}",
        ),
        (
            "password",
            rf"(?i)(password\\?[\"']?\s?[=:]\s?\\?[\"']?)(?!\[redacted\]){_STOP}+",
            rf"\g<1>{MASK}",
        ),
        # The lookbehinds keep these linear on long runs of the same characters.
        ("==", r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{86,}+==", MASK),
        ("%3d%3d", r"(?i)(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{86,}+%3d%3d", MASK),
        ("eyj", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]++", MASK),
        ("://", r"(?<=://)[^/\s:@\"'\\]{0,256}:[^/\s@\"'\\]{1,256}@", f"{MASK}@"),
        (
            "private key-----",
            r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            MASK,
        ),
    )
)


class Redactor:
    """Masks secrets in text. Safe to use from several threads; a secret added twice must be discarded twice."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._secrets: Counter[str] = Counter()
        self._needles: tuple[str, ...] = ()
        self._heads: dict[str, list[str]] = {}
        """Needles by their first characters."""

    def add(self, secret: str) -> bool:
        """Mask this secret from now on. False when it is too short (under 8 characters) to be searched for."""
        secret = secret.strip()
        if len(secret) < MIN_SECRET:
            return False
        with self._lock:
            self._secrets[secret] += 1
            if self._secrets[secret] == 1:
                self._rebuild()
        return True

    def discard(self, secret: str) -> None:
        """Forget a secret that was added, for example after its rotation; unknown ones are ignored."""
        secret = secret.strip()
        with self._lock:
            if secret not in self._secrets:
                return
            self._secrets[secret] -= 1
            if not self._secrets[secret]:
                del self._secrets[secret]
                self._rebuild()

    def redact(self, text: str) -> str:
        """The text without secrets; equal to the text when it holds none."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, MASK)
        if CUT in text:
            text = self._without_cut_ones(text)
        lower = text.lower()
        for hint, pattern, replacement in _PATTERNS:
            if hint in lower:
                text = pattern.sub(replacement, text)
        return text

    __call__ = redact

    def _without_cut_ones(self, text: str) -> str:
        """The text without the beginnings of secrets that stand where it was cut, be that in the middle of a sentence by now."""
        *cut, rest = text.split(CUT)
        return CUT.join([*map(self._without_cut_end, cut), rest])

    def _without_cut_end(self, text: str) -> str:
        longest = len(self._needles[0]) if self._needles else 0
        for head, needles in self._heads.items():
            at = text.find(head, max(0, len(text) - longest))
            while at >= 0:
                if any(needle.startswith(text[at:]) for needle in needles):
                    return text[:at] + MASK
                at = text.find(head, at + 1)
        return _CUT_TOKEN.sub(MASK, text)

    def _rebuild(self) -> None:
        needles = {form for secret in self._secrets for form in _forms(secret)}
        self._needles = tuple(sorted(needles, key=lambda form: (-len(form), form)))
        heads: dict[str, list[str]] = {}
        for needle in self._needles:
            heads.setdefault(needle[:MIN_SECRET], []).append(needle)
        self._heads = heads


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in text: plain, escaped, in a URL, in base64 at any offset; long lines by themselves."""
    plain = {secret}
    if "\n" in secret:
        plain |= {line for line in secret.split() if len(line) >= _MIN_LINE and not line.startswith("-----")}
    forms = set(plain)
    for text in plain:
        forms |= {quote(text, safe=""), quote(text), quote_plus(text), quote(text, safe="").replace("%3D", "%3d")}
        forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
        forms |= _base64_forms(text.encode())
    return {form for form in forms if len(form) >= MIN_SECRET}


def _base64_forms(secret: bytes) -> set[str]:
    """Base64 of the secret alone, and the part of it that never changes when other bytes stand around it."""
    forms = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(secret).decode()
        forms |= {whole, whole.rstrip("=")}
        for offset in range(3):
            coded = encode(b"\0" * offset + secret).decode()
            first = -(-offset * 4 // 3)  # characters that also hold bits of what stands before
            last = (offset + len(secret)) * 8 // 6  # characters that hold bits of what follows begin here
            forms.add(coded[first:last])
    return forms
