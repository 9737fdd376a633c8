/** Schedules: made in each view, changed by two people, paused, started, run for the past; their timeline; what may not be done. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { closeBrowser, Server, Tab, until } from './support.ts'

interface Schedule {
  id: string
  text: string
  state: string
  timezone: string
  title: string | null
  args: unknown
  labels: Record<string, string>
  settings: Record<string, unknown>
}
interface Run {
  id: string
  status: string
  reason: string | null
  cause: string
  args: unknown
  result: unknown
}
interface Preview {
  fires: { at: string; note?: string | null }[]
}

const BUY = `from typing import Literal

def run(n: int, side: Literal["buy", "sell"] = "buy"):
    """Trade.

    Args:
        n: How many.
    """
    return {"n": n, "side": side}
`
let server: Server
before(async () => {
  server = await Server.start()
  await server.script('trade', BUY)
  await server.script('good', 'def run():\n    return 1\n')
  await server.script('bad', 'def run():\n    raise ValueError("the shop is closed")\n')
})
after(async () => {
  await closeBrowser()
  await server.stop()
})

const schedule = (id: string) => server.api<Schedule>('GET', `/v1/schedules/${id}`)
const make = (id: string, script: string, trigger: string, more: object = {}) => server.api<Schedule>('PUT', `/v1/schedules/${id}`, { script, trigger, ...more })
const runs = async (query: string) => (await server.api<{ items: Run[] }>('GET', `/v1/runs?limit=500&${query}`)).items
const nextTimes = (trigger: string) => server.api<Preview>('POST', '/v1/triggers/preview', { trigger, count: 10 })

const button = (where: Page | Locator, name: string | RegExp) => where.getByRole('button', { name, exact: typeof name === 'string' })
const view = (page: Page, name: string) => button(page.getByRole('group', { name: 'How the trigger is made' }), name)
const textbox = (where: Page | Locator, name: string) => where.getByRole('textbox', { name, exact: true })
const asText = (page: Page) => textbox(page, 'Trigger as text')

/** A minute of the hour that is half an hour away, so that no fire time comes while a test runs. */
const quietMinute = (): number => (new Date().getUTCMinutes() + 30) % 60
const clock = (at: string, timeZone: string): string => new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone }).format(new Date(at))

/** What the table of fire times says, a row each. */
const shownTimes = async (page: Page): Promise<string[][]> =>
  (await page.getByRole('table').getByRole('row').allInnerTexts()).slice(1).map((row) => row.split('\t'))

/** The ten times that are shown are those of a trigger, in each of the zones. */
async function showsTimesOf(page: Page, trigger: string, zones: string[]): Promise<void> {
  const { fires } = await nextTimes(trigger)
  assert.equal(fires.length, 10)
  const wanted = fires.map(({ at }) => zones.map((zone) => clock(at, zone)))
  let shown: string[][] = []
  await until(`the times of ${trigger}`, async () => {
    shown = await shownTimes(page)
    return shown.length === wanted.length && wanted.every((clocks, row) => clocks.every((each, column) => shown[row]?.[column]?.includes(each)))
  }).catch((error: unknown) => assert.deepEqual(shown, wanted, String(error)))
}

async function choose(page: Page, field: string, typed: string, option: RegExp): Promise<void> {
  await page.getByRole('combobox', { name: field }).fill(typed)
  await page.getByRole('option', { name: option }).first().click()
}

