/** JSON whose numbers are as they were written: `1.0` is not `1`, and integers have any size. */

/** A number that JavaScript would write in another way, or cannot hold. */
export class Figure {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  valueOf(): number {
    return Number(this.text)
  }
}

export type Json = null | boolean | number | string | Figure | Json[] | { [key: string]: Json }

type Reviver = (this: unknown, key: string, value: Json, context?: { source?: string }) => Json

/** Reads JSON. Browsers that do not tell how a number was written show it as JavaScript does. */
export function parseExact(text: string): Json {
  const keep: Reviver = (_key, value, context) =>
    typeof value === 'number' && context?.source !== undefined && context.source !== String(value) ? new Figure(context.source) : value
  return JSON.parse(text, keep) as Json
}

export const isFigure = (value: unknown): value is Figure => value instanceof Figure
export const isList = (value: Json): value is Json[] => Array.isArray(value)
export const isObject = (value: Json): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isFigure(value)

/** A value that has no parts, as JSON writes it. */
export function leafText(value: Json): string {
  return isFigure(value) ? value.text : JSON.stringify(value)
}

/** Writes JSON with two spaces, without recursion: results can be deep. */
export function writeExact(value: Json): string {
  const out: string[] = []
  type Task = string | { value: Json; depth: number }
  const tasks: Task[] = [{ value, depth: 0 }]
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    if (typeof task === 'string') {
      out.push(task)
      continue
    }
    const { value: part, depth } = task
    const list = isList(part)
    const entries: [string, Json][] = list ? part.map((item) => ['', item]) : isObject(part) ? Object.entries(part) : []
    if (entries.length === 0) {
      out.push(list ? '[]' : isObject(part) ? '{}' : leafText(part))
      continue
    }
    const inner = `\n${'  '.repeat(depth + 1)}`
    out.push(list ? '[' : '{')
    tasks.push(`\n${'  '.repeat(depth)}${list ? ']' : '}'}`)
    for (let at = entries.length - 1; at >= 0; at -= 1) {
      const [key, item] = entries[at] ?? ['', null]
      tasks.push({ value: item, depth: depth + 1 })
      tasks.push(`${at > 0 ? ',' : ''}${inner}${list ? '' : `${JSON.stringify(key)}: `}`)
    }
  }
  return out.join('')
}

/** Whether two values are the same, figures by how they are written. */
export function sameJson(first: Json, second: Json): boolean {
  const pairs: [Json, Json][] = [[first, second]]
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [a, b] = pair
    if (isList(a) && isList(b)) {
      if (a.length !== b.length) return false
      for (let at = 0; at < a.length; at += 1) pairs.push([a[at] ?? null, b[at] ?? null])
    } else if (isObject(a) && isObject(b)) {
      const keys = Object.keys(a)
      if (keys.length !== Object.keys(b).length) return false
      for (const key of keys) {
        if (!Object.hasOwn(b, key)) return false
        pairs.push([a[key] ?? null, b[key] ?? null])
      }
    } else if (isList(a) || isList(b) || isObject(a) || isObject(b) || leafText(a) !== leafText(b)) return false
  }
  return true
}
