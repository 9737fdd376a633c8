/** A server with things in it, as somebody has after some days, and the addresses of its main pages. */
import { type Server, until } from './support.ts'

const PRICE = `# /// script
# tool.cronbox = { title = "Price of green tea", labels = { team = "shop" }, schedule = "0 */2 * * * @ Asia/Shanghai" }
# ///
"""The price of tea, which rises and falls over the days."""
import math
import random
from datetime import datetime, timezone
from typing import Literal


def run(context, symbol: Literal["green", "black", "oolong"] = "green", spread: float = 0.4):
    """Looks up a price.

    Args:
        symbol: Which tea.
        spread: How far the price is off at most.
    """
    at = context.fire_time or datetime.now(timezone.utc)
    day = at.timestamp() / 86400
    price = round(42 + 3 * math.sin(day * 1.3) + random.uniform(-spread, spread), 2)
    print(f"{symbol} at {at:%Y-%m-%d %H:%M}: {price}")
    return {"price": price, "volume": round(500 + 120 * math.cos(day * 0.9)) + random.randint(-60, 60)}
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
  // Values of the last days, each at its fire time.
  await server.api('POST', '/v1/schedules/tea-price/backfill', { from: '14d', concurrency: 2 })
  await until('the last days were run', async () => {
    const open = await server.api<{ items: unknown[] }>('GET', '/v1/runs?script=tea-price&status=queued,running,scheduled&limit=1')
    return open.items.length === 0
  })
  for (const name of ['uptime', 'weekly-report', '天气', 'uptime', 'uptime']) await server.run(name)
  const failed = await server.run('backup-report')
  const priced = await server.run('tea-price')
  await server.api('POST', '/v1/schedules', { id: 'nightly-backup', script: 'backup-report', trigger: '0 3 * * * @ Asia/Shanghai' })
  await server.api('POST', '/v1/schedules', { id: 'uptime', script: 'uptime', trigger: 'every 5m' })
  await server.api('PUT', '/v1/channels/ops', { type: 'webhook', url: 'https://api.example.com/hook', secret: `whsec_${Buffer.alloc(32, 1).toString('base64')}` })
  await server.api('PUT', '/v1/channels/team-chat', { type: 'feishu', url: 'https://api.example.com/bot/v2/hook/x', secret: 's3cret', language: 'zh' })
  const alerts = {
    'backup-failed': { about: { script: 'backup-report' }, text: 'failed', notify: ['ops', 'team-chat'] },
    'tea-is-dear': { about: { script: 'tea-price' }, text: '/price > 30', notify: ['ops'] },
    'uptime-late': { about: { schedule: 'uptime' }, text: 'late 5m', notify: ['ops'] },
    finance: { about: { label: 'team=finance' }, text: 'stale 8d', notify: ['team-chat'] },
    'any-outlier': { about: { everything: true }, text: 'duration 3x', notify: [] },
  }
  for (const [id, alert] of Object.entries(alerts)) await server.api('PUT', `/v1/alerts/${id}`, alert)
  await server.api('POST', '/v1/alerts/finance/mute', { for: '7d' })
  await server.run('backup-report')
  await server.run('tea-price')
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
    alerts: '/alerts',
    alert: '/alerts/tea-is-dear',
    mute: '/alerts/backup-failed/mute',
    'new-alert': '/alerts/new?script=tea-price&text=/price > 100',
    channels: '/channels',
    deliveries: '/deliveries',
    secrets: '/access/secrets',
    tokens: '/access/tokens',
    grants: '/access/grants',
    audit: '/access/audit',
  }
}
