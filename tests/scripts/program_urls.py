# expect: succeeded result='{"host": "example.com", "query": {"q": ["a b", "c"], "n": ["1"]}, "joined": "https://example.com/b/d?x=1", "quoted": "a%20b%2Fc%C3%A9"}'
# Addresses taken apart and put together; no network is needed for that.
import urllib.parse
import urllib.request


def run():
    parts = urllib.parse.urlsplit("https://user@example.com:8443/a?q=a+b&q=c&n=1#top")
    assert parts.port == 8443 and parts.fragment == "top"
    request = urllib.request.Request("https://example.com/", headers={"X-A": "1"}, method="PUT")
    assert request.get_method() == "PUT" and request.host == "example.com"
    return {
        "host": parts.hostname,
        "query": urllib.parse.parse_qs(parts.query),
        "joined": urllib.parse.urljoin("https://example.com/b/c", "d?x=1"),
        "quoted": urllib.parse.quote("a b/cé", safe=""),
    }
