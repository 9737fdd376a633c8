/** Local times of zones. The browser knows the zones; times that do not exist or come twice are read as the server does. */

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    })
    formats.set(zone, format)
  }
  return format
}

/** What clocks in a zone show at an instant, as if it were UTC: in milliseconds. */
export function wallOf(at: number, zone: string): number {
  const parts = Object.fromEntries(formatOf(zone).formatToParts(at).map(({ type, value }) => [type, Number(value)]))
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((at % 1000) + 1000) % 1000)
}

/** How far clocks in a zone are ahead of UTC, in milliseconds. */
export const offsetOf = (at: number, zone: string): number => wallOf(at, zone) - at

/** The instant at which clocks show this: the first one where they do twice, the first that exists where they never do. */
export function instantOf(wall: number, zone: string): number {
  const DAY = 86_400_000
  const before = offsetOf(wall - DAY, zone)
  const after = offsetOf(wall + DAY, zone)
  const first = wall - Math.max(before, after)
  const second = wall - Math.min(before, after)
  if (wallOf(first, zone) === wall) return first
  if (wallOf(second, zone) === wall) return second
  // In a gap: the first instant after it. The clocks go on there by the old offset.
  let [low, high] = [first, second]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetOf(middle, zone) === offsetOf(first, zone)) low = middle
    else high = middle
  }
  return high
}

/** For an input of the type `datetime-local`: `2026-11-27T09:00`. */
export const localText = (at: number, zone: string): string => new Date(wallOf(at, zone)).toISOString().slice(0, 16)

/** The instant of what such an input holds; nothing while it is not complete. */
export function readLocal(text: string, zone: string): number | undefined {
  // Browsers also read what is not complete.
  const wall = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text) ? Date.parse(`${text}Z`) : NaN
  return Number.isNaN(wall) ? undefined : instantOf(wall, zone)
}

/** `UTC+01:00` */
export function offsetWords(at: number, zone: string): string {
  const minutes = Math.round(offsetOf(at, zone) / 60_000)
  if (minutes === 0) return 'UTC'
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  return `UTC${minutes < 0 ? '−' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`
}

/** Instants at which clocks in a zone show a whole multiple of so many hours, from one instant to another. */
export function hoursBetween(from: number, to: number, zone: string, hours: number): number[] {
  const step = hours * 3_600_000
  const ticks: number[] = []
  const last = wallOf(to, zone)
  for (let wall = Math.ceil(wallOf(from, zone) / step) * step; wall <= last; wall += step) {
    const at = instantOf(wall, zone)
    if (at >= from && at <= to && ticks.at(-1) !== at) ticks.push(at)
  }
  return ticks
}

/** Every zone that the browser knows. */
export function allZones(): string[] {
  const zones = Intl.supportedValuesOf('timeZone')
  return zones.includes('UTC') ? zones : ['UTC', ...zones]
}

/** The zones whose name holds each of the typed words, in any order; `new york` finds `America/New_York`. */
export function findZones(zones: string[], typed: string): string[] {
  const words = typed.toLowerCase().split(/[\s_/]+/).filter(Boolean)
  const plain = (zone: string): string => zone.toLowerCase().replaceAll('_', ' ')
  const found = zones.filter((zone) => words.every((word) => plain(zone).includes(word)))
  const start = words[0] ?? ''
  const rank = (zone: string): number => (plain(zone).split('/').some((part) => part.startsWith(start)) ? 0 : 1)
  return found.toSorted((a, b) => rank(a) - rank(b))
}
