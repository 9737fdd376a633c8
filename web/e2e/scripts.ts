/** The scripts room: a script is written, checked, run, saved, compared, set and deleted; two people edit the same one. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { zipSync } from 'fflate'
import type { Page } from 'playwright-core'
import { closeBrowser, Server, Tab, until } from './support.ts'

let server: Server
before(async () => {
  server = await Server.start()
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

const editor = (page: Page) => page.locator('.cm-content').first()

/** Puts a text in the place of all that the editor has. */
async function write(page: Page, text: string): Promise<void> {
  await editor(page).click()
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText(text)
}

const press = (page: Page, name: string | RegExp) => page.getByRole('button', { name }).first().click()
const succeeded = (page: Page) => page.locator('.outcome').getByText('succeeded', { exact: true }).waitFor()

test('a text is checked and run before it is kept, with the form of its parameters', async () => {
  const tab = await Tab.open(server, '/scripts/new')
  const { page } = tab
  // A text with an error is a request that is refused.
  tab.allow(/status of 422/)
  await write(page, 'def run(n: int, side: str = "buy"):\n    return {"n": n\n')
  await page.getByText("'{' was never closed").first().waitFor()
  await page.locator('.cm-lint-marker-error').waitFor()
  await write(page, 'def run(n: int, side: str = "buy"):\n    """Trade.\n\n    Args:\n        n: How many.\n    """\n    print("side", side)\n    return {"n": n, "half": n / 2}\n')
  await page.getByText('How many.', { exact: true }).waitFor()
  await press(page, 'Run unsaved text')
  await page.getByText('A value is needed.').waitFor()
  await page.getByRole('textbox', { name: 'n', exact: true }).fill('1.5')
  await page.getByText('This is not a whole number.').waitFor()
  await page.getByRole('textbox', { name: 'n', exact: true }).fill('8')
  await press(page, 'Run unsaved text')
  await succeeded(page)
  await tab.checkAccessibility()
  await page.getByRole('textbox', { name: 'Name' }).fill('trade')
  await press(page, 'Create')
  await page.waitForURL(/\/scripts\/trade\/code$/)
  // The arguments came along.
  await press(page, 'Run version 1')
  await succeeded(page)
  const runs = await server.api<{ items: { args: unknown; result: unknown }[] }>('GET', '/v1/runs?script=trade')
  assert.deepEqual(runs.items.map((run) => [run.args, run.result]), [[{ n: 8 }, { n: 8, half: 4 }]])
  await tab.close()
})

test('an error is marked at its line, and what was typed outlives a reload', async () => {
  await server.script('fails', 'def run():\n    return 1\n')
  const tab = await Tab.open(server, '/scripts/fails/code')
  const { page } = tab
  await write(page, 'def run():\n    x = 1\n    return x / 0\n')
  await press(page, 'Run unsaved text')
  await page.getByText('ZeroDivisionError').first().waitFor()
  await page.locator('.cm-wrong').filter({ hasText: 'return x / 0' }).waitFor()
  await page.reload()
  await page.locator('.cm-line').filter({ hasText: 'return x / 0' }).waitFor()
  await press(page, 'Discard')
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click()
  await page.locator('.cm-line').filter({ hasText: 'return 1' }).waitFor()
  await tab.close()
})

test('of two people who edit a script, the second sees both texts, and nothing is overwritten unseen', async () => {
  await server.script('both', 'def run():\n    return 1\n')
  const tab = await Tab.open(server, '/scripts/both/code')
  const { page } = tab
  await write(page, 'def run():\n    return "mine"\n')
  await server.script('both', 'def run():\n    return "theirs"\n')
  await page.keyboard.press('Control+s')
  await page.getByText('Version 2 was saved while you were writing').waitFor()
  await page.locator('.cm-line').filter({ hasText: 'return "theirs"' }).waitFor()
  await page.locator('.cm-line').filter({ hasText: 'return "mine"' }).waitFor()
  await tab.checkAccessibility()
  assert.equal((await server.api<{ version: number }>('GET', '/v1/scripts/both')).version, 2)
  await press(page, 'Save mine as a new version')
  await until('mine is version 3', async () => (await server.api<{ version: number }>('GET', '/v1/scripts/both')).version === 3)
  // Back: the version of the other person is in force again.
  await tab.go('/scripts/both/versions')
  await page.locator('.cm-changedLine').filter({ hasText: 'return "mine"' }).waitFor()
  await tab.checkAccessibility()
  await press(page, /^Restore: Version 2/)
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
  await until('version 2 is in force', async () => (await server.api<{ version: number }>('GET', '/v1/scripts/both')).version === 2)
  await tab.close()
})