test('one trigger in three views, with the next times in each zone', async () => {
  const tab = await Tab.open(server, '/schedules/new?script=trade')
  const { page } = tab
  // Simple: Tuesdays and Thursdays.
  await page.getByRole('combobox', { name: 'How often' }).selectOption({ label: 'Certain days of the week' })
  for (const day of ['Tuesday', 'Thursday', 'Monday']) await page.getByRole('checkbox', { name: day.slice(0, 3) }).click({ force: true })
  await page.getByLabel('At', { exact: true }).fill('08:30')
  await showsTimesOf(page, '30 8 * * 2,4 @ Asia/Shanghai', ['Asia/Shanghai', 'UTC'])
  // The five fields are of the same trigger, and change it.
  await view(page, 'Cron fields').click()
  const fields = async () => await Promise.all(['Minute', 'Hour', 'Day', 'Month', 'Weekday'].map((name) => textbox(page, name).inputValue()))
  assert.deepEqual(await fields(), ['30', '8', '*', '*', '2,4'])
  await textbox(page, 'Hour').fill('9-10')
  await choose(page, 'Time zone', 'berlin', /^Europe\/Berlin/)
  await showsTimesOf(page, '30 9-10 * * 2,4 @ Europe/Berlin', ['Europe/Berlin', 'Asia/Shanghai', 'UTC'])
  // So does the text.
  await view(page, 'Text').click()
  assert.equal(await asText(page).inputValue(), '30 9-10 * * 2,4 @ Europe/Berlin')
  await asText(page).fill('45 6 1 * * @ America/New_York')
  await showsTimesOf(page, '45 6 1 * * @ America/New_York', ['America/New_York', 'Asia/Shanghai', 'UTC'])
  await view(page, 'Simple').click()
  const often = page.getByRole('combobox', { name: 'How often' })
  assert.equal(await often.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.label), 'A day of the month')
  assert.equal(await page.getByLabel('At', { exact: true }).inputValue(), '06:45')
  await page.getByText('day 1 of the month at 06:45').waitFor()
  // What the other views cannot show, they say.
  await view(page, 'Text').click()
  await asText(page).fill('(0 9 1 * * or 0 18 15 * *) @ UTC')
  await showsTimesOf(page, '(0 9 1 * * or 0 18 15 * *) @ UTC', ['UTC', 'Asia/Shanghai'])
  await view(page, 'Cron fields').click()
  await page.getByText('so it has no cron fields').waitFor()
  await button(page, 'Show the text').click()
  assert.equal(await asText(page).inputValue(), '(0 9 1 * * or 0 18 15 * *) @ UTC')
  await tab.close()
})

test('an error is told at its character, and a time that does not exist has a note', async () => {
  const tab = await Tab.open(server, '/schedules/new?script=trade')
  const { page } = tab
  tab.allow(/status of 4\d\d/)
  await view(page, 'Cron fields').click()
  await textbox(page, 'Hour').fill('25')
  await page.getByRole('alert').first().waitFor()
  await until('the hour is marked', async () => (await textbox(page, 'Hour').getAttribute('aria-invalid')) === 'true')
  assert.equal(await textbox(page, 'Minute').getAttribute('aria-invalid'), null)
  await tab.checkLooks()
  await view(page, 'Text').click()
  const wrong = 'every 5m until 2027-01-01 jiter 3s'
  await asText(page).fill(wrong)
  const answer = await fetch(`${server.url}/v1/triggers/preview`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ trigger: wrong }) })
  const { column, detail } = (await answer.json()) as { column: number; detail: string }
  assert.equal(column, wrong.indexOf('jiter') + 1)
  await until('the place is shown', async () => {
    const [text, caret] = ((await page.getByRole('alert').locator('pre').textContent()) ?? '').split('\n')
    return text === wrong && caret === `${' '.repeat(column - 1)}^`
  })
  await page.getByRole('alert').getByText(detail.split('\n', 1)[0] ?? '').waitFor()
  // It is not made like this, and what was typed stays.
  await button(page, 'Create the schedule').click()
  await until('it stays', async () => (await asText(page).inputValue()) === wrong)
  assert.deepEqual((await server.api<{ items: Schedule[] }>('GET', '/v1/schedules?script=trade')).items, [])
  // The last Sunday of March, when clocks go forward in Berlin.
  const year = new Date().getUTCFullYear() + 1
  const march = new Date(Date.UTC(year, 2, 31))
  const day = new Date(Date.UTC(year, 2, 31 - march.getUTCDay())).toISOString().slice(0, 10)
  const gap = `30 2 * * * @ Europe/Berlin from ${day}`
  await asText(page).fill(gap)
  await showsTimesOf(page, gap, ['Europe/Berlin', 'Asia/Shanghai', 'UTC'])
  await page.getByRole('cell', { name: '02:30 does not exist' }).waitFor()
  assert.equal((await shownTimes(page)).filter(([first]) => first?.includes('does not exist')).length, 1)
  await tab.close()
})

