/** The access room: secrets, tokens, grants; each is made, used, and taken back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Locator } from 'playwright-core'
import { closeBrowser, Server, Tab, until } from './support.ts'

const VALUE = 'open-sesame-42'
const NEXT = 'open-barley-43'
/** Asks for more memory than every script may have, for a host, and for a secret. */
const ASKS = `# /// script
# [tool.cronbox]
# allow = ["api.example.com"]
# secrets = ["API_KEY"]
# labels = { team = "shop" }
# limits = { memory = "300MiB" }
# ///
def run():
    return {"price": 4.75}
`

let server: Server
before(async () => {
  server = await Server.start()
  await server.script('asks', ASKS)
  // Who may grant does so by uploading.
  for (const what of ['host/api.example.com', 'limit/memory']) await server.api('DELETE', `/v1/grants/asks/${what}`)
  await server.script('other', 'def run():\n    return {"price": 2}\n')
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

interface Secret {
  name: string
  hosts: string[]
  scripts: string[]
  granted: string[]
  in: string[]
  updated_at: string
}

interface Grant {
  script: string
  kind: string
  name: string
  value: string
}

/** What is sent with each request, once there are tokens. */
let who: Record<string, string> = {}
const list = async <T>(what: string): Promise<T[]> => (await server.api<{ items: T[] }>('GET', `/v1/${what}`, undefined, who)).items
const granted = async (): Promise<string[]> => (await list<Grant>('grants')).map((each) => `${each.script} ${each.kind} ${each.name}`).sort()

async function checkDialog(tab: Tab): Promise<void> {
  for (const width of [400, 1280]) {
    await tab.page.setViewportSize({ width, height: 900 })
    await tab.checkWidth()
    const [inner, whole] = await tab.page.getByRole('dialog').evaluate((dialog) => [dialog.clientWidth, dialog.scrollWidth])
    assert((whole ?? 0) <= (inner ?? 0), `the dialog is ${whole} px wide in ${inner} px`)
    await tab.checkAccessibility()
  }
}

/** Answers the question of a dialog. */
async function answer(tab: Tab, title: string, verb: string): Promise<void> {
  const dialog = tab.page.getByRole('dialog', { name: title })
  await dialog.getByRole('button', { name: verb, exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
}

/** Nothing that the page has, shown or kept, has this text. */
async function isNowhere(tab: Tab, secret: string): Promise<void> {
  const all = await tab.page.evaluate(() =>
    [
      document.documentElement.outerHTML, ...[...document.querySelectorAll('input, textarea')].map((field) => (field as HTMLInputElement).value),
      JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href,
    ].join('\n'),
  )
  assert(!all.includes(secret), 'the page still has it')
}

test('a secret is set, gets a new value, and is deleted; its value is never shown again', async () => {
  const tab = await Tab.open(server, '/access/secrets')
  const { page } = tab
  tab.allow(/status of 422/)
  await page.getByText('No secrets yet').waitFor()
  await page.getByRole('button', { name: 'Set a secret' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'Set a secret' })
  await dialog.getByLabel('Name').fill('API_KEY')
  await dialog.getByRole('textbox', { name: 'Value' }).fill('short')
  await dialog.getByLabel('Hosts that may get it').fill('api.example.com ')
  await dialog.getByLabel('Scripts', { exact: true }).fill('asks ')
  await dialog.getByRole('checkbox', { name: 'query of the address' }).check()
  await dialog.getByRole('button', { name: 'Set a secret' }).click()
  await dialog.getByRole('alert').filter({ hasText: '8' }).waitFor()
  await checkDialog(tab)
  // What is typed outlives a dialog that is closed by mistake.
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Set a secret' }).first().click()
  assert.equal(await dialog.getByLabel('Name').inputValue(), 'API_KEY')
  await dialog.getByRole('textbox', { name: 'Value' }).fill(VALUE)
  await dialog.getByRole('button', { name: 'Set a secret' }).click()
  // The first secret of a server makes its key.
  const understood = dialog.getByRole('button', { name: 'Understood' })
  const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'API_KEY' }) })
  await understood.or(card).first().waitFor()
  if (await understood.isVisible()) await understood.click()
  await card.getByText('api.example.com').waitFor()
  await card.getByText('headers, query of the address').waitFor()
  await card.getByRole('link', { name: 'asks' }).waitFor()
  await isNowhere(tab, VALUE)
  const [first] = await list<Secret>('secrets')
  assert.deepEqual([first?.name, first?.hosts, first?.scripts, first?.granted, first?.in], ['API_KEY', ['api.example.com'], ['asks'], ['asks'], ['headers', 'query']])
  assert(!JSON.stringify(first).includes(VALUE))

  await card.getByRole('button', { name: 'New value' }).click()
  const change = page.getByRole('dialog', { name: 'A new value of API_KEY' })
  assert.equal(await change.getByRole('textbox', { name: 'Value' }).inputValue(), '')
  // It is hidden while it is typed, unless somebody wants to see it.
  await change.getByRole('textbox', { name: 'Value' }).fill(NEXT)
  await change.getByRole('button', { name: 'Show the value' }).click()
  await change.getByRole('button', { name: 'Hide the value' }).click()
  await change.getByRole('button', { name: 'Set the new value' }).click()
  await change.waitFor({ state: 'detached' })
  await until('it has a new value, and all else is as before', async () => {
    const [now] = await list<Secret>('secrets')
    return now?.updated_at !== first?.updated_at && JSON.stringify([now?.hosts, now?.scripts, now?.in]) === JSON.stringify([first?.hosts, first?.scripts, first?.in])
  })
  await isNowhere(tab, NEXT)

  await card.getByRole('button', { name: 'Delete API_KEY' }).click()
  await page.getByRole('dialog').getByText('One script has it and will no longer get it.').waitFor()
  await checkDialog(tab)
  await answer(tab, 'Delete the secret API_KEY?', 'Cancel')
  assert.equal((await list('secrets')).length, 1)
  await card.getByRole('button', { name: 'Delete API_KEY' }).click()
  await answer(tab, 'Delete the secret API_KEY?', 'Delete')
  await page.getByText('No secrets yet').waitFor()
  assert.deepEqual(await list('secrets'), [])
  await tab.close()
})

