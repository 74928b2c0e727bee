"""From markup to words."""

from __future__ import annotations

from time import process_time

import pytest

from sample_workflows.documents import Document, Kind
from sample_workflows.plain_text import html_text, markdown_text, plain_text


def document(content: str, kind: Kind, name: str = "file") -> Document:
    return Document(name, name, kind, content, "utf-8", len(content), False)


def test_html_loses_its_scripts_and_keeps_its_words() -> None:
    title, text = html_text(
        "<!doctype html><html><head><title>The &amp; Title</title><style>p { color: red }</style>"
        "<script>var hidden = '<p>no</p>';</script></head><body><h1>Head</h1><p>One <b>bold</b>\nword.</p>"
        "<noscript>never</noscript><svg><title>drawing</title></svg><ul><li>first<li>second</ul>a&lt;b</body></html>"
    )
    assert title == "The & Title"
    assert text == "Head\n\nOne bold word.\n\nfirst\n\nsecond\n\na<b"


@pytest.mark.parametrize(
    "broken", ["<p>fine <b", "<script>open", "<<<>>>", "<p", "&#xD800; &#0; &bogus;", "</p></p>", ""]
)
def test_broken_html_is_read_as_far_as_it_goes(broken: str) -> None:
    _, text = html_text(broken)
    text.encode()
    assert "\0" not in text


def test_markdown_loses_its_markup_and_keeps_its_words() -> None:
    title, text = markdown_text(
        '---\ntitle: "From the front"\ntags: [a, b]\n---\n'
        "# Heading one #\n\nSome *soft* and **loud** words with `code_name` and snake_case_name.\n"
        'See [the guide](https://example.org/guide "tip"), [a ref][1] and ![a picture](p.png).\n\n'
        "```python\nfenced = True\n# not a heading\n```\n\n"
        "- [x] done item\n- other item\n\n> quoted line\n\n"
        "| Name | Size |\n|------|-----:|\n| left | right |\n\n"
        '<!-- a comment -->\n<div align="center">inside</div>\n\n'
        "[1]: https://example.org/ref\n\\*not soft\\* &amp; done\n"
    )
    assert title == "From the front"
    assert text.split("\n\n") == [
        "Heading one",
        "Some soft and loud words with code_name and snake_case_name.\nSee the guide, a ref and a picture.",
        "done item",
        "other item",
        "quoted line",
        "Name Size",
        "left right",
        "inside",
        "*not soft* & done",
    ]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# First\n\n# Second", "First"),
        ("Under\n=====\n\ntext", "Under"),
        ('+++\ntitle = "Toml"\n+++\ntext', "Toml"),
        ("---\ntitle: 'Single'\n---\n# Other", "Single"),
        ("```\n# comment\n```\n# Real `one`", "Real one"),
        ("no heading", "file"),
        ("", "file"),
    ],
)
def test_the_title_of_markdown(source: str, title: str) -> None:
    assert plain_text(document(source, "markdown")).title == title


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert markdown_text("---\n\nText\n")[1] == "Text"


def test_a_file_of_nothing_but_code_still_has_words() -> None:
    assert markdown_text("```\nprint words\n```\n")[1] == "print words"


def test_an_unclosed_fence_and_a_longer_one_inside() -> None:
    assert markdown_text("before\n\n````\n```\ninside\n````\nafter\n\n```\nopen")[1] == "before\n\nafter"


def test_titles_are_one_short_line() -> None:
    found = plain_text(document("<title>a\n b " + "x" * 500 + "</title>", "html"))
    assert "\n" not in found.title
    assert len(found.title) <= 200


HOSTILE = [
    *("[" * 200_000, "![" * 100_000, "[a](" * 50_000, "`" * 200_000, "*a " * 60_000, "_a " * 60_000),
    *("<!--" * 50_000, "<a " * 60_000, " " * 200_000 + "x", "# " + "#" * 200_000 + "x", "> " * 100_000),
    *(
        "|-" * 100_000,
        "- " * 100_000,
        "`a``b```c" * 20_000,
        "~~" * 100_000,
        "-" * 200_000 + "x",
        "\\|" * 100_000,
    ),
]


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_markup_takes_no_longer_than_any_other(source: str) -> None:
    for kind in ("markdown", "html"):
        started = process_time()
        plain_text(document(source, kind))
        assert process_time() - started < 3
