# expect: failed error=NetworkDenied message='example.com:8080 is not allowed for this script; add --allow-host example.com:8080'
# A port that is not the scheme's own stands in the sentence.
import http.client

http.client.HTTPConnection("example.com", 8080, timeout=5).request("GET", "/")
