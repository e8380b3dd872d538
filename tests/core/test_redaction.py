"""What looks like a secret is hidden, what does not is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundary.jobs.core.nesting import NESTING_LIMIT
from boundary.jobs.core.redaction import (
    HIDDEN,
    TOO_DEEP,
    is_secret,
    redacted,
    redacted_text,
    restored,
    secrets_in,
)
from boundary.jobs.core.values import JSON

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "password", "token", "b"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "name",
    ["password", "Password", "db_password", "api_key", "apiKey", "X-Api-Key", "refreshToken",
     "client_secret", "Authorization", "set-cookie", "aws_secret_access_key", "pwd", "passwd"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["to", "token_count", "tokens", "tokenizer", "key", "path", "author"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret(name)


def test_secrets_are_hidden_however_deep() -> None:
    value = {"a": [{"password": "x", "b": 1}], "token": {"deep": 1}, "secret": None}
    assert redacted(value) == {"a": [{"password": HIDDEN, "b": 1}], "token": HIDDEN, "secret": None}


@pytest.mark.parametrize(
    "text",
    ["password=canary", "password: 'canary'", 'api_key="canary"', "{'token': 'canary', 'a': 1}",
     "redis://user:canary@host:6379/0", "Authorization: Bearer canarycanarycanary"],
)  # fmt: skip
def test_secrets_in_texts(text: str) -> None:
    assert "canary" not in redacted_text(f"before {text} after")
    assert redacted_text(f"before {text} after").startswith("before ")


@pytest.mark.parametrize(
    "text", ["no such key: 'a'", "the token of job 7", "tokens used = 7", "http://host/a@b"]
)
def test_other_texts_stay(text: str) -> None:
    assert redacted_text(text) == text


@given(JSONS)
def test_what_is_handed_back_unchanged_is_as_it_was(value: object) -> None:
    assert restored(redacted(value), value) == value


@given(JSONS)
def test_redacting_twice_is_redacting_once(value: object) -> None:
    assert redacted(redacted(value)) == redacted(value)


def test_what_is_under_the_name_of_a_secret_is_hidden_wherever_it_occurs() -> None:
    args: dict[str, JSON] = {
        "to": "ada@example.com",
        "password": "swordfish",
        "card": {"token": ["sword", 4_711_22], "pin": "1234"},
        "api_key": {"id": "k-17", "use": True},
        "pwd": "abc",
    }
    assert secrets_in(args) == {"swordfish", "sword", "471122", "k-17"}
    told = redacted_text("ada@example.com: swordfish, sword, 471122", secrets_in(args))
    assert told == f"ada@example.com: {HIDDEN}, {HIDDEN}, {HIDDEN}"
    assert redacted_text("abc True 1234", secrets_in(args)) == "abc True 1234"


def test_what_is_hidden_already_stays_as_it_is() -> None:
    told = f"refused us (api_key={HIDDEN})"
    assert redacted_text(told) == told
    assert redacted_text("refused us (api_key=sk-1)") == told


def test_what_is_nested_without_a_limit_is_gone_through_and_its_secrets_found() -> None:
    value: JSON = {"password": "canary"}
    for level in range(100_000):
        value = {"a": value} if level % 2 else [value]
    text = repr(redacted(value))
    assert TOO_DEEP in text
    assert "canary" not in text
    assert secrets_in(value) == {"canary"}
    assert secrets_in({"password": value}) == {"canary"}


def test_as_deep_as_may_be_stored_all_is_shown() -> None:
    args: JSON = 1
    for _ in range(NESTING_LIMIT):
        args = [args]
    args = {"value": args}
    assert redacted(args) == args
    assert TOO_DEEP in repr(redacted([args]))


def test_what_was_too_deep_to_be_shown_comes_back() -> None:
    value: JSON = [1]
    for _ in range(100):
        value = [value]
    assert restored(redacted(value), value) == value
    assert restored(value, redacted(value)) == value, "what somebody gives is left as it is"


def test_names_that_are_no_texts_are_shown_as_texts() -> None:
    value: JSON = {1: "x", None: "y", b"password": "canary", (1,): {2.5: 0}}
    shown = redacted(value)
    assert shown == {"1": "x", "None": "y", "b'password'": HIDDEN, "(1,)": {"2.5": 0}}
    assert secrets_in(value) == {"canary"}
    assert restored(shown, value)["b'password'"] == "canary"


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "a." * 50_000, "ab-" * 30_000, "token " * 20_000, "a://" * 25_000, 'pwd="' * 20_000],
    ids=lambda text: text[:4],
)  # fmt: skip
def test_a_long_text_is_read_once(text: str) -> None:
    began = time.process_time()
    redacted_text(text)
    assert time.process_time() - began < 1.0  # it is 10 ms; each again from each would be minutes
