/** The settings of a script as a form, and what of it has changed as a request. */
import { LIMIT_NAMES, type LimitName } from '../access/limits'
import type { Script } from '../api/client'

/** The settings of a script, as far as the page knows them. */
export interface Settings {
  title?: string
  entry?: string
  result?: 'json' | 'text' | 'none'
  timezone?: string
  labels?: Record<string, string>
  limits?: Record<string, string | number>
  env?: Record<string, string>
  allow?: string[]
  secrets?: string[]
  concurrency?: number
  retries?: { count: number; delay?: number; backoff?: string; max_delay?: number }
  retry_on?: string[]
  on_lost?: string
  keep?: Record<string, string | number>
  validate_args?: boolean
  /** The address of a monitor; the server shows its host only. */
  heartbeat?: string
}

export const settingsOf = (script: Script): Settings => script.settings as Settings

export interface Row {
  key: string
  value: string
}

export const KEEP_NAMES = ['age', 'count', 'bytes', 'output'] as const
export type KeepName = (typeof KEEP_NAMES)[number]

/** Everything is text, as it is typed. */
export interface SettingsForm {
  title: string
  entry: string
  result: string
  timezone: string
  labels: Row[]
  env: Row[]
  limits: Record<LimitName, string>
  concurrency: string
  retries: { count: string; delay: string; backoff: string; max_delay: string }
  retry_on: string[]
  on_lost: string
  keep: Record<KeepName, string>
  /** A host a line. */
  allow: string
  /** Whether secrets are named; otherwise a script gets those that are set for it. */
  namesSecrets: boolean
  /** A name a line. */
  secrets: string
  validate_args: boolean
  heartbeat: string
}

const UNITS: [string, number][] = [['d', 86_400], ['h', 3600], ['m', 60], ['s', 1]]

/** Seconds as the server reads them: `90d`. */
export function written(seconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size && seconds % size === 0) ?? ['s', 1]
  return `${seconds / size}${unit}`
}

const rows = (map: Record<string, string> | undefined): Row[] => Object.entries(map ?? {}).map(([key, value]) => ({ key, value }))
const time = (value: string | number | undefined): string => (typeof value === 'number' ? written(value) : (value ?? ''))
const plain = (value: string | number | undefined): string => (value === undefined ? '' : String(value))

export function formOfSettings(settings: Settings): SettingsForm {
  const { limits = {}, keep = {}, retries } = settings
  return {
    title: settings.title ?? '',
    entry: settings.entry ?? '',
    result: settings.result ?? '',
    timezone: settings.timezone ?? '',
    labels: rows(settings.labels),
    env: rows(settings.env),
    limits: { timeout: time(limits['timeout']), memory: plain(limits['memory']), fuel: plain(limits['fuel']), output: plain(limits['output']) },
    concurrency: plain(settings.concurrency),
    retries: { count: plain(retries?.count), delay: time(retries?.delay), backoff: retries?.backoff ?? '', max_delay: time(retries?.max_delay) },
    retry_on: settings.retry_on ?? [],
    on_lost: settings.on_lost ?? '',
    keep: { age: time(keep['age']), count: plain(keep['count']), bytes: plain(keep['bytes']), output: time(keep['output']) },
    allow: (settings.allow ?? []).join('\n'),
    namesSecrets: settings.secrets !== undefined,
    secrets: (settings.secrets ?? []).join('\n'),
    validate_args: settings.validate_args ?? false,
    heartbeat: settings.heartbeat ?? '',
  }
}

export const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '')

/** A number where one was typed; else the text, so that the server says what is wrong with it. */
const number = (text: string): number | string => (/^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text.trim())
const word = (text: string): string | null => text.trim() || null

/** Changed members; those that are gone are null. */
function changedRows(before: readonly Row[], now: readonly Row[]): Record<string, string | null> {
  const [old, fresh] = [new Map(before.map(({ key, value }) => [key, value])), new Map(now.filter(({ key }) => key.trim() !== '').map(({ key, value }) => [key.trim(), value]))]
  const gone = [...old.keys()].filter((key) => !fresh.has(key)).map((key) => [key, null] as const)
  return Object.fromEntries([...gone, ...[...fresh].filter(([key, value]) => old.get(key) !== value)])
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** What has to be sent; empty: nothing was changed. */
export function changesOf(before: SettingsForm, now: SettingsForm): Record<string, unknown> {
  const changes: Record<string, unknown> = {}
  for (const name of ['title', 'entry', 'result', 'timezone', 'on_lost', 'heartbeat'] as const) {
    if (before[name] !== now[name]) changes[name] = word(now[name])
  }
  for (const name of ['labels', 'env'] as const) {
    const changed = changedRows(before[name], now[name])
    if (Object.keys(changed).length > 0) changes[name] = changed
  }
  const limits = LIMIT_NAMES.filter((name) => before.limits[name] !== now.limits[name])
  if (limits.length > 0) changes['limits'] = Object.fromEntries(limits.map((name) => [name, word(now.limits[name])]))
  const keep = KEEP_NAMES.filter((name) => before.keep[name] !== now.keep[name])
  if (keep.length > 0) {
    changes['keep'] = Object.fromEntries(keep.map((name) => [name, now.keep[name].trim() === '' ? null : name === 'count' ? number(now.keep[name]) : now.keep[name].trim()]))
  }
  if (before.concurrency !== now.concurrency) changes['concurrency'] = now.concurrency.trim() === '' ? null : number(now.concurrency)
  if (!isSame(before.retries, now.retries)) {
    const { count, ...rest } = now.retries
    const more = Object.entries(rest).filter(([, value]) => value.trim() !== '')
    changes['retries'] = count.trim() === '' ? null : { count: number(count), ...Object.fromEntries(more) }
  }
  if (!isSame(before.retry_on, now.retry_on)) changes['retry_on'] = now.retry_on.length > 0 ? now.retry_on : null
  if (!isSame(lines(before.allow), lines(now.allow))) changes['allow'] = lines(now.allow).length > 0 ? lines(now.allow) : null
  if (before.namesSecrets !== now.namesSecrets || (now.namesSecrets && !isSame(lines(before.secrets), lines(now.secrets)))) {
    changes['secrets'] = now.namesSecrets ? lines(now.secrets) : null
  }
  if (before.validate_args !== now.validate_args) changes['validate_args'] = now.validate_args
  return changes
}
