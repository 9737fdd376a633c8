# expect: succeeded hosts=http env='GLADOS_COOKIE=koa:sess=user-1; koa:sess.sig=x&koa:sess=bad' env=GLADOS=http://127.0.0.1:{http}/glados env=WEBHOOK_URL=http://127.0.0.1:{http}/hook/glados stdout='user-1@example.com----Checkin! Got 1 Points----剩余(42)天' stdout='cookie已失效' stdout='自定义通知推送成功' received='hook glados: {"title": "GLaDOS", "content": "user-1@example.com----Checkin!' gap='threads that are started and then waited for'
# /// script
# dependencies = ["requests"]
# ///
# cron: 0 9 * * *
# new Env('GLaDOS签到');
# notify.py sends from threads, each of which is joined.
import requests,json,os
from notify import send
requests.packages.urllib3.disable_warnings()
# -------------------------------------------------------------------------------------------
# github workflows / 青龙面板
# -------------------------------------------------------------------------------------------
base = os.environ.get("GLADOS", "https://glados.rocks")
sckey = os.environ.get("PUSHPLUS_TOKEN", "")
sendContent = ''
# glados账号cookie 直接使用数组 如果使用环境变量需要字符串分割一下
cookies = os.environ.get("GLADOS_COOKIE", "").split("&")
if cookies[0] == "":
    print('未获取到COOKIE变量')
    cookies = []
    exit(0)
url= base + "/api/user/checkin"
url2= base + "/api/user/status"
referer = base + '/console/checkin'
origin = base
useragent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0"
payload={
    'token': 'glados.one'
}
for cookie in cookies:
    checkin = requests.post(url,headers={'cookie': cookie ,'referer': referer,'origin':origin,'user-agent':useragent,'content-type':'application/json;charset=UTF-8'},data=json.dumps(payload),verify=False)
    state =  requests.get(url2,headers={'cookie': cookie ,'referer': referer,'origin':origin,'user-agent':useragent})
    if 'data' in state.json():
        time = state.json()['data']['leftDays']
        time = time.split('.')[0]
        email = state.json()['data']['email']
        mess = checkin.json()['message']
        print(email+'----'+mess+'----剩余('+time+')天')
        sendContent += email+'----'+mess+'----剩余('+time+')天\n'
    else:
        print('cookie已失效: ' + state.json()['message'])
        sendContent += 'cookie已失效\n'
if sendContent != "":
    send('GLaDOS', sendContent)
