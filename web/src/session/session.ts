/** Who looks at the page, and what they may do. */
import { computed, readonly, shallowRef } from 'vue'
import { errorOf, onSignedOut, request, type Schemas } from '../api/client'
import { queryClient } from '../api/queries'

export type Scope = Schemas['Scope']

export type Session = Schemas['Session']

const current = shallowRef<Session>()
export const session = readonly(current)
/** Whether a session that the page was used with has ended: expired, revoked, or logged out elsewhere. */
const ended = shallowRef(false)
/** Whether the login has to be shown. */
export const needsLogin = computed(() => current.value?.login_required === true && (ended.value || current.value.token === null))
const used = shallowRef(false)
/** Whether the login is shown over a page that was in use: what was typed there is kept. */
export const hasEnded = computed(() => needsLogin.value && used.value)

export const can = (scope: Scope): boolean =>
  current.value?.scopes.some((own) => own === scope || own === 'admin') === true
/** Whether the whole server may be seen, and not only some scripts. */
export const seesAll = computed(() => current.value?.scripts === null && current.value.labels === null)

export async function load(): Promise<void> {
  const answer = await request('v1/session')
  if (!answer.ok) throw await errorOf(answer)
  current.value = (await answer.json()) as Session
  ended.value = false
  if (!needsLogin.value) used.value = true
}

export async function logIn(token: string): Promise<void> {
  const body = JSON.stringify({ token })
  const answer = await request('v1/session', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
  if (!answer.ok) throw await errorOf(answer)
  await load()
  // Another token may see other things.
  await queryClient.resetQueries()
}

export async function logOut(): Promise<void> {
  await request('v1/session', { method: 'DELETE' })
  used.value = false
  queryClient.clear()
  await load()
}

// What is typed on a page stays: the login is shown over it.
onSignedOut(() => {
  if (current.value?.login_required) ended.value = true
  // A first token was made on a server that had none.
  else if (current.value) void load()
})
