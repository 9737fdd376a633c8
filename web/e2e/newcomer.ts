/** From the empty page to a chart: somebody who has never seen Cronbox, without a document. Clicks and pages are counted. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab, until } from './support.ts'

let server: Server
before(async () => {
  server = await Server.start()
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

test('a script of his own is scheduled, and its number is on a chart', async () => {
  const tab = await Tab.open(server)
  const { page } = tab
  let clicks = 0
  const click = async (role: 'link' | 'button', name: string | RegExp) => {
    await page.getByRole(role, { name }).first().click()
    clicks += 1
  }
  await click('button', 'Start with an example')
  await page.waitForURL(/\/scripts\/[^/]+\/code/)
  await click('button', /^Run/)
  await page.getByText('succeeded', { exact: true }).first().waitFor()
  const name = decodeURIComponent(new URL(page.url()).pathname.split('/')[2] ?? '')
  await click('button', /^Schedule$/)
  await page.waitForURL(/\/schedules\/new/)
  await click('button', /^(Save|Create)/)
  await page.waitForURL(/\/schedules\/(?!new)[^/]+/)
  const schedules = await server.api<{ items: { script: string; state: string }[] }>('GET', '/v1/schedules')
  assert.deepEqual(schedules.items.map((each) => [each.script, each.state]), [[name, 'active']])
  await click('link', name)
  await page.waitForURL(new RegExp(`/scripts/${name}`))
  await until('the number is on a chart', async () => (await page.locator('canvas').count()) > 0)
  assert(clicks <= 5, `${clicks} clicks`)
  await tab.close()
})
