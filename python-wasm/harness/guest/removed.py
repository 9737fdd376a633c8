"""Modules that Python no longer has, by the version that removed them, and what to use for each."""

from .kept import __builtins__

_REMOVED = {
    "aifc": ("3.13", "the package standard-aifc"),
    "asynchat": ("3.12", "asyncio, or the package pyasynchat"),
    "asyncore": ("3.12", "asyncio, or the package pyasyncore"),
    "audioop": ("3.13", ""),
    "binhex": ("3.11", "binascii"),
    "cgi": ("3.13", "urllib.parse and email.message, or the package legacy-cgi"),
    "cgitb": ("3.13", "traceback, or the package legacy-cgi"),
    "chunk": ("3.13", "the package standard-chunk"),
    "crypt": ("3.13", "hashlib.pbkdf2_hmac or hashlib.scrypt"),
    "distutils": ("3.12", "shutil, subprocess and sysconfig, or the packages setuptools and packaging"),
    "formatter": ("3.10", "textwrap"),
    "imghdr": ("3.13", "the package filetype, or the first bytes of the file"),
    "imp": ("3.12", "importlib"),
    "lib2to3": ("3.13", "the package libcst"),
    "macpath": ("3.8", "pathlib"),
    "mailcap": ("3.13", "mimetypes"),
    "msilib": ("3.13", ""),
    "nis": ("3.13", ""),
    "nntplib": ("3.13", "the package standard-nntplib"),
    "ossaudiodev": ("3.13", ""),
    "parser": ("3.10", "ast"),
    "pipes": ("3.13", "shlex.quote for pipes.quote"),
    "smtpd": ("3.12", "the package aiosmtpd"),
    "sndhdr": ("3.13", "the package filetype"),
    "spwd": ("3.13", ""),
    "sunau": ("3.13", "the package standard-sunau"),
    "symbol": ("3.10", "ast"),
    "telnetlib": ("3.13", "the package standard-telnetlib"),
    "uu": ("3.13", "base64 or binascii"),
    "xdrlib": ("3.13", "struct, or the package standard-xdrlib"),
}
_PYTHON_2 = {
    "BaseHTTPServer": "http.server",
    "ConfigParser": "configparser",
    "Cookie": "http.cookies",
    "HTMLParser": "html.parser",
    "Queue": "queue",
    "SocketServer": "socketserver",
    "StringIO": "io.StringIO",
    "Tkinter": "",
    "__builtin__": "builtins",
    "cPickle": "pickle",
    "cStringIO": "io.StringIO",
    "commands": "",
    "cookielib": "http.cookiejar",
    "httplib": "http.client",
    "md5": "hashlib",
    "sets": "the built-in set",
    "sha": "hashlib",
    "thread": "threading",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "xmlrpclib": "xmlrpc.client",
}


def sentence(name):
    """What to say of a module that was removed, or None."""
    first = name.partition(".")[0]
    if first in _REMOVED:
        version, instead = _REMOVED[first]
        said = f"No module named {name!r}: it was removed from Python in {version}"
    elif first in _PYTHON_2:
        instead = _PYTHON_2[first]
        said = f"No module named {name!r}: it is a module of Python 2"
    else:
        return None
    return f"{said}; use {instead}" if instead else said
