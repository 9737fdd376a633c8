/** Where two JSON values differ. */
import { isList, isObject, sameJson, type Json } from '../result/exact'
import { stepOf } from '../result/tree'

export interface ValueRow {
  pointer: string
  kind: 'same' | 'changed' | 'added' | 'removed'
  a: Json | undefined
  b: Json | undefined
}

/** Each part without parts of its own, or that is in one value only, or of two kinds: in the order of the first value. */
export function compareValues(first: Json, second: Json): ValueRow[] {
  const rows: ValueRow[] = []
  const tasks: { pointer: string; a: Json | undefined; b: Json | undefined }[] = [{ pointer: '', a: first, b: second }]
  for (let task = tasks.pop(); task; task = tasks.pop()) {
    const { pointer, a, b } = task
    if (a === undefined || b === undefined) {
      rows.push({ ...task, kind: a === undefined ? 'added' : 'removed' })
      continue
    }
    let parts: [string, Json | undefined, Json | undefined][] | undefined
    if (isList(a) && isList(b)) {
      parts = Array.from({ length: Math.max(a.length, b.length) }, (_, at) => [String(at), a[at], b[at]])
    } else if (isObject(a) && isObject(b)) {
      const own = (object: { [key: string]: Json }, key: string): Json | undefined => (Object.hasOwn(object, key) ? object[key] : undefined)
      parts = [...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) => [key, own(a, key), own(b, key)])
    }
    if (!parts || parts.length === 0) {
      rows.push({ ...task, kind: sameJson(a, b) ? 'same' : 'changed' })
      continue
    }
    for (const [key, left, right] of parts.reverse()) tasks.push({ pointer: `${pointer}/${stepOf(key)}`, a: left, b: right })
  }
  return rows
}
