/** A secret as it is set. */
import type { Schemas } from '../api/client'
import type { Secret } from './data'

export interface SecretDraft {
  name: string
  value: string
  hosts: string[]
  scripts: string[]
  labels: string[]
  inQuery: boolean
  inBody: boolean
  methods: string[]
  path: string
  inClear: boolean
}

export const emptySecret = (): SecretDraft => ({
  name: '', value: '', hosts: [], scripts: [], labels: [], inQuery: false, inBody: false, methods: [], path: '', inClear: false,
})

/** The same secret, without its value, which nobody can read. */
export const draftOfSecret = (secret: Secret): SecretDraft => ({
  name: secret.name,
  value: '',
  hosts: secret.hosts,
  scripts: secret.scripts,
  labels: secret.labels,
  inQuery: secret.in.includes('query'),
  inBody: secret.in.includes('body'),
  methods: secret.methods ?? [],
  path: secret.path_prefix ?? '',
  inClear: secret.in_clear,
})

export function secretBody(draft: SecretDraft): Schemas['SecretRequest'] {
  const body: Schemas['SecretRequest'] = { value: draft.value, hosts: draft.hosts, scripts: draft.scripts, labels: draft.labels }
  // A script that gets the value itself puts it where it likes.
  if (draft.inClear) return { ...body, in_clear: true }
  const places: Schemas['SecretPlace'][] = [...(draft.inQuery ? (['query'] as const) : []), ...(draft.inBody ? (['body'] as const) : [])]
  return {
    ...body,
    ...(places.length > 0 ? { in: places } : {}),
    ...(draft.methods.length > 0 ? { methods: draft.methods.map((method) => method.toUpperCase()) } : {}),
    ...(draft.path.trim() === '' ? {} : { path_prefix: draft.path.trim() }),
  }
}
