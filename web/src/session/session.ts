/** Who looks at the page, and what they may do. */
import { computed, readonly, shallowRef } from 'vue'
import { errorOf, onSignedOut, request, type Schemas } from '../api/client'
import { queryClient } from '../api/queries'

export type Scope = Schemas['Scope']

export interface Session {
  /** Whether a token is needed to see anything. */
  login_required: boolean
  /** The token that was logged in with; null on a server that lets this machine's user in. */
  token: { id: string; name: string } | null
  scopes: Scope[]
  /** The scripts that the token is limited to; null: all. */
  scripts: string[] | null
  expires_at: string | null
  version: string
}

const current = shallowRef<Session>()
export const session = readonly(current)
/** Whether the login page has to be shown. */
export const needsLogin = computed(() => current.value?.login_required === true)

export const can = (scope: Scope): boolean => current.value?.scopes.includes(scope) === true
/** Whether the whole server may be seen, and not only some scripts. */
export const seesAll = computed(() => current.value?.scripts === null)

export async function load(): Promise<void> {
  const answer = await request('v1/session')
  if (!answer.ok) throw await errorOf(answer)
  current.value = (await answer.json()) as Session
}

export async function logIn(token: string): Promise<void> {
  const body = JSON.stringify({ token })
  const answer = await request('v1/session', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
  if (!answer.ok) throw await errorOf(answer)
  queryClient.clear()
  await load()
}

export async function logOut(): Promise<void> {
  await request('v1/session', { method: 'DELETE' })
  queryClient.clear()
  await load()
}

// What is typed on a page stays: the login is shown over it.
onSignedOut(() => {
  const known = current.value
  if (known && !known.login_required) current.value = { ...known, login_required: true }
})
