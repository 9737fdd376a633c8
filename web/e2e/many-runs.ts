/** 100,000 runs in the list: how long the page takes for each frame while it is scrolled and filtered. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fill } from './fill.ts'
import { closeBrowser, Server, Tab, until } from './support.ts'

const COUNT = 100_000
/** What the page may compute in one piece, in milliseconds of CPU: other programs share the machine. */
const MOST = 50

let server: Server
before(async () => {
  server = await Server.start()
  await server.script('tick', 'def run():\n    return {"price": 12.5}\n')
  await server.run('tick')
  // One for each minute before it.
  fill(server, 'tick', [...Array(COUNT).keys()].map((n) => ({ ago: (n + 1) * 60_000, result: `{"price":${n + 1}.5}` })))
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

interface TraceEvent {
  name: string
  pid: number
  tid: number
  tdur?: number
  args?: { name?: string }
}

/** The longest pieces of work of the page's thread while something is done, in milliseconds of CPU. */
async function longest(tab: Tab, work: () => Promise<void>): Promise<number[]> {
  const session = await tab.page.context().newCDPSession(tab.page)
  const events: TraceEvent[] = []
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])))
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['toplevel', '__metadata'] } })
  await work()
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await complete
  await session.detach()
  const threads = new Set(events.filter((event) => event.name === 'thread_name' && event.args?.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`))
  const tasks = events.filter(({ name, pid, tid, tdur }) => tdur !== undefined && /RunTask$/.test(name) && threads.has(`${pid} ${tid}`))
  assert(tasks.length > 0, 'the browser told of no task')
  return tasks.map(({ tdur = 0 }) => tdur / 1000).sort((a, b) => b - a).slice(0, 5)
}

test('scrolling and filtering 100,000 runs keeps every frame short', async () => {
  const tab = await Tab.open(server, '/runs')
  await tab.page.getByText('100,001 runs').waitFor()
  const frame = tab.page.getByRole('group', { name: 'Runs, newest first' })
  const scrolled = await longest(tab, () =>
    frame.evaluate(async (element) => {
      for (let n = 0; n < 200; n += 1) {
        element.scrollTop += 1500
        await new Promise(requestAnimationFrame)
      }
    }),
  )
  assert((scrolled[0] ?? 0) < MOST, `scrolling: ${scrolled.join(', ')} ms`)
  assert((await frame.evaluate((element) => element.scrollTop)) > 50_000, 'rows come while it is scrolled')
  const filtered = await longest(tab, async () => {
    await tab.page.getByRole('button', { name: 'More filters' }).click()
    await tab.page.getByLabel('Result is').fill('/price>100000')
    await until('the filter is in force', async () => (await tab.page.locator('[data-at="0"]').innerText()).includes('price: 100000.5'))
  })
  assert((filtered[0] ?? 0) < MOST, `filtering: ${filtered.join(', ')} ms`)
  await tab.close()
})
