# expect: succeeded result='[["/a", "First & best"], ["https://example.com/?q=1&r=2", "Second"]]'
# Links and their texts out of untidy HTML.
import html.parser

PAGE = """<!DOCTYPE html><title>x</title><p>Intro <a href="/a">First <b>&amp; best</b></a>
<script>var a = "<a href='/no'>no</a>";</script><A HREF='https://example.com/?q=1&amp;r=2'>Second<br></a><p>end"""


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.open = [], False

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found.append([dict(attributes)["href"], ""])
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag != "a"

    def handle_data(self, data):
        if self.open:
            self.found[-1][1] += data


def run():
    parser = Links()
    parser.feed(PAGE)
    parser.close()
    return parser.found
