# expect: succeeded hosts=http env=SHOP=http://127.0.0.1:{http}/shop/item/ stdout='price dropped: Green tea 250 g is $1299.00 (target 1500)' result='{"checked": 3, "prices": {"1001": "1299.00", "1002": "89.90"}, "sold_out": ["1003"]}' entry=run
# /// script
# dependencies = ["requests", "beautifulsoup4"]
# ///
import requests
from bs4 import BeautifulSoup
from decimal import Decimal
import os
import re

BASE = os.environ.get("SHOP", "https://www.shop.example.com/dp/")
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
    "Accept-Language": "en-US,en;q=0.9",
}
WATCH = {"1001": 1500, "1002": 50, "1003": 10}


def get_price(asin):
    page = requests.get(BASE + asin, headers=HEADERS, timeout=20)
    page.raise_for_status()
    soup = BeautifulSoup(page.content, "html.parser")
    title = soup.find(id="productTitle").get_text().strip()
    el = soup.select_one("span.a-price > span.a-offscreen")
    if el is None:
        return title, None
    return title, Decimal(re.sub(r"[^\d.]", "", el.text))


def run(context):
    history = context.state.setdefault("history", {})
    prices, sold_out = {}, []
    for asin, target in WATCH.items():
        title, price = get_price(asin)
        if price is None:
            sold_out.append(asin)
            continue
        old = history.get(asin)
        if price < target:
            print(f"price dropped: {title} is ${price} (target {target})")
        if old and Decimal(old[-1]["price"]) != price:
            print("changed since last time:", old[-1])
        history.setdefault(asin, []).append({"at": context.now().isoformat(), "price": str(price)})
        history[asin] = history[asin][-30:]
        prices[asin] = price
    return {"checked": len(WATCH), "prices": prices, "sold_out": sold_out}
