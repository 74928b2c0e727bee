"""From HTML and Markdown to plain text: paragraphs parted by blank lines, markup gone, words untouched."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser

from sample_workflows.documents import Document

LONGEST_TAG = 4_000

_SKIPPED_TAGS = frozenset({"script", "style", "noscript", "template", "svg"})
_BLOCKS = """
address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li
main nav ol p pre section table td th tr ul
"""
_BLOCK_TAGS = frozenset(_BLOCKS.split())

# The patterns are written to stay linear: a document is somebody else's text, and a worker's thread reads it.
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?\n)??\1[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title\s*[:=]\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_FENCE = re.compile(r"^ {0,3}(?:> ?)*(`{3,}|~{3,})")
_LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:\s+\S.*$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$", re.MULTILINE)
_UNDERLINE = re.compile(r"^ {0,3}(=+|-{3,}|\*{3,}|_{3,})[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*)$", re.MULTILINE)
_TITLE_HEADING = re.compile(r"^ {0,3}#{1,2}[ \t]+(.+)$|^(\S.*)\n=+[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?", re.MULTILINE)
_QUOTE = re.compile(r"^ {0,3}(?:> ?)+", re.MULTILINE)
_IMAGE = re.compile(r"!\[([^\[\]\n]*)\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]*\])")
_LINK = re.compile(r"\[([^\[\]\n]+)\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]*\])")
_AUTOLINK = re.compile(r"<(?:https?|mailto):[^>\s]*>|https?://[^\s)>\]]+")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,500}>")
_STRONG = re.compile(
    r"(?<!\\)(\*{1,3}|~~)(?=\S)([^*~\n]+?)(?<=[^\s\\])\1|(?<![\w\\])(_{1,3})(?=\S)([^_\n]+?)(?<=[^\s\\])\3(?!\w)"
)
_CODE = re.compile(r"(`{1,3})(?!`)([^\n]{1,500}?)(?<!`)\1(?!`)")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")


@dataclass(frozen=True, slots=True)
class PlainText:
    """A document's words: `title` is never empty, `text` may be."""

    title: str
    text: str


def plain_text(document: Document) -> PlainText:
    """The title and the text of a document, whatever it is written in."""
    if document.kind == "html":
        title, text = html_text(document.content)
    elif document.kind == "markdown":
        title, text = markdown_text(document.content)
    else:
        title, text = "", _tidy(document.content)
    if not title and document.kind == "html":
        title = next((line for line in text.splitlines() if line), "")
    title = " ".join(title.split())[:200]
    return PlainText(title or document.name or document.source, text)


def html_text(source: str) -> tuple[str, str]:
    """Title (empty when the page has none) and text of an HTML page; scripts and styles are no text."""
    reader = _Reader()
    reader.feed(_parseable(source))
    reader.close()
    return "".join(reader.title).strip(), _tidy("".join(reader.pieces))


def markdown_text(source: str) -> tuple[str, str]:
    """Title (front matter's, else the first heading's) and text of Markdown; code blocks are no prose."""
    title = ""
    source = re.sub(r"[ \t]{5,}", "    ", source)
    front = _FRONT_MATTER.match(source)
    if front:
        source = source[front.end() :]
        named = _FRONT_TITLE.search(front.group(2) or "")
        title = named.group(1).strip("\"'") if named else ""
    prose, code = _without_code(_without_comments(source))
    if not title and (heading := _TITLE_HEADING.search(prose)):
        title = _inline(heading.group(1) or heading.group(2)).rstrip(" \t#")
    prose = _QUOTE.sub("", prose)
    for pattern in (_LINK_DEFINITION, _TABLE_RULE, _UNDERLINE):
        prose = pattern.sub("\n", prose)
    prose = _HEADING.sub(lambda found: "\n" + found.group(1).rstrip(" \t#") + "\n", prose)
    prose = _ITEM.sub("\n", prose)
    text = _tidy(_inline(prose))
    # A file that is nothing but code still has words worth reading.
    return title.strip(), text or _tidy(code)


def _parseable(source: str) -> str:
    """The page without what makes the parser search to the end again and again: comments, unclosed tags."""
    source = _without_comments(source).replace("<!--", "<!").replace("<![", "<!")
    pieces: list[str] = []
    at = 0
    while (start := source.find("<", at)) >= 0:
        closed = source.find(">", start, start + LONGEST_TAG) >= 0
        pieces += (source[at:start], "<" if closed else "&lt;")
        at = start + 1
    return "".join((*pieces, source[at:]))


def _without_code(source: str) -> tuple[str, str]:
    prose: list[str] = []
    code: list[str] = []
    fence = ""
    for line in source.split("\n"):
        found = _FENCE.match(line)
        if fence:
            if found and found.group(1).startswith(fence) and not line[found.end() :].strip():
                fence = ""
            else:
                code.append(line)
        elif found:
            fence = found.group(1)
            prose.append("")
        else:
            prose.append(line)
    return "\n".join(prose), "\n".join(code)


def _without_comments(source: str) -> str:
    kept: list[str] = []
    at = 0
    while (start := source.find("<!--", at)) >= 0 and (end := source.find("-->", start + 4)) >= 0:
        kept.append(source[at:start])
        at = end + 3
    return "".join((*kept, source[at:]))


def _inline(text: str) -> str:
    text = _IMAGE.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)
    text = _AUTOLINK.sub("", text)
    text = _CODE.sub(r"\2", text)
    text = _TAG.sub(" ", text)
    text = _STRONG.sub(lambda found: found.group(2) or found.group(4), text)
    text = re.sub(r"[ \t]*(?<!\\)\|[ \t]*", " ", text)
    return html.unescape(_ESCAPED.sub(r"\1", text))


def _tidy(text: str) -> str:
    """Lines trimmed, runs of blanks made one, never more than one empty line."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.pieces: list[str] = []
        self._skipping = ""
        self._depth = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipping:
            self._depth += tag == self._skipping
        elif tag in _SKIPPED_TAGS:
            self._skipping, self._depth = tag, 1
        elif tag == "title" and not self.title:
            self._in_title = True
        elif tag in _BLOCK_TAGS:
            self.pieces.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._depth -= tag == self._skipping
            self._skipping = self._skipping if self._depth else ""
        elif tag == "title":
            self._in_title = False
        elif tag in _BLOCK_TAGS:
            self.pieces.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        if self._in_title:
            self.title.append(data)
        else:
            # Line ends inside a paragraph of HTML mean no more than a blank.
            self.pieces.append(re.sub(r"\s+", " ", data))
