/** The alerts room: a channel is set and tested, an alert is made and fires, its message arrives, it is muted, and all of that is taken back. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server as HttpServer } from 'node:http'
import { after, before, test } from 'node:test'
import type { Locator } from 'playwright-core'
import { closeBrowser, Server, Tab, until } from './support.ts'

const PRICE = 'def run(price=100, fails=False):\n    if fails:\n        raise ValueError("no price")\n    return {"price": price}\n'
const BLOCK = '# /// script\n# [tool.cronbox]\n# alerts = ["failed"]\n# notify = ["ops"]\n# ///\ndef run():\n    return 1\n'
/** A part of the address of a channel, which is as secret as a password. */
const KEY = 'hook-key-4711'
const WIDTHS = [320, 1280]

interface Received {
  headers: IncomingHttpHeaders
  body: { type: string; data: { text: string; mute_url: string | null; run_url: string | null } }
  text: string
}

/** Takes the messages, and answers with the status that is wanted. */
class Receiver {
  readonly got: Received[] = []
  status = 204
  private readonly server: HttpServer = createServer((request, response) => {
    let text = ''
    request.on('data', (piece: Buffer) => (text += piece.toString()))
    request.on('end', () => {
      this.got.push({ headers: request.headers, body: JSON.parse(text) as Received['body'], text })
      response.writeHead(this.status).end()
    })
  })

  async start(): Promise<void> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
  }

  get url(): string {
    const address = this.server.address()
    assert(address && typeof address === 'object')
    return `http://localhost:${address.port}/${KEY}`
  }

  stop(): void {
    this.server.close()
    this.server.closeAllConnections()
  }
}

let server: Server
const receiver = new Receiver()
before(async () => {
  await receiver.start()
  server = await Server.start('--channel-network', 'localhost=127.0.0.0/8', '--public-url', 'https://cronbox.example.com')
  await server.script('price', PRICE)
  await server.run('price')
})
after(async () => {
  await closeBrowser()
  await server.stop()
  receiver.stop()
})

interface Alert {
  id: string
  text: string
  notify: string[]
  repeat: string
  recovered: boolean
  state: string
  muted_until: string | null
}
interface Delivery {
  id: string
  channel: string
  alert: string | null
  state: string
  kind: string
}

const alerts = async (): Promise<Alert[]> => (await server.api<{ items: Alert[] }>('GET', '/v1/alerts')).items
const alert = (id: string): Promise<Alert> => server.api('GET', `/v1/alerts/${id}`)
const deliveries = async (query = ''): Promise<Delivery[]> => (await server.api<{ items: Delivery[] }>('GET', `/v1/deliveries${query}`)).items
const channel = (name: string, more: object = {}): Promise<unknown> =>
  server.api('PUT', `/v1/channels/${name}`, { type: 'webhook', url: receiver.url, secret: `whsec_${Buffer.alloc(32, 1).toString('base64')}`, ...more })

