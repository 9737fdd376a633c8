/**
 * Text with the control sequences of terminals (ECMA-48): colours become styles, all other sequences are removed, and single
 * control characters and invisible ones are replaced by something that can be seen.
 */

/** One of the sixteen colours of the palette, or `#rrggbb`. */
export type Colour = number | `#${string}`

export interface Style {
  readonly fg?: Colour
  readonly bg?: Colour
  readonly bold?: true
  readonly dim?: true
  readonly italic?: true
  readonly under?: true
  readonly strike?: true
  readonly inverse?: true
  /** The text is the name of a character that cannot be seen. */
  readonly control?: true
}

export const PLAIN: Style = {}
export const CONTROL: Style = { control: true }

/** What a piece of output consists of. `return` is a carriage return, which puts the next text over the line. */
export type Token = { kind: 'text'; text: string; style: Style } | { kind: 'newline' } | { kind: 'return' }

/** An unfinished sequence longer than this is no sequence: its text is shown, so that nothing hides output. */
const LONGEST_SEQUENCE = 2048

/** Characters that are not simply shown. U+200C and U+200D are left out: scripts and emoji need them. */
// eslint-disable-next-line no-control-regex
const SPECIAL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** A name for a character that cannot be seen. */
export function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0
  // As terminals write them: few fonts have pictures of these characters.
  if (code < 0x20) return `^${String.fromCodePoint(0x40 + code)}`
  if (code === 0x7f) return '^?'
  return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`
}

/** A text of one line with everything visible, for places that show no colours. */
export function visibleText(text: string): string {
  return text.replace(SPECIAL, visible)
}

const ESC = '\u001b'

type Sequence = { end: number; sgr?: string } | 'unfinished' | 'broken'

/** Reads the sequence that begins with ESC at `at`. */
function sequence(text: string, at: number): Sequence {
  const next = text[at + 1]
  if (next === undefined) return 'unfinished'
  if (next === '[') {
    let end = at + 2
    while (end < text.length && text.charCodeAt(end) >= 0x20 && text.charCodeAt(end) <= 0x3f) end += 1
    const final = text.charCodeAt(end)
    if (end >= text.length) return end - at > LONGEST_SEQUENCE ? 'broken' : 'unfinished'
    // What is in the middle of a sequence and does not belong there ends it, and is read as what it is.
    if (final < 0x40 || final > 0x7e) return { end }
    const inner = text.slice(at + 2, end)
    return final === 0x6d && /^[\d;:]*$/.test(inner) ? { end: end + 1, sgr: inner } : { end: end + 1 }
  }
  if (']PX^_'.includes(next)) {
    // A text for the terminal, such as a title or the address of a link. It ends with BEL or ESC \; a line's end breaks it.
    for (let end = at + 2; end < text.length; end += 1) {
      if (end - at > LONGEST_SEQUENCE) return 'broken'
      const code = text.charCodeAt(end)
      if (code === 0x07) return { end: end + 1 }
      if (code === 0x1b) {
        if (end + 1 >= text.length) return 'unfinished'
        return text[end + 1] === '\\' ? { end: end + 2 } : 'broken'
      }
      if (code === 0x0a) return 'broken'
    }
    return text.length - at > LONGEST_SEQUENCE ? 'broken' : 'unfinished'
  }
  let end = at + 1
  while (end < text.length && text.charCodeAt(end) >= 0x20 && text.charCodeAt(end) <= 0x2f) end += 1
  if (end >= text.length) return end - at > LONGEST_SEQUENCE ? 'broken' : 'unfinished'
  const final = text.charCodeAt(end)
  return final >= 0x30 && final <= 0x7e ? { end: end + 1 } : 'broken'
}

/** Takes the text of one stream in pieces. */
export class AnsiParser {
  private style: Style = PLAIN
  private rest = ''
  private readonly known = new Map<string, Style>()

  /** What a piece consists of; an unfinished sequence at its end waits for the next piece. */
  take(piece: string): Token[] {
    return this.read(this.rest + piece, false)
  }

  /** What was still waiting when the stream ended. */
  finish(): Token[] {
    return this.read(this.rest, true)
  }

  private read(text: string, isLast: boolean): Token[] {
    const tokens: Token[] = []
    this.rest = ''
    let from = 0
    const plain = (to: number): void => {
      if (to > from) tokens.push({ kind: 'text', text: text.slice(from, to), style: this.style })
    }
    SPECIAL.lastIndex = 0
    for (let found = SPECIAL.exec(text); found; found = SPECIAL.exec(text)) {
      const [character] = found
      plain(found.index)
      from = found.index + character.length
      if (character === '\n') tokens.push({ kind: 'newline' })
      else if (character === '\r') tokens.push({ kind: 'return' })
      else if (character === ESC) {
        const read = sequence(text, found.index)
        if (read === 'unfinished' && !isLast) {
          this.rest = text.slice(found.index)
          return tokens
        }
        if (read === 'unfinished' || read === 'broken') tokens.push({ kind: 'text', text: visible(ESC), style: CONTROL })
        else {
          from = read.end
          if (read.sgr !== undefined) this.style = this.intern(applySgr(this.style, read.sgr))
        }
      } else tokens.push({ kind: 'text', text: visible(character), style: CONTROL })
      SPECIAL.lastIndex = from
    }
    plain(text.length)
    return tokens
  }

  /** The same object for the same style. */
  private intern(style: Style): Style {
    const key = JSON.stringify(style)
    const known = this.known.get(key) ?? style
    this.known.set(key, known)
    return known
  }
}

type Changes = { -readonly [K in keyof Style]: Style[K] }

/** The style after a sequence `ESC [ … m` with these parameters. */
export function applySgr(before: Style, parameters: string): Style {
  const style: Changes = { ...before }
  const groups = parameters.split(';')
  for (let at = 0; at < groups.length; at += 1) {
    const [head = '', ...sub] = (groups[at] ?? '').split(':')
    const code = head === '' ? 0 : Number(head)
    if (code === 38 || code === 48 || code === 58) {
      const [colour, used] = sub.length > 0 ? [ofParts(sub), 0] : ofGroups(groups.slice(at + 1))
      at += used
      if (colour !== undefined && code !== 58) style[code === 38 ? 'fg' : 'bg'] = colour
      continue
    }
    simple(style, code, sub[0])
  }
  return style
}

function simple(style: Changes, code: number, sub: string | undefined): void {
  if (code === 0) for (const key of Object.keys(style) as (keyof Style)[]) delete style[key]
  else if (code === 1) style.bold = true
  else if (code === 2) style.dim = true
  else if (code === 3) style.italic = true
  else if (code === 4 && sub !== '0') style.under = true
  else if (code === 7) style.inverse = true
  else if (code === 9) style.strike = true
  else if (code === 21) style.under = true
  else if (code === 22) [delete style.bold, delete style.dim]
  else if (code === 23) delete style.italic
  else if (code === 24 || code === 4) delete style.under
  else if (code === 27) delete style.inverse
  else if (code === 29) delete style.strike
  else if (code >= 30 && code <= 37) style.fg = code - 30
  else if (code === 39) delete style.fg
  else if (code >= 40 && code <= 47) style.bg = code - 40
  else if (code === 49) delete style.bg
  else if (code >= 90 && code <= 97) style.fg = code - 82
  else if (code >= 100 && code <= 107) style.bg = code - 92
}

/** A colour written with semicolons, `5;208` or `2;255;128;0`, and how many groups it took. */
function ofGroups(groups: string[]): [Colour | undefined, number] {
  if (groups[0] === '5') return [ofIndex(Number(groups[1])), 2]
  if (groups[0] === '2') return [ofRgb(groups.slice(1, 4)), 4]
  return [undefined, groups.length]
}

/** A colour written with colons: `5:208`, `2:255:128:0`, `2::255:128:0`. */
function ofParts(parts: string[]): Colour | undefined {
  if (parts[0] === '5') return ofIndex(Number(parts[1]))
  if (parts[0] === '2') return ofRgb(parts.length > 4 ? parts.slice(2, 5) : parts.slice(1, 4))
  return undefined
}

const hex = (value: number): string => value.toString(16).padStart(2, '0')

function ofRgb(parts: string[]): Colour | undefined {
  const [red, green, blue] = parts.map((part) => (part === '' ? 0 : Number(part)))
  if (red === undefined || green === undefined || blue === undefined) return undefined
  if ([red, green, blue].some((value) => !(value >= 0 && value <= 255))) return undefined
  return `#${hex(red)}${hex(green)}${hex(blue)}`
}

/** A colour of the 256: the palette, a cube of 6×6×6, 24 greys. */
function ofIndex(index: number): Colour | undefined {
  if (!(index >= 0 && index <= 255)) return undefined
  if (index < 16) return index
  if (index >= 232) return `#${hex(8 + 10 * (index - 232)).repeat(3)}`
  const level = (step: number): number => (step === 0 ? 0 : 55 + 40 * step)
  const cube = index - 16
  return `#${hex(level(Math.floor(cube / 36)))}${hex(level(Math.floor(cube / 6) % 6))}${hex(level(cube % 6))}`
}
