"""URIs of key providers: read strictly, and no home for secrets."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import KeyFaultError
from deid.keys.uris import KmsPlace, TokenPlace, kms_place, token_place

MODULE = "?module-path=/usr/lib/softhsm/libsofthsm2.so"


def test_a_token_uri_is_read_by_rfc_7512() -> None:
    """Attributes come in any order, with percent-encoding, the module in the query."""
    place = TokenPlace(Path("/usr/lib/softhsm/libsofthsm2.so"), "Site token;1", "site", None)
    assert token_place(f"token=Site%20token%3b1;object=site{MODULE}") == place
    assert token_place(f"object=site;token=Site%20token%3B1{MODULE}") == place
    assert token_place(f"token=t;object=site;serial=8f2a{MODULE}").serial == "8f2a"


def test_a_kms_uri_names_an_alias_and_where_it_is() -> None:
    """Region, endpoint, profile and timeout are optional; an endpoint without encryption is this machine's only."""
    assert kms_place("alias/deid/site-1") == KmsPlace("alias/deid/site-1")
    place = kms_place("alias/a?region=eu-central-1&endpoint=http://127.0.0.1:5000&profile=p&timeout=3")
    assert place == KmsPlace("alias/a", "eu-central-1", "http://127.0.0.1:5000", "p", 3)
    for endpoint in ("https://kms.example.org", "http://localhost:1", "http://[::1]:1"):
        assert kms_place(f"alias/a?endpoint={endpoint}").endpoint == endpoint


@pytest.mark.parametrize(
    "place",
    [
        "", "token=t", f"object=site{MODULE}", f"token=t{MODULE}", "token=t;object=site", f"token=;object=site{MODULE}",
        "token=t;object=site?module-path=lib.so", f"token=t;object=Site{MODULE}", f"token=t;object=../x{MODULE}",
        f"token=t;token=u;object=site{MODULE}", f"token=t;object=site;slot-id=1{MODULE}", f"token;object=site{MODULE}",
        f"token=t;object=site{MODULE}&pin-value=CANARY", f"token=t;object=site;pin-value=CANARY{MODULE}",
        f"token=t;object=site{MODULE}&pin-source=file:/CANARY", f"token=t;object=site;CANARY=1{MODULE}",
    ],
)  # fmt: skip
def test_other_token_uris_are_refused_without_being_shown(place: str) -> None:
    """What is missing, doubled, unknown, or a PIN is refused, and the message does not repeat it."""
    with pytest.raises(KeyFaultError) as caught:
        token_place(place)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "", "deid", "alias/", "alias/a b", "alias/aws/s3", "alias/a?region=x", "alias/a?region=us-east-1&region=us-east-2",
        "alias/a?timeout=0", "alias/a?timeout=61", "alias/a?timeout=x", "alias/a?endpoint=http://kms.example.org",
        "alias/a?endpoint=http://169.254.169.254", "alias/a?endpoint=https://u:CANARY@host", "alias/a?endpoint=ftp://h",
        "alias/a?endpoint=https://host?x=CANARY", "alias/a?secret=CANARY", "alias/a?aws_secret_access_key=CANARY",
        "alias/a?endpoint=https://", "alias/a?endpoint=http://localhost.example.org", "alias/a?endpoint=http://[",
    ],
)  # fmt: skip
def test_other_kms_uris_are_refused_without_being_shown(place: str) -> None:
    """Keys that are no alias, endpoints in clear, credentials and unknown fields are refused, unshown."""
    with pytest.raises(KeyFaultError) as caught:
        kms_place(place)
    assert "CANARY" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_a_key_fault(text: str) -> None:
    """No text makes a reader fail in another way."""
    for read in (token_place, kms_place):
        with suppress(KeyFaultError):
            assert read(text)
