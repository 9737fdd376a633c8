import json, os
from urllib import request


def 发送(标题, 内容):
    数据 = json.dumps({'msg_type': 'text', 'content': {'text': 标题 + '\n\n' + 内容}}, ensure_ascii=False)
    r = request.Request(os.environ['地址'] + '/hook/feishu', data=数据.encode('utf8'))
    r.add_header('Content-Type', 'application/json')
    结果 = json.loads(request.urlopen(r, timeout=10).read())
    print('飞书推送成功' if 结果['code'] == 0 else '飞书推送失败 %s' % 结果)
