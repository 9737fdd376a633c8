import os

FORUM = os.environ.get('FORUM', 'https://forum.example.org')
COOKIE_FILE = os.path.expanduser('~/.forum.cookies')
USERS = [
    ('old', 'password'),
    ('tester', 'p@ss wörd'),
]
UA = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/115.0'