test('a schedule is made with arguments from the form, with policies and labels', async () => {
  const tab = await Tab.open(server, '/schedules/new')
  const { page } = tab
  tab.allow(/status of 4\d\d/)
  await choose(page, 'Script', 'trad', /^trade/)
  await textbox(page, 'Name (optional)').fill('buyer')
  await textbox(page, 'Title (optional)').fill('Buys tea')
  await page.getByRole('combobox', { name: 'How often' }).selectOption({ label: 'Every few minutes or hours' })
  await page.getByRole('spinbutton', { name: 'Every', exact: true }).fill('20')
  await page.getByText('every 20 minutes').first().waitFor()
  await page.getByText('How many.', { exact: true }).waitFor()
  // A value that is missing or wrong is told, and nothing is made.
  await button(page, 'Create the schedule').click()
  await page.getByText('A value is needed.').waitFor()
  await textbox(page, 'n').fill('1.5')
  await page.getByText('This is not a whole number.').waitFor()
  await button(page, 'Create the schedule').click()
  assert.match(page.url(), /\/schedules\/new/)
  await textbox(page, 'n').fill('12')
  await page.getByRole('combobox', { name: 'side' }).selectOption('sell')
  await page.getByText('Policies', { exact: true }).click()
  await page.getByRole('combobox', { name: 'If still running' }).selectOption('queue_one')
  await textbox(page, 'Latest start').fill('soon')
  await textbox(page, 'Retries').fill('2')
  await textbox(page, 'First wait').fill('5s')
  await textbox(page, 'Pause on failure').fill('3')
  await textbox(page, 'Time limit').fill('40s')
  await page.getByText('Labels and start', { exact: true }).click()
  await textbox(page, 'Labels (optional)').fill('team=shop')
  await page.getByRole('checkbox', { name: /^Start paused/ }).check()
  await button(page, 'Create the schedule').click()
  const grace = textbox(page, 'Latest start')
  await until('the error is at its field', async () => (await grace.getAttribute('aria-invalid')) === 'true')
  await tab.checkLooks()
  await grace.fill('5m')
  await button(page, 'Create the schedule').click()
  await page.waitForURL(/\/schedules\/buyer$/)
  await page.getByText(/up to 5.* late/).waitFor()
  const made = await schedule('buyer')
  assert.deepEqual(
    [made.text, made.title, made.state, made.args, made.labels],
    ['cron: */20 * * * * @ Asia/Shanghai', 'Buys tea', 'paused', { n: 12, side: 'sell' }, { team: 'shop' }],
  )
  const { misfire_grace_time, overlap, retries, pause_on_failure, limits } = made.settings
  assert.deepEqual(
    { misfire_grace_time, overlap, retries, pause_on_failure, limits },
    { misfire_grace_time: 300, overlap: 'queue_one', retries: { count: 2, delay: 5, backoff: 'exponential', max_delay: 3600 }, pause_on_failure: 3, limits: { timeout: '40s' } },
  )
  await tab.close()
})

