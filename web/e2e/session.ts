/** Login by a token, what a token may not do, and sessions that end under an open page. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { closeBrowser, Server, Tab } from './support.ts'

let server: Server
let admin: string
before(async () => {
  server = await Server.start()
  await server.script('tea', 'def run():\n    return {"price": 4.75}\n')
  await server.run('tea')
  const made = await server.api<{ token: string }>('POST', '/v1/tokens', { name: 'ops', scopes: ['read', 'run', 'write', 'exec', 'grant', 'metrics', 'admin'] })
  admin = made.token
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

const asAdmin = () => ({ Authorization: `Bearer ${admin}` })
const token = async (name: string, scopes: string[]) => server.api<{ id: string; token: string }>('POST', '/v1/tokens', { name, scopes }, asAdmin())

test('a login with a token, a wrong one first', async () => {
  const tab = await Tab.open(server)
  tab.allow(/401/)
  await tab.page.getByRole('heading', { name: 'Log in to Cronbox' }).waitFor()
  await tab.checkAccessibility()
  assert.equal(await tab.page.getByText('tea').count(), 0)
  await tab.logIn('cbx_wrong')
  await tab.page.getByRole('alert').waitFor()
  await tab.logIn(admin)
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  const cookies = await tab.page.context().cookies()
  assert.deepEqual(
    cookies.map((cookie) => [cookie.httpOnly, cookie.sameSite]),
    [[true, 'Strict']],
  )
  assert.equal(await tab.page.evaluate(() => document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)).then((kept) => kept.includes('cbx_')), false)
  // A reload keeps the session.
  await tab.go('/')
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  await tab.page.getByRole('button', { name: 'Log out' }).click()
  await tab.page.getByRole('heading', { name: 'Log in to Cronbox' }).waitFor()
  assert.deepEqual(await tab.page.context().cookies(), [])
  await tab.close()
})

test('a token that is removed ends its session at once, and the page says so', async () => {
  const made = await token('guest', ['read'])
  const tab = await Tab.open(server)
  tab.allow(/401/)
  await tab.logIn(made.token)
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  await server.api('DELETE', `/v1/tokens/${made.id}`, undefined, asAdmin())
  await tab.page.getByText('The session has ended.').waitFor()
  await tab.logIn(admin)
  await tab.page.getByText('The session has ended.').waitFor({ state: 'detached' })
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  await tab.close()
})

test('a session that ends over a text that is not saved takes nothing of it', async () => {
  const made = await token('writer', ['read', 'run', 'write', 'exec'])
  const tab = await Tab.open(server)
  const { page } = tab
  tab.allow(/401/)
  await tab.logIn(made.token)
  await page.getByRole('heading', { name: 'All is well' }).waitFor()
  await tab.go('/scripts/tea/code')
  const editor = page.getByRole('textbox', { name: 'Code' })
  await editor.click()
  await page.keyboard.press('Control+End')
  await page.keyboard.type('# typed before the session ended')
  await server.api('DELETE', `/v1/tokens/${made.id}`, undefined, asAdmin())
  await page.getByText('The session has ended.').waitFor()
  await tab.logIn(admin)
  await page.getByText('# typed before the session ended').waitFor()
  await tab.close()
})

test('a server that is not ready yet says so, and the page goes on by itself', async () => {
  const tab = await Tab.open(server)
  const { page } = tab
  tab.allow(/401/, /status of 503/)
  const body = JSON.stringify({ ready: false, parts: { interpreter: 'being loaded' }, warnings: [] })
  await page.route(/\/v1\//, (route) => route.fulfill({ status: 503, contentType: 'application/json', body }))
  await page.reload()
  await page.getByText('The server is starting.').waitFor()
  assert.equal(await page.getByRole('alert').count(), 0)
  await page.unroute(/\/v1\//)
  await page.getByRole('heading', { name: 'Log in to Cronbox' }).waitFor()
  await tab.close()
})

test('what a token may not do is not offered', async () => {
  const reader = await token('reader', ['read'])
  const tab = await Tab.open(server)
  tab.allow(/401/)
  await tab.logIn(reader.token)
  await tab.page.getByRole('heading', { name: 'All is well' }).waitFor()
  await tab.page.keyboard.press('Control+k')
  await tab.page.getByPlaceholder('Type a name or a command').fill('new')
  await tab.page.getByText('Nothing found.').waitFor()
  await tab.close()
})
