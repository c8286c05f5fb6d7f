"""The redactor finds secrets in every form in which text can hold them, and leaves other text alone."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.telemetry.redact import MASK, MIN_SECRET, Redactor

CANARY = 'ca/na+ry "tok\\en"\tß=='
TOKEN = "x" * 43 + "-_" + "Y9" * 21 + "a=="


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.add(CANARY)
    return made


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        json.dumps(CANARY)[1:-1],
        json.dumps(CANARY, ensure_ascii=False)[1:-1],
        repr(CANARY)[1:-1],
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(CANARY.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
    ],
)
def test_every_form_of_a_known_secret_is_masked(redactor: Redactor, form: str) -> None:
    """Plain, URL-encoded, JSON and Python escapes, base64: nothing of it stays."""
    assert redactor.redact(f"before {form} after") == f"before {MASK} after"


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "user"])
def test_base64_with_text_around_the_secret_is_masked(redactor: Redactor, user: str) -> None:
    """The password of Basic authentication stands in base64 behind a user name of any length."""
    coded = base64.b64encode(f"{user}:{CANARY}:more".encode()).decode()
    clean = redactor.redact(coded)
    left = clean.split(MASK)
    assert len(left) == 2
    assert len("".join(left)) <= len(coded) - len(CANARY.encode()) * 8 // 6 + 2


@given(
    st.text(min_size=MIN_SECRET).filter(lambda text: len(text.strip()) >= MIN_SECRET and MASK not in text), st.text()
)
def test_no_secret_survives(secret: str, around: str) -> None:
    """Whatever stands around it."""
    redactor = Redactor()
    assert redactor.add(secret)
    clean = redactor.redact(around + secret.strip() + around)
    assert secret.strip() not in clean.replace(MASK, "\0")


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=80)),
    st.text("abcdef0123456789-_=+/", min_size=8, max_size=90),
)
def test_json_stays_json(fields: dict[str, str], secret: str) -> None:
    """A masked line can still be parsed."""
    redactor = Redactor()
    redactor.add(secret)
    fields |= {"a": f"token={secret}", "b": f'{{"Authorization": "Token {secret}"}}', "c": f"password: {secret}"}
    parsed = json.loads(redactor.redact(json.dumps(fields, ensure_ascii=False)))
    assert secret not in str(parsed).replace(MASK, "\0")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Token abc", f"Authorization: Token {MASK}"),
        ("{'Authorization': 'Token abc', 'Accept': 'x'}", f"{{'Authorization': 'Token {MASK}', 'Accept': 'x'}}"),
        ('{\\"Authorization\\": \\"Bearer abc\\"}', f'{{\\"Authorization\\": \\"Bearer {MASK}\\"}}'),
        ("authorization=Basic dXNlcjpwYXNz", f"authorization=Basic {MASK}"),
        ("GET /query?token=abcdefgh12&org=acme", f"GET /query?token={MASK}&org=acme"),
        ("Bearer abcdefgh.ijkl", f"Bearer {MASK}"),
        ('"token": "abcdefghijklmnopqrst"', f'"token": "{MASK}"'),
        ("password=hunter2", f"password={MASK}"),
        ("https://user:pw@influxdb.example:8086/", f"https://{MASK}@influxdb.example:8086/"),
        (f"the token {TOKEN} is", f"the token {MASK} is"),
        (f"?t={quote(TOKEN)}", f"?t={MASK}"),
        ("jwt eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl", f"jwt {MASK}"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nend", f"{MASK}\nend"),
        ("-----BEGIN PRIVATE KEY-----\\nMHc", MASK),
    ],
)
def test_unknown_secrets_are_known_by_their_shape(text: str, clean: str) -> None:
    """Nobody told the redactor of these."""
    redactor = Redactor()
    assert redactor.redact(text) == clean
    assert redactor.redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        'secret "influx" has no key "token"; add it, or name another in spec.tokenSecretRef.key',
        "spec.tokenSecretRef.key: wrong",
        "error @4:33-4:34: undefined identifier v",
        "invalid token: unauthorized",
        "https://influxdb.example:8086/api/v2/tasks?org=acme",
        "the bearer of bad news",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 is == to it",
    ],
)
def test_ordinary_messages_stay_as_they_are(text: str) -> None:
    """A message that only speaks of secrets is kept word for word."""
    assert Redactor().redact(text) == text


def test_short_secrets_are_not_searched_for() -> None:
    """Or the word would vanish from every line."""
    redactor = Redactor()
    assert not redactor.add("admin")
    assert redactor.redact("an admin") == "an admin"


def test_secrets_are_counted() -> None:
    """Two connections may share a token: it stays masked until both have let go."""
    redactor = Redactor()
    redactor.add("shared-secret")
    redactor.add("shared-secret\n")
    redactor.discard("shared-secret")
    assert redactor.redact("shared-secret") == MASK
    redactor.discard("shared-secret")
    redactor.discard("shared-secret")
    assert redactor.redact("shared-secret") == "shared-secret"


def test_lines_of_a_pem_are_masked_one_by_one() -> None:
    """A parser that quotes one line of a key does not leak that line."""
    redactor = Redactor()
    redactor.add("-----BEGIN PRIVATE KEY-----\nMHcCAQEEIIGfexampleexample\n-----END PRIVATE KEY-----\n")
    assert redactor.redact("bad line MHcCAQEEIIGfexampleexample") == f"bad line {MASK}"
    assert "BEGIN CERTIFICATE" in redactor.redact("-----BEGIN CERTIFICATE-----")


def test_ten_connections_and_ten_thousand_lines_take_no_time_worth_naming() -> None:
    """Measured in CPU time of this thread; the limit is ten times what a small machine needs."""
    redactor = Redactor()
    for number in range(10):
        redactor.add(f"{number}{TOKEN[1:]}")
    line = json.dumps({"msg": "updated task", "kind": "InfluxTask", "namespace": "team", "name": "cpu", "x": "y" * 200})
    before = time.thread_time()
    for _ in range(10_000):
        redactor.redact(line)
    assert time.thread_time() - before < 5


def test_long_runs_of_token_characters_are_linear() -> None:
    """A script of 256 KiB without a blank must not stop the loop."""
    text = "aB3_" * 65536
    before = time.thread_time()
    Redactor().redact(f"== token= bearer eyj {text} %3d%3d ://{text}")
    assert time.thread_time() - before < 2


def test_half_a_secret_at_the_end_of_a_text_that_was_cut_is_masked() -> None:
    """Whoever cut it had no redactor; and what was cut may have become the middle of a sentence."""
    redactor = Redactor()
    redactor.add(TOKEN)
    for shown in range(8, len(TOKEN)):
        cut = f"cannot reach {TOKEN[:shown]}…"
        assert redactor.redact(cut) == f"cannot reach {MASK}…"
        whole = f"run failed: {cut} tried again… later"
        assert redactor.redact(whole) == f"run failed: cannot reach {MASK}… tried again… later"


def test_half_a_token_of_which_only_the_shape_is_known_is_masked() -> None:
    assert Redactor().redact(f"cannot reach {TOKEN[:60]}…") == f"cannot reach {MASK}…"


def test_other_ends_of_texts_that_were_cut_stay() -> None:
    """Words, names, and what only begins as a secret does."""
    redactor = Redactor()
    redactor.add(TOKEN)
    for text in ("bucket not found…", f"{TOKEN[:20]}-but-not…", "a… b… c", "…", f"the task {'n' * 30}…"):
        assert redactor.redact(text) == text
