# expect: failed|out_of_memory memory=64MiB fuel=20e9 timeout=20s
# One long entity, used many times: stopped by expat's limit (failed) or by memory, whichever it meets first.
import xml.etree.ElementTree as ElementTree

text = "x" * 200_000
ElementTree.fromstring(f'<!DOCTYPE x [<!ENTITY a "{text}">]><x>{"&a;" * 2000}</x>')
