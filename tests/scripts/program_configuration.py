# expect: succeeded result='{"ini": ["8080", true, "/srv/data"], "toml": {"hosts": ["a", "b"], "since": "2026-01-02", "ratio": 0.5}}'
# Configuration in two formats.
import configparser
import tomllib


def run():
    ini = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
    ini.read_string("[server]\nport = 8080\ndebug = yes\nroot = /srv\n[paths]\ndata = ${server:root}/data\n")
    toml = tomllib.loads('hosts = ["a", "b"]\nsince = 2026-01-02\nratio = 0.5\n')
    return {"ini": [ini["server"]["port"], ini["server"].getboolean("debug"), ini["paths"]["data"]], "toml": toml}
