/** Numbers, times and sizes in the viewer's form. */
import { computed } from 'vue'
import { language } from '.'

/** The viewer's own form of numbers and times where it is of the page's language. */
export const locale = computed(() => {
  const code = language.value
  return navigator.languages.find((each) => each.startsWith(code)) ?? (code === 'zh' ? 'zh-CN' : 'en')
})

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
/** The viewer's zone. */
export const viewerZone = zone

const number = computed(() => new Intl.NumberFormat(locale.value, { maximumSignificantDigits: 6 }))
const whole = computed(() => new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }))
const short = computed(() => new Intl.NumberFormat(locale.value, { notation: 'compact', maximumSignificantDigits: 3 }))
const percent = computed(() => new Intl.NumberFormat(locale.value, { style: 'percent', maximumFractionDigits: 0 }))
const relative = computed(() => new Intl.RelativeTimeFormat(locale.value, { numeric: 'always', style: 'short' }))

export const formatNumber = (value: number): string =>
  Number.isInteger(value) ? whole.value.format(value) : number.value.format(value)
export const formatShort = (value: number): string => short.value.format(value)
export const formatPercent = (value: number): string => percent.value.format(value)

const STAMP: Intl.DateTimeFormatOptions = {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
}

const { hour, minute, second, hourCycle } = STAMP
const CLOCK = { hour, minute, second, hourCycle } as Intl.DateTimeFormatOptions
const MINUTE = { hour, minute, hourCycle } as Intl.DateTimeFormatOptions

/** Making a format is much slower than using it, and a page has hundreds of times. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(name: string, options: Intl.DateTimeFormatOptions, timeZone: string): Intl.DateTimeFormat {
  const key = `${name} ${locale.value} ${timeZone}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.DateTimeFormat(locale.value, { ...options, timeZone })
    formats.set(key, format)
  }
  return format
}

/** A time with date and seconds, in a zone (the viewer's). */
export function formatTime(at: string | number | Date, timeZone: string = zone): string {
  return formatOf('stamp', STAMP, timeZone).format(new Date(at))
}

/** A time without its date, to seconds. */
export function formatClock(at: string | number | Date, timeZone: string = zone): string {
  return formatOf('clock', CLOCK, timeZone).format(new Date(at))
}

/** A time without its date, to minutes. */
export function formatMinute(at: string | number | Date, timeZone: string = zone): string {
  return formatOf('minute', MINUTE, timeZone).format(new Date(at))
}

/** A time in UTC as ISO 8601 writes it, to seconds. */
export function formatUtc(at: string | number | Date): string {
  return new Date(at).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

/** `3 min. ago`, `in 2 hr.` */
export function formatRelative(at: string | number | Date, now: number): string {
  const seconds = (new Date(at).getTime() - now) / 1000
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1]
  return relative.value.format(Math.trunc(seconds / size), unit)
}

/** A duration of milliseconds: `1.3 ms`, `4.2 s`, `3 min 20 s`. The units are the SI's, which both languages use. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${number.value.format(Number(ms.toPrecision(3)))} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${number.value.format(Number(seconds.toPrecision(3)))} s`
  const all = Math.round(seconds)
  const parts: [number, string][] = [
    [Math.floor(all / 86_400), 'd'],
    [Math.floor(all / 3_600) % 24, 'h'],
    [Math.floor(all / 60) % 60, 'min'],
    [all % 60, 's'],
  ]
  const first = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

/** `35.5 MiB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [value, at] = [bytes, 0]
  while (value >= 1024 && at < units.length - 1) [value, at] = [value / 1024, at + 1]
  return `${number.value.format(Number(value.toPrecision(3)))} ${units[at]}`
}
