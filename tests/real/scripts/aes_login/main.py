# expect: succeeded hosts=http env=URL=http://127.0.0.1:{http} env=账号=13800000000:pa55word stdout='登录成功' stdout='签到成功，+3 积分' stdout='未登录'
# /// script
# dependencies = ["requests"]
# ///
import base64
import json
import os
import requests
import aes

requests.packages.urllib3.disable_warnings()


class Task(object):
    session = requests.session()
    key = "0123456789abcdef"
    iv = "fedcba9876543210"

    def __init__(self, account):
        self.phone, self.password = account.split(":", 1)
        self.url = os.getenv("URL")

    def encrypt(self, text):
        data = text.encode()
        n = 16 - len(data) % 16
        data += bytes([n]) * n
        c = aes.AESModeOfOperationCBC(self.key.encode(), iv=self.iv.encode())
        return base64.b64encode(b"".join(c.encrypt(data[i:i + 16]) for i in range(0, len(data), 16))).decode()

    def login(self):
        data = {"phone": self.phone, "password": self.password}
        r = self.session.post(self.url + "/aes/login", json={"data": self.encrypt(json.dumps(data).replace(" ", ""))})
        if r.json()["code"] == 0:
            self.session.headers.update({"Authorization": r.json()["data"]["token"]})
            print("登录成功")
            return True
        print("登录失败", r.text)

    def sign(self):
        r = self.session.post(self.url + "/aes/sign", verify=False)
        print(r.json()["message"])


def main():
    for account in os.environ["账号"].split("\n"):
        t = Task(account)
        t.sign()
        if t.login():
            t.sign()


if __name__ == "__main__":
    main()
