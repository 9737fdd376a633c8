/** A JSON value as the rows of a tree: only what is open has rows. */
import { visibleText } from '../output/ansi'
import { isFigure, isList, isObject, leafText, type Json } from './exact'

export interface TreeRow {
  /** A JSON Pointer (RFC 6901): what `result` filters and charts take. */
  pointer: string
  key: string
  /** The number in its list. */
  isIndex: boolean
  depth: number
  kind: 'object' | 'list' | 'string' | 'number' | 'boolean' | 'null' | 'text'
  /** What is shown of a value without parts; a part of a long text for `text`. */
  text: string
  /** How many parts it has. */
  size: number
  /** Whether it can be opened, and is. */
  open: boolean | undefined
  /** Its place among the parts of its parent, from 1, and how many there are. */
  place: number
  places: number
  value: Json
}

/** Longer strings are cut; opened, they have rows of their own. */
export const LONGEST_STRING = 160
/** So much of an opened string is in a row. */
const TEXT_ROW = 120

export const stepOf = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

function kindOf(value: Json): TreeRow['kind'] {
  if (value === null) return 'null'
  if (isFigure(value)) return 'number'
  if (isList(value)) return 'list'
  if (isObject(value)) return 'object'
  return typeof value as 'string' | 'number' | 'boolean'
}

const isLong = (value: Json): value is string => typeof value === 'string' && (value.length > LONGEST_STRING || value.includes('\n'))

export function sizeOf(value: Json): number {
  if (isList(value)) return value.length
  return isObject(value) ? Object.keys(value).length : 0
}

const canOpen = (value: Json): boolean => isLong(value) || sizeOf(value) > 0

/** The rows of a value, top to bottom. `isOpen` says which parts are open, by pointer, depth, and whether it is a long text. */
export function treeRows(root: Json, isOpen: (pointer: string, depth: number, isText: boolean) => boolean): TreeRow[] {
  const rows: TreeRow[] = []
  interface Task {
    value: Json
    key: string
    isIndex: boolean
    pointer: string
    depth: number
    place: number
    places: number
  }
  const tasks: Task[] = [{ value: root, key: '', isIndex: false, pointer: '', depth: 0, place: 1, places: 1 }]
  for (let task = tasks.pop(); task; task = tasks.pop()) {
    const { value, pointer, depth } = task
    const kind = kindOf(value)
    const open = canOpen(value) ? isOpen(pointer, depth, kind === 'string') : undefined
    rows.push({ ...task, kind, text: preview(value, kind), size: sizeOf(value), open })
    if (!open) continue
    if (isLong(value)) {
      for (const text of textRows(value)) {
        rows.push({ ...task, key: '', pointer: `${pointer}#${rows.length}`, depth: depth + 1, kind: 'text', text, size: 0, open: undefined, place: 1, places: 1 })
      }
      continue
    }
    const isIndex = isList(value)
    const entries: [string, Json][] = isIndex ? value.map((item, at) => [String(at), item]) : isObject(value) ? Object.entries(value) : []
    for (let at = entries.length - 1; at >= 0; at -= 1) {
      const [key, item] = entries[at] ?? ['', null]
      tasks.push({ value: item, key, isIndex, pointer: `${pointer}/${isIndex ? key : stepOf(key)}`, depth: depth + 1, place: at + 1, places: entries.length })
    }
  }
  return rows
}

function preview(value: Json, kind: TreeRow['kind']): string {
  if (kind === 'list') return '[…]'
  if (kind === 'object') return '{…}'
  if (typeof value === 'string') {
    const cut = value.length > LONGEST_STRING ? `${value.slice(0, LONGEST_STRING)}…` : value
    return visibleText(JSON.stringify(cut))
  }
  return leafText(value)
}

function textRows(value: string): string[] {
  const rows: string[] = []
  for (const line of value.split('\n')) {
    for (let at = 0; at === 0 || at < line.length; at += TEXT_ROW) rows.push(visibleText(line.slice(at, at + TEXT_ROW)))
  }
  return rows
}

/** How deep a tree is opened at first, so that about so many rows are seen. */
export function firstDepth(root: Json, rows = 120): number {
  let level: Json[] = [root]
  let [seen, depth] = [1, 0]
  while (level.length > 0 && depth < 6) {
    const next: Json[] = []
    for (const value of level) {
      const size = sizeOf(value)
      seen += size
      if (seen > rows) return depth
      if (isList(value)) next.push(...value)
      else if (isObject(value)) next.push(...Object.values(value))
    }
    level = next
    depth += 1
  }
  return depth
}