test('a schedule is paused, resumed, and run now with other arguments', async () => {
  await make('hourly', 'trade', `${quietMinute()} * * * *`, { args: { n: 3 } })
  const tab = await Tab.open(server, '/schedules/hourly')
  const { page } = tab
  await button(page, 'Pause').click()
  await page.getByText('hourly is paused.', { exact: true }).waitFor()
  await page.getByText('it fires at none of these until it is resumed').waitFor()
  assert.equal((await schedule('hourly')).state, 'paused')
  await button(page, 'Resume').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: /^Make up for the pause/ }).check()
  await tab.checkLooks()
  await dialog.getByRole('radio', { name: /^From now on/ }).check()
  await button(dialog, 'Resume').click()
  await dialog.waitFor({ state: 'detached' })
  await button(page, 'Pause').waitFor()
  assert.equal((await schedule('hourly')).state, 'active')
  // A wrong argument starts nothing.
  await button(page, 'Run now').click()
  assert.equal(await textbox(dialog, 'n').inputValue(), '3')
  await textbox(dialog, 'n').fill('many')
  await button(dialog, 'Run now').click()
  await dialog.getByText('This is not a whole number.').waitFor()
  await tab.checkLooks()
  assert.deepEqual(await runs('schedule=hourly'), [])
  await textbox(dialog, 'n').fill('8')
  await button(dialog, 'Run now').click()
  await page.waitForURL(/\/runs\//)
  await page.getByText('succeeded', { exact: true }).first().waitFor()
  assert.deepEqual((await runs('schedule=hourly')).map(({ args, result }) => [args, result]), [[{ n: 8 }, { n: 8, side: 'buy' }]])
  assert.deepEqual((await schedule('hourly')).args, { n: 3 })
  // The same from the row of the list, with its own arguments.
  await tab.go('/schedules?script=trade')
  await button(page, 'Run now: hourly').click()
  await until('it ran', async () => (await runs('schedule=hourly&status=succeeded')).some(({ result }) => JSON.stringify(result) === '{"n":3,"side":"buy"}'))
  await button(page, 'Pause: hourly').click()
  await button(page, 'Resume: hourly').click()
  await button(page, 'Pause: hourly').waitFor()
  assert.equal((await schedule('hourly')).state, 'active')
  await tab.close()
})

test('a backfill shows its fire times first, then how far it is', async () => {
  for (const id of ['good', 'bad']) await make(`past-${id}`, id, `${quietMinute()} * * * *`)
  const tab = await Tab.open(server, '/schedules/past-good')
  const { page } = tab
  const dialog = page.getByRole('dialog')
  await button(page, 'Backfill').click()
  await button(dialog, 'Last 24 h').click()
  await button(dialog, 'Show the fire times').click()
  await dialog.getByText('24 fire times:').waitFor()
  assert.equal(await dialog.getByRole('listitem').count(), 24)
  await tab.checkLooks()
  assert.deepEqual(await runs('schedule=past-good'), [])
  // Another request has other fire times: those that were shown are gone.
  await dialog.getByRole('radio', { name: /^All of them/ }).check()
  await dialog.getByText('24 fire times:').waitFor({ state: 'detached' })
  await dialog.getByRole('radio', { name: /^Only those/ }).check()
  await dialog.getByLabel('Runs at once').fill('4')
  await button(dialog, 'Show the fire times').click()
  await button(dialog, 'Run for 24 fire times').click()
  await dialog.getByText('24 of 24 done').waitFor()
  await tab.checkLooks()
  await dialog.getByRole('link', { name: 'Show its runs' }).click()
  await page.waitForURL(/\/runs\?.*cause=backfill/)
  await page.locator('[data-at="0"]').getByText('past-good').waitFor()
  const made = await runs('schedule=past-good')
  assert.deepEqual([made.length, [...new Set(made.map(({ cause, status }) => `${cause} ${status}`))]], [24, ['backfill succeeded']])
  // Those are not run again; failed ones are told.
  await tab.go('/schedules/past-good')
  await button(page, 'Backfill').click()
  await button(dialog, 'Show the fire times').click()
  await dialog.getByText('24 fire times are left out').waitFor()
  assert.equal(await button(dialog, /^Run for/).count(), 0)
  await tab.go('/schedules/past-bad')
  await button(page, 'Backfill').click()
  await button(dialog, 'Show the fire times').click()
  await button(dialog, 'Run for 24 fire times').click()
  await dialog.getByText('24 of 24 done').waitFor()
  await dialog.getByText('24 failed').waitFor()
  await tab.close()
})

