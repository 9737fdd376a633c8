# expect: crashed|failed|succeeded memory=128MiB fuel=20e9 timeout=20s
# 100,000 levels of elements are parsed without recursion; freeing the tree is what recurses. Whether CPython frees it
# in pieces or the wasm stack ends depends on the size of the frames.
import xml.etree.ElementTree as ElementTree

ElementTree.fromstring("<a>" * 100_000 + "</a>" * 100_000)
