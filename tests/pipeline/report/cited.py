"""The numbers of a page, and those in the files that it cites."""

import json
from html.parser import HTMLParser


class Numbers(HTMLParser):
    """The numbers of a page: exact value, where it is said to come from, and what is shown."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "data":
            self._open = dict(attributes)

    def handle_data(self, data):
        if self._open:
            self.found.append((self._open["value"], self._open.get("data-from"), data))
            self._open = None


def in_file(folder, place):
    """What stands at `FILE#POINTER` (RFC 6901)."""
    name, _, pointer = place.partition("#")
    value = json.loads((folder / name).read_text())
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def assert_shown(value, text):
    """The text is the value, rounded to the digits that it shows."""
    digits = text.replace(",", "").removesuffix(" %")
    mantissa, _, exponent = digits.partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    shown = float(digits) / (100 if text.endswith("%") else 1)
    assert abs(shown - value) <= (half / (100 if text.endswith("%") else 1)) * (1 + 1e-9), (value, text)
