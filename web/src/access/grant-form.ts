/** What is granted, as the server takes it. */
import type { Schemas } from '../api/client'
import { formatBytes, formatDuration, formatNumber } from '../i18n/format'
import type { Wish } from './asked'

/** Everything that these wishes ask for. */
export function requestFor(wishes: readonly Wish[]): Schemas['GrantRequest'] {
  const body: Schemas['GrantRequest'] = {}
  const hosts = wishes.filter((wish) => wish.kind === 'host').map((wish) => wish.name)
  const secrets = wishes.filter((wish) => wish.kind === 'secret').map((wish) => wish.name)
  const limits = wishes.filter((wish) => wish.kind === 'limit')
  if (hosts.length > 0) body.hosts = hosts
  if (secrets.length > 0) body.secrets = secrets
  if (limits.length > 0) {
    // A number is sent as one: a text has to have a unit.
    const written = (asked = ''): string | number => (/^[\d.]+$/.test(asked) ? Number(asked) : asked)
    body.limits = Object.fromEntries(limits.map((wish) => [wish.name, written(wish.asked)]))
  }
  return body
}

/** How much of a limit is granted, for people. */
export function limitText(name: string, value: string): string {
  const amount = Number(value)
  if (Number.isNaN(amount)) return value
  if (name === 'timeout') return formatDuration(amount)
  return name === 'fuel' ? `${formatNumber(amount / 1e9)} G` : formatBytes(amount)
}

export interface GrantDraft {
  script: string
  hosts: string[]
  unverified: string[]
  secrets: string[]
  limits: { memory: string; timeout: string; fuel: string; output: string }
}

export const LIMITS = ['memory', 'timeout', 'fuel', 'output'] as const

export const emptyGrant = (script: string): GrantDraft => ({
  script, hosts: [], unverified: [], secrets: [], limits: { memory: '', timeout: '', fuel: '', output: '' },
})

export function grantBody(draft: GrantDraft): Schemas['GrantRequest'] {
  const limits = Object.fromEntries(LIMITS.flatMap((name) => (draft.limits[name].trim() === '' ? [] : [[name, draft.limits[name].trim()]])))
  return {
    ...(draft.hosts.length > 0 ? { hosts: draft.hosts } : {}),
    ...(draft.unverified.length > 0 ? { unverified: draft.unverified } : {}),
    ...(draft.secrets.length > 0 ? { secrets: draft.secrets } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }
}