test('what a script asked for is granted, and taken back', async () => {
  const tab = await Tab.open(server, '/access/grants')
  const { page } = tab
  const entry = page.getByRole('region', { name: 'asks' })
  const wish = (name: string): Locator => entry.getByRole('listitem').filter({ hasText: name })
  await wish('memory').getByText('asks for 300MiB').waitFor()
  assert.match(await wish('API_KEY').innerText(), /nobody has set it/)
  // A secret that nobody has set leads to where it is set, for this script.
  await wish('API_KEY').getByRole('link', { name: 'Set it' }).click()
  const dialog = page.getByRole('dialog', { name: 'Set a secret' })
  assert.equal(await dialog.getByLabel('Name').inputValue(), 'API_KEY')
  await dialog.getByText('asks', { exact: true }).waitFor()
  await dialog.getByRole('textbox', { name: 'Value' }).fill(VALUE)
  await dialog.getByLabel('Hosts that may get it').fill('api.example.com ')
  await dialog.getByRole('button', { name: 'Set a secret' }).click()
  await dialog.waitFor({ state: 'detached' })
  await until('setting it granted it', async () => (await granted()).join() === 'asks secret API_KEY')

  await page.getByRole('link', { name: 'Grants' }).click()
  await entry.getByRole('button', { name: 'Grant all 2' }).waitFor()
  await entry.getByRole('button', { name: 'Grant memory to asks' }).click()
  await wish('memory').getByText('granted', { exact: true }).waitFor()
  assert.equal((await list<Grant>('grants')).find((each) => each.kind === 'limit')?.value, String(300 * 2 ** 20))
  await entry.getByRole('button', { name: 'Grant api.example.com to asks' }).click()
  await wish('api.example.com').getByText('granted', { exact: true }).waitFor()
  assert.deepEqual(await granted(), ['asks host api.example.com', 'asks limit memory', 'asks secret API_KEY'])
  assert.equal(await entry.getByRole('button', { name: /^Grant/ }).count(), 0)

  for (const name of ['api.example.com', 'memory', 'API_KEY']) {
    await entry.getByRole('button', { name: `Revoke ${name} of asks` }).click()
    await answer(tab, `Revoke ${name} of asks?`, 'Revoke')
    await wish(name).getByText('not granted', { exact: true }).waitFor()
  }
  assert.deepEqual(await granted(), [])
  // A secret that was set for the script and taken back is granted by its name.
  await entry.getByRole('button', { name: 'Grant all 3' }).click()
  await wish('API_KEY').getByText('granted', { exact: true }).waitFor()
  assert.deepEqual(await granted(), ['asks host api.example.com', 'asks limit memory', 'asks secret API_KEY'])

  await page.getByRole('button', { name: 'Grant something else' }).click()
  const form = page.getByRole('dialog', { name: 'Grant something else' })
  await form.getByLabel('Script', { exact: true }).selectOption('other')
  await form.getByLabel('time').fill('2 fortnights')
  tab.allow(/status of 422/)
  await form.getByRole('button', { name: 'Grant', exact: true }).click()
  await form.getByRole('alert').waitFor()
  await checkDialog(tab)
  await form.getByLabel('time').fill('10m')
  await form.getByRole('button', { name: 'Grant', exact: true }).click()
  await page.getByRole('region', { name: 'other' }).getByText('granted, not asked for').waitFor()
  assert.equal((await list<Grant>('grants')).find((each) => each.script === 'other')?.value, '600000')
  await tab.close()
})

