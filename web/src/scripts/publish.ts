/** Uploads: checks without keeping, and keeping, with progress. */
import { ApiError, errorOf, type Problem, request, type Schemas, type Script, Unreachable } from '../api/client'
import { messagesOf } from '../api/stream'

/** What is uploaded: the text of one file, or a zip archive. */
export interface Content {
  body: string | Uint8Array<ArrayBuffer>
  /** Of several files: the path of the one where a run begins. */
  main?: string | undefined
}

/** What came of an upload. */
export type Uploaded = Omit<Schemas['Uploaded'], keyof Script> & Script

/** A step of a long upload: `packages: fetched 3 of 10`. */
export interface Step {
  step: string
  done: number | null
  of: number | null
  text: string
}

export interface PublishOptions {
  /** The state that is replaced: the server refuses if it is another one by now. */
  ifMatch?: string | undefined
  /** Only if there is no script of this name yet. */
  onlyNew?: boolean
  signal?: AbortSignal
  onStep?: (step: Step) => void
}

const addressOf = (name: string, query: Record<string, string>): string => {
  const words = new URLSearchParams(query).toString()
  return `v1/scripts/${encodeURIComponent(name)}${words === '' ? '' : `?${words}`}`
}

const headersOf = (content: Content, more: Record<string, string>): Record<string, string> => ({
  'Content-Type': typeof content.body === 'string' ? 'text/x-python; charset=utf-8' : 'application/zip',
  ...more,
})

/** Uploads a script, and keeps it. The answer is a stream: getting packages may take a minute, and it tells how far it is. */
export async function publish(name: string, content: Content, options: PublishOptions = {}): Promise<Uploaded> {
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (options.ifMatch) headers['If-Match'] = options.ifMatch
  if (options.onlyNew) headers['If-None-Match'] = '*'
  const answer = await request(addressOf(name, content.main ? { main: content.main } : {}), {
    method: 'PUT', body: content.body, headers: headersOf(content, headers), signal: options.signal ?? null,
  })
  if (!answer.ok) throw await errorOf(answer)
  if (!answer.headers.get('Content-Type')?.startsWith('text/event-stream')) return (await answer.json()) as Uploaded
  for await (const message of messagesOf(answer)) {
    if (message.event === 'progress') options.onStep?.(JSON.parse(message.data) as Step)
    if (message.event !== 'answer') continue
    const { status, body } = JSON.parse(message.data) as { status: number; body: Uploaded | Partial<Problem> }
    if (status >= 400) throw new ApiError(status, body as Partial<Problem>)
    return body as Uploaded
  }
  throw new Unreachable(true)
}

/** What an upload would come to. */
export interface Checked {
  problem?: ApiError
  warnings: Schemas['Warning'][]
  /** The schemas of the parameters, where there is no problem. */
  parameters?: Script['parameters']
  entries?: Script['entries']
}

/** Asks what the server says about a text, without keeping it. */
export async function check(name: string, content: Content, signal: AbortSignal): Promise<Checked> {
  const main = content.main ? `?${new URLSearchParams({ main: content.main })}` : ''
  const answer = await request(`v1/scripts/${encodeURIComponent(name)}/check${main}`, {
    method: 'POST', body: content.body, headers: headersOf(content, {}), signal,
  })
  if (answer.ok) return (await answer.json()) as Checked
  const problem = await errorOf(answer)
  if (answer.status !== 422 && answer.status !== 400) throw problem
  return { problem, warnings: [] }
}
