# expect: succeeded hosts=http env=TG_API=http://127.0.0.1:{http} stdout='3 messages' stdout='chat -1001' received='bot -1001: Report of the ops team' received='line 2 of 100%' stdout='fallback None'
# /// script
# dependencies = ["python-dotenv", "requests"]
# ///
from dotenv import load_dotenv, dotenv_values
import os, textwrap, requests

load_dotenv()
TOKEN = os.getenv("TG_TOKEN")
CHAT_ID = os.environ["TG_CHAT"]
print("chat", CHAT_ID)
print("fallback", os.getenv("TG_PROXY"))
assert os.environ["TITLE"] == "Report of the ops team", os.environ["TITLE"]
assert dotenv_values(os.path.join(os.path.dirname(__file__), ".env"))["EMPTY"] == ""


def send(text):
    try:
        r = requests.post(f"{os.environ['TG_API']}/bot{TOKEN}/sendMessage", data={"chat_id": CHAT_ID, "text": text, "parse_mode": "HTML"}, timeout=10)
        if not r.json()["ok"]:
            print("telegram says", r.json()["description"])
            return 0
        return 1
    except Exception as e:
        # never fail because of the messenger
        print("could not send", e)
        return 0


body = os.environ["TITLE"] + "\n" + "\n".join(f"line {i} of 100%" for i in range(1, 60))
n = 0
for part in textwrap.wrap(body, 400, replace_whitespace=False, break_long_words=False):
    n += send(part)
print(n, "messages")
