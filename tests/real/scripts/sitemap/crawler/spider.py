from __future__ import annotations

import gzip
import typing
from collections import deque
from contextlib import AbstractContextManager
from urllib import request, robotparser
from urllib.parse import urljoin
from xml.etree import ElementTree

if typing.TYPE_CHECKING:
    from .store import Store

NS = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


class Crawler(AbstractContextManager):
    def __init__(self, start: str, store: Store):
        self.queue = deque([start])
        self.store = store
        self.sitemaps = 0
        self.opener = request.build_opener()
        self.opener.addheaders = [("User-agent", "crawler/0.3"), ("Accept-Encoding", "gzip")]
        self.robots = robotparser.RobotFileParser(urljoin(start, "/robots.txt"))
        self.robots.read()

    def __exit__(self, *exc):
        self.opener.close()
        return None

    def walk(self):
        while self.queue:
            url = self.queue.popleft()
            if not self.robots.can_fetch("crawler", url):
                continue
            with self.opener.open(url, timeout=10) as answer:
                content = answer.read()
                if content[:2] == b"\x1f\x8b":
                    content = gzip.decompress(content)
            root = ElementTree.fromstring(content)
            if root.tag == NS + "sitemapindex":
                self.queue.extend(loc.text.strip() for loc in root.iter(NS + "loc"))
                continue
            self.sitemaps += 1
            for url in root.iterfind(NS + "url"):
                self.store.add(url.findtext(NS + "loc"), url.findtext(NS + "lastmod"))
