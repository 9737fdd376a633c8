/** What is granted, as the server takes it. */
import type { Schemas } from '../api/client'
import { formatBytes, formatDuration, formatNumber } from '../i18n/format'
import { LIMIT_NAMES, type LimitName } from './limits'

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
  limits: Record<LimitName, string>
}

export const emptyGrant = (script: string): GrantDraft => ({
  script, hosts: [], unverified: [], secrets: [], limits: { memory: '', timeout: '', fuel: '', output: '' },
})

export function grantBody(draft: GrantDraft): Schemas['GrantRequest'] {
  const limits = Object.fromEntries(LIMIT_NAMES.flatMap((name) => (draft.limits[name].trim() === '' ? [] : [[name, draft.limits[name].trim()]])))
  return {
    ...(draft.hosts.length > 0 ? { hosts: draft.hosts } : {}),
    ...(draft.unverified.length > 0 ? { unverified: draft.unverified } : {}),
    ...(draft.secrets.length > 0 ? { secrets: draft.secrets } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  }
}
