# expect: succeeded hosts=http env='APP_CK=13800000000#aaa\n13900000000#bbb' env=HOST=http://127.0.0.1:{http} stdout='账号1：138****0000 签到成功 +5，共125' stdout='全部完成, 成功2个' result=null
# /// script
# requires-python = ">=3.8"
# dependencies = [
#     "requests",
# ]
# ///
"""
cron: 15 7,19 * * *
const $ = new Env("某某App签到");
变量名 APP_CK  手机号#token  多账号换行
"""
import hashlib, hmac
import os, sys, re
import random
import time
import uuid
import requests

HOST = os.getenv('HOST', 'https://api.example.cn')
s = requests.session()
s.headers.update({
    'User-Agent': 'okhttp/4.9.1',
    'Connection': 'Keep-Alive',
})
ok = 0


def md5(t):
    m = hashlib.md5()
    m.update(t.encode('utf8'))
    return m.hexdigest()


def get_sign(params):
    text = ''
    for k in sorted(params.keys()):
        text += k + '=' + str(params[k]) + '&'
    text += 'key=s3cr3t'
    return hmac.new('s3cr3t'.encode(), md5(text).upper().encode(), digestmod='sha256').hexdigest()


def hide(phone):
    return re.sub(r'(\d{3})\d{4}(\d{4})', r'\1****\2', phone)


def do_sign(i, ck):
    global ok
    phone, token = ck.split('#')
    data = {
        'ts': int(round(time.time() * 1000)),
        'nonce': ''.join(random.sample('abcdefghijklmnopqrstuvwxyz0123456789', 16)),
        'deviceId': str(uuid.uuid4()).replace('-', ''),
        'token': token,
    }
    data['sign'] = get_sign(data)
    try:
        r = s.post(f'{HOST}/app/sign', data=data, timeout=(3, 10)).json()
        if r['code'] == 200:
            print('账号%d：%s %s +%s，共%s' % (i, hide(phone), r['msg'], r['data']['score'], r['data']['total']))
            ok += 1
        else:
            print(f'账号{i}：{r}')
    except:
        print('网络错误', sys.exc_info()[1])


if __name__ == '__main__':
    cks = os.environ.get('APP_CK').replace('\\n', '\n').split('\n')
    print(f'共{len(cks)}个账号')
    for i, ck in enumerate(cks, 1):
        do_sign(i, ck)
        time.sleep(random.uniform(0.001, 0.01))
    print(f'全部完成, 成功{ok}个')
