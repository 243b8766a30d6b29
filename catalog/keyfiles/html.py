"""Telling a web page's code from a key. Some shops export the cells of their own page, tags and all.

Sellers write keys between angle brackets too (`<ABCD-1234>`), so only what a browser's author can have meant counts: the
elements of HTML, anything with attributes, closing tags, comments.
"""

import re

# https://html.spec.whatwg.org/multipage/indices.html#elements-3 and #non-conforming-features, and the two other languages
# that stand inside pages.
ELEMENTS = """
    a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body br
    button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed
    fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img
    input ins kbd keygen label legend li link main map mark marquee math menu meta meter nav nobr noembed noframes noscript
    object ol optgroup option output p param picture plaintext pre progress q rb rp rt rtc ruby s samp script search section
    select slot small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead
    time title tr track tt u ul var video wbr xmp
"""
TAG = re.compile(
    rf"<(?:{'|'.join(ELEMENTS.split())})(?:[\s/][^<>]*)?>"
    r"|<[a-z][a-z0-9:-]*[\s/][^<>=]*=[^<>]*>"
    r"|</[a-z][a-z0-9:-]*\s*>"
    r"|<!(?:--|doctype\b)",
    re.IGNORECASE,
)


def is_html(text: str) -> bool:
    return "<" in text and bool(TAG.search(text))
