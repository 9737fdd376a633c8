/** A server with things in it, as somebody has after some days, and the addresses of its main pages. */
import { Server } from './support.ts'

const PRICE = `# /// script
# tool.cronbox = { title = "Price of green tea", labels = { team = "shop" }, schedule = "*/15 9-18 * * 1-5 @ Asia/Shanghai" }
# ///
"""The price of tea, as a walk from the last price."""
from typing import Literal
import random


def run(context, symbol: Literal["green", "black", "oolong"] = "green", step: float = 1.5):
    """Looks up a price.

    Args:
        symbol: Which tea.
        step: The largest change between two runs.
    """
    before = context.state.get("price", 42.0)
    price = round(max(1.0, before + random.uniform(-step, step)), 2)
    context.state["price"] = price
    print(f"{symbol}: {before} -> {price}")
    return {"price": price, "volume": random.randint(100, 900), "shop": {"stock": random.randint(0, 50)}}
`
const SCRIPTS: Record<string, string> = {
  'tea-price': PRICE,
  'backup-report': 'def check(name):\n    raise ValueError(f"the backup of {name} is older than 26 hours")\n\ndef run():\n    print("checking 12 databases")\n    return check("orders")\n',
  uptime: 'def run():\n    return [{"host": "shop.example.com", "ms": 123, "ok": True}, {"host": "api.example.com", "ms": 48, "ok": True}]\n',
  'weekly-report': '# /// script\n# tool.cronbox = { title = "Sales of the week", labels = { team = "finance" }, schedule = "0 8 * * 1 @ Europe/Berlin" }\n# ///\ndef run():\n    return {"orders": 1843, "revenue": 88213.5}\n',
  天气: 'print("今天 21.5 度")\n',
}

/** Fills a server, and says where its main pages are. */
export async function seed(server: Server): Promise<Record<string, string>> {
  for (const [name, source] of Object.entries(SCRIPTS)) await server.script(name, source)
  for (let n = 0; n < 60; n += 1) await server.run('tea-price')
  for (const name of ['uptime', 'weekly-report', '天气', 'uptime', 'uptime']) await server.run(name)
  const failed = await server.run('backup-report')
  const priced = await server.run('tea-price')
  await server.api('POST', '/v1/schedules', { id: 'nightly-backup', script: 'backup-report', trigger: '0 3 * * * @ Asia/Shanghai' })
  await server.api('POST', '/v1/schedules', { id: 'uptime', script: 'uptime', trigger: 'every 5m' })
  return {
    overview: '/',
    scripts: '/scripts',
    script: '/scripts/tea-price',
    code: '/scripts/tea-price/code',
    'new-script': '/scripts/new',
    schedules: '/schedules',
    timeline: '/schedules?view=timeline',
    schedule: '/schedules/uptime',
    'new-schedule': '/schedules/new?script=tea-price',
    runs: '/runs',
    run: `/runs/${priced.id}`,
    'failed-run': `/runs/${failed.id}`,
    chart: '/charts/new?script=tea-price&path=/price',
    secrets: '/access/secrets',
    tokens: '/access/tokens',
    grants: '/access/grants',
  }
}
