/** JSON that keeps numbers as they were written: `JSON.parse` rounds large integers, and arguments must not change by being shown. */

/** Why a text is not JSON, and where: an index into the text. */
export class BadJson extends Error {
  override name = 'BadJson'
  readonly at: number

  constructor(at: number) {
    super(`not JSON at ${at}`)
    this.at = at
  }
}

const SPACE = /[ \t\n\r]*/y
const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const DEEPEST = 500

/** Where a value that begins at `from` ends. */
function skip(text: string, from: number, depth = 0): number {
  const mark = text[from]
  if (mark !== '{' && mark !== '[') {
    SCALAR.lastIndex = from
    const found = SCALAR.exec(text)
    if (!found) throw new BadJson(from)
    return from + found[0].length
  }
  if (depth > DEEPEST) throw new BadJson(from)
  return parts(text, from, depth, () => undefined)
}

function spaceAfter(text: string, from: number): number {
  SPACE.lastIndex = from
  return from + (SPACE.exec(text)?.[0].length ?? 0)
}

/** Calls `each` with every part of the object or list that begins at `from`, and says where that ends. */
function parts(text: string, from: number, depth: number, each: (key: string, from: number, to: number) => void): number {
  const isObject = text[from] === '{'
  const close = isObject ? '}' : ']'
  let at = spaceAfter(text, from + 1)
  if (text[at] === close) return at + 1
  for (;;) {
    let key = ''
    if (isObject) {
      if (text[at] !== '"') throw new BadJson(at)
      const end = skip(text, at)
      key = JSON.parse(text.slice(at, end)) as string
      at = spaceAfter(text, end)
      if (text[at] !== ':') throw new BadJson(at)
      at = spaceAfter(text, at + 1)
    }
    const end = skip(text, at, depth + 1)
    each(key, at, end)
    at = spaceAfter(text, end)
    if (text[at] === close) return at + 1
    if (text[at] !== ',') throw new BadJson(at)
    at = spaceAfter(text, at + 1)
  }
}

/** Throws a {@link BadJson} if a text is not JSON. */
export function check(text: string): void {
  const from = spaceAfter(text, 0)
  const end = spaceAfter(text, skip(text, from))
  if (end < text.length) throw new BadJson(end)
}

export const isJson = (text: string): boolean => {
  try {
    check(text)
    return true
  } catch (error) {
    if (error instanceof BadJson) return false
    throw error
  }
}

export type Kind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

/** What kind of value a JSON text is. */
export function kindOf(raw: string): Kind {
  const mark = raw.trimStart()[0]
  if (mark === '{') return 'object'
  if (mark === '[') return 'array'
  if (mark === '"') return 'string'
  if (mark === 't' || mark === 'f') return 'boolean'
  return mark === 'n' ? 'null' : 'number'
}

/** The members of an object, each value as it was written. Of two with the same name the last holds. */
export function members(text: string): Map<string, string> {
  check(text)
  const found = new Map<string, string>()
  parts(text, spaceAfter(text, 0), 0, (key, from, to) => found.set(key, text.slice(from, to)))
  return found
}

/** The items of a list, each as it was written. */
export function items(text: string): string[] {
  check(text)
  const found: string[] = []
  parts(text, spaceAfter(text, 0), 0, (_key, from, to) => found.push(text.slice(from, to)))
  return found
}

export const ofString = (text: string): string => JSON.stringify(text)
export const toText = (raw: string): string => String(JSON.parse(raw))

/** An object of values that are JSON already. `indent` writes a line for each member. */
export function object(entries: Iterable<readonly [string, string]>, indent = false): string {
  const written = [...entries].map(([key, raw]) => `${JSON.stringify(key)}: ${raw}`)
  if (written.length === 0) return '{}'
  return indent ? `{\n  ${written.join(',\n  ')}\n}` : `{${written.join(', ')}}`
}

/** A value as it was written, where it is handed on as a part of what the server answered. */
export class Written {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The body of a request with arguments: they are put in as they were typed. More that is undefined is left out; so are empty arguments. */
export function bodyWith(args: string, more: object): string {
  const others = JSON.stringify(more).slice(1, -1)
  return `{${[args.trim() === '' ? '' : `"args":${args.trim()}`, others].filter(Boolean).join(',')}}`
}

/** The text of arguments, for an editor: nothing for none. */
export function argsText(args: unknown): string {
  const raw = args instanceof Written ? args.text : JSON.stringify(args ?? null)
  const text = pretty(raw)
  return ['null', '{}', '[]'].includes(text) ? '' : text
}

/** The same value with lines and indents; numbers stay as they are. */
export function pretty(raw: string, indent = ''): string {
  const kind = kindOf(raw)
  const deeper = `${indent}  `
  if (kind === 'object') {
    const all = [...members(raw)].map(([key, value]) => `${deeper}${JSON.stringify(key)}: ${pretty(value, deeper)}`)
    return all.length === 0 ? '{}' : `{\n${all.join(',\n')}\n${indent}}`
  }
  if (kind === 'array') {
    const all = items(raw).map((value) => `${deeper}${pretty(value, deeper)}`)
    return all.length === 0 ? '[]' : `[\n${all.join(',\n')}\n${indent}]`
  }
  return raw.trim()
}

/** Whether two texts are the same value: spaces and the order of members do not count. */
export function isSame(a: string, b: string): boolean {
  const kind = kindOf(a)
  if (kind !== kindOf(b)) return false
  if (kind === 'object') {
    const [one, other] = [members(a), members(b)]
    return one.size === other.size && [...one].every(([key, value]) => other.has(key) && isSame(value, other.get(key) ?? ''))
  }
  if (kind === 'array') {
    const [one, other] = [items(a), items(b)]
    return one.length === other.length && one.every((value, at) => isSame(value, other[at] ?? ''))
  }
  return kind === 'string' ? toText(a) === toText(b) : a.trim() === b.trim()
}
