/** The API: typed by the served description (`schema.d.ts`), with the server's sentence as the error. */
import createClient from 'openapi-fetch'
import type { Schema } from '../ui/args/schema'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type Problem = Schemas['Problem']
export type Run = Schemas['Run']
export type RunStatus = Schemas['RunStatus']
export type Schedule = Schemas['Schedule']
export type Alert = Schemas['Alert']
/** The description says of a JSON Schema only that it is an object. */
export type Script = Omit<Schemas['Script'], 'parameters' | 'entries'> & {
  parameters: Schema | null
  entries: Record<string, { signature: string; parameters: Schema | null }>
}

/** The folder that the page is served from, with a slash at the end. */
export const BASE = new URL('.', document.baseURI)
/** A cookie is taken only together with this: a page of another site cannot send it. */
const OWN = { 'X-Cronbox-Csrf': '1' }

/** What the server answered instead of what was asked for. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  /** A word for programs: `not_found`, `unauthorized`. */
  readonly code: string
  /** The field of the request that is wrong: `trigger`, `limits.fuel`. */
  readonly field: string | undefined
  /** Where it is wrong, from 1, in a source or in a text. */
  readonly line: number | undefined
  readonly column: number | undefined

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`)
    this.status = status
    this.code = problem.code ?? 'unknown'
    this.field = problem.field
    this.line = problem.line
    this.column = problem.column
  }
}

/** The server cannot be reached. */
export class Unreachable extends Error {
  override name = 'Unreachable'
  /** Whether something was to be done: it is not tried again unasked. */
  readonly isAction: boolean

  constructor(isAction = false) {
    super()
    this.isAction = isAction
  }
}

/** The server is there, and not ready yet: it opens its database, or makes the interpreter ready. */
export class Starting extends Unreachable {
  override name = 'Starting'
}

/** A server that starts answers everything with the state of its parts; later, an error is a `Problem`. */
async function isStarting(answer: Response): Promise<boolean> {
  if (answer.status !== 503) return false
  const body: unknown = await answer.clone().json().catch(() => undefined)
  return typeof body === 'object' && body !== null && 'ready' in body && body.ready === false
}

type Listener = () => void
const signedOut = new Set<Listener>()

/** Calls a function each time that the server wants a login. */
export function onSignedOut(listener: Listener): void {
  signedOut.add(listener)
}

/** `fetch` below the page's folder, as this session. Network failures are {@link Unreachable}, and so is a server that starts. */
export async function request(input: Request | string, init?: RequestInit): Promise<Response> {
  const asked = typeof input === 'string' ? new Request(new URL(input, BASE), init) : input
  for (const [name, value] of Object.entries(OWN)) asked.headers.set(name, value)
  const isAction = !['GET', 'HEAD'].includes(asked.method)
  let answer: Response
  try {
    answer = await fetch(asked)
  } catch (error) {
    if (asked.signal.aborted) throw error
    throw new Unreachable(isAction)
  }
  if (await isStarting(answer)) throw new Starting(isAction)
  if (answer.status === 401) for (const listener of signedOut) listener()
  return answer
}

/** The error that an answer tells. */
export async function errorOf(answer: Response): Promise<ApiError> {
  const problem: Partial<Problem> = await answer.json().catch(() => ({}))
  return new ApiError(answer.status, problem)
}

/** `fetch` whose error is thrown. */
export async function fetchOk(input: string, init?: RequestInit): Promise<Response> {
  const answer = await request(input, init)
  if (!answer.ok) throw await errorOf(answer)
  return answer
}

export const api = createClient<paths, 'application/json'>({ baseUrl: BASE.href.replace(/\/$/, ''), fetch: request })

type Answered<T> = { data?: T; error?: unknown; response: Response }

/** The body of an answer; the server's error is thrown. */
export async function ok<T>(answer: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await answer
  if (!response.ok) throw new ApiError(response.status, (error ?? {}) as Partial<Problem>)
  return data as T
}
