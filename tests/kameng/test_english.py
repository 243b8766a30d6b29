"""Every text of ours has its English, and the catalogue holds nothing that nobody says."""

import polib
import pytest

from tests.sources import ROOT, Text, marked_texts

SOURCE = ROOT / "locale/en/LC_MESSAGES/django.po"


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(SOURCE))


def keys(entries) -> set[Text]:
    return {Text(one.msgctxt, one.msgid, one.msgid_plural or "") for one in entries}


def test_every_text_has_its_english(catalogue):
    said = marked_texts()
    assert len(said) > 1000, "the texts were not found"
    done = keys(one for one in catalogue.translated_entries() if not one.fuzzy)
    # A plural form serves the singular too.
    done |= {Text(one.context, one.text, "") for one in done}
    assert sorted(said - done, key=str) == []


def test_nothing_is_translated_that_nobody_says(catalogue):
    said = marked_texts()
    said |= {Text(one.context, one.text, "") for one in said}
    assert (
        sorted({one for one in keys(catalogue) if one not in said and one._replace(plural="") not in said}, key=str)
        == []
    )


def test_the_compiled_catalogue_is_that_of_the_source(catalogue):
    compiled = polib.mofile(str(SOURCE.with_suffix(".mo")))
    told = {(one.msgctxt, one.msgid): (one.msgstr, one.msgstr_plural) for one in catalogue.translated_entries()}
    assert told == {(one.msgctxt, one.msgid): (one.msgstr, one.msgstr_plural) for one in compiled}
