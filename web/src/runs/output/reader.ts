/** Reads the output of a run: as it comes while it runs, at once when it has ended. */
import { onScopeDispose, readonly, ref, shallowRef, triggerRef, watch } from 'vue'
import { ApiError, fetchOk, Unreachable } from '../../api/client'
import { connection } from '../../api/live'
import { type Message, messages } from '../../api/stream'
import { OutputLines, type StreamName } from './lines'

export type Phase = 'loading' | 'live' | 'lost' | 'done' | 'failed'

interface Piece {
  stream: StreamName
  text: string
}

/** The longest wait before the next try, in milliseconds. */
const LONGEST_WAIT = 4000
/** A stream that is not told the end of its run for so long has been lost, in milliseconds. */
const END_TAKES = 4000
/** So much text is taken in at once; the browser draws in between. */
const AT_ONCE = 64 * 1024

export const outputAddress = (id: string, stream: StreamName): string => `v1/runs/${encodeURIComponent(id)}/output/${stream}`

/**
 * The number of the attempt that a message is about: its id is `ATTEMPT.STDOUT.STDERR`. A `status` names it too, but of an attempt
 * that began and ended while the connection was lost there are only output and the end.
 */
const attemptOf = ({ id }: Message): string | undefined => /^(\d+)\.\d+\.\d+$/.exec(id)?.[1]

export function useOutput(id: () => string, ended: () => boolean) {
  const lines = shallowRef(new OutputLines())
  const phase = ref<Phase>('loading')
  const error = shallowRef<unknown>()
  let stop = new AbortController()
  /** Ends the connection of now; another one follows. */
  let drop = new AbortController()
  let waiting: Piece[] = []
  let frame = 0

  function take(piece: Piece): void {
    waiting.push(piece)
    frame ||= requestAnimationFrame(flush)
  }

  function flush(): void {
    frame = 0
    let room = AT_ONCE
    while (waiting.length > 0 && room > 0) {
      const piece = waiting.shift()
      if (!piece) break
      const text = piece.text.slice(0, room)
      if (text.length < piece.text.length) waiting.unshift({ ...piece, text: piece.text.slice(text.length) })
      room -= text.length
      lines.value.append(piece.stream, text)
    }
    if (waiting.length > 0) frame = requestAnimationFrame(flush)
    else if (phase.value === 'done') lines.value.finish()
    triggerRef(lines)
  }

  function reset(): void {
    cancelAnimationFrame(frame)
    frame = 0
    waiting = []
    lines.value = new OutputLines()
  }

  function done(): void {
    phase.value = 'done'
    frame ||= requestAnimationFrame(flush)
  }

  async function whole(signal: AbortSignal): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) {
      const answer = await fetchOk(outputAddress(id(), stream), { signal })
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) take({ stream, text: read.value })
    }
    if (!signal.aborted) done()
  }

  /** Follows until the end. Each attempt writes from the beginning again, so that what an earlier one wrote is no longer shown. */
  async function live(signal: AbortSignal): Promise<void> {
    let after: string | undefined
    let attempt: string | undefined
    let wait = 250
    while (!signal.aborted) {
      drop = new AbortController()
      try {
        for await (const message of messages(`v1/runs/${encodeURIComponent(id())}/events`, AbortSignal.any([signal, drop.signal]), after)) {
          phase.value = 'live'
          wait = 250
          if (message.id) after = message.id
          const now = attemptOf(message) ?? attempt
          if (attempt !== undefined && now !== attempt) reset()
          attempt = now
          if (message.event === 'end') return done()
          const data = JSON.parse(message.data) as { stream?: StreamName; text?: string }
          if (message.event === 'output' && data.stream && data.text) take({ stream: data.stream, text: data.text })
        }
      } catch (caught) {
        if (signal.aborted) return
        if (caught instanceof ApiError && caught.status !== 401 && caught.status < 500) throw caught
      }
      phase.value = 'lost'
      await new Promise((resolve) => setTimeout(resolve, wait))
      wait = Math.min(wait * 2, LONGEST_WAIT)
    }
  }

  function start(): void {
    stop.abort()
    stop = new AbortController()
    const { signal } = stop
    phase.value = 'loading'
    error.value = undefined
    reset()
    const read = ended() ? whole : live
    read(signal).catch((caught: unknown) => {
      if (signal.aborted) return
      error.value = caught
      phase.value = 'failed'
      if (caught instanceof Unreachable) setTimeout(() => signal.aborted || start(), LONGEST_WAIT)
    })
  }

  watch(id, start, { immediate: true })
  // A run that ends while it is followed keeps what came, in the order in which it came.
  let late: ReturnType<typeof setTimeout> | undefined
  watch(ended, (now) => {
    clearTimeout(late)
    if (now && phase.value !== 'done') late = setTimeout(() => phase.value !== 'done' && start(), END_TAKES)
  })
  // A connection can be dead without a word, for example behind a proxy.
  watch(connection, (now) => {
    if (now !== 'lost' || (phase.value !== 'live' && phase.value !== 'loading') || ended()) return
    phase.value = 'lost'
    drop.abort()
  })
  onScopeDispose(() => {
    clearTimeout(late)
    stop.abort()
    cancelAnimationFrame(frame)
  })
  return { lines, phase: readonly(phase), error, start }
}
