# /// script
# dependencies = ["markupsafe"]
# ///
from markupsafe import Markup, escape

assert escape("<a> & 'b'") == "&lt;a&gt; &amp; &#39;b&#39;"
assert Markup("<b>%s</b>") % "<" == "<b>&lt;</b>"
