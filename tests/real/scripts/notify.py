#!/usr/bin/env python3
# _*_ coding:utf-8 _*_
import json
import os
import re
import threading

import requests

# 原先的 print 函数和主线程的锁
_print = print
mutex = threading.Lock()


# 定义新的 print 函数
def print(text, *args, **kw):
    """
    使输出有序进行，不出现多线程同一时间输出导致错乱的问题。
    """
    with mutex:
        _print(text, *args, **kw)


# 通知服务
push_config = {
    'HITOKOTO': False,
    'BARK_PUSH': '',
    'CONSOLE': True,
    'DD_BOT_SECRET': '',
    'FSKEY': '',
    'WEBHOOK_URL': '',
    'WEBHOOK_METHOD': 'POST',
}
notify_function = []

# 首先读取 面板变量 或者 github action 运行变量
for k in push_config:
    if os.getenv(k):
        v = os.getenv(k)
        push_config[k] = v


def console(title: str, content: str) -> None:
    print(f"{title}\n\n{content}")


def webhook(title: str, content: str) -> None:
    if not push_config.get("WEBHOOK_URL"):
        print("自定义通知的 WEBHOOK_URL 未设置!!\n取消推送")
        return
    print("自定义通知服务启动")
    headers = {"Content-Type": "application/json;charset=utf-8"}
    response = requests.request(
        method=push_config["WEBHOOK_METHOD"],
        url=push_config["WEBHOOK_URL"],
        headers=headers,
        timeout=15,
        data=json.dumps({"title": title, "content": content}, ensure_ascii=False).encode("utf-8"),
    )
    if response.status_code == 200:
        print("自定义通知推送成功！")
    else:
        print(f"自定义通知推送失败！{response.status_code} {response.text}")


if push_config.get("CONSOLE"):
    notify_function.append(console)
if push_config.get("WEBHOOK_URL"):
    notify_function.append(webhook)


def send(title: str, content: str) -> None:
    if not content:
        print(f"{title} 推送内容为空！")
        return
    skipTitle = os.getenv("SKIP_PUSH_TITLE")
    if skipTitle and title in re.split("\n", skipTitle):
        print(f"{title} 在SKIP_PUSH_TITLE环境变量内，跳过推送！")
        return
    ts = [threading.Thread(target=mode, args=(title, content), name=mode.__name__) for mode in notify_function]
    [t.start() for t in ts]
    [t.join() for t in ts]


def main():
    send("title", "content")


if __name__ == "__main__":
    main()
