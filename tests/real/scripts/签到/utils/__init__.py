import json


def 读取配置(路径):
    with open(路径, 'r', encoding='utf-8-sig') as f:
        return json.load(f)
