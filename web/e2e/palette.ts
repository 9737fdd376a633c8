/** The command palette and the keyboard. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab, until } from './support.ts'

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

test('what the pages can do, the palette can do', async () => {
  const line = { script: 'tea-price', path: '' }
  await server.api('PUT', '/v1/charts/tea', { title: 'Tea over the days', labels: ['morning'], lines: [line] })
  await server.script('slow', 'import time\ndef run():\n    time.sleep(300)\n')
  const tab = await Tab.open(server)
  const { page } = tab
  const palette = page.getByRole('dialog')
  const choose = async (typed: string, option: string | RegExp) => {
    await page.keyboard.press('Control+k')
    const field = palette.getByPlaceholder('Type a name or a command')
    await field.fill(typed)
    await palette.getByRole('option', { name: option }).first().click()
    await field.waitFor({ state: 'detached' })
  }
  await choose('over the days', /Tea over the days/)
  await page.waitForURL(/\/charts\/tea$/)
  await choose('morning', /morning.*dashboard/)
  await page.waitForURL(/\/charts\?label=morning$/)
  for (const [typed, address] of [['new script', /\/scripts\/new/], ['new schedule', /\/schedules\/new/], ['new chart', /\/charts\/new/]] as const) {
    await choose(typed, new RegExp(typed, 'i'))
    await page.waitForURL(address)
  }
  await choose('set a secret', 'Set a secret')
  await page.getByRole('dialog', { name: 'Set a secret' }).waitFor()
  await page.waitForURL(/\/access\/secrets$/)
  await page.keyboard.press('Escape')
  await choose('make a token', 'Make a token')
  await page.waitForURL(/\/access\/tokens$/)
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')

  await choose('backfill nightly', 'Backfill: nightly')
  await page.getByRole('dialog', { name: /Backfill/ }).waitFor()
  await page.keyboard.press('Escape')
  await choose('pause nightly', 'Pause: nightly')
  await page.getByText('nightly is paused.', { exact: true }).waitFor()
  await choose('resume nightly', 'Resume: nightly')
  await page.getByText('nightly fires again.', { exact: true }).waitFor()
  await choose('run now nightly', 'Run now: nightly')
  await page.waitForURL(/\/runs\//)
  await page.getByText('succeeded').first().waitFor()
  const first = page.url()
  await choose('run again', /Run again/)
  await until('another run is shown', async () => /\/runs\//.test(page.url()) && page.url() !== first)

  await choose('run slow', 'Run slow')
  await page.getByRole('heading', { name: 'slow' }).waitFor()
  await choose('cancel', /Cancel the run/)
  await page.getByRole('button', { name: 'Cancel the run' }).last().click()
  await page.getByText('cancelled').first().waitFor()

  await choose('dark', 'Theme: Dark')
  assert.equal(await page.evaluate(() => document.documentElement.dataset['theme']), 'dark')
  await choose('中文', 'Language: 简体中文')
  await page.getByRole('navigation', { name: '主导航' }).waitFor()
  await tab.close()
})
