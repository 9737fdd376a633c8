/** Styles of output as classes and colours. */
import type { Colour, Style } from './ansi'

export interface Look {
  classes: string
  css: Record<string, string> | undefined
}

/** The palette as grounds: the same in both themes, because the text on it is chosen after it. */
const GROUNDS = [
  '#1a1e24', '#b3211f', '#17693a', '#8a5a00', '#1f5fbf', '#8a2f9e', '#0b6670', '#d5dae1',
  '#565f6b', '#e0524d', '#3fae6c', '#e0a93f', '#6fa4f0', '#cf7fe3', '#4fc0cb', '#ffffff',
] as const

const hexOf = (colour: Colour): string => (typeof colour === 'number' ? (GROUNDS[colour] ?? '#000000') : colour)

/** Relative luminance, as WCAG 2 defines it. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

export function contrast(first: string, second: string): number {
  const [high = 0, low = 0] = [luminance(first), luminance(second)].sort((a, b) => b - a)
  return (high + 0.05) / (low + 0.05)
}

/** A colour of text that can be read on this ground: the one asked for, else black or white. */
function readable(ground: string, wanted: string | undefined): string {
  if (wanted && contrast(ground, wanted) >= 4.5) return wanted
  return contrast(ground, '#000000') >= contrast(ground, '#ffffff') ? '#000000' : '#ffffff'
}

const known = new WeakMap<Style, Look>()

export function lookOf(style: Style): Look {
  const before = known.get(style)
  if (before) return before
  const look = make(style)
  known.set(style, look)
  return look
}

function make(style: Style): Look {
  if (style.control) return { classes: 'ansi-control', css: undefined }
  const classes: string[] = []
  let css: Look['css']
  if (style.bold) classes.push('ansi-bold')
  if (style.italic) classes.push('ansi-italic')
  if (style.under) classes.push('ansi-under')
  if (style.strike) classes.push('ansi-strike')
  const [text, ground] = style.inverse ? [style.bg, style.fg] : [style.fg, style.bg]
  if (ground !== undefined) {
    const behind = hexOf(ground)
    css = { background: behind, color: readable(behind, text === undefined ? undefined : hexOf(text)) }
  } else if (style.inverse) classes.push('ansi-inverse')
  else if (typeof text === 'number') classes.push(`ansi-${text}`)
  else if (text !== undefined) {
    classes.push('ansi-any')
    css = { '--ansi-text': text }
  } else if (style.dim) classes.push('ansi-dim')
  return { classes: classes.join(' '), css }
}