test('what is typed while the server is away stays, and a script that was deleted is made again only when asked', async () => {
  await server.script('away', 'def run():\n    return 1\n')
  const tab = await Tab.open(server, '/scripts/away/code')
  const { page } = tab
  tab.allow(/ERR_/, /status of (404|503)/)
  await write(page, 'def run():\n    return "typed"\n')
  await server.kill()
  await page.keyboard.press('Control+s')
  await page.getByText('Nothing that you typed is lost').waitFor()
  await server.begin()
  await page.keyboard.press('Control+s')
  await until('it is saved', async () => (await server.api<{ version: number }>('GET', '/v1/scripts/away')).version === 2)
  await page.getByText('Nothing that you typed is lost').waitFor({ state: 'detached' })
  await write(page, 'def run():\n    return "again"\n')
  await server.api('DELETE', '/v1/scripts/away')
  await page.keyboard.press('Control+s')
  const question = page.getByRole('dialog')
  await question.getByText('This script was deleted meanwhile').waitFor()
  await question.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('.cm-line').filter({ hasText: 'return "again"' }).waitFor()
  assert.equal((await fetch(`${server.url}/v1/scripts/away`)).status, 404)
  await press(page, 'Save')
  await question.getByRole('button', { name: 'Save' }).click()
  await until('it is there again', async () => (await fetch(`${server.url}/v1/scripts/away`)).ok)
  await tab.close()
})

test('a file is taken as the text, and one of several files is changed', async () => {
  const tab = await Tab.open(server, '/scripts/new')
  const { page } = tab
  const main = 'from part import f\n\ndef run(n: int = 2):\n    return f(n)\n'
  await page.locator('input[type=file]').first().setInputFiles({ name: 'main.py', mimeType: 'text/x-python', buffer: Buffer.from(main) })
  await page.locator('.cm-line').filter({ hasText: 'from part import f' }).waitFor()
  await server.api('PUT', '/v1/scripts/parts', { files: { 'main.py': main, 'part.py': 'def f(n):\n    return n\n' } })
  await tab.go('/scripts/parts/code')
  await press(page, 'part.py')
  await write(page, 'def f(n):\n    return n * 10\n')
  await press(page, 'Save and run')
  await succeeded(page)
  const runs = await server.api<{ items: { result: unknown }[] }>('GET', '/v1/runs?script=parts')
  assert.deepEqual(runs.items.map((run) => run.result), [20])
  await tab.close()
})

/** Drags files and folders of this machine over the page, and lets go of them. */
async function drop(page: Page, ...files: string[]): Promise<void> {
  const driver = await page.context().newCDPSession(page)
  const event = { x: 300, y: 400, data: { items: [], files, dragOperationsMask: 1 } }
  await driver.send('Input.dispatchDragEvent', { ...event, type: 'dragEnter' })
  await driver.send('Input.dispatchDragEvent', { ...event, type: 'dragOver' })
  await page.getByText('Let go to take it').waitFor()
  await driver.send('Input.dispatchDragEvent', { ...event, type: 'drop' })
  await page.getByText('Let go to take it').waitFor({ state: 'detached' })
  await driver.detach()
}

