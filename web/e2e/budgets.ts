/** What the page may cost: bytes, time, movement, and the server's CPU. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab, until } from './support.ts'

/** The first load without editor and charts, in bytes over the wire. */
const MOST_BYTES = 250_000
/** Until the overview can be used, in milliseconds. */
const MOST_TIME = 1000
/** What an open overview costs the server, as a part of one core. */
const MOST_CPU = 0.01
/** The kernel counts CPU time in so many parts of a second. */
const TICKS = 100

let server: Server
before(async () => {
  server = await Server.start()
  await server.script('tea', 'def run():\n    return {"price": 4.75}\n')
  for (let n = 0; n < 20; n += 1) await server.run('tea')
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

/** Loads that are measured: at least the first number, and until one is quick enough. These machines are shared, and the quickest one says what the page needs. */
const [LEAST_LOADS, MOST_LOADS] = [3, 30]

interface Load {
  bytes: number
  shown: number
  shifts: number
}

/** A load with an empty cache. */
async function load(): Promise<Load> {
  const tab = await Tab.open(server)
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  const found = await tab.page.evaluate(async () => {
    const shifts = await new Promise<number>((resolve) => {
      let sum = 0
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += (entry as unknown as { value: number }).value
      }).observe({ type: 'layout-shift', buffered: true })
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)))
    })
    const navigation = performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming
    const files = performance.getEntriesByType('resource') as PerformanceResourceTiming[]
    const own = files.filter((file) => /\/assets\/|icon\.svg/.test(file.name))
    return {
      bytes: own.reduce((sum, file) => sum + file.transferSize, navigation.transferSize),
      shown: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity,
      shifts,
    }
  })
  await tab.close()
  return found
}

test('the first load is small, quick, and does not move', async () => {
  const loads: Load[] = []
  const isQuick = () => loads.some((each) => each.shown < MOST_TIME)
  while (loads.length < LEAST_LOADS || (loads.length < MOST_LOADS && !isQuick())) loads.push(await load())
  const told = JSON.stringify(loads)
  const bytes = Math.max(...loads.map((each) => each.bytes))
  assert(bytes > 50_000 && bytes < MOST_BYTES, told)
  assert(isQuick(), told)
  assert(Math.max(...loads.map((each) => each.shifts)) < 0.01, told)
})

test('an open overview costs the server next to nothing', async () => {
  const tab = await Tab.open(server)
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  let asked = 0
  tab.page.on('request', (request) => {
    if (request.url().includes('status=running')) asked += 1
  })
  const pid = server.pid
  const used = async () => {
    const [, fields] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
    const parts = (fields ?? '').split(' ')
    return (Number(parts[11]) + Number(parts[12])) / TICKS
  }
  const [began, before] = [performance.now(), await used()]
  // The page asks this every five seconds.
  await until('the page asked again and again', async () => asked >= 2)
  const [seconds, cpu] = [(performance.now() - began) / 1000, (await used()) - before]
  assert(cpu / seconds < MOST_CPU, `${cpu} s of CPU in ${seconds} s`)
  await tab.close()
})
