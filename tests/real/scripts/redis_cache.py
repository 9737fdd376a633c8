# expect: succeeded hosts=http,redis env=REDIS_URL=redis://127.0.0.1:{redis}/0 env=API=http://127.0.0.1:{http}/api/items/ stdout='miss 4' stdout='hit  4' stdout='lock taken by someone else' stdout="'price': '12'"
# /// script
# dependencies = ["redis", "requests"]
# ///
import functools
import json
import os
import redis
import requests

r = redis.from_url(os.getenv("REDIS_URL", "redis://localhost:6379/0"), decode_responses=True)
http = requests.Session()
API = os.getenv("API")


def cached(ttl=60):
    def deco(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            key = f"cache:{fn.__name__}:{':'.join(map(str, args))}"
            hit = r.get(key)
            if hit is not None:
                print("hit ", *args)
                return json.loads(hit)
            print("miss", *args)
            value = fn(*args)
            r.set(key, json.dumps(value), ex=ttl)
            return value
        return wrapper
    return deco


@cached(ttl=300)
def get_item(n):
    return http.get(API + str(n), timeout=5).json()


assert r.ping()
r.delete("lock:items", "stats:items")
if not r.set("lock:items", "1", nx=True, ex=30):
    raise SystemExit("another run is busy")
try:
    if not r.set("lock:items", "2", nx=True, ex=30):
        print("lock taken by someone else")
    for n in (4, 5, 4):
        item = get_item(n)
        r.hset("stats:items", mapping={"last": n, "price": item["price"]})
        r.expire("stats:items", 60)
    get_item(4)
    r.hset("stats:items", "price", get_item(4)["price"])
    print("runs:", r.incr("runs:items"), r.hgetall("stats:items"))
finally:
    r.delete("lock:items")