test('a file, a folder and an archive are dropped, and become scripts', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'cronbox-drop-'))
  const at = (...parts: string[]): string => path.join(folder, ...parts)
  const put = async (file: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(path.dirname(at(file)), { recursive: true })
    await writeFile(at(file), content)
  }
  // Larger than what an archive's reader does at once.
  const data = Array.from({ length: 60_000 }, (_, line) => `${line},${(line * 7919) % 10_007}`).join('\n')
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const parts = {
    'main.py': 'from helpers.tax import tax\nfrom prices import price\n\ndef run(n: int = 2):\n    return tax(price(n))\n',
    'prices.py': 'def price(n):\n    return n * 10\n',
    'helpers/__init__.py': '',
    'helpers/tax.py': 'from pathlib import Path\n\nROWS = len((Path(__file__).parent.parent / "data" / "rows.csv").read_text().splitlines())\n\ndef tax(n):\n    return [n + 1, ROWS]\n',
    'data/rows.csv': data,
  }
  await put('single.py', 'def run():\n    return "one file"\n')
  await put('other.py', 'def run():\n    return "another"\n')
  for (const [file, text] of Object.entries(parts)) await put(`shop/${file}`, text)
  await put('shop/.git/config', 'none of the script')
  await put('shop/__pycache__/main.pyc', 'none of the script')
  const packed = Object.fromEntries(Object.entries({ ...parts, '.DS_Store': 'x' }).map(([file, text]) => [`depot/${file}`, bytes(text)]))
  await put('depot.zip', zipSync({ ...packed, '__MACOSX/depot/._main.py': bytes('x') }))
  await put('broken.zip', zipSync(packed).slice(0, 3000))

  const tab = await Tab.open(server, '/scripts/new')
  const { page } = tab
  const name = page.getByRole('textbox', { name: 'Name', exact: true })
  const taken = page.getByRole('list', { name: 'Files of the script' })
  await editor(page).waitFor()
  await drop(page, at('single.py'))
  await page.locator('.cm-line').filter({ hasText: 'return "one file"' }).waitFor()
  assert.equal(await name.inputValue(), 'single')
  // What is there already is not lost unasked, also when the files of a script are shown in its place.
  await drop(page, at('other.py'))
  const question = page.getByRole('dialog')
  await question.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('.cm-line').filter({ hasText: 'return "one file"' }).waitFor()
  await drop(page, at('shop'))
  await taken.getByText('helpers/tax.py').waitFor()
  assert.equal(await name.inputValue(), 'shop')
  await drop(page, at('other.py'))
  await question.getByRole('button', { name: 'Cancel' }).click()
  await taken.getByText('helpers/tax.py').waitFor()
  await page.getByText('.git/, __pycache__/').waitFor()
  assert.equal(await page.getByRole('combobox', { name: /begin/ }).inputValue(), 'main.py')
  await tab.checkAccessibility()
  await press(page, 'Create')
  await page.waitForURL(/\/scripts\/shop\/code$/)
  await press(page, 'Run version 1')
  await succeeded(page)

  await tab.go('/scripts/new')
  await editor(page).waitFor()
  await drop(page, at('broken.zip'))
  await page.getByText('This archive cannot be read').waitFor()
  await drop(page, at('depot.zip'))
  await taken.getByText('helpers/tax.py').waitFor()
  assert.equal(await page.getByText('This archive cannot be read').count(), 0)
  await page.getByText('__MACOSX/').waitFor()
  assert.equal(await name.inputValue(), 'depot')
  await press(page, 'Create')
  await page.waitForURL(/\/scripts\/depot\/code$/)
  await press(page, 'Run version 1')
  await succeeded(page)
  // Files without a folder around them.
  await tab.go('/scripts/new')
  await editor(page).waitFor()
  await drop(page, at('shop/main.py'), at('shop/prices.py'), at('shop/helpers'), at('shop/data'))
  await taken.getByText('helpers/tax.py').waitFor()
  await name.fill('loose')
  await press(page, 'Create')
  await page.waitForURL(/\/scripts\/loose\/code$/)
  await press(page, 'Run version 1')
  await succeeded(page)
  for (const script of ['shop', 'depot', 'loose']) {
    const runs = await server.api<{ items: { result: unknown }[] }>('GET', `/v1/runs?script=${script}`)
    assert.deepEqual(runs.items.map((run) => run.result), [[21, 60_000]], script)
  }
  await tab.close()
  await rm(folder, { recursive: true, force: true })
})

