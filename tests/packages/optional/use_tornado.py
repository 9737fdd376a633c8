# /// script
# dependencies = ["tornado"]
# ///
import tornado.escape
import tornado.template
import tornado.util
from tornado.websocket import _websocket_mask

assert tornado.template.Template("{{ name }}!").generate(name="<tea>") == b"&lt;tea&gt;!"
assert tornado.escape.json_encode({"a": "</x>"}) == '{"a": "<\\/x>"}'
assert _websocket_mask(b"abcd", b"\0\0\0\0") == b"abcd"
