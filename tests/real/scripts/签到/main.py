# expect: succeeded hosts=http env=地址=http://127.0.0.1:{http} stdout='【论坛】账号 甲 签到成功' stdout='【论坛】账号 乙 失败: 签名错误' received='hook feishu: {"msg_type": "text", "content": {"text": "每日签到' output=结果/汇总.txt
# cron: 30 8 * * *
import json
import os
import sys

sys.path.append(os.path.abspath(os.path.dirname(__file__)))
from 通知 import 发送
from utils.sign import 计算签名, UA
from utils import 读取配置
import urllib.request
import urllib.parse

当前目录 = os.path.dirname(os.path.abspath(__file__))
配置 = 读取配置(os.path.join(当前目录, '配置.json'))
日志 = []


def 输出(文本):
    print(文本)
    日志.append(文本)


def 签到(账号):
    参数 = {'uid': 账号['uid'], 'ts': '1767225600'}
    参数['sign'] = 计算签名(参数, 账号['密钥'])
    请求 = urllib.request.Request(os.environ['地址'] + '/app/sign', urllib.parse.urlencode(参数).encode(), {'User-Agent': UA})
    回复 = json.load(urllib.request.urlopen(请求))
    if 回复['code'] != 200:
        raise Exception(回复['msg'])
    return 回复['msg']


for 账号 in 配置['账号']:
    try:
        输出('【%s】账号 %s %s' % (配置['名称'], 账号['名字'], 签到(账号)))
    except Exception as e:
        输出('【%s】账号 %s 失败: %s' % (配置['名称'], 账号['名字'], e))

os.makedirs('/output/结果', exist_ok=True)
open('/output/结果/汇总.txt', 'w', encoding='utf-8').write('\n'.join(日志))
发送('每日签到', '\n'.join(日志))
