"""Nothing secret of an address is ever shown: neither by itself, nor in a refusal, nor in somebody else's message."""

from __future__ import annotations

import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.addresses import HIDDEN, has_secrets, is_address, shown_address, without_secrets
from iclscope.core.errors import BadRequest, ClusterFailed, StorageFailed, require

# No letter of these stands in what is shown around them, so that finding one there means that it leaked.
SECRET_LETTERS = "ΑΒΓΔΕΖΗΘ"
AWKWARD = "@/:?#;&=%+[]\\'\" "
secrets = st.text(SECRET_LETTERS + AWKWARD, min_size=1, max_size=20).filter(
    lambda text: any(letter in SECRET_LETTERS for letter in text)
)
hosts = st.sampled_from(["bucket", "host.example.org", "[::f]", "host:xy"])
schemes = st.sampled_from(["s3", "sftp", "https", "hf", "abfss", "simplecache::s3", "zip://inner::https"])


def leaks(text: str) -> set[str]:
    return set(text) & set(SECRET_LETTERS)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sftp://me:p@ss@h", "sftp://***@h"),
        ("me:p@ss@h", "***@h"),
        ("s3://KEY:SE/CRET@b", "s3://***@b"),
        ("s3://KEY:SE/CRET@b/sweeps", "s3://***@b/sweeps"),
        ("s3:/KEY:SE/CRET@b/sweeps", "s3:/***@b/sweeps"),
        ("https://h/x?sig=abc", "https://h/x?***"),
        ("https://h/x#token", "https://h/x#***"),
        ("https://h/x;password=p", "https://h/x;***"),
        ("hf://token:secret@", "hf://***@"),
        ("hf://token:secret@datasets/a/b", "hf://***@datasets/a/b"),
        ("s3://KEY:SE?CRET@b", "s3://***"),
        ("https://h/x?sig=a@b", "https://***"),
        ("simplecache::s3://KEY:S@b/x", "simplecache::s3://***@b/x"),
        ("ray://me:pw@127.0.0.1:10001", "ray://***@127.0.0.1:10001"),
        ("https://[not-ipv6/me:pw@h", "https://***@h"),
        ("//me:pw@h/x", "***@h/x"),
    ],
)
def test_what_is_shown(address: str, shown: str) -> None:
    assert shown_address(address) == shown
    assert is_address(address)
    assert has_secrets(address)


@pytest.mark.parametrize(
    "path",
    [
        "results/sweeps",
        "/data/me:x@y",
        "./me:p@h",
        "../a:b@c",
        "~/a:b@c",
        "run@home",
        "a b: x@y",
        "owner/model@main",
        "C3",
    ],
)
def test_paths_and_names_are_left_as_they_are(path: str) -> None:
    assert shown_address(path) == path
    assert not is_address(path)
    assert not has_secrets(path)


@pytest.mark.parametrize("address", ["s3://bucket/folder", "gs://b", "memory://x", "https://h:8080/x"])
def test_addresses_without_secrets_are_left_as_they_are(address: str) -> None:
    assert shown_address(address) == address
    assert not has_secrets(address)


@given(scheme=schemes, user=secrets, password=secrets, host=hosts)
def test_user_info_never_appears(scheme: str, user: str, password: str, host: str) -> None:
    address = f"{scheme}://{user}:{password}@{host}/path"
    assert not leaks(shown_address(address)), shown_address(address)
    assert shown_address(address).startswith(scheme.partition("://")[0])


@given(scheme=schemes, query=secrets, host=hosts, mark=st.sampled_from("?#;"))
def test_queries_and_fragments_never_appear(scheme: str, query: str, host: str, mark: str) -> None:
    assert not leaks(shown_address(f"{scheme}://{host}/path{mark}{query}"))


MESSAGES = (
    "cannot connect to {address}",
    "Invalid endpoint: {address!r}, see the log",
    "Permission denied for user {user} on host x",
    "bucket '{user}:{password}' does not exist",
    "the key ({password}) was refused",
    "no such object {quoted}",
    "GET https://x/{query} -> forbidden",
)


@given(
    message=st.sampled_from(MESSAGES),
    user=st.text("αβγδεζηθ+-", min_size=4, max_size=9),
    password=st.text("ικλμνξοπ/@:%+ ", min_size=4, max_size=12).filter(lambda text: text.strip("/@:%+ ") == text),
    query=st.text("ρστυφχψω+%", min_size=4, max_size=12),
)
def test_messages_of_others_are_freed_of_them(message: str, user: str, password: str, query: str) -> None:
    address = f"s3://{user}:{password}@b/x"
    if "{query}" in message:
        address = f"https://b/x?sig={query}"
    said = message.format(address=address, user=user, password=password, query=query, quoted=quote(password, safe=""))
    cleaned = without_secrets(said, address)
    for secret in (user, password, query):
        assert secret not in cleaned
    assert not set(cleaned) & set("αβγδεζηθικλμνξοπρστυφχψω"), cleaned
    assert "%CE" not in cleaned


def test_short_parts_are_hidden_as_words_only() -> None:
    address = "sftp://me:p@ss@h/x"
    assert without_secrets("some message for me", address) == f"some message for {HIDDEN}"
    assert "p@ss" not in without_secrets("password 'p@ss' was wrong", address)
    assert "SE" not in without_secrets("Invalid bucket name KEY:SE", "s3://KEY:SE/CRET@b").split()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("see https://h/x?sig=abc, or ask", "see https://h/x?***, or ask"),
        ("MODEL = 'https://me:pw@h/x' is not allowed", "MODEL = 'https://***@h/x' is not allowed"),
        ("MODEL = 's3://KEY:SE CRET@b' is not allowed", "MODEL = 's3://***@b' is not allowed"),
        ("--address = 'me:p@ss@h' is not allowed", "--address = '***@h' is not allowed"),
        ("Repo id must be of the form a/b: 'https://me:passwo", "Repo id must be of the form a/b: 'https://***"),
        ("http://127.0.0.1:8080/x and http://[::1]:80", "http://127.0.0.1:8080/x and http://[::1]:80"),
        ("for instance s3://bucket/folder (with s3fs)", "for instance s3://bucket/folder (with s3fs)"),
        ("allowed: {text} => {label}", "allowed: {text} => {label}"),
        ("it's 5:30, isn't it? a@b", "it's 5:30, isn't it? a@b"),
    ],
)
def test_addresses_in_any_text(text: str, cleaned: str) -> None:
    assert without_secrets(text) == cleaned


@pytest.mark.parametrize("error", [BadRequest, StorageFailed, ClusterFailed])
def test_every_error_of_ours_hides_them(error: type[Exception]) -> None:
    made = error("MODEL = 'https://me:p@ss@h/x?sig=abc' is not allowed")
    text = "".join(traceback.format_exception(made)) + repr(made) + str(made.args)
    assert "p@ss" not in text
    assert "abc" not in text
    assert "'https://***@h/x?***'" in text


@pytest.mark.parametrize("value", ["s3://KEY:SE CRET@b", Path("s3://KEY:SE CRET@b"), "KEY:SE/CRET@b"])
def test_a_refused_value_is_shown_without_them(value: object) -> None:
    with pytest.raises(BadRequest) as refused:
        require(False, "--embeddings", value, "a name")
    assert "CRET" not in str(refused.value)
    assert "KEY" not in str(refused.value)
