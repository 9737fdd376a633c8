"""Faults of CPython 3.14.0 that later releases mended, mended here: those by which data from elsewhere can do more than
they should, and which are a check that is missing. `docs/interpreter.md` lists them with those that are left."""

from .kept import __builtins__

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COMMAND_ENDS = re.compile(r"[\0\r\n]")
_NEW_HEADER = re.compile(rb"\r\n(?![ \t])|\r(?![\n \t])|(?<!\r)\n(?![ \t])")
# As 3.14.5 writes it.
_IN_SCRIPT = """
        <script type="text/javascript">
        <!-- begin hiding
        document.cookie = decodeURIComponent(\"%s\");
        // end hiding -->
        </script>
        """


def _text(value):
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def adapt_cookies(module):
    """gh-143919, gh-145599: a cookie whose name or value has control characters would write headers of its own.
    gh-90309: a value could end the script that `js_output` puts it into."""
    morsel, refused = module.Morsel, module.CookieError

    def check(*texts):
        for text in texts:
            if _CONTROL.search(str(text)):
                raise refused(f"a cookie can have no control characters: {text!r}")

    set_all, set_item, default, update = morsel.set, morsel.__setitem__, morsel.setdefault, morsel.update

    def set(self, key, val, coded_val):
        check(key, val, coded_val)
        set_all(self, key, val, coded_val)

    def __setitem__(self, key, value):
        check(key, value)
        set_item(self, key, value)

    def setdefault(self, key, val=None):
        check(key, val)
        return default(self, key, val)

    def updated(self, values):
        values = dict(values)
        for key, value in values.items():
            check(key, value)
        update(self, values)

    def __ior__(self, values):
        self.update(values)
        return self

    set_state, write = morsel.__setstate__, morsel.OutputString

    def __setstate__(self, state):
        check(state["key"], state["value"], state["coded_value"])
        set_state(self, state)

    def OutputString(self, attrs=None):
        text = write(self, attrs)
        check(text)
        return text

    def js_output(self, attrs=None):
        from urllib.parse import quote

        return _IN_SCRIPT % quote(self.OutputString(attrs), safe="", encoding="utf-8")

    morsel.set, morsel.__setitem__, morsel.setdefault, morsel.update = set, __setitem__, setdefault, updated
    morsel.__ior__, morsel.__setstate__ = __ior__, __setstate__
    morsel.OutputString, morsel.js_output = OutputString, js_output


def adapt_imaplib(module):
    """gh-143921: a line end in an argument would begin another command."""
    send = module.IMAP4._command

    def _command(self, name, *args):
        for argument in args:
            if argument is not None and _COMMAND_ENDS.search(_text(argument)):
                raise ValueError(f"an argument of an IMAP command can have no NUL and no line end: {argument!r}")
        return send(self, name, *args)

    module.IMAP4._command = _command


def adapt_http_client(module):
    """gh-146211: a line end in the host or in a header for a proxy would begin another header. The checks and their words
    are those of 3.14.5."""
    connection = module.HTTPConnection
    tunnel = connection._tunnel

    def _tunnel(self):
        if module._contains_disallowed_url_pchar_re.search(self._tunnel_host):
            raise ValueError(f"Tunnel host can't contain control characters {self._tunnel_host!r}")
        for name, value in self._tunnel_headers.items():
            name, value = name.encode("latin-1"), str(value).encode("latin-1")
            if not module._is_legal_header_name(name):
                raise ValueError(f"Invalid header name {name!r}")
            if module._is_illegal_header_value(value):
                raise ValueError(f"Invalid header value {value!r}")
        tunnel(self)

    connection._tunnel = _tunnel


def adapt_xmlrpc(module):
    """gh-148954: the name of a method would be put into the XML as it is."""
    write = module.dumps

    def dumps(params, methodname=None, methodresponse=None, encoding=None, allow_none=False):
        if isinstance(methodname, str):
            methodname = module.escape(methodname)
        return write(params, methodname, methodresponse, encoding, allow_none)

    module.dumps = dumps


def adapt_urllib_request(module):
    """gh-143925: the type in a `data:` address would write headers of its own."""
    read = module.DataHandler.data_open

    def data_open(self, req):
        kind = req.full_url.partition(":")[2].partition(",")[0]
        if _CONTROL.search(kind):
            raise ValueError(f"the type in a data: address can have no control characters: {kind!r}")
        return read(self, req)

    module.DataHandler.data_open = data_open


def adapt_email_generator(module):
    """gh-144125, gh-143935: a header that is folded wrongly would write headers of its own.

    `Generator` checks what it writes; `BytesGenerator`, by which mail is sent, does not.
    """
    from email.errors import HeaderWriteError

    write = module.BytesGenerator._write_headers

    def _write_headers(self, msg):
        if self.policy.verify_generated_headers:
            for name, value in msg.raw_items():
                folded = self.policy.fold_binary(name, value)
                if not folded.endswith((b"\n", b"\r")):
                    raise HeaderWriteError(f"a header must end with a line end: {folded!r}")
                if _NEW_HEADER.search(folded.rstrip(b"\r\n")):
                    raise HeaderWriteError(f"a header has another one in it: {folded!r}")
        write(self, msg)

    module.BytesGenerator._write_headers = _write_headers