test('linked scripts say where they come from, and one that is changed here is linked no longer', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'cronbox-source-'))
  await writeFile(path.join(folder, 'first.py'), 'def run():\n    return "from the folder"\n')
  await writeFile(path.join(folder, 'second.py'), 'def run():\n    return "also from there"\n')
  const linking = await Server.start('--script-source', folder)
  try {
    const isLinked = async (name: string): Promise<boolean> => (await linking.api<{ link: unknown }>('GET', `/v1/scripts/${name}`)).link !== null
    await until('both are there', async () => (await isLinked('first')) && (await isLinked('second')))
    const tab = await Tab.open(linking, '/scripts/second')
    const { page } = tab
    await page.getByText(`file://${folder}/second.py`).waitFor()
    await tab.go('/scripts/second/code')
    await page.locator('.cm-line').filter({ hasText: 'also from there' }).waitFor()
    await press(page, 'Run version 1')
    await succeeded(page)
    await tab.go('/scripts/first/code')
    await write(page, 'def run():\n    return "from here"\n')
    await press(page, 'Save')
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    assert(await isLinked('first'))
    await press(page, 'Save')
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
    await until('it is linked no longer', async () => !(await isLinked('first')))
    await press(page, 'Run version 2')
    await succeeded(page)
    assert(await isLinked('second'))
    await tab.checkAccessibility()
    await tab.close()
  } finally {
    await linking.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test('settings are kept, what is wrong is told at its field, and a script is deleted with its schedules', async () => {
  await server.script('set', '# /// script\n# [tool.cronbox]\n# timezone = "Asia/Shanghai"\n# schedule = "0 2 * * *"\n# ///\ndef run():\n    return 1\n')
  const tab = await Tab.open(server, '/scripts/set/settings')
  const { page } = tab
  tab.allow(/status of 422/)
  await page.getByText('Set in the code.').waitFor()
  await page.getByRole('textbox', { name: 'Title' }).fill('A title')
  await page.getByRole('textbox', { name: 'Time', exact: true }).fill('5 bananas')
  await press(page, 'Save')
  await page.getByText('is no time').waitFor()
  assert.equal(await page.getByRole('textbox', { name: 'Title' }).inputValue(), 'A title')
  await tab.checkAccessibility()
  await page.getByRole('textbox', { name: 'Time', exact: true }).fill('20s')
  await press(page, 'Save')
  await until('they are kept', async () => {
    const { settings } = await server.api<{ settings: { title?: string; limits?: unknown } }>('GET', '/v1/scripts/set')
    return settings.title === 'A title' && JSON.stringify(settings.limits) === '{"timeout":"20s"}'
  })
  // The zone is one of a list, or that of the server. The code sets this script's.
  const zone = page.getByRole('combobox', { name: 'Time zone' })
  assert(await zone.isDisabled())
  assert.equal(await zone.inputValue(), 'Asia/Shanghai')
  await server.script('zoned', 'def run():\n    return 1\n')
  const zoneOf = async (): Promise<unknown> => (await server.api<{ settings: { timezone?: string } }>('GET', '/v1/scripts/zoned')).settings.timezone
  await tab.go('/scripts/zoned/settings')
  assert.equal(await zone.inputValue(), 'Of the server')
  await zone.fill('new york')
  await page.getByRole('option', { name: /America\/New_York/ }).click()
  await tab.checkAccessibility()
  await press(page, 'Save')
  await until('the zone is kept', async () => (await zoneOf()) === 'America/New_York')
  await zone.click()
  await page.getByRole('option', { name: 'Of the server' }).click()
  await press(page, 'Save')
  await until('there is none again', async () => (await zoneOf()) === undefined)
  await tab.go('/scripts/set/settings')
  await press(page, 'Delete')
  await page.getByRole('dialog').getByText('Its schedule is deleted, too: set.').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.waitForURL(/\/scripts$/)
  const schedules = await server.api<{ items: { script: string }[] }>('GET', '/v1/schedules?script=set').catch(() => ({ items: [] }))
  assert.deepEqual(schedules.items, [])
  await tab.close()
})
