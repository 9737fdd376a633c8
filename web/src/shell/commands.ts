/** What the command palette offers for what was typed. */
import type { RouteLocationRaw } from 'vue-router'
import { runAddress, scheduleAddress, scriptAddress } from '../addresses'
import { api, ok, type Schedule, type Script } from '../api/client'
import { refresh } from '../api/queries'
import { t } from '../i18n'
import { can } from '../session/session'
import { said } from '../ui/toasts'

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

/** At most so many of each kind are shown. */
const SHOWN = 8
/** A run's id, or how one begins. */
const RUN_ID = /^[0-9a-f]{8}-[0-9a-f-]{4,27}$/

/** Whether each word that was typed is somewhere in a text. */
export function matches(typed: string, text: string): boolean {
  const whole = text.toLowerCase()
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => whole.includes(word))
}

function places(): Item[] {
  const names = ['overview', 'scripts', 'schedules', 'runs', 'charts', 'access'] as const
  return names.map((name) => ({ id: name, title: t(`shell.${name}`), to: name === 'overview' ? '/' : `/${name}` }))
}

function commands(): Item[] {
  if (!can('write')) return []
  return [
    { id: 'new-script', title: t('shell.palette.newScript'), to: '/scripts/new' },
    { id: 'new-schedule', title: t('shell.palette.newSchedule'), to: '/schedules/new' },
    { id: 'new-chart', title: t('shell.palette.newChart'), to: '/charts/new' },
  ]
}

function verbsOfScript({ name }: Script): Item[] {
  if (!can('run')) return []
  const work = async () => {
    const run = await ok(api.POST('/v1/scripts/{name}/runs', { params: { path: { name } }, body: {} }))
    return runAddress(run.id)
  }
  return [{ id: `run-${name}`, title: t('shell.palette.run', { name }), work }]
}

function verbsOfSchedule({ id, state }: Schedule): Item[] {
  const path = { params: { path: { id } } }
  const items: Item[] = []
  if (can('run')) {
    const work = async () => runAddress((await ok(api.POST('/v1/schedules/{id}/trigger', path))).id)
    items.push({ id: `trigger-${id}`, title: t('shell.palette.trigger', { id }), work })
  }
  if (can('write') && state === 'active') {
    const work = async () => {
      await ok(api.POST('/v1/schedules/{id}/pause', path))
      said(t('shell.palette.paused', { id }))
      await refresh('schedules')
      return undefined
    }
    items.push({ id: `pause-${id}`, title: t('shell.palette.pause', { id }), work })
  }
  if (can('write') && state === 'paused') {
    const work = async () => {
      await ok(api.POST('/v1/schedules/{id}/resume', { ...path, body: {} }))
      said(t('shell.palette.resumed', { id }))
      await refresh('schedules')
      return undefined
    }
    items.push({ id: `resume-${id}`, title: t('shell.palette.resume', { id }), work })
  }
  return items
}

/** What fits to what was typed, in groups; without anything typed: places, commands, and some names. */
export function found(typed: string, known: { scripts: readonly Script[]; schedules: readonly Schedule[] }): Group[] {
  const wanted = typed.trim()
  const fits = (item: Item) => matches(wanted, `${item.title} ${item.about ?? ''}`)
  const scripts = known.scripts.map((script) => ({ id: `script-${script.name}`, title: script.name, about: script.title ?? '', to: scriptAddress(script.name) }))
  const schedules = known.schedules.map((schedule) => ({ id: `schedule-${schedule.id}`, title: schedule.id, about: schedule.text, to: scheduleAddress(schedule.id) }))
  const verbs = wanted === '' ? [] : [...known.scripts.flatMap(verbsOfScript), ...known.schedules.flatMap(verbsOfSchedule)]
  const groups = [
    { title: t('common.run'), items: RUN_ID.test(wanted) ? [{ id: 'run', title: wanted, to: runAddress(wanted) }] : [] },
    { title: t('shell.palette.go'), items: places().filter(fits) },
    { title: t('shell.scripts'), items: scripts.filter(fits).slice(0, SHOWN) },
    { title: t('shell.schedules'), items: schedules.filter(fits).slice(0, SHOWN) },
    { title: t('shell.palette.commands'), items: [...commands(), ...verbs].filter(fits).slice(0, SHOWN) },
  ]
  return groups.filter((group) => group.items.length > 0)
}
