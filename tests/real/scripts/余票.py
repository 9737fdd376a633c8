# expect: succeeded hosts=http env=SITE=http://127.0.0.1:{http} received='hook tickets: {"text": "G101 \u5317\u4eac\u5357 \u2192 \u4e0a\u6d77\u8679\u6865 \u6709\u7968"}' stdout=G101 stdout=D5
# -*- coding: gbk -*-
# 余票查询，有票就提醒
import csv, io, json, os
from urllib import parse, request

站点 = os.environ['SITE']
状态 = {'有': '有票', '无': '无票', '候补': '候补'}


class 车次:
    def __init__(self, 号, 起, 终, 票):
        self.号, self.起, self.终, self.票 = 号, 起, 终, 状态.get(票, 票)

    def __str__(self):
        return f'{self.号} {self.起} → {self.终} {self.票}'


参数 = parse.urlencode({'from': '北京', 'to': '上海', 'date': '2026-02-01'})
页 = request.urlopen(站点 + '/tickets.php?' + 参数).read().decode('gb2312', errors='ignore')
全部 = [车次(*行) for 行 in csv.reader(io.StringIO(页), delimiter='|') if 行]
for 车 in 全部:
    print(车)
    if 车.票 == '有票':
        内容 = json.dumps({'text': str(车)}).encode()
        request.urlopen(request.Request(站点 + '/hook/tickets', data=内容, headers={'Content-Type': 'application/json'}))
print(f'余票{sum(车.票 == "有票" for 车 in 全部)}趟')
