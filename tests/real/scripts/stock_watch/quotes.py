from collections import namedtuple
from urllib.request import urlopen
import os
import re

_Quote = namedtuple('Quote', 'code price close')


class Quote(_Quote):
    __slots__ = ()

    @property
    def change(self):
        return self.price / self.close - 1


def fetch(codes):
    text = urlopen(os.environ['QUOTES'] + '?q=' + ','.join(codes)).read().decode('gbk')
    for m in re.finditer(r'v_(\w+)="([^"]*)"', text):
        f = m.group(2).split('~')
        yield Quote(m[1], float(f[2]), float(f[3]))
