# expect: succeeded result='{"same": true, "sorted": "{\"a\":[1,2.5,null],\"b\":\"\\u00e9\"}", "big": 18446744073709551616}'
# json: options, hooks, large numbers, errors with positions.
import decimal
import json


def run():
    value = {"b": "é", "a": [1, 2.5, None]}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    exact = json.loads('{"price": 1.10}', parse_float=decimal.Decimal)
    assert str(exact["price"]) == "1.10"
    assert json.loads('{"a": 1, "a": 2}', object_pairs_hook=list) == [("a", 1), ("a", 2)]
    try:
        json.loads('{"a": 1,\n "b": }')
    except json.JSONDecodeError as error:
        assert (error.lineno, error.colno) == (2, 7), (error.lineno, error.colno)
    return {"same": json.loads(json.dumps(value, indent=2)) == value, "sorted": text, "big": json.loads("18446744073709551616")}