/** Whether a message is signed with a secret, by Standard Webhooks. */
function isSigned({ headers, text }: Received, secret: string): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`
  const made = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64')).update(signed).digest('base64')
  return String(headers['webhook-signature']).split(' ').includes(`v1,${made}`)
}

async function checkDialog(tab: Tab): Promise<void> {
  for (const width of WIDTHS) {
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

test('a channel is set, tested, changed and removed; its secrets are never shown again', async () => {
  const tab = await Tab.open(server, '/channels')
  const { page } = tab
  tab.allow(/status of 4(22|12)/)
  await page.getByText('No channels yet').waitFor()
  await tab.checkLooks(...WIDTHS)
  await page.getByRole('button', { name: 'Set a channel' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'Set a channel' })
  // Each type has its own fields, and what is typed stays when the type is another one.
  await dialog.getByLabel('Name').fill('ops')
  await dialog.getByLabel('Address').fill('ftp://localhost/x')
  for (const [type, field] of [
    ['email', 'Host'], ['telegram', 'Chat'], ['ntfy', 'Topic'], ['feishu', 'Secret (optional)'], ['template', 'Body (optional)'], ['webhook', 'Address'],
  ] as const) {
    await dialog.getByLabel('Type').selectOption(type)
    await dialog.getByLabel(field, { exact: true }).waitFor()
    await tab.checkAccessibility()
  }
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByRole('alert').filter({ hasText: 'https://' }).waitFor()
  await checkDialog(tab)
  // What is typed outlives a dialog that is closed by mistake.
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Set a channel' }).first().click()
  assert.equal(await dialog.getByLabel('Name').inputValue(), 'ops')
  await dialog.getByLabel('Address').fill(receiver.url)
  await dialog.getByRole('button', { name: 'Save' }).click()
  const made = page.getByRole('dialog', { name: 'The channel ops is set' })
  const secret = await made.getByRole('textbox', { name: 'Secret' }).inputValue()
  assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  await checkDialog(tab)
  await made.getByRole('button', { name: 'I have copied it' }).click()
  await made.waitFor({ state: 'detached' })
  const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'ops' }) })
  await card.getByText(new URL(receiver.url).origin).waitFor()
  await isNowhere(tab, secret)
  await isNowhere(tab, KEY)

  await card.getByRole('button', { name: 'Test' }).click()
  await card.getByText('It has arrived. (204)').waitFor()
  const [first] = receiver.got
  assert(first && isSigned(first, secret), 'signed with the secret that was shown')
  receiver.status = 500
  await card.getByRole('button', { name: 'Test' }).click()
  await card.getByText('It has not arrived. (500)').waitFor()
  receiver.status = 204
  await tab.checkLooks(...WIDTHS)

  // It is changed as a whole: what cannot be read is typed again.
  await card.getByRole('button', { name: 'Change' }).click()
  const change = page.getByRole('dialog', { name: 'Change ops' })
  assert.equal(await change.getByLabel('Address').inputValue(), '')
  await change.getByLabel('Address').fill(receiver.url)
  await change.getByLabel('Use secrets of my own').check()
  const own = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  await change.getByRole('textbox', { name: 'Secrets' }).fill(`${own}\n${secret}`)
  await change.getByLabel('Language').selectOption('zh')
  await change.getByRole('button', { name: 'Save' }).click()
  await change.waitFor({ state: 'detached' })
  await card.getByText('Simplified Chinese').waitFor()
  await isNowhere(tab, own)
  await card.getByRole('button', { name: 'Test' }).click()
  await card.getByText('It has arrived. (204)').waitFor()
  const last = receiver.got.at(-1)
  assert(last && isSigned(last, own) && isSigned(last, secret), 'signed with both, while one takes the place of the other')

  await card.getByRole('button', { name: 'Delete ops' }).click()
  await answer(tab, 'Delete the channel ops?', 'Delete')
  await page.getByText('No channels yet').waitFor()
  await tab.close()
})

test('an alert is made with a form that checks it, and what it tells is shown everywhere', async () => {
  await channel('ops')
  const tab = await Tab.open(server, '/alerts')
  const { page } = tab
  tab.allow(/status of 4(22|12)/)
  await page.getByText('Nothing is watched yet').waitFor()
  await tab.checkLooks(...WIDTHS)
  await page.getByRole('button', { name: 'New alert' }).first().click()
  await page.getByRole('combobox', { name: 'Script' }).click()
  await page.getByRole('option', { name: 'price' }).click()
  const condition = page.getByRole('textbox', { name: 'Condition' })
  await condition.fill('/price >= 5')
  await page.getByRole('alert').filter({ hasText: 'at character 7' }).waitFor()
  assert.equal(await page.locator('pre.caret').innerText(), '/price >= 5\n       ^')
  await tab.checkLooks(...WIDTHS)
  await condition.fill('/prise > 100')
  await page.getByText('did you mean /price?').waitFor()
  await condition.fill('')
  await page.getByRole('button', { name: '/price > 100' }).click()
  await page.getByText('Fires when /price of the result is greater than 100').waitFor()
  assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'price.price-above-100')
  await page.getByRole('checkbox', { name: /^ops/ }).check()
  await page.getByRole('combobox', { name: 'Says it again' }).selectOption('6h')
  // A reload loses nothing.
  await page.reload()
  await page.getByText('Fires when /price of the result is greater than 100').waitFor()
  assert(await page.getByRole('checkbox', { name: /^ops/ }).isChecked())
  await page.getByRole('textbox', { name: 'Name' }).fill('dear')
  await page.getByRole('button', { name: 'Make the alert' }).click()
  await page.waitForURL(/\/alerts\/dear$/)
  await page.getByText('It fires for nothing at the moment.').waitFor()
  const { text, notify, repeat, recovered } = await alert('dear')
  assert.deepEqual({ text, notify, repeat, recovered }, { text: '/price > 100', notify: ['ops'], repeat: '6h', recovered: true })

  // It fires while the page is open: state, message, the run.
  receiver.got.length = 0
  const run = await server.run('price', { args: { price: 104 } })
  await page.getByRole('status').getByText('firing').waitFor()
  await page.getByRole('region', { name: 'Fires for' }).getByRole('link', { name: 'price' }).waitFor()
  const messages = page.getByRole('region', { name: 'Messages' })
  await messages.getByText('sent').waitFor()
  await page.locator('canvas').first().waitFor()
  await tab.checkLooks(...WIDTHS)
  assert.equal(receiver.got.length, 1)
  assert.equal(new URL(receiver.got[0]?.body.data.mute_url ?? '').pathname, '/alerts/dear/mute')
  await page.getByRole('link', { name: 'the run that caused it' }).click()
  await page.waitForURL(new RegExp(`/runs/${run.id}`))
  await page.getByRole('region', { name: 'Messages' }).getByRole('link', { name: 'dear' }).waitFor()
  await page.getByRole('region', { name: 'Messages' }).getByRole('link', { name: 'All messages' }).click()
  await page.waitForURL(new RegExp(`/deliveries\\?run=${run.id}`))
  await page.getByRole('row').filter({ hasText: 'dear' }).getByText('fires', { exact: true }).waitFor()
  await page.getByRole('button', { name: `Remove ${run.id}` }).click()
  await page.waitForURL(/\/deliveries$/)

  await tab.go('/')
  await page.getByRole('region', { name: 'Alerts that fire' }).getByRole('link', { name: 'dear' }).waitFor()
  await page.getByRole('link', { name: '1 alert fires' }).click()
  await page.waitForURL(/\/alerts\?state=firing$/)
  await page.getByRole('row').filter({ hasText: 'dear' }).getByText('firing').filter({ visible: true }).waitFor()
  await page.getByRole('combobox', { name: 'State' }).selectOption('ok')
  await page.getByText('No alert fits this filter.').waitFor()
  await tab.go('/scripts/price')
  await page.getByRole('region', { name: 'Alerts' }).getByRole('link', { name: 'dear' }).waitFor()

  // Two people change it: the second is told, and decides.
  await tab.go('/alerts/dear/edit')
  await page.getByRole('checkbox', { name: 'Says when it is over' }).uncheck()
  await server.api('PUT', '/v1/alerts/dear', { about: { script: 'price' }, text: '/price > 103', notify: ['ops'] })
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Somebody else changed this alert meanwhile.').waitFor()
  await tab.checkAccessibility()
  await page.getByRole('button', { name: 'Take theirs' }).click()
  assert.equal(await page.getByRole('textbox', { name: 'Condition' }).inputValue(), '/price > 103')
  await page.getByRole('checkbox', { name: 'Says when it is over' }).uncheck()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.waitForURL(/\/alerts\/dear$/)
  assert.deepEqual([(await alert('dear')).text, (await alert('dear')).recovered], ['/price > 103', false])

  await page.getByRole('button', { name: 'Delete' }).click()
  await answer(tab, 'Delete the alert dear?', 'Delete')
  await page.waitForURL(/\/alerts$/)
  await page.getByText('Nothing is watched yet').waitFor()
  assert.deepEqual(await alerts(), [])
  await tab.close()
})

test('an alert of a block is changed there, and muted here', async () => {
  await server.script('watched', BLOCK)
  const tab = await Tab.open(server, '/alerts/watched.failed')
  const { page } = tab
  tab.allow(/status of 422/)
  await page.getByText('The metadata of the script watched makes this alert').waitFor()
  assert.equal(await page.getByRole('button', { name: /^(Change|Delete)$/ }).count(), 0)
  await tab.checkLooks(...WIDTHS)
  await page.getByRole('button', { name: 'Mute', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Mute watched.failed' })
  await dialog.getByRole('button', { name: 'Other' }).click()
  await dialog.getByRole('textbox', { name: 'For how long' }).fill('2 fortnights')
  await dialog.getByRole('button', { name: 'Mute', exact: true }).click()
  await dialog.getByRole('alert').waitFor()
  await checkDialog(tab)
  await dialog.getByRole('textbox', { name: 'For how long' }).fill('1h30m')
  await dialog.getByRole('button', { name: 'Mute', exact: true }).click()
  await dialog.waitFor({ state: 'detached' })
  await page.getByRole('status').getByText('muted').waitFor()
  const left = Date.parse((await alert('watched.failed')).muted_until ?? '') - Date.now()
  assert(left > 80 * 60_000 && left <= 90 * 60_000, `${left} ms`)
  await page.getByRole('button', { name: 'Unmute' }).click()
  await page.getByRole('button', { name: 'Mute', exact: true }).waitFor()
  assert.equal((await alert('watched.failed')).muted_until, null)

  // A maintenance window.
  await page.getByRole('link', { name: 'Alerts' }).first().click()
  await page.getByRole('button', { name: 'Mute all' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Mute all' }).click()
  await page.getByText(/^No alert says anything until/).waitFor()
  await tab.checkLooks(...WIDTHS)
  await page.getByRole('button', { name: 'Unmute all' }).click()
  await page.getByText(/^No alert says anything until/).waitFor({ state: 'detached' })
  await tab.close()
})

test('a message that did not arrive is shown, and sent again', async () => {
  await channel('gone')
  await server.api('PUT', '/v1/alerts/told', { about: { script: 'price' }, text: 'failed', notify: ['gone'] })
  receiver.status = 410
  await server.run('price', { args: { fails: true } })
  await until('it is given up', async () => (await deliveries('?channel=gone'))[0]?.state === 'dead')
  receiver.status = 204
  const tab = await Tab.open(server, '/channels?name=gone')
  const { page } = tab
  await page.getByText('Set it again to switch it on.').waitFor()
  await tab.checkLooks(...WIDTHS)
  await channel('gone')
  await page.getByRole('link', { name: 'its messages' }).click()
  await page.waitForURL(/\/deliveries\?channel=gone$/)
  const row: Locator = page.getByRole('row').filter({ hasText: 'told' })
  await row.getByText('not delivered').waitFor()
  await row.getByText(/^410/).filter({ visible: true }).waitFor()
  await tab.checkLooks(...WIDTHS)
  const [dead] = await deliveries('?channel=gone')
  const before = receiver.got.length
  await row.getByRole('button', { name: 'Send again to gone' }).click()
  await row.getByText('sent', { exact: true }).waitFor()
  assert.deepEqual(receiver.got.slice(before).map((each) => each.headers['webhook-id']), [dead?.id])
  await page.getByRole('combobox', { name: 'State' }).selectOption('dead')
  await page.getByText('No message fits this filter.').waitFor()
  await page.waitForURL(/state=dead/)
  await tab.close()
})

test('the palette finds alerts and their verbs', async () => {
  const tab = await Tab.open(server)
  const { page } = tab
  const palette = page.getByRole('dialog')
  const choose = async (typed: string, option: string | RegExp): Promise<void> => {
    await page.keyboard.press('Control+k')
    const field = palette.getByPlaceholder('Type a name or a command')
    await field.fill(typed)
    await palette.getByRole('option', { name: option }).first().click()
    await field.waitFor({ state: 'detached' })
  }
  await choose('told', /^told/)
  await page.waitForURL(/\/alerts\/told$/)
  await choose('mute told', 'Mute: told')
  await page.waitForURL(/\/alerts\/told\/mute$/)
  await choose('new alert', 'New alert')
  await page.waitForURL(/\/alerts\/new$/)
  await choose('channels', 'Channels')
  await page.waitForURL(/\/channels$/)
  await choose('set a channel', 'Set a channel')
  await page.getByRole('dialog', { name: 'Set a channel' }).waitFor()
  await tab.close()
})

test('the link in a message mutes, also after a login; a token that is limited sees what is its own', async () => {
  const mute = new URL(receiver.got.find((each) => each.body.data.mute_url)?.body.data.mute_url ?? '')
  assert.equal(mute.pathname, '/alerts/dear/mute')
  const { token: admin } = await server.api<{ token: string }>('POST', '/v1/tokens', { name: 'boss', scopes: ['admin'] })
  const who = { Authorization: `Bearer ${admin}` }
  const tab = await Tab.open(server, '/alerts/told/mute')
  const { page } = tab
  tab.allow(/status of 40[134]/)
  await tab.logIn(admin)
  await page.getByRole('heading', { name: 'Mute told' }).waitFor()
  await page.getByText('a run does not succeed').waitFor()
  await tab.checkLooks(...WIDTHS)
  await page.getByRole('button', { name: '8 hours' }).click()
  await page.getByRole('button', { name: 'Mute', exact: true }).click()
  await page.waitForURL(/\/alerts\/told$/)
  await page.getByRole('status').getByText('muted').waitFor()
  const muted = await server.api<Alert>('GET', '/v1/alerts/told', undefined, who)
  const left = Date.parse(muted.muted_until ?? '') - Date.now()
  assert(left > 7.9 * 3_600_000 && left <= 8 * 3_600_000, `${left} ms`)
  await tab.go('/alerts/dear/mute')
  await page.getByText('There is no such alert.').waitFor()

  const { token: guest } = await server.api<{ token: string }>('POST', '/v1/tokens', { name: 'guest', scopes: ['read'], scripts: ['watched'] }, who)
  const other = await Tab.open(server, '/alerts')
  other.allow(/status of 40[13]/)
  await other.logIn(guest)
  await other.page.getByRole('link', { name: 'watched.failed' }).waitFor()
  assert.equal(await other.page.getByRole('link', { name: 'told' }).count(), 0)
  assert.equal(await other.page.getByRole('button', { name: /Mute|New alert/ }).count(), 0)
  assert.equal(await other.page.getByRole('link', { name: 'Messages' }).count(), 0)
  await other.page.getByRole('link', { name: 'watched.failed' }).click()
  await other.page.getByText('It fires for nothing at the moment.').waitFor()
  await other.page.getByRole('link', { name: 'Alerts' }).first().click()
  await other.page.getByRole('link', { name: 'Channels' }).click()
  await other.page.getByText('To set and test channels').waitFor()
  assert.equal(await other.page.getByRole('button', { name: /Set a channel|Test|Change|Delete/ }).count(), 0)
  await other.checkAccessibility()
  await other.close()
  await tab.close()
})
