/** Limits as people write them, read by the rules of the server (`src/quantity.rs`): `256MiB`, `1h30m`, `2e9`. */

export type LimitName = 'timeout' | 'memory' | 'fuel' | 'output'
export const LIMIT_NAMES: readonly LimitName[] = ['timeout', 'memory', 'fuel', 'output']

export const isLimitName = (name: string): name is LimitName => LIMIT_NAMES.some((each) => each === name)

/** What a script may have without a grant: bytes, milliseconds, units of fuel. */
export const DEFAULTS: Record<LimitName, number> = { timeout: 60_000, memory: 256 * 2 ** 20, fuel: 200e9, output: 2 ** 20 }

/** A letter alone is a power of 1024, a letter with B a power of 1000. */
const BYTES: Record<string, number> = {
  '': 1, b: 1, k: 2 ** 10, ki: 2 ** 10, kib: 2 ** 10, m: 2 ** 20, mi: 2 ** 20, mib: 2 ** 20, g: 2 ** 30, gi: 2 ** 30, gib: 2 ** 30,
  t: 2 ** 40, ti: 2 ** 40, tib: 2 ** 40, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12,
}
const FUEL: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }
/** The case of these counts. */
const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
/** Where the server says that a number is too large. */
const MOST = 9.2e18

const NUMBER = /^\s*(\+?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/

/** The number at the beginning of a text, and its unit. */
function split(text: string): [number, string] | undefined {
  const found = NUMBER.exec(text)
  if (!found) return undefined
  const rest = text.slice(found[0].length)
  // A second point or sign is no unit: the server refuses such a number.
  return /^[.+-]/.test(rest) ? undefined : [Number(found[1]), rest.trim()]
}

function whole(text: string, units: Record<string, number>): number | undefined {
  const [number, unit] = split(text) ?? []
  const factor = units[(unit ?? '').toLowerCase()]
  const value = number === undefined || factor === undefined ? NaN : Math.round(number * factor)
  return value < MOST ? value : undefined
}

/** A number alone is seconds; several parts are added up. */
function milliseconds(text: string): number | undefined {
  const parts = text.trim().match(/[^a-zA-Z]+[a-zA-Z]*|[a-zA-Z]+/g) ?? []
  let sum = 0
  for (const part of parts) {
    const [number, unit] = split(part) ?? []
    const factor = unit === '' && parts.length === 1 ? 1000 : MILLISECONDS[unit ?? '']
    if (number === undefined || factor === undefined) return undefined
    sum += number * factor
  }
  return parts.length > 0 && sum < MOST ? Math.floor(sum + 1e-6) : undefined
}

/** Bytes, milliseconds or units of fuel; nothing when the server could not read it. */
export function limitOf(name: LimitName, written: unknown): number | undefined {
  if (typeof written !== 'string' && typeof written !== 'number') return undefined
  const text = String(written)
  if (name === 'timeout') return milliseconds(text)
  return whole(text, name === 'fuel' ? FUEL : BYTES)
}
