/** Limits as people write them, as numbers: `256MiB`, `30s`, `2e9`. */

export type LimitName = 'fuel' | 'memory' | 'timeout' | 'output'
export const LIMIT_NAMES: readonly LimitName[] = ['timeout', 'memory', 'fuel', 'output']

const BYTES: Record<string, number> = { '': 1, b: 1, k: 1024, kb: 1000, kib: 1024, m: 1024 ** 2, mb: 1000 ** 2, mib: 1024 ** 2, g: 1024 ** 3, gb: 1000 ** 3, gib: 1024 ** 3 }
const MILLISECONDS: Record<string, number> = { '': 1000, ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const FUEL: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }

function quantity(written: string | number, units: Record<string, number>): number | undefined {
  const found = /^\s*([\d_.]+(?:e\+?\d+)?)\s*([a-z]*)\s*$/i.exec(String(written))
  const factor = units[(found?.[2] ?? '').toLowerCase()]
  const value = Number((found?.[1] ?? '').replaceAll('_', ''))
  return found && factor !== undefined && Number.isFinite(value) ? value * factor : undefined
}

/** Bytes, milliseconds or units of fuel; nothing when it cannot be read. */
export function limitOf(name: LimitName, written: string | number): number | undefined {
  if (name === 'timeout') return quantity(written, MILLISECONDS)
  return quantity(written, name === 'fuel' ? FUEL : BYTES)
}
