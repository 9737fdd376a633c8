/** What scripts ask for, and what of it they have. */
import type { Grant, Secret } from './data'

export type Kind = Grant['kind']

/**
 * - granted: asked for, and it may be used
 * - less: a limit that is granted, but not as much of it as is asked for
 * - missing: asked for and not granted
 * - unset: a secret that nobody has set
 * - elsewhere: a secret that is set, but not for this script: it has to be set for it first
 * - unasked: granted, but the script does not ask for it
 */
export type GrantState = 'granted' | 'less' | 'missing' | 'unset' | 'elsewhere' | 'unasked'

export interface Wish {
  kind: Kind
  /** `memory`, `api.example.com`, `API_KEY` */
  name: string
  state: GrantState
  /** How much of a limit is asked for, as the script writes it. */
  asked: string | undefined
  grant: Grant | undefined
}

export interface ScriptWishes {
  script: string
  /** Whether there is such a script: secrets can be granted to one that comes later. */
  isThere: boolean
  wishes: Wish[]
}

/** What a script may have without a grant, unless the operator says otherwise. */
const DEFAULTS: Record<string, number> = { memory: 256 * 2 ** 20, fuel: 200e9, timeout: 60_000, output: 2 ** 20 }

const BYTES: Record<string, number> = {
  '': 1, b: 1, k: 1e3, kb: 1e3, m: 1e6, mb: 1e6, g: 1e9, gb: 1e9, ki: 2 ** 10, kib: 2 ** 10, mi: 2 ** 20, mib: 2 ** 20, gi: 2 ** 30, gib: 2 ** 30,
}
const TIMES: Record<string, number> = { ms: 1, '': 1000, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** A limit as it is written, in the unit of grants: bytes, milliseconds, units of fuel. */
export function amount(name: string, written: unknown): number | undefined {
  const found = /^\s*([\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)\s*$/i.exec(String(written))
  if (!found) return undefined
  const unit = (found[2] ?? '').toLowerCase()
  const factor = name === 'timeout' ? TIMES[unit] : name === 'fuel' ? (unit === '' ? 1 : undefined) : BYTES[unit]
  const value = Number(found[1]) * (factor ?? NaN)
  return Number.isNaN(value) ? undefined : value
}

interface Pattern {
  name: string
  ports: string[]
}

/** `*.example.org:443`, `[fd00::1]:6379`; without a port: those of HTTP and HTTPS. */
function pattern(text: string): Pattern {
  const found = /^(.*?)(?::(\d+))?$/.exec(text)
  const isAddress = !text.includes(']') && text.split(':').length > 2
  const port = isAddress ? undefined : found?.[2]
  return { name: (isAddress ? text : (found?.[1] ?? text)).toLowerCase(), ports: port === undefined ? ['80', '443'] : [port] }
}

/** Whether a granted pattern allows everything that an asked one names. */
export function covers(granted: string, asked: string): boolean {
  const [have, want] = [pattern(granted), pattern(asked)]
  if (!want.ports.every((port) => have.ports.includes(port))) return false
  if (have.name === want.name) return true
  return have.name.startsWith('*.') && want.name.replace(/^\*/, '').endsWith(have.name.slice(1)) && want.name !== have.name.slice(2)
}

const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [])
const record = (value: unknown): Record<string, unknown> => (value !== null && typeof value === 'object' ? { ...value } : {})

/** What of a secret matters here. */
export type SecretTerms = Pick<Secret, 'name' | 'scripts' | 'labels'>

function stateOfSecret(script: Asking, terms: SecretTerms | undefined): GrantState {
  if (!terms) return 'unset'
  const labels = Object.entries(record(script.settings['labels'])).map(([key, value]) => `${key}=${String(value)}`)
  return terms.scripts.includes(script.name) || terms.labels.some((label) => labels.includes(label)) ? 'missing' : 'elsewhere'
}

export interface Asking {
  name: string
  settings: Record<string, unknown>
}

/** What one script asks for and has. `secrets` are those that are set. */
export function wishesOf(script: Asking, grants: readonly Grant[], secrets: readonly SecretTerms[]): Wish[] {
  const { settings } = script
  const wishes: Wish[] = []
  const used = new Set<Grant>()
  const add = (kind: Kind, name: string, state: GrantState, grant?: Grant, asked?: string): void => {
    if (grant) used.add(grant)
    wishes.push({ kind, name, state, asked, grant })
  }
  for (const name of texts(settings['allow'])) {
    const hosts = grants.filter((grant) => grant.kind === 'host')
    const grant = hosts.find((each) => each.name === name) ?? hosts.find((each) => covers(each.name, name))
    add('host', name, grant ? 'granted' : 'missing', grant)
  }
  for (const name of texts(settings['secrets'])) {
    const grant = grants.find((each) => each.kind === 'secret' && each.name === name)
    add('secret', name, grant ? 'granted' : stateOfSecret(script, secrets.find((each) => each.name === name)), grant)
  }
  for (const [name, written] of Object.entries(record(settings['limits']))) {
    const grant = grants.find((each) => each.kind === 'limit' && each.name === name)
    const asked = amount(name, written)
    const isAbove = asked !== undefined && asked > (DEFAULTS[name] ?? Infinity)
    if (grant) add('limit', name, asked !== undefined && asked > Number(grant.value) ? 'less' : 'granted', grant, String(written))
    else if (isAbove) add('limit', name, 'missing', undefined, String(written))
  }
  // Without a list of its own, a script has every secret that is granted.
  const hasList = texts(settings['secrets']).length > 0
  for (const grant of grants) {
    if (!used.has(grant)) add(grant.kind, grant.name, grant.kind === 'secret' && !hasList ? 'granted' : 'unasked', grant)
  }
  return wishes
}

/** What waits for somebody to do something. */
export const isOpen = (wish: Wish): boolean => wish.state !== 'granted' && wish.state !== 'unasked'

/** All scripts that ask for something or have something; those that wait for a grant first. */
export function allWishes(
  scripts: readonly Asking[],
  grants: readonly Grant[],
  secrets: readonly SecretTerms[],
): ScriptWishes[] {
  const byScript = new Map<string, Grant[]>()
  for (const grant of grants) byScript.set(grant.script, [...(byScript.get(grant.script) ?? []), grant])
  const known = scripts.map((script): ScriptWishes => ({ script: script.name, isThere: true, wishes: wishesOf(script, byScript.get(script.name) ?? [], secrets) }))
  const names = new Set(scripts.map((script) => script.name))
  const later = [...byScript].filter(([script]) => !names.has(script))
  const all = [...known, ...later.map(([script, own]): ScriptWishes => ({ script, isThere: false, wishes: wishesOf({ name: script, settings: {} }, own, secrets) }))]
  const open = (each: ScriptWishes): number => (each.wishes.some(isOpen) ? 0 : 1)
  return all.filter((each) => each.wishes.length > 0).sort((a, b) => open(a) - open(b) || a.script.localeCompare(b.script))
}