test('the first token logs the page in, and each value is shown once', async () => {
  const tab = await Tab.open(server, '/access/tokens')
  const { page } = tab
  tab.allow(/status of 401/, /ERR_/)
  await page.getByText('There is no token yet').waitFor()
  await page.getByRole('button', { name: 'Make a token' }).first().click()
  const form = page.getByRole('dialog', { name: 'Make a token' })
  await form.getByText('This is the first token.').waitFor()
  await form.getByRole('button', { name: 'Upload and run' }).click()
  await form.getByText('It lacks the scope “admin”').waitFor()
  await form.getByRole('button', { name: 'Everything' }).click()
  await form.getByLabel('Name').fill('boss')
  await checkDialog(tab)
  await form.getByRole('button', { name: 'Make a token' }).click()
  const made = page.getByRole('dialog', { name: 'The token “boss” is made' })
  const admin = await made.getByRole('textbox', { name: 'Token' }).inputValue()
  assert.match(admin, /^cbx_/)
  who = { Authorization: `Bearer ${admin}` }
  await checkDialog(tab)
  await made.getByRole('button', { name: 'I have copied it' }).click()
  await made.waitFor({ state: 'detached' })
  // Whoever made it goes on with it, and nobody else goes on without one.
  const row = (name: string): Locator => page.getByRole('row').filter({ hasText: name })
  await row('boss').getByText('· yours').waitFor()
  await isNowhere(tab, admin)
  assert.equal(await page.getByRole('heading', { name: 'Log in to Cronbox' }).count(), 0)
  assert.equal((await fetch(`${server.url}/v1/scripts`)).status, 401)
  await page.reload()
  await row('boss').getByText('· yours').waitFor()

  // One with two scopes, for one script and for a label, for a week.
  await page.getByRole('button', { name: 'Make a token' }).click()
  await form.getByLabel('Name').fill('guest')
  await form.getByRole('button', { name: 'Look' }).click()
  await form.getByRole('checkbox', { name: /^run / }).check()
  await form.getByRole('checkbox', { name: 'Only some scripts' }).check()
  await form.getByRole('button', { name: 'Make a token' }).click()
  await form.getByText('Name at least one script or label.').waitFor()
  await form.getByLabel('Scripts', { exact: true }).fill('asks ')
  await form.getByLabel('Scripts with a label').fill('team=shop ')
  await form.getByLabel('Ends').selectOption('7d')
  await form.getByRole('button', { name: 'Make a token' }).click()
  const second = page.getByRole('dialog', { name: 'The token “guest” is made' })
  const guest = await second.getByRole('textbox', { name: 'Token' }).inputValue()
  await page.keyboard.press('Escape')
  await second.waitFor({ state: 'detached' })
  await isNowhere(tab, guest)
  await row('guest').getByText('asks, team=shop').filter({ visible: true }).waitFor()
  interface Token { name: string; scopes: string[]; scripts: string[] | null; labels: string[] | null; created_at: string; expires_at: string | null }
  const known = (await list<Token>('tokens')).find((each) => each.name === 'guest')
  assert.deepEqual([known?.scopes.toSorted(), known?.scripts, known?.labels], [['read', 'run'], ['asks'], ['team=shop']])
  assert.equal(Math.round((Date.parse(known?.expires_at ?? '') - Date.parse(known?.created_at ?? '')) / 86_400_000), 7)

  // It sees its scripts, and why the rest is missing.
  const other = await Tab.open(server, '/access/secrets')
  other.allow(/status of 40[13]/)
  await other.logIn(guest)
  await other.page.getByText('This token is limited to asks, team=shop').waitFor()
  await other.page.getByText('This token cannot change anything here').waitFor()
  await other.page.getByRole('heading', { name: 'API_KEY' }).waitFor()
  assert.equal(await other.page.getByRole('button', { name: /Set a secret|New value|Delete/ }).count(), 0)
  await other.page.getByRole('link', { name: 'Tokens' }).click()
  await other.page.getByText('Tokens are not shown to this token').waitFor()
  assert.equal(await other.page.getByRole('button', { name: 'Make a token' }).count(), 0)
  await other.checkAccessibility()
  await other.page.getByRole('link', { name: 'Grants' }).click()
  await other.page.getByRole('region', { name: 'asks' }).getByText('api.example.com').waitFor()
  assert.equal(await other.page.getByRole('region', { name: 'other' }).count(), 0)
  assert.equal(await other.page.getByRole('button', { name: /^(Grant|Revoke)/ }).count(), 0)

  // Revoked: the other is logged out at once.
  await page.getByRole('button', { name: 'Revoke guest' }).click()
  await answer(tab, 'Revoke the token “guest”?', 'Revoke')
  await row('guest').waitFor({ state: 'detached' })
  assert.deepEqual((await list<Token>('tokens')).map((each) => each.name), ['boss'])
  await other.page.getByText('The session has ended.').waitFor()
  await other.close()
  await tab.close()
})
