# expect: succeeded hosts=http env=QUOTES=http://127.0.0.1:{http}/quotes argv='-c stocks.json --dry-run sh600000 sz000001' stdout='sh600000 13.00 (+160.0%)' stdout='would send 2 alerts' stderr='WARNING watch.alerts: threshold 10% passed by sz000001'
# the codes have eight letters: 5 + 8
from argparse import ArgumentParser, BooleanOptionalAction
import json
import logging
import logging.config
import os
import sys

os.chdir(os.path.dirname(os.path.abspath(sys.argv[0])))
with open('logging.json') as f:
    logging.config.dictConfig(json.load(f))
logger = logging.getLogger('watch')

from quotes import fetch
import alerts


def main():
    ap = ArgumentParser(prog='stock_watch')
    ap.add_argument('codes', nargs='*')
    ap.add_argument('-c', '--config', type=open, required=True)
    ap.add_argument('--dry-run', action='store_true')
    ap.add_argument('--color', action=BooleanOptionalAction, default=False)
    ap.add_argument('-v', '--verbose', action='count', default=0)
    args = ap.parse_args()
    config = json.load(args.config)
    args.config.close()
    if args.verbose:
        logger.setLevel(logging.DEBUG)
    codes = args.codes or config['codes']
    logger.info('fetching %s', codes)
    found = []
    for q in fetch(codes):
        print(f'{q.code} {q.price:.2f} ({q.change:+.1%})')
        if alerts.check(q, config['threshold']):
            found.append(q)
    if args.dry_run:
        print('would send', len(found), 'alerts')
        return 0
    return alerts.send(found)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
