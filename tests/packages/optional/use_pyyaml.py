# /// script
# dependencies = ["pyyaml"]
# ///
import yaml

text = "prices:\n- {name: tea, price: 3.5}\n- name: rice\n  at: 2026-01-05\n"
value = yaml.safe_load(text)
assert value["prices"][0] == {"name": "tea", "price": 3.5}
assert yaml.safe_load(yaml.safe_dump(value, allow_unicode=True)) == value
assert not yaml.__with_libyaml__
