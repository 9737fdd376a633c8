# expect: succeeded hosts=http env=FORUM=http://127.0.0.1:{http}/forum stdout='tester: 已连续签到 8 天' stdout='cookies: auth,lang,sid' stdout='second time without login: 200' stdout='try 1 failed: bad credentials'
# /// script
# dependencies = ["requests", "beautifulsoup4"]
# ///
import pickle
import sys
import time
import traceback
from functools import wraps
from http.cookiejar import LWPCookieJar
from pathlib import Path

import requests
from bs4 import BeautifulSoup

from settings import FORUM, COOKIE_FILE, USERS, UA

sess = requests.Session()
sess.headers['User-Agent'] = UA
sess.cookies = LWPCookieJar(COOKIE_FILE)


def retry(times=3, delay=0.01):
    def wrap(f):
        @wraps(f)
        def inner(*a, **kw):
            for i in range(times):
                try:
                    return f(*a, **kw)
                except Exception as e:
                    print('try %d failed: %s' % (i + 1, e))
                    if i == times - 1:
                        raise
                    time.sleep(delay)
        return inner
    return wrap


def logged_in():
    try:
        sess.cookies.load(ignore_discard=True)
    except FileNotFoundError:
        return False
    return sess.get(FORUM + '/home', allow_redirects=False).status_code == 200


@retry()
def login(users):
    user, password = users.pop(0)
    page = BeautifulSoup(sess.get(FORUM + '/login').text, 'html.parser')
    form = {i['name']: i.get('value', '') for i in page.select('form input')}
    form.update(username=user, password=password)
    r = sess.post(FORUM + '/login', data=form, headers={'Referer': FORUM + '/login'})
    if r.status_code == 403:
        raise Exception('bad credentials')
    name = BeautifulSoup(r.text, 'html.parser').select_one('b.name').text
    assert r.history and r.history[0].status_code == 302
    sess.cookies.save(ignore_discard=True)
    return name


name = None
if not logged_in():
    name = login(list(USERS))
soup = BeautifulSoup(sess.get(FORUM + '/sign').text, 'html.parser')
print(f"{name}: {' '.join(soup.find(id='msg').stripped_strings)}")
print('cookies:', ','.join(sorted(c.name for c in sess.cookies)))

other = requests.Session()
other.cookies.update(pickle.loads(pickle.dumps(requests.utils.dict_from_cookiejar(sess.cookies))))
print('second time without login:', other.get(FORUM + '/home').status_code)
print(Path(COOKIE_FILE).read_text().splitlines()[0])
