# expect: succeeded hosts=http env=URL=http://127.0.0.1:{http} env=ACCOUNT=13800000000,pa55word stdout='登录 ok' stdout='解密检查 True' stdout='签到成功，+3 积分'
# /// script
# dependencies = ["requests", "pycryptodome"]
# ///
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad, unpad
import base64
import json
import os
import requests

URL = os.environ['URL']
KEY = b'0123456789abcdef'
IV = b'fedcba9876543210'


def aes_encrypt(text):
    cipher = AES.new(KEY, AES.MODE_CBC, IV)
    return base64.b64encode(cipher.encrypt(pad(text.encode('utf-8'), AES.block_size))).decode()


def aes_decrypt(text):
    cipher = AES.new(KEY, AES.MODE_CBC, iv=IV)
    return unpad(cipher.decrypt(base64.b64decode(text)), AES.block_size).decode('utf-8')


session = requests.Session()
for account in os.environ['ACCOUNT'].split('@'):
    phone, password = account.split(',')
    body = json.dumps({'phone': phone, 'password': password}, separators=(',', ':'))
    data = aes_encrypt(body)
    print('解密检查', aes_decrypt(data) == body)
    res = session.post(URL + '/aes/login', json={'data': data}).json()
    print('登录', res['message'])
    if res['code'] != 0:
        continue
    session.headers['Authorization'] = res['data']['token']
    print(session.post(URL + '/aes/sign').json()['message'])
