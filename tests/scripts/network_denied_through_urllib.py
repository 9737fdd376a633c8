# expect: succeeded result='["http", "https"]'
# urllib passes the sentence on, for http and https.
import urllib.error
import urllib.request


def run():
    refused = []
    for scheme, port in (("http", 80), ("https", 443)):
        try:
            urllib.request.urlopen(f"{scheme}://example.com/", timeout=5)
        except OSError as error:
            sentence = f'example.com:{port} is not allowed for this script; add --allow-host example.com (or allow = ["example.com"])'
            assert sentence in str(error), error
            refused.append(scheme)
    return refused
