/** A token as it is made. */
import type { Schemas } from '../api/client'
import type { Scope } from '../session/session'
import type { Token } from './data'

/** From what everybody needs to what few need. */
export const SCOPES: readonly Scope[] = ['read', 'run', 'write', 'exec', 'grant', 'metrics', 'admin']

/** Usual sets of scopes. */
export const PRESETS = {
  look: ['read'],
  publish: ['read', 'run', 'write'],
  work: ['read', 'run', 'write', 'exec'],
  everything: ['admin'],
} as const satisfies Record<string, readonly Scope[]>
export type Preset = keyof typeof PRESETS

export const LIFETIMES = ['7d', '30d', '90d', '365d', 'never'] as const

export interface TokenDraft {
  name: string
  scopes: Scope[]
  isLimited: boolean
  scripts: string[]
  labels: string[]
  expires: (typeof LIFETIMES)[number]
}

export const emptyToken = (): TokenDraft => ({ name: '', scopes: [...PRESETS.publish], isLimited: false, scripts: [], labels: [], expires: '90d' })

/** Without it no other token could be made. */
export const firstToken = (): TokenDraft => ({ ...emptyToken(), scopes: ['admin'], expires: 'never' })

/** `admin` is about the whole server: it has no limit. */
export const canBeLimited = (draft: TokenDraft): boolean => !draft.scopes.includes('admin')

export function tokenBody(draft: TokenDraft): Schemas['TokenRequest'] {
  const isLimited = draft.isLimited && canBeLimited(draft)
  return {
    name: draft.name.trim(),
    scopes: SCOPES.filter((scope) => draft.scopes.includes(scope)),
    ...(isLimited && draft.scripts.length > 0 ? { scripts: draft.scripts } : {}),
    ...(isLimited && draft.labels.length > 0 ? { labels: draft.labels } : {}),
    ...(draft.expires === 'never' ? {} : { expires_in: draft.expires }),
  }
}

/** A limit that names nothing would be no limit. */
export const isLimitEmpty = (draft: TokenDraft): boolean =>
  draft.isLimited && canBeLimited(draft) && draft.scripts.length === 0 && draft.labels.length === 0

const SOON = 7 * 86_400_000
export type Life = 'lasting' | 'soon' | 'expired'

export function lifeOf(token: Pick<Token, 'expires_at'>, now: number): Life {
  if (token.expires_at === null) return 'lasting'
  const left = Date.parse(token.expires_at) - now
  return left <= 0 ? 'expired' : left < SOON ? 'soon' : 'lasting'
}
