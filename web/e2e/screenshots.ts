/** Pictures of the main pages at two widths, from a server with things in it: `make screenshots`. The argument is a folder. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { seed } from './seed.ts'
import { closeBrowser, Server, Tab } from './support.ts'

const folder = process.argv[2]
assert(folder, 'usage: screenshots.ts FOLDER')
await mkdir(folder, { recursive: true })

/** Pages that have charts, which come last. */
const WITH_CHARTS = ['script', 'chart', 'alert']

const server = await Server.start()
try {
  const pages = await seed(server)
  for (const [width, height] of [[1280, 860], [400, 860]] as const) {
    const tab = await Tab.open(server, '/', { viewport: { width, height } })
    for (const [name, address] of Object.entries(pages)) {
      await tab.go(address)
      await tab.page.waitForLoadState('load')
      // What is loaded later holds its room by grey lines until it is there.
      await tab.page.locator('[role="status"] .line').first().waitFor({ state: 'detached' })
      if (WITH_CHARTS.includes(name)) await tab.page.locator('canvas').first().waitFor()
      await tab.page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve, { timeout: 2000 })))
      await tab.page.screenshot({ path: path.join(folder, `${name}-${width}.png`) })
    }
    await tab.close()
  }
} finally {
  await closeBrowser()
  await server.stop()
}
