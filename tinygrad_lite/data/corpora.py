"""Running text, and the lists of words that embeddings are tested with."""

from __future__ import annotations

import bz2
import html
import re
import xml.etree.ElementTree as ElementTree
import zipfile

from tinygrad_lite.data.files import DataError, find
from tinygrad_lite.data.sources import WIKIPEDIA


def tiny_shakespeare() -> str:
    """Tiny Shakespeare: 1,115,394 characters of plays, 65 of them distinct. 1.1 MB to download.

    There is no official split; usual is the last tenth to validate.
    Source, licence and citation: `SOURCES["tinyshakespeare"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one.
    """
    return find("tinyshakespeare", "input.txt").read_bytes().decode("ascii")


def wikipedia_sample() -> list[str]:
    """The articles of a small dump of English Wikipedia as plain text, about 100 long ones. 1.7 MB to download.

    Redirects and other pages are left out, and of the articles the markup, tables, references and templates;
    paragraphs and headings are lines. Source, licence and citation: `SOURCES["wiki"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one.
    """
    return read_dump(bz2.decompress(find("wiki", WIKIPEDIA).read_bytes()))


def wikitext2(part: str) -> str:
    """WikiText-2, the part "valid" or "test": tokens set apart by spaces, 213,886 and 241,211 of them, and "<unk>".

    The training part is not among what can be had here. Each line ends a paragraph (the end-of-sentence tokens
    of the published counts, 217,646 and 245,569). Source, licence and citation: `SOURCES["wiki"]`.

    Raises ValueError for another part, DataError where the file is not at hand and can't be downloaded, or is not
    the right one.
    """
    if part not in ("valid", "test"):
        raise ValueError(f"wikitext2: the part is 'valid' or 'test', got {part!r}")
    return find("wiki", f"wikitext-2.{part}.txt").read_text("utf-8")


def text8() -> str:
    """text8: the first 100,000,000 characters of cleaned Wikipedia, a to z and single spaces. 31 MB to download.

    Source, licence and citation: `SOURCES["text8"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one.
    """
    with zipfile.ZipFile(find("text8", "text8.zip")) as archive:
        return archive.read("text8").decode("ascii")


def analogies() -> dict[str, list[tuple[str, str, str, str]]]:
    """The word analogies of Mikolov et al. (2013): "a is to b as c is to d", 19,544 in 14 sections, 5 of them semantic.

    The sections whose names begin with "gram" are the syntactic ones. Words as written: "Athens".
    Source, licence and citation: `SOURCES["word2vec-eval"]`.

    Raises DataError where the file is not at hand and can't be downloaded, or is not the right one.
    """
    return read_analogies(find("word2vec-eval", "questions-words.txt").read_text("utf-8"))


def word_similarity(name: str = "wordsim353") -> list[tuple[str, str, float]]:
    """How alike people find two words, 0 to 10: the 353 pairs of "wordsim353" or the 999 of "simlex999".

    WordSim353 counts related words (coffee, cup) as alike, SimLex-999 does not.
    Source, licence and citation: `SOURCES["word2vec-eval"]`.

    Raises ValueError for another name, DataError where the file is not at hand and can't be downloaded, or is not
    the right one.
    """
    files = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
    if name not in files:
        raise ValueError(f"word_similarity: there are {', '.join(files)}; got {name!r}")
    return read_pairs(find("word2vec-eval", files[name]).read_text("utf-8"))


def read_analogies(text: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """Sections that begin with ": name", then lines of four words."""
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for line in filter(None, text.split("\n")):
        if line.startswith(":"):
            name = line[1:].strip()
            sections[name] = []
        else:
            a, b, c, d = line.split()
            sections[name].append((a, b, c, d))
    return sections


def read_pairs(text: str) -> list[tuple[str, str, float]]:
    """Lines of two words and a number, set apart by tabs; comments begin with "#"."""
    lines = [line.split("\t") for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return [(first, second, float(score)) for first, second, score in lines]


def read_dump(content: bytes) -> list[str]:
    """The articles of a MediaWiki dump in XML, as plain text."""
    articles = []
    for page in ElementTree.fromstring(content).findall("{*}page"):
        if page.findtext("{*}ns") == "0" and page.find("{*}redirect") is None:
            articles.append(plain_text(page.findtext("{*}revision/{*}text") or ""))
    if not articles:
        raise DataError("wiki: the dump holds no articles")
    return articles


def plain_text(markup: str) -> str:
    """Wikipedia's markup without what is not text.

    >>> from tinygrad_lite.data.corpora import plain_text
    >>> plain_text("'''Ants''' are [[insect|insects]].<ref>A book</ref> {{citation needed|{{date}}}} [http://a.b See]")
    'Ants are insects. See'
    """
    text = re.sub(r"<!--.*?-->", "", markup, flags=re.DOTALL)
    text = re.sub(r"<ref\b[^<>]*/>", "", text)
    text = re.sub(
        r"<(ref|gallery|math|timeline|table|code|source)\b[^<>]*>.*?</\1\s*>", "", text, flags=re.DOTALL | re.IGNORECASE
    )
    text = _without_nested(_without_nested(text, r"\{\{[^{}]*\}\}"), r"\{\|(?:(?!\{\||\|\}).)*\|\}")
    text = _without_nested(
        text, r"\[\[(?:File|Image|Category|[a-z-]{2,12}):(?:(?!\[\[|\]\]).|\[\[(?:(?!\[\[|\]\]).)*\]\])*\]\]"
    )
    text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]]*)\]\]", r"\1", text)  # the words of a link
    text = re.sub(r"\[\w+://[^\s\]]+ ?([^\]]*)\]|\w+://\S+", r"\1", text)
    text = re.sub(r"<[^<>]*>|'{2,}|^[=*#:;|!]+|=+\s*$|__[A-Z]+__", "", text, flags=re.MULTILINE)
    lines = (" ".join(line.split()) for line in html.unescape(html.unescape(text)).split("\n"))
    return "\n".join(line for line in lines if line)


def _without_nested(text: str, innermost: str) -> str:
    """`text` without what matches, from the innermost outwards."""
    pattern, count = re.compile(innermost, re.DOTALL), 1
    while count:
        text, count = pattern.subn("", text)
    return text
