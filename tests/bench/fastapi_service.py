"""The service that people build today: FastAPI under uvicorn starts a fresh `python3` for each request and records the run
to SQLite. It prints its port and serves until its standard input ends."""

import asyncio
import json
import sqlite3
import sys
import threading
import time
import uuid

import uvicorn
from fastapi import FastAPI

PYTHON, DATABASE = sys.argv[1:3]
# Loads the script and calls it with the arguments that come on standard input, as such services do.
RUNNER = """
import json, sys
source, args = json.load(sys.stdin)
names = {}
exec(compile(source, "script.py", "exec"), names)
print(json.dumps(names["run"](**args)))
"""
SOURCE = 'def run(n=1):\n    return {"n": n}\n'

app = FastAPI()
database = sqlite3.connect(DATABASE, check_same_thread=False)
database.executescript(
    """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE runs (id TEXT PRIMARY KEY, script TEXT, status TEXT, args TEXT, result TEXT, error TEXT,
        started_at REAL, finished_at REAL);
    """
)
writing = threading.Lock()


def record(sql, values):
    with writing, database:
        database.execute(sql, values)


@app.post("/scripts/{name}/runs")
async def run(name: str, body: dict):
    id, args = str(uuid.uuid4()), body.get("args", {})
    sql = "INSERT INTO runs (id, script, status, args, started_at) VALUES (?, ?, 'running', ?, ?)"
    await asyncio.to_thread(record, sql, (id, name, json.dumps(args), time.time()))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(PYTHON, "-I", "-c", RUNNER, stdin=pipe, stdout=pipe, stderr=pipe)
    output, errors = await asyncio.wait_for(process.communicate(json.dumps([SOURCE, args]).encode()), 60)
    status = "failed" if process.returncode else "succeeded"
    result = None if process.returncode else json.loads(output)
    sql = "UPDATE runs SET status = ?, result = ?, error = ?, finished_at = ? WHERE id = ?"
    await asyncio.to_thread(record, sql, (status, json.dumps(result), errors.decode(), time.time(), id))
    return {"id": id, "status": status, "result": result}


async def main():
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


asyncio.run(main())
