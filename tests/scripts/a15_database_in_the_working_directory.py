# expect: failed error=sqlite3.OperationalError message='/output'
# Case A15: a database file beside the script cannot be made; the error says where it can.
import sqlite3


def run():
    sqlite3.connect("prices.db").execute("create table t(a)")
