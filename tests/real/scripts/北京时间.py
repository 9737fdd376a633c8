# expect: succeeded hosts=http env=HOOK=http://127.0.0.1:{http}/hook/wecom stdout='本地时间比UTC早8小时' received='hook wecom: {"msgtype": "text", "text": {"content": "'
# Scripts of this kind set TZ, and have local time from then on.
import os, time, json
from datetime import datetime, timezone
from urllib.request import Request, urlopen
os.environ['TZ'] = 'Asia/Shanghai'
time.tzset()

星期 = '一二三四五六日'
现在 = datetime.now()
差 = round((现在 - datetime.now(timezone.utc).replace(tzinfo=None)).total_seconds() / 3600)
print(f'本地时间比UTC早{差}小时', time.strftime('%Y-%m-%d %H:%M:%S %Z'))
问候 = '早安' if 5 <= 现在.hour < 12 else '你好'
内容 = f'{问候}！今天是{现在.strftime("%Y年%m月%d日")} 星期{星期[现在.weekday()]}'
data = {'msgtype': 'text', 'text': {'content': 内容}}
try:
    res = urlopen(Request(os.environ['HOOK'], json.dumps(data, ensure_ascii=False).encode(), {'Content-Type': 'application/json'}))
    assert json.load(res)['errcode'] == 0
except Exception as e:
    print('发送失败', e)
