# expect: succeeded hosts=http env=SITEMAP=http://127.0.0.1:{http}/sitemap_index.xml stdout='10 urls in 2 sitemaps' stdout='newest: https://example.com-1/5 2026-05-01' result='{"urls": 10, "checked": 2}'
from crawler import Crawler, __version__
from crawler.store import Store
import os
import sys


def run():
    print("crawler", __version__, "on", sys.platform)
    store = Store("/tmp/pages.db")
    with Crawler(os.environ["SITEMAP"], store) as crawler:
        crawler.walk()
    print(f"{store.count()} urls in {crawler.sitemaps} sitemaps")
    loc, lastmod = store.newest()
    print("newest:", loc, lastmod)
    store.close()
    return {"urls": store.total, "checked": crawler.sitemaps}
