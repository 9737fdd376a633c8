# expect: succeeded result='[]' fuel=60e9 timeout=60s
# The parts of packages, which are imported late or by name.
import importlib

NAMES = """
asyncio.taskgroups asyncio.timeouts asyncio.runners collections.abc compression.zlib compression.gzip
concurrent.futures.thread concurrent.interpreters email.charset email.contentmanager email.encoders email.errors
email.feedparser email.generator email.header email.headerregistry email.iterators email.message email.mime.application
email.mime.audio email.mime.image email.mime.message email.mime.multipart email.mime.text email.parser email.policy
email.quoprimime email.utils encodings.aliases encodings.ascii encodings.big5 encodings.cp1250 encodings.cp1251
encodings.cp1252 encodings.cp437 encodings.cp850 encodings.euc_jp encodings.gb18030 encodings.gbk encodings.idna
encodings.iso8859_1 encodings.iso8859_15 encodings.koi8_r encodings.latin_1 encodings.mac_roman encodings.punycode
encodings.raw_unicode_escape encodings.rot_13 encodings.shift_jis encodings.undefined encodings.unicode_escape
encodings.utf_16 encodings.utf_16_le encodings.utf_32 encodings.utf_7 encodings.utf_8_sig encodings.zlib_codec
html.entities html.parser http.client http.cookiejar http.cookies http.server importlib.abc importlib.metadata
importlib.resources importlib.util json.decoder json.encoder json.scanner json.tool logging.config logging.handlers
os.path pathlib.types re._compiler re._parser sqlite3.dbapi2 string.templatelib sysconfig tomllib unittest.async_case
unittest.mock urllib.error urllib.parse urllib.request urllib.response urllib.robotparser wsgiref.simple_server
wsgiref.util xml.dom.minidom xml.dom.pulldom xml.etree.ElementInclude xml.etree.ElementTree xml.parsers.expat xml.sax
xml.sax.saxutils xmlrpc.client xmlrpc.server zipfile._path zoneinfo
""".split()
EXCUSED = {"concurrent.interpreters"}


def run():
    poor = []
    for name in NAMES:
        try:
            importlib.import_module(name)
        except Exception as error:
            if name not in EXCUSED or len(str(error)) < 40:
                poor.append([name, f"{type(error).__name__}: {error}"])
    return poor
