/** What a script asks for beyond what every script has, and whether it was granted. */
import type { Run, Schemas, Script } from '../api/client'
import { settingsOf } from './coming'
import { LIMIT_NAMES, type LimitName, limitOf } from './quantity'

/** Granted; not granted; a secret that is not there, or is set for other scripts; a secret that comes without being asked for. */
export type AskedState = 'granted' | 'missing' | 'absent' | 'elsewhere'

export interface Asked {
  kind: Schemas['GrantKind']
  name: string
  /** How much, of a limit. */
  asked: string
  state: AskedState
}

/** What a server gives without a grant, when it was not told otherwise. */
const DEFAULTS: Record<LimitName, number> = { fuel: 200e9, memory: 256 * 1024 ** 2, timeout: 60_000, output: 1024 ** 2 }

interface Pattern {
  host: string
  /** Below the name, at any depth. */
  isWild: boolean
  ports: number[]
}

function patternOf(text: string): Pattern {
  const found = /^(.*?)(?::(\d+))?$/.exec(text.toLowerCase())
  const [, name = '', port] = found ?? []
  const ports = port === undefined ? [80, 443] : [Number(port)]
  return name.startsWith('*.') ? { host: name.slice(1), isWild: true, ports } : { host: name, isWild: false, ports }
}

const holds = (wide: Pattern, narrow: Pattern): boolean =>
  wide.isWild ? narrow.host.endsWith(wide.host) && (narrow.isWild || narrow.host.length > wide.host.length) : !narrow.isWild && wide.host === narrow.host

/** Whether these patterns together reach all that another one does. */
export function covers(granted: readonly string[], host: string): boolean {
  const wanted = patternOf(host)
  const given = granted.map(patternOf).filter((pattern) => holds(pattern, wanted))
  return wanted.ports.every((port) => given.some((pattern) => pattern.ports.includes(port)))
}

const inForce = (run: Run, name: LimitName): number => (name === 'timeout' ? run.limits.timeout * 1000 : run.limits[name])

export function askedOf(script: Script, grants: readonly Schemas['Grant'][], secrets: readonly Schemas['Secret'][], lastRun?: Run): Asked[] {
  const settings = settingsOf(script)
  const own = grants.filter((grant) => grant.script === script.name)
  const hosts = own.filter((grant) => grant.kind === 'host').map((grant) => grant.name)
  const found: Asked[] = (settings.allow ?? []).map((host) => ({
    kind: 'host', name: host, asked: '', state: covers(hosts, host) ? 'granted' : 'missing',
  }))
  for (const name of LIMIT_NAMES) {
    const written = settings.limits?.[name]
    const asked = written === undefined ? undefined : limitOf(name, written)
    if (written === undefined || asked === undefined) continue
    const given = Math.max(...own.filter((grant) => grant.kind === 'limit' && grant.name === name).map((grant) => Number(grant.value)), 0)
    const plain = lastRun?.version === script.version && lastRun.schedule === null ? Math.max(inForce(lastRun, name), DEFAULTS[name]) : DEFAULTS[name]
    if (asked > DEFAULTS[name]) found.push({ kind: 'limit', name, asked: String(written), state: Math.max(given, plain) >= asked ? 'granted' : 'missing' })
  }
  const labels = Object.entries(settings.labels ?? {}).map((label) => label.join('='))
  const secretOf = (name: string): Asked => {
    const secret = secrets.find((each) => each.name === name)
    const isFor = secret?.scripts.includes(script.name) || secret?.labels.some((label) => labels.includes(label))
    const state = !secret ? 'absent' : secret.granted.includes(script.name) ? 'granted' : isFor ? 'missing' : 'elsewhere'
    return { kind: 'secret', name, asked: '', state }
  }
  const wanted = settings.secrets ?? secrets.filter((secret) => secret.granted.includes(script.name)).map((secret) => secret.name)
  return [...found, ...wanted.map(secretOf)]
}

/** The request that grants it. */
export function grantOf(asked: Asked): Schemas['GrantRequest'] {
  if (asked.kind === 'host') return { hosts: [asked.name] }
  if (asked.kind === 'secret') return { secrets: [asked.name] }
  return { limits: { [asked.name]: asked.asked } }
}