test('the timeline tells what became of each fire time, by mouse, by keyboard and as a table', async () => {
  // Five hours ago, half an hour from the fire times.
  const from = new Date(Date.now() - 5 * 3_600_000).toISOString()
  const trigger = `${quietMinute()} * * * *`
  await make('line-failed', 'bad', trigger)
  await make('line-missed', 'good', trigger, { misfire_grace_time: 60, coalesce: 'all' })
  await make('line-skipped', 'good', trigger, { coalesce: 'latest' })
  await server.api('POST', '/v1/schedules/line-failed/backfill', { from, concurrency: 5 })
  for (const id of ['line-missed', 'line-skipped']) {
    await server.api('POST', `/v1/schedules/${id}/pause`)
    await server.api('POST', `/v1/schedules/${id}/resume`, { from })
  }
  const wanted: Record<string, string[]> = {
    'line-failed': ['failed', 'failed', 'failed', 'failed', 'failed'],
    'line-missed': ['missed', 'missed', 'missed', 'missed', 'missed'],
    'line-skipped': ['succeeded', 'skipped', 'skipped', 'skipped', 'skipped'],
  }
  for (const [id, statuses] of Object.entries(wanted)) {
    await until(`the runs of ${id}`, async () => JSON.stringify((await runs(`schedule=${id}`)).map(({ status }) => status).sort()) === JSON.stringify(statuses.toSorted()))
  }
  const tab = await Tab.open(server, '/schedules?view=timeline&q=line-')
  const { page } = tab
  const lane = (id: string) => page.getByRole('group', { name: new RegExp(`^${id}: `) })
  const reasons: [string, RegExp, number][] = [
    ['line-failed', /failed · ValueError: the shop is closed|failed · .*the shop is closed/, 5],
    ['line-missed', /missed · .*later than misfire_grace_time allows/, 5],
    ['line-skipped', /skipped · another run was made for several fire times/, 4],
    ['line-skipped', /succeeded, began late · began .* late/, 1],
  ]
  for (const [id, says, count] of reasons) {
    await until(`${id} says ${says}`, async () => (await lane(id).getByRole('link', { name: says }).count()) === count)
  }
  await until('what is planned', async () => (await lane('line-missed').getByRole('img', { name: /planned/ }).count()) === 12)
  // By mouse.
  await lane('line-missed').getByRole('link').first().hover()
  await page.getByText('the run could only begin later than misfire_grace_time allows').waitFor()
  // By keyboard: one mark is in the order of the tab key, the arrows go to the others.
  const marks = lane('line-skipped').getByRole('link')
  await marks.last().focus()
  await page.keyboard.press('ArrowLeft')
  await until('the mark before', async () => marks.nth(3).evaluate((mark) => mark === document.activeElement))
  await page.getByText('another run was made for several fire times').waitFor()
  await page.keyboard.press('Escape')
  await page.getByText('another run was made for several fire times').waitFor({ state: 'detached' })
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowLeft')
  await until('the first mark', async () => marks.first().evaluate((mark) => mark === document.activeElement))
  // As a table, the same.
  await page.getByText('As a table', { exact: true }).click()
  const rows = (id: string, says: RegExp) => page.getByRole('row').filter({ hasText: id }).filter({ hasText: says })
  for (const [id, says, count] of [['line-failed', /failed.*closed/, 5], ['line-missed', /missed.*misfire_grace_time/, 5], ['line-skipped', /skipped.*another run/, 4], ['line-skipped', /planned/, 12]] as const) {
    await until(`the table says ${says}`, async () => (await rows(id, says).count()) === count)
  }
  await tab.checkLooks()
  // The range is in the address; Enter opens the run of a mark.
  await button(page, '7 days').click()
  await page.waitForURL(/range=7d/)
  await button(page, '24 h').click()
  await lane('line-failed').getByRole('link').first().focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/runs\/[^?]+$/)
  await page.getByText('the shop is closed').first().waitFor()
  await tab.close()
})

