# /// script
# dependencies = ["pycryptodome", "requests"]
# ///
"""签到：密码用 RSA 公钥加密，内容用 AES 加密，如许多青龙脚本所做。"""

import base64
import json
import random
import string

import requests
from Crypto.Cipher import AES, PKCS1_v1_5
from Crypto.PublicKey import RSA
from Crypto.Util.Padding import pad, unpad

PRIVATE = RSA.generate(1024)
PUBLIC = base64.b64encode(PRIVATE.publickey().exportKey("DER")).decode()


class Crypt:
    def __init__(self, key, iv):
        self.key, self.iv = key.encode(), iv.encode()

    def encrypt(self, text):
        cipher = AES.new(self.key, AES.MODE_CBC, self.iv)
        return base64.b64encode(cipher.encrypt(pad(text.encode(), AES.block_size, style="pkcs7"))).decode()

    def decrypt(self, text):
        cipher = AES.new(self.key, AES.MODE_CBC, self.iv)
        return unpad(cipher.decrypt(base64.b64decode(text)), AES.block_size).decode()


def rsa_encrypt(text):
    key = RSA.importKey(f"-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----")
    return base64.b64encode(PKCS1_v1_5.new(key).encrypt(text.encode())).decode()


secret = "".join(random.choices(string.ascii_letters, k=16))
crypt = Crypt(secret, "0102030405060708")
body = json.dumps({"手机": "13800000000", "密码": "茶"}, ensure_ascii=False)
sent = {"params": crypt.encrypt(body), "encSecKey": rsa_encrypt(secret)}
prepared = requests.Request("POST", "https://example.com/签到", data=sent).prepare()
assert "encSecKey" in prepared.body
# 服务器一边
got = PKCS1_v1_5.new(PRIVATE).decrypt(base64.b64decode(sent["encSecKey"]), None).decode()
assert got == secret
assert json.loads(Crypt(got, "0102030405060708").decrypt(sent["params"])) == json.loads(body)
