/** The lines of a run's output, as they come: text without control sequences, and where it has a style. */
import { AnsiParser, CONTROL, PLAIN, visible, type Style, type Token } from './ansi'

export type StreamName = 'stdout' | 'stderr'

export interface Span {
  from: number
  to: number
  style: Style
}

interface Open {
  parser: AnsiParser
  /** The line that is not ended yet; -1: the next text begins one. */
  line: number
  /** A carriage return came: the next text replaces the line. */
  returned: boolean
}

const open = (): Open => ({ parser: new AnsiParser(), line: -1, returned: false })

export class OutputLines {
  readonly texts: string[] = []
  readonly streams: StreamName[] = []
  /** Styles by line; plain lines have none. In order, without overlaps. */
  readonly spans = new Map<number, Span[]>()
  private readonly open: Record<StreamName, Open> = { stdout: open(), stderr: open() }
  private changed = Infinity

  append(stream: StreamName, text: string): void {
    for (const token of this.open[stream].parser.take(text)) this.take(stream, token)
  }

  /** Shows what waited for more of a sequence. */
  finish(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      for (const token of this.open[stream].parser.finish()) this.take(stream, token)
    }
  }

  /** The first line that changed since this was asked the last time; Infinity: none. */
  takeChanged(): number {
    const changed = this.changed
    this.changed = Infinity
    return changed
  }

  private take(stream: StreamName, token: Token): void {
    const at = this.open[stream]
    if (token.kind === 'newline') {
      if (at.line < 0) this.begin(stream)
      at.line = -1
      at.returned = false
    } else if (token.kind === 'return') {
      at.returned = at.line >= 0
    } else {
      if (at.line < 0) at.line = this.begin(stream)
      if (at.returned) {
        // Says that something was written over; the file that can be downloaded has all of it.
        this.texts[at.line] = ''
        this.spans.delete(at.line)
        this.add(at.line, visible('\r'), CONTROL)
        at.returned = false
      }
      this.add(at.line, token.text, token.style)
    }
  }

  private begin(stream: StreamName): number {
    const line = this.texts.length
    this.texts.push('')
    this.streams.push(stream)
    this.changed = Math.min(this.changed, line)
    return line
  }

  private add(line: number, text: string, style: Style): void {
    const before = this.texts[line] ?? ''
    this.texts[line] = before + text
    this.changed = Math.min(this.changed, line)
    if (style === PLAIN || Object.keys(style).length === 0) return
    let spans = this.spans.get(line)
    if (!spans) this.spans.set(line, (spans = []))
    const last = spans.at(-1)
    if (last && last.to === before.length && last.style === style) last.to += text.length
    else spans.push({ from: before.length, to: before.length + text.length, style })
  }
}
