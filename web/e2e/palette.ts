/** The command palette and the keyboard. */
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab } from './support.ts'

let server: Server
before(async () => {
  server = await Server.start()
  await server.script('tea-price', 'def run():\n    return 1\n')
  await server.api('POST', '/v1/schedules', { id: 'nightly', script: 'tea-price', trigger: '0 3 * * *' })
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

test('Ctrl-K goes to a script, a schedule, a run, and a page', async () => {
  const tab = await Tab.open(server)
  const run = await server.run('tea-price')
  const go = async (typed: string, address: RegExp) => {
    await tab.page.keyboard.press('Control+k')
    const field = tab.page.getByPlaceholder('Type a name or a command')
    await field.fill(typed)
    await tab.page.getByRole('option').first().waitFor()
    await tab.page.keyboard.press('Enter')
    await tab.page.waitForURL(address)
  }
  await go('tea-p', /\/scripts\/tea-price/)
  await go('nightly', /\/schedules\/nightly/)
  await go(run.id, new RegExp(`/runs/${run.id}`))
  await go('charts', /\/charts/)
  await tab.page.keyboard.press('Control+k')
  await tab.page.getByRole('option').first().waitFor()
  await tab.checkAccessibility()
  await tab.page.keyboard.press('Escape')
  await tab.page.getByRole('dialog').waitFor({ state: 'detached' })
  await tab.close()
})
