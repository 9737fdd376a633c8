/** Runs: the list and its filters, output as it comes, one run, two compared. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab, until } from './support.ts'

let server: Server
before(async () => {
  server = await Server.start()
  await server.script('price', 'def run(n=1):\n    print("price is", n)\n    return {"price": n, "big": 12345678901234567890}\n')
  await server.script('broken', 'def helper():\n    return 1 / 0\n\ndef run():\n    print("before")\n    return helper()\n')
  await server.script('slow', 'import time\ndef run(steps=2000):\n    for n in range(steps):\n        print("step", n)\n        time.sleep(0.1)\n')
  await server.script('after', 'def run(upstream):\n    return upstream["price"]\n')
  await server.run('price')
  await server.run('price', { args: { n: 2 } })
  await server.run('broken')
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

const row = (tab: Tab, at: number) => tab.page.locator(`[data-at="${at}"]`)

test('filters are in the address, and an error is told at its field', async () => {
  const tab = await Tab.open(server, '/runs')
  tab.allow(/status of 400/)
  await row(tab, 2).waitFor()
  await tab.page.getByRole('button', { name: 'Failed', exact: true }).click()
  await until('only one is left', async () => (await row(tab, 0).innerText()).includes('ZeroDivisionError') && (await row(tab, 1).count()) === 0)
  assert(tab.page.url().includes('status=failed'), tab.page.url())
  const other = await Tab.open(server, new URL(tab.page.url()).pathname + new URL(tab.page.url()).search)
  await row(other, 0).getByText('broken').waitFor()
  await other.close()
  await tab.page.getByRole('button', { name: 'Clear the filters' }).first().click()
  await tab.page.getByRole('button', { name: 'More filters' }).click()
  await tab.page.getByLabel('Took at least').fill('long')
  await tab.page.locator('.field', { hasText: 'Took at least' }).getByText('does not begin with a number').waitFor()
  assert.equal(await tab.page.getByLabel('Took at least').inputValue(), 'long')
  await tab.page.getByLabel('Took at least').fill('')
  await tab.page.getByLabel('Result is').fill('/price>1')
  await until('one result passes', async () => (await row(tab, 0).innerText()).includes('price: 2') && (await row(tab, 1).count()) === 0)
  await tab.close()
})

test('new runs are told and not pushed between the others', async () => {
  const tab = await Tab.open(server, '/runs?script=price')
  await row(tab, 0).waitFor()
  const first = await row(tab, 0).innerText()
  await server.run('price', { args: { n: 77 } })
  const told = tab.page.getByRole('button', { name: '1 new run' })
  await told.waitFor()
  assert.equal(await row(tab, 0).innerText(), first)
  await told.click()
  await until('it is at the top', async () => (await row(tab, 0).innerText()).includes('price: 77'))
  await tab.close()
})

test('all runs as CSV', async () => {
  const tab = await Tab.open(server, '/runs?script=price')
  await row(tab, 0).waitFor()
  const [file] = await Promise.all([tab.page.waitForEvent('download'), tab.page.getByRole('button', { name: 'CSV' }).click()])
  const text = await readFile(await file.path(), 'utf8')
  assert(text.split('\n')[0]?.includes('id,script,'), text)
  assert(text.includes('12345678901234567890'))
  await tab.close()
})

test('two runs are compared', async () => {
  const tab = await Tab.open(server, '/runs?script=price')
  await row(tab, 0).getByRole('checkbox').check()
  await row(tab, 1).getByRole('checkbox').check()
  await tab.page.getByRole('link', { name: 'Compare' }).click()
  await tab.page.getByRole('heading', { name: 'Compare two runs' }).waitFor()
  await tab.page.getByText('1 line differs').waitFor()
  await tab.checkLooks()
  await tab.close()
})

test('output is followed, searched, and survives the server', async () => {
  const { id } = await server.api<{ id: string }>('POST', '/v1/scripts/slow/runs', { limits: { timeout: '10m' } })
  const tab = await Tab.open(server, `/runs/${id}`)
  tab.allow(/Failed to load resource/, /ERR_/)
  const output = tab.page.getByRole('group', { name: 'Output' })
  // Whichever lines it shows: a page that opens late begins further on.
  await until('lines come', async () => [...(await output.innerText()).matchAll(/step (\d+)/g)].some(([, step]) => Number(step) >= 30))
  assert(await output.evaluate((frame) => frame.scrollTop + frame.clientHeight >= frame.scrollHeight - 20), 'it follows the end')
  await tab.page.getByLabel('Search the output').fill('step 3')
  await tab.page.getByText(/^1 of \d+$/).waitFor()
  await tab.page.getByRole('button', { name: 'Next match' }).click()
  await tab.page.getByText(/^2 of \d+$/).waitFor()
  await output.getByText('step 3', { exact: true }).first().waitFor()
  await server.kill()
  await tab.page.getByText('Connection lost, trying again').waitFor()
  await server.begin()
  await tab.page.getByText('Live', { exact: true }).waitFor()
  await tab.page.getByRole('button', { name: 'Cancel the run' }).click()
  await tab.page.getByRole('dialog').getByRole('button', { name: 'Cancel the run' }).click()
  await tab.page.getByText('cancelled', { exact: true }).first().waitFor()
  const [file] = await Promise.all([tab.page.waitForEvent('download'), tab.page.getByRole('button', { name: 'Download' }).click()])
  assert((await readFile(await file.path(), 'utf8')).startsWith('step 0\n'))
  await tab.close()
})

test('the line of an error is marked; a run is made again, as it was and with other arguments', async () => {
  const { id } = await server.run('broken')
  const tab = await Tab.open(server, `/runs/${id}`)
  await tab.page.locator('[aria-current="true"]', { hasText: 'return 1 / 0' }).waitFor()
  await tab.page.getByRole('button', { name: 'Run again' }).click()
  await tab.page.getByText('It tries this run again').waitFor()
  await tab.page.getByRole('link', { name: 'broken', exact: true }).last().waitFor()

  const price = await server.run('price')
  await tab.go(`/runs/${price.id}`)
  await tab.page.getByRole('button', { name: 'Change and run' }).click()
  const dialog = tab.page.getByRole('dialog')
  await tab.checkAccessibility()
  const json = dialog.getByRole('button', { name: 'JSON' })
  if (await json.isVisible()) await json.click()
  await dialog.getByRole('textbox').first().click()
  await tab.page.keyboard.press('Control+A')
  await tab.page.keyboard.insertText('{"n": 98765432109876543210}')
  await dialog.getByRole('button', { name: 'Run', exact: true }).click()
  await tab.page.getByRole('tree', { name: 'Result' }).getByText('98765432109876543210').waitFor()
  await tab.close()
})

test('what followed from a run is linked, in both directions', async () => {
  await server.api('PUT', '/v1/schedules/chain', { script: 'after', trigger: 'after price' })
  const { id } = await server.run('price', { args: { n: 5 } })
  const chained = async () => (await server.api<{ items: { status: string }[] }>('GET', '/v1/runs?script=after&status=succeeded')).items.length > 0
  await until('the chain ran', chained)
  const tab = await Tab.open(server, `/runs/${id}`)
  await tab.page.getByText('Started when it ended').waitFor()
  await tab.page.getByRole('link', { name: 'after', exact: true }).click()
  await tab.page.getByText('It started when this run ended').waitFor()
  await tab.page.getByRole('link', { name: 'price', exact: true }).click()
  await tab.page.getByText('Started when it ended').waitFor()
  await tab.close()
})

test('both languages, both themes, both widths', async () => {
  const { id } = await server.run('broken')
  const chained = (await server.api<{ items: { id: string }[] }>('GET', '/v1/runs?cause=chain&limit=1')).items[0]?.id
  assert(chained)
  for (const [locale, colorScheme] of [['en-US', 'dark'], ['zh-CN', 'light']] as const) {
    const tab = await Tab.open(server, '/runs', { locale, colorScheme })
    tab.allow(/status of 404/)
    for (const address of ['/runs', '/runs?status=missed', `/runs/${id}`, `/runs/${chained}`, '/runs/nothing', '/runs/compare']) {
      await tab.go(address)
      await tab.checkLooks()
    }
    await tab.close()
  }
})
