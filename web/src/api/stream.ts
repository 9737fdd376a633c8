/** Server-sent events over `fetch`: unlike `EventSource`, it can send the header that a session needs. */
import { errorOf, request } from './client'

export interface Message {
  id: string
  event: string
  data: string
}

/** Reads one stream until it ends; throws what broke it. `after` is the last id that was seen; `opened` is called when it begins. */
export async function* messages(address: string, signal: AbortSignal, after?: string, opened?: () => void): AsyncGenerator<Message> {
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (after) headers['Last-Event-ID'] = after
  const answer = await request(address, { headers, signal })
  if (answer.ok) opened?.()
  yield* messagesOf(answer)
}

/** The messages of an answer that is a stream, whatever it was asked with. */
export async function* messagesOf(answer: Response): AsyncGenerator<Message> {
  if (!answer.ok || !answer.body) throw await errorOf(answer)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  const parser = new Parser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield* parser.take(value)
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

/** Takes the text of a stream in pieces: the format of the HTML standard, part 9.2.6. */
export class Parser {
  private rest = ''
  private message: Message = { id: '', event: '', data: '' }
  private hasData = false

  public *take(piece: string): Generator<Message> {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (this.hasData) yield { ...this.message, event: this.message.event || 'message' }
        this.message = { id: this.message.id, event: '', data: '' }
        this.hasData = false
        continue
      }
      if (line.startsWith(':')) continue
      const colon = line.indexOf(':')
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'data') {
        this.message.data = this.hasData ? `${this.message.data}\n${value}` : value
        this.hasData = true
      } else if (field === 'event') this.message.event = value
      else if (field === 'id') this.message.id = value
    }
  }
}
