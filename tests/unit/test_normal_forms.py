"""Normal forms of tags, mentions and links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database import normal_forms

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("spelling", "normal_form"),
    [
        ("AI", "ai"),
        ("ＡＩ", "ai"),
        ("#AI", "ai"),
        ("＃AI", "ai"),
        ("﹟AI", "ai"),
        ("snake_case_2", "snake_case_2"),
        ("Straße", "strasse"),
        ("ﾁｬｯﾌﾟﾘﾝ", "チャップリン"),
        ("栃木ＳＣ", "栃木sc"),
        ("ſtar", "star"),
        ("İstanbul", "i̇stanbul"),
        ("ﷺ", "صلى الله عليه وسلم"),
        ("", ""),
    ],
)
def test_the_normal_form_of_a_hashtag_is_nfkc_and_folded(spelling: str, normal_form: str) -> None:
    """Provider facts 6.10: full-width signs and letters, half-width kana, ß, long s, the Turkish dotted I."""
    assert normal_forms.hashtag(spelling) == normal_form


@given(texts)
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    """A reader that looks a tag up by its stored form must find it."""
    for form in (normal_forms.hashtag, normal_forms.mention, normal_forms.url):
        assert form(form(text)) == form(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=200, max_size=3_000))
def test_normal_forms_fit_into_an_index_entry_and_stay_whole_characters(text: str) -> None:
    for form in (normal_forms.hashtag, normal_forms.mention):
        assert len(form(text).encode("utf-8")) <= normal_forms.MAX_NORMAL_FORM_BYTES


def test_a_tag_of_a_hundred_thousand_characters_is_cut_to_its_first_thousand_bytes() -> None:
    assert normal_forms.hashtag("Ж" * 100_000) == "ж" * 500
    assert normal_forms.hashtag("a" + "😀" * 100_000) == "a" + "😀" * 249


def test_a_mention_is_folded_without_its_sign() -> None:
    assert normal_forms.mention("@Some_Body") == normal_forms.mention("＠SOME_BODY") == "some_body"


@pytest.mark.parametrize(
    ("link", "normal_form", "host"),
    [
        ("HTTPS://WWW.Example.COM/Path/?Q=A#F", "https://www.example.com/Path/?Q=A#F", "example.com"),
        ("http://example.com:8080/A", "http://example.com:8080/A", "example.com"),
        ("https://EXAMPLE.com", "https://example.com", "example.com"),
        ("https://пример.example/П", "https://пример.example/П", "пример.example"),
        ("example.com/A", "example.com/A", None),
        ("https://www./A", "https://www./A", None),
        ("https://[broken/A", "https://[broken/A", None),
        ("", "", None),
    ],
)
def test_only_scheme_and_host_of_a_link_lose_their_case(link: str, normal_form: str, host: str | None) -> None:
    """Provider facts 0.9 and 6.13: paths are case-sensitive."""
    assert normal_forms.url(link) == normal_form
    assert normal_forms.url_host(link) == host


@given(texts)
def test_no_link_is_too_strange_to_have_a_host_or_none(text: str) -> None:
    for link in (text, f"https://{text}"):
        host = normal_forms.url_host(link)
        assert host is None or host
