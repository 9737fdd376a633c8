/** The overview: whether all is well, and that it stays true while the server comes and goes. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab } from './support.ts'

let server: Server
before(async () => {
  server = await Server.start()
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

test('an empty server teaches the first step', async () => {
  const tab = await Tab.open(server)
  await tab.page.getByRole('heading', { name: 'Nothing is here yet' }).waitFor()
  await tab.page.getByRole('button', { name: 'Start with an example' }).waitFor()
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  await tab.checkAccessibility()
  await tab.close()
})

test('what happens is shown without a reload', async () => {
  const tab = await Tab.open(server)
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  await server.script('backup', 'def run():\n    raise ValueError("the backup of orders is older than 26 hours")\n')
  await server.run('backup')
  await tab.page.getByRole('heading', { name: 'Something went wrong' }).waitFor()
  const failed = tab.page.getByRole('region', { name: 'Failed lately' })
  await failed.getByText('the backup of orders is older than 26 hours').waitFor()
  assert.equal(await failed.getByRole('link').count(), 1)
  await tab.checkAccessibility()
  await tab.close()
})

test('a server that is killed and started again is seen without a reload', async () => {
  const tab = await Tab.open(server)
  // A browser tells each request that fails.
  tab.allow(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|503/)
  await tab.page.evaluate(() => Object.assign(window, { isSamePage: true }))
  await server.kill()
  await tab.page.getByText('The server does not answer.').waitFor()
  await server.begin()
  await tab.page.getByText('The server does not answer.').waitFor({ state: 'detached' })
  await server.script('uptime', 'def run():\n    return 1\n')
  await server.run('uptime')
  await tab.page.getByText('1 successful run').waitFor()
  assert.equal(await tab.page.evaluate(() => 'isSamePage' in window), true)
  await tab.close()
})

for (const colorScheme of ['light', 'dark'] as const) {
  for (const locale of ['en-US', 'zh-CN']) {
    test(`narrow and wide, ${colorScheme}, ${locale}`, async () => {
      const tab = await Tab.open(server, '/', { colorScheme, locale })
      await tab.checkLooks(400, 1280, 3840)
      await tab.close()
    })
  }
}
