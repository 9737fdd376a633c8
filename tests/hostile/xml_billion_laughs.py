# expect: failed error=ParseError memory=256MiB fuel=20e9 timeout=20s
# Entities of entities: expat's own limit on amplification stops it.
import xml.etree.ElementTree as ElementTree

levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
ElementTree.fromstring(f'<!DOCTYPE x [<!ENTITY l0 "lol">{levels}]><x>&l11;</x>')
