/** What a file is: by its content and never by its name, because names can say anything. */

export type FileKind = 'image' | 'json' | 'table' | 'text' | 'binary'

export interface Recognized {
  kind: FileKind
  /** The media type of an image. */
  type: string
  /** The content as text, where it is text. */
  text: string | undefined
}

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to))

/** The media type of an image that browsers draw; undefined: it is none. */
export function imageType(bytes: Uint8Array): string | undefined {
  const begins = (...wanted: number[]): boolean => wanted.every((byte, at) => bytes[at] === byte)
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png'
  if (begins(0xff, 0xd8, 0xff)) return 'image/jpeg'
  if (ascii(bytes, 0, 6) === 'GIF87a' || ascii(bytes, 0, 6) === 'GIF89a') return 'image/gif'
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'image/webp'
  if (ascii(bytes, 4, 8) === 'ftyp' && /^avi[fs]/.test(ascii(bytes, 8, 12))) return 'image/avif'
  if (begins(0x42, 0x4d) && bytes.length > 26 && bytes[15] === 0 && bytes[14] !== 0) return 'image/bmp'
  return undefined
}

/** An SVG drawing. As an image it runs no script and loads nothing. */
const isSvg = (text: string): boolean => /^\uFEFF?\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/i.test(text.slice(0, 2000))

/** UTF-8 without control characters other than those that output has. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // eslint-disable-next-line no-control-regex
    return /[\u0000-\u0006\u000e-\u001a\u001c-\u001f]/.test(text.slice(0, 65_536)) ? undefined : text
  } catch {
    return undefined
  }
}

export function recognize(bytes: Uint8Array): Recognized {
  const type = imageType(bytes)
  if (type) return { kind: 'image', type, text: undefined }
  const text = textOf(bytes)
  if (text === undefined) return { kind: 'binary', type: 'application/octet-stream', text }
  if (isSvg(text)) return { kind: 'image', type: 'image/svg+xml', text }
  if (isJson(text)) return { kind: 'json', type: 'application/json', text }
  return { kind: looksLikeTable(text) ? 'table' : 'text', type: 'text/plain', text }
}

/** Objects and lists; a lone number or word is text. */
function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Whether the first lines have the same number of separators, at least one. */
function looksLikeTable(text: string): boolean {
  return separatorOf(text) !== undefined
}

const SEPARATORS = [',', ';', '\t', '|'] as const
export type Separator = (typeof SEPARATORS)[number]

/** What separates the cells of a table; undefined: the text is none. */
export function separatorOf(text: string): Separator | undefined {
  const head = text.slice(0, 20_000)
  const lines = head.split(/\r?\n/).filter((line) => line !== '').slice(0, 20)
  if (text.length > head.length) lines.pop()
  if (lines.length < 2) return undefined
  const cells = (line: string, separator: string): number => line.replace(/"(?:[^"]|"")*"/g, '').split(separator).length
  return SEPARATORS.find((separator) => {
    const width = cells(lines[0] ?? '', separator)
    return width > 1 && lines.every((line) => cells(line, separator) === width)
  })
}

const ENDINGS: Record<string, FileKind> = {
  png: 'image', jpg: 'image', jpeg: 'image', gif: 'image', webp: 'image', svg: 'image', avif: 'image', bmp: 'image',
  json: 'json', csv: 'table', tsv: 'table', txt: 'text', md: 'text', log: 'text', html: 'text', py: 'text', xml: 'text',
}

/** What a file's name says that it is; undefined: nothing that matters here. */
export function promisedKind(path: string): FileKind | undefined {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined
}
