/** What scripts ask for, and what of it they have. */
import type { Schemas } from '../api/client'
import { keyOf } from '../api/names'
import type { Grant, Secret } from './data'
import { covers, overlap } from './hosts'
import { DEFAULTS, isLimitName, limitOf } from './limits'

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

const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [])
const record = (value: unknown): Record<string, unknown> => (value !== null && typeof value === 'object' ? { ...value } : {})

/** What of a secret matters here. */
export type SecretTerms = Pick<Secret, 'name' | 'scripts' | 'labels'>

/** In the order of the server: a grant of a secret that is not there, or not for this script, gives nothing. */
function stateOfSecret(script: Asking, terms: SecretTerms | undefined, isGranted: boolean): GrantState {
  if (!terms) return 'unset'
  const labels = Object.entries(record(script.settings['labels'])).map(([key, value]) => `${key}=${String(value)}`)
  const isFor = terms.scripts.includes(keyOf(script.name)) || terms.labels.some((label) => labels.includes(label))
  if (!isFor) return 'elsewhere'
  return isGranted ? 'granted' : 'missing'
}

export interface Asking {
  name: string
  settings: Record<string, unknown>
}

/** What one script asks for and has. `grants` are its own, `secrets` are those that are set. */
export function wishesOf(script: Asking, grants: readonly Grant[], secrets: readonly SecretTerms[]): Wish[] {
  const { settings } = script
  const wishes: Wish[] = []
  const used = new Set<Grant>()
  const add = (kind: Kind, name: string, state: GrantState, grant?: Grant, asked?: string): void => {
    if (grant) used.add(grant)
    wishes.push({ kind, name, state, asked, grant })
  }
  const asked = texts(settings['allow'])
  const hosts = grants.filter((grant) => grant.kind === 'host')
  for (const name of asked) {
    const grant = hosts.find((each) => each.name === name) ?? hosts.find((each) => covers([each.name], name))
    add('host', name, covers(hosts.map((each) => each.name), name) ? 'granted' : 'missing', grant)
  }
  for (const name of texts(settings['secrets'])) {
    const grant = grants.find((each) => each.kind === 'secret' && each.name === name)
    add('secret', name, stateOfSecret(script, secrets.find((each) => each.name === name), grant !== undefined), grant)
  }
  for (const [name, written] of Object.entries(record(settings['limits']))) {
    const amount = isLimitName(name) ? limitOf(name, written) : undefined
    if (!isLimitName(name) || amount === undefined) continue
    const grant = grants.find((each) => each.kind === 'limit' && each.name === name)
    const allowed = Math.max(Number(grant?.value ?? 0), DEFAULTS[name])
    if (amount > allowed) add('limit', name, grant ? 'less' : 'missing', grant, String(written))
    else if (grant || amount > DEFAULTS[name]) add('limit', name, 'granted', grant, String(written))
  }
  // Without a list of its own, a script has every secret that is granted. A narrower pattern than the one asked for is in force too.
  const isInForce = (grant: Grant): boolean =>
    grant.kind === 'secret' ? !Array.isArray(settings['secrets']) : grant.kind === 'host' && asked.some((name) => overlap(name, grant.name))
  for (const grant of grants) {
    if (!used.has(grant)) add(grant.kind, grant.name, isInForce(grant) ? 'granted' : 'unasked', grant)
  }
  return wishes
}

/** Grants name a script by its key. */
export const grantsOf = (script: string, grants: readonly Grant[]): Grant[] => grants.filter((grant) => grant.script === keyOf(script))

/** What waits for somebody to do something. */
export const isOpen = (wish: Wish): boolean => wish.state !== 'granted' && wish.state !== 'unasked'

/** What a grant can give. A secret that is not there for the script has to be set first. */
export const isGrantable = (wish: Wish): boolean => wish.state === 'missing' || wish.state === 'less'

/** The request that grants these, each as much as the script asks for. */
export function requestFor(wishes: readonly Wish[]): Schemas['GrantRequest'] {
  const body: Schemas['GrantRequest'] = {}
  const hosts = wishes.filter((wish) => wish.kind === 'host').map((wish) => wish.name)
  const secrets = wishes.filter((wish) => wish.kind === 'secret').map((wish) => wish.name)
  const limits = wishes.filter((wish) => wish.kind === 'limit')
  if (hosts.length > 0) body.hosts = hosts
  if (secrets.length > 0) body.secrets = secrets
  if (limits.length > 0) body.limits = Object.fromEntries(limits.map((wish) => [wish.name, wish.asked]))
  return body
}

/** All scripts that ask for something or have something; those that wait for a grant first. */
export function allWishes(
  scripts: readonly Asking[],
  grants: readonly Grant[],
  secrets: readonly SecretTerms[],
): ScriptWishes[] {
  const byScript = new Map<string, Grant[]>()
  for (const grant of grants) byScript.set(grant.script, [...(byScript.get(grant.script) ?? []), grant])
  const ofScript = ({ name }: Asking): Grant[] => byScript.get(keyOf(name)) ?? []
  const known = scripts.map((script): ScriptWishes => ({ script: script.name, isThere: true, wishes: wishesOf(script, ofScript(script), secrets) }))
  const keys = new Set(scripts.map((script) => keyOf(script.name)))
  const later = [...byScript].filter(([script]) => !keys.has(script))
  const all = [...known, ...later.map(([script, own]): ScriptWishes => ({ script, isThere: false, wishes: wishesOf({ name: script, settings: {} }, own, secrets) }))]
  const open = (each: ScriptWishes): number => (each.wishes.some(isOpen) ? 0 : 1)
  return all.filter((each) => each.wishes.length > 0).sort((a, b) => open(a) - open(b) || a.script.localeCompare(b.script))
}
