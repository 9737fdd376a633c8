/** What the command palette offers for what was typed. The verbs are those of the pages. */
import type { RouteLocationRaw } from 'vue-router'
import { alertAddress, chartAddress, dashboardAddress, runAddress, scheduleAddress, scriptAddress } from '../addresses'
import { unmute } from '../alerts/actions'
import { isMuted } from '../alerts/data'
import { type Alert, api, ok, type Run, type Schedule, type Script } from '../api/client'
import { labelCounts } from '../charts/dashboard'
import type { SavedChart } from '../charts/saved'
import { LANGUAGES, language, t, type Language } from '../i18n'
import { cancel, maySurelyCancel, retry } from '../runs/actions'
import { isChain, isEditable, pause, resume, start } from '../schedules/actions'
import { can, logOut, seesAll, session } from '../session/session'
import { isEnded } from '../ui/status'
import { THEMES, theme } from './theme'

export interface Item {
  id: string
  title: string
  about?: string
  /** Where it leads. */
  to?: RouteLocationRaw
  /** What it does, and where that leads. */
  work?: () => Promise<RouteLocationRaw | undefined>
}

export interface Group {
  title: string
  items: Item[]
}

/** What is known of the server. */
export interface Known {
  scripts: readonly Script[]
  schedules: readonly Schedule[]
  charts: readonly SavedChart[]
  alerts: readonly Alert[]
  /** The run that was typed, or that is looked at. */
  run: Run | undefined
}

/** At most so many of each kind are shown. */
const SHOWN = 8
const COMMANDS = 14
/** A run's id. */
export const RUN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** How one begins. */
const RUN_ID_START = /^[0-9a-f]{8}-[0-9a-f-]{4,27}$/

/** Whether each word that was typed is somewhere in a text. */
export function matches(typed: string, text: string): boolean {
  const whole = text.toLowerCase()
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => whole.includes(word))
}

/** For work that leads nowhere. */
const stay = (work: () => unknown) => async (): Promise<undefined> => {
  await work()
}

function places(): Item[] {
  const names = ['overview', 'scripts', 'schedules', 'runs', 'charts', 'alerts', 'access'] as const
  const items: Item[] = names.map((name) => ({ id: name, title: t(`shell.${name}`), to: name === 'overview' ? '/' : `/${name}` }))
  items.push({ id: 'channels', title: t('alerts.tabs.channels'), to: '/channels' })
  if (seesAll.value) items.push({ id: 'deliveries', title: t('alerts.tabs.deliveries'), to: '/deliveries' })
  return items
}

function commands(): Item[] {
  const items: Item[] = []
  if (can('write')) {
    items.push(
      { id: 'new-script', title: t('shell.palette.newScript'), to: '/scripts/new' },
      { id: 'new-schedule', title: t('shell.palette.newSchedule'), to: '/schedules/new' },
      { id: 'new-chart', title: t('charts.new'), to: '/charts/new' },
      { id: 'new-alert', title: t('alerts.new'), to: '/alerts/new' },
    )
  }
  if (can('grant')) items.push({ id: 'new-secret', title: t('access.secrets.set'), to: '/access/secrets?do=new' })
  if (can('grant') && seesAll.value) items.push({ id: 'new-channel', title: t('alerts.channels.new'), to: '/channels?do=new' })
  if (can('admin') && seesAll.value) items.push({ id: 'mute-all', title: t('alerts.mute.all'), to: '/alerts?do=mute' })
  if (can('admin') && seesAll.value) items.push({ id: 'new-token', title: t('access.tokens.make'), to: '/access/tokens?do=new' })
  for (const [code, name] of Object.entries(LANGUAGES) as [Language, string][]) {
    if (code !== language.value) items.push({ id: `language-${code}`, title: t('shell.palette.choice', { what: t('shell.language'), choice: name }), work: stay(() => (language.value = code)) })
  }
  for (const each of THEMES) {
    if (each !== theme.value) items.push({ id: `theme-${each}`, title: t('shell.palette.choice', { what: t('shell.theme'), choice: t(`shell.themes.${each}`) }), work: stay(() => (theme.value = each)) })
  }
  if (session.value?.token) items.push({ id: 'log-out', title: t('shell.logOut'), work: stay(logOut) })
  return items
}

function verbsOfScript({ name }: Script): Item[] {
  if (!can('run')) return []
  const work = async () => runAddress((await ok(api.POST('/v1/scripts/{name}/runs', { params: { path: { name } }, body: {} }))).id)
  return [{ id: `run-${name}`, title: t('shell.palette.run', { name }), work }]
}