test('a schedule of the source of its script says so', async () => {
  await server.script('block', `# /// script\n# [tool.cronbox]\n# schedule = "${quietMinute()} * * * * @ UTC"\n# ///\ndef run():\n    return 1\n`)
  const tab = await Tab.open(server, '/schedules/block')
  const { page } = tab
  await page.getByText('This schedule is part of the source of').waitFor()
  await button(page, 'Run now').waitFor()
  for (const name of ['Edit', 'Delete']) assert.equal(await button(page, name).count(), 0, name)
  await button(page, 'Pause').click()
  await button(page, 'Resume').waitFor()
  assert.equal((await schedule('block')).state, 'paused')
  await tab.go('/schedules/block/edit')
  await page.getByText('It is changed there.').waitFor()
  assert.equal(await page.getByRole('textbox').count(), 0)
  await tab.checkLooks()
  await tab.close()
})

test('a schedule is deleted after a question', async () => {
  await make('gone', 'good', `${quietMinute()} * * * *`)
  const tab = await Tab.open(server, '/schedules/gone')
  const { page } = tab
  const dialog = page.getByRole('dialog', { name: 'Delete the schedule gone?' })
  await button(page, 'Delete').click()
  await dialog.getByText('past runs stay').waitFor()
  await tab.checkLooks()
  await button(dialog, 'Cancel').click()
  await dialog.waitFor({ state: 'detached' })
  assert.equal((await schedule('gone')).id, 'gone')
  await button(page, 'Delete').click()
  await button(dialog, 'Delete').click()
  await page.waitForURL(/\/schedules$/)
  await page.getByText('gone was deleted.', { exact: true }).waitFor()
  assert.equal((await fetch(`${server.url}/v1/schedules/gone`)).status, 404)
  await tab.close()
})

test('a schedule and a script named new are opened, and large arguments stay as they are', async () => {
  await server.script('new', 'def run(n: int, m: int = 0):\n    return n\n')
  const large = '12345678901234567890'
  const answer = await fetch(`${server.url}/v1/schedules/new`, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: `{"script":"new","trigger":"0 3 * * *","args":{"n":${large}}}` })
  assert(answer.ok)
  const tab = await Tab.open(server, '/schedules')
  const { page } = tab
  await page.getByRole('link', { name: 'new', exact: true }).first().click()
  await page.getByRole('heading', { level: 1, name: 'new', exact: true }).waitFor()
  await page.getByText(large).first().waitFor()
  await button(page, 'Edit').click()
  await page.waitForURL(/\/schedules\/new\/edit$/)
  const field = (name: string) => textbox(page, name)
  assert.equal(await field('n').inputValue(), large)
  await field('m').fill('1')
  await button(page, 'Save').click()
  await page.waitForURL(/\/schedules\/new\/overview$/)
  assert.match(await (await fetch(`${server.url}/v1/schedules/new`)).text(), new RegExp(`"n":${large},"m":1`))
  await button(page, 'Run now').click()
  await button(page.getByRole('dialog'), 'Run now').click()
  await page.waitForURL(/\/runs\//)
  await until('it ran with the number', async () => (await (await fetch(`${server.url}/v1/runs?script=new&limit=1`)).text()).includes(`"result":${large}`))
  // The run has ended: its page, read again, does not change under the click.
  await tab.go(new URL(page.url()).pathname)
  await page.getByText('succeeded', { exact: true }).first().waitFor()
  // Other links have the same name: the list of its runs, and the script.
  await page.locator('main a[href="/schedules/new/overview"]').first().click()
  await page.getByRole('heading', { level: 1, name: 'new', exact: true }).waitFor()
  await tab.go('/scripts')
  await page.getByRole('link', { name: 'new', exact: true }).first().click()
  await page.waitForURL(/\/scripts\/new\/overview$/)
  await page.getByRole('link', { name: 'Code', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'new', exact: true }).waitFor()
  await tab.go('/schedules/new')
  await page.getByRole('heading', { level: 1, name: 'New schedule' }).waitFor()
  await tab.close()
})

