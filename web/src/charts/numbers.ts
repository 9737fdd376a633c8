/** Which numbers a script's results have. */

/** A number that the results have at one place. */
export interface NumberPath {
  /** A JSON Pointer: `/book/bid`; nothing for a result that is a number itself. */
  path: string
  /** How many of the results that were looked at have it. */
  count: number
  last: number
  last_at: string
}

/** No script has more of them on its page. */
const MOST = 100
/** Of a list only so many elements are looked at: the rest is data, and not facts with a name. */
const MOST_ELEMENTS = 3
const DEEPEST = 8
/** How many numbers of one result are looked at. */
const LOOKED_AT = 500

export const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

/** Every number in a value, by its JSON Pointer. */
export function* numbersIn(value: unknown, path = '', depth = 0): Generator<[path: string, value: number]> {
  if (typeof value === 'number') {
    if (Number.isFinite(value)) yield [path, value]
  } else if (depth >= DEEPEST || value === null || typeof value !== 'object') {
    return
  } else if (Array.isArray(value)) {
    for (const [at, element] of value.slice(0, MOST_ELEMENTS).entries()) yield* numbersIn(element, `${path}/${at}`, depth + 1)
  } else {
    for (const [key, element] of Object.entries(value)) yield* numbersIn(element, `${path}/${escape(key)}`, depth + 1)
  }
}

/** The numbers of results, newest first, in the order in which the newest result has them. */
export function numbersOf(results: readonly { result?: unknown; at: string }[]): NumberPath[] {
  const found = new Map<string, NumberPath>()
  for (const { result, at } of results) {
    let seen = 0
    for (const [path, value] of numbersIn(result)) {
      if ((seen += 1) > LOOKED_AT) break
      const known = found.get(path)
      if (known) known.count += 1
      else if (found.size < MOST) found.set(path, { path, count: 1, last: value, last_at: at })
    }
  }
  return [...found.values()]
}