function verbsOfSchedule(schedule: Schedule): Item[] {
  const { id, state } = schedule
  const verb = (name: 'trigger' | 'pause' | 'resume' | 'backfill' | 'edit', does: Pick<Item, 'to' | 'work'>): Item => ({
    id: `${name}-${id}`,
    title: t('schedules.verb.of', { verb: t(`schedules.verb.${name}`), id }),
    ...does,
  })
  const items: Item[] = []
  if (can('run')) items.push(verb('trigger', { work: async () => runAddress((await start(id)).id) }))
  if (can('write') && state === 'active') items.push(verb('pause', { work: stay(() => pause(id)) }))
  if (can('write') && state === 'paused') items.push(verb('resume', { work: stay(() => resume(id)) }))
  if (can('run') && !isChain(schedule)) items.push(verb('backfill', { to: `${scheduleAddress(id)}?do=backfill` }))
  if (can('write') && isEditable(schedule)) items.push(verb('edit', { to: scheduleAddress(id, 'edit') }))
  return items
}

function verbsOfAlert({ id, muted_until }: Alert): Item[] {
  if (!can('write')) return []
  if (isMuted(muted_until, Date.now())) return [{ id: `unmute-${id}`, title: t('alerts.verb.of', { verb: t('alerts.mute.undo'), id }), work: stay(() => unmute(id)) }]
  return [{ id: `mute-${id}`, title: t('alerts.verb.of', { verb: t('alerts.mute.action'), id }), to: alertAddress(id, 'mute') }]
}

function verbsOfRun(run: Run): Item[] {
  if (!can('run')) return []
  const about = `${run.script} · ${t(`common.status.${run.status}`)}`
  if (isEnded(run.status)) return [{ id: 'retry-run', title: t('runs.verbs.retry'), about, work: async () => runAddress((await retry(run)).id) }]
  const stop = async () => {
    if (await maySurelyCancel(run)) await cancel(run)
  }
  return [{ id: 'cancel-run', title: t('runs.verbs.cancel'), about, work: stay(stop) }]
}

/** What fits to what was typed, in groups; without anything typed: places, commands, and some names. */
export function found(typed: string, known: Known): Group[] {
  const wanted = typed.trim()
  const isRun = RUN_ID_START.test(wanted)
  const fits = (item: Item) => matches(wanted, `${item.title} ${item.about ?? ''}`)
  const scripts = known.scripts.map((script) => ({ id: `script-${script.name}`, title: script.name, about: script.title ?? '', to: scriptAddress(script.name) }))
  const schedules = known.schedules.map((schedule) => ({ id: `schedule-${schedule.id}`, title: schedule.id, about: schedule.text, to: scheduleAddress(schedule.id) }))
  const charts = known.charts.map((chart) => ({ id: `chart-${chart.id}`, title: chart.title, about: chart.labels.join(', '), to: chartAddress(chart.id) }))
  const dashboards = labelCounts(known.charts).map(({ label }) => ({ id: `label-${label}`, title: label, about: t('shell.palette.dashboard'), to: dashboardAddress(label) }))
  const alerts = known.alerts.map((alert) => ({ id: `alert-${alert.id}`, title: alert.id, about: alert.text, to: alertAddress(alert.id) }))
  const verbs = wanted === '' ? [] : [...known.scripts.flatMap(verbsOfScript), ...known.schedules.flatMap(verbsOfSchedule), ...known.alerts.flatMap(verbsOfAlert)]
  const verbsOfThis = known.run ? verbsOfRun(known.run) : []
  const groups = [
    { title: t('common.run'), items: [...(isRun ? [{ id: 'run', title: wanted, to: runAddress(wanted) }] : []), ...(isRun ? verbsOfThis : verbsOfThis.filter(fits))] },
    { title: t('shell.palette.go'), items: places().filter(fits) },
    { title: t('shell.scripts'), items: scripts.filter(fits).slice(0, SHOWN) },
    { title: t('shell.schedules'), items: schedules.filter(fits).slice(0, SHOWN) },
    { title: t('shell.charts'), items: [...charts, ...dashboards].filter(fits).slice(0, SHOWN) },
    { title: t('shell.alerts'), items: alerts.filter(fits).slice(0, SHOWN) },
    { title: t('shell.palette.commands'), items: [...commands(), ...verbs].filter(fits).slice(0, COMMANDS) },
  ]
  return groups.filter((group) => group.items.length > 0)
}