test('of two people who change a schedule, the second is told, and nothing is overwritten', async () => {
  const trigger = `${quietMinute()} * * * *`
  await make('shared', 'good', trigger, { title: 'first', labels: { a: '1' } })
  const tab = await Tab.open(server, '/schedules/shared')
  const { page } = tab
  tab.allow(/status of 412/, /Failed to load resource/)
  // Without the feed, the page hears of the other person only when it saves.
  await page.route(/\/v1\/events/, (route) => route.abort())
  await tab.go('/schedules/shared/edit')
  await textbox(page, 'Title (optional)').fill('mine')
  await server.api('PATCH', '/v1/schedules/shared', { title: 'theirs', labels: { a: '2' } })
  await button(page, 'Save').click()
  await page.getByText('Somebody else changed the same fields meanwhile').waitFor()
  await page.getByText('Taken over: Labels').waitFor()
  assert.equal((await schedule('shared')).title, 'theirs')
  assert.equal(await textbox(page, 'Title (optional)').inputValue(), 'mine')
  assert(await button(page, 'Save').isDisabled())
  await tab.checkLooks()
  await button(page, 'Keep yours').click()
  await button(page, 'Save').click()
  await page.waitForURL(/\/schedules\/shared$/)
  const mine = await schedule('shared')
  assert.deepEqual([mine.title, mine.labels], ['mine', { a: '2' }])
  // With the feed, it is told at once.
  await page.unroute(/\/v1\/events/)
  await tab.go('/schedules/shared/edit')
  await textbox(page, 'Title (optional)').fill('mine again')
  await server.api('PATCH', '/v1/schedules/shared', { title: 'theirs again' })
  await page.getByText('Somebody else changed the same fields meanwhile').waitFor()
  await button(page, 'Take the one on the server').click()
  assert.equal(await textbox(page, 'Title (optional)').inputValue(), 'theirs again')
  // What was typed outlives a reload.
  await textbox(page, 'Title (optional)').fill('half typed')
  await page.reload()
  await page.getByText('What you typed before is here again.').waitFor()
  assert.equal(await textbox(page, 'Title (optional)').inputValue(), 'half typed')
  await tab.close()
})

test('both languages, dark, and what is not there', async () => {
  await make('zh', 'trade', `${quietMinute()} * * * *`, { args: { n: 1 } })
  const tab = await Tab.open(server, '/schedules/zh', { locale: 'zh-CN', colorScheme: 'dark' })
  const { page } = tab
  tab.allow(/status of 404/)
  for (const name of ['立即运行', '补跑']) {
    await button(page, name).click()
    await page.getByRole('dialog').waitFor()
    await tab.checkLooks()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  }
  for (const address of ['/schedules/nothing', '/schedules?q=nothing', '/schedules/zh/edit']) {
    await tab.go(address)
    await tab.checkLooks()
  }
  await tab.close()
})

test('a token that only reads sees no verbs', async () => {
  await make('seen', 'good', `${quietMinute()} * * * *`)
  const admin = await server.api<{ token: string }>('POST', '/v1/tokens', { name: 'ops', scopes: ['read', 'run', 'write', 'exec', 'grant', 'admin'] })
  const headers = { Authorization: `Bearer ${admin.token}` }
  const reader = await server.api<{ token: string }>('POST', '/v1/tokens', { name: 'reader', scopes: ['read'] }, headers)
  const tab = await Tab.open(server, '/schedules/seen')
  const { page } = tab
  tab.allow(/401/)
  await tab.logIn(reader.token)
  await page.getByRole('heading', { name: 'seen', exact: true }).waitFor()
  await page.getByRole('heading', { name: 'Policies' }).waitFor()
  const verbs = /^(Run now|Pause|Resume|Backfill|Edit|Duplicate|Delete|New schedule)/
  const none = async () => assert.deepEqual([await button(page, verbs).count(), await page.getByRole('link', { name: verbs }).count()], [0, 0], page.url())
  await none()
  await tab.checkLooks()
  await tab.go('/schedules')
  await page.getByRole('link', { name: 'seen', exact: true }).waitFor()
  await none()
  for (const address of ['/schedules/new', '/schedules/seen/edit']) {
    await tab.go(address)
    await page.getByText('write', { exact: false }).first().waitFor()
    assert.equal(await page.getByRole('textbox').count(), 0, address)
  }
  await tab.close()
})
