# expect: succeeded hosts=http env=METRICS_URL=http://127.0.0.1:{http}/metrics/daily.json stdout='best day 2026-03-10 with 100 visits' output=report.html output=report.md
import datetime as dt
import os
import sys
import yaml
import requests
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

BASE = os.path.dirname(os.path.realpath(__file__))
with open(os.path.join(BASE, 'config.yaml')) as fp:
    config = yaml.safe_load(fp)
assert config['since'] == dt.date(2026, 3, 3), config

env = Environment(loader=FileSystemLoader(os.path.join(BASE, 'templates')), undefined=StrictUndefined,
                  autoescape=select_autoescape(['html.j2']), trim_blocks=True, lstrip_blocks=True)
env.filters['thousands'] = lambda n: f'{n:,}'.replace(',', '.')


def load():
    rows = requests.get(os.environ.get('METRICS_URL', config['url'])).json()
    return [r for r in rows if dt.date.fromisoformat(r['day']) >= config['since']]


rows = load()
for name in config['outputs']:
    template = env.get_template(name + '.j2')
    text = template.render(title=config['title'], rows=rows, now=dt.datetime.now(), logo=Markup('<b>◆</b>'))
    with open('/output/' + name, 'w', encoding='utf-8') as fp:
        fp.write(text)
html = open('/output/report.html', encoding='utf-8').read()
assert 'Tea &amp; Co' in html and '<b>◆</b>' in html, html
best = max(rows, key=lambda r: r['visits'])
print('best day {day} with {visits} visits'.format(**best))
