/** A list of objects, or of lists, as a table. */
import { csvOf, plainCell, textCell } from '../../ui/csv'
import { isList, isObject, leafText, type Json } from './exact'

export interface Table {
  columns: string[]
  rows: (Json | undefined)[][]
  /** Which columns hold numbers only. */
  numbers: boolean[]
}

/** Columns beyond these are left to the tree. */
const MOST_COLUMNS = 60

/** The table that a value is; undefined: it is none. */
export function tableOf(value: Json): Table | undefined {
  if (!isList(value) || value.length === 0) return undefined
  if (value.every(isObject)) {
    const names = new Set<string>()
    for (const item of value) {
      for (const key of Object.keys(item)) names.add(key)
      if (names.size > MOST_COLUMNS) return undefined
    }
    if (names.size === 0) return undefined
    const columns = [...names]
    return finish(columns, value.map((item) => columns.map((column) => (Object.hasOwn(item, column) ? item[column] : undefined))))
  }
  if (value.length > 1 && value.every((item) => isList(item) && item.length > 0 && item.length <= MOST_COLUMNS && item.every(isLeaf))) {
    const lists = value.filter(isList)
    const width = Math.max(...lists.map((item) => item.length))
    return finish(Array.from({ length: width }, (_, at) => String(at)), lists.map((item) => Array.from({ length: width }, (_, at) => item[at])))
  }
  return undefined
}

const isLeaf = (value: Json): boolean => !isList(value) && !isObject(value)

function finish(columns: string[], rows: Table['rows']): Table {
  const isNumber = (cell: Json | undefined): boolean => cell === undefined || cell === null || typeof cell === 'number' || (typeof cell === 'object' && 'text' in cell && isLeaf(cell))
  return { columns, rows, numbers: columns.map((_, at) => rows.every((row) => isNumber(row[at])) && rows.some((row) => row[at] != null)) }
}

/** What a cell shows. */
export function cellText(cell: Json | undefined): string {
  if (cell === undefined) return ''
  if (typeof cell === 'string') return cell
  if (cell === null) return 'null'
  if (isLeaf(cell)) return leafText(cell)
  const text = JSON.stringify(cell, (_key, part: Json) => (typeof part === 'object' && part !== null && 'text' in part && isLeaf(part) ? Number(part) : part))
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

/** The rows in the order of a column. Numbers come before texts; what has no value comes last in both directions. */
export function sorted(rows: Table['rows'], column: number, descending: boolean): Table['rows'] {
  const sign = descending ? -1 : 1
  const rank = (cell: Json | undefined): number => (cell === undefined || cell === null ? 2 : Number.isNaN(Number(cell)) || typeof cell === 'string' ? 1 : 0)
  return rows.toSorted((first, second) => {
    const [a, b] = [first[column], second[column]]
    const [left, right] = [rank(a), rank(b)]
    if (left === 2 || right === 2) return left - right
    if (left !== right) return (left - right) * sign
    const order = left === 0 ? Number(a) - Number(b) : cellText(a).localeCompare(cellText(b), undefined, { numeric: true })
    return order * sign
  })
}

/** The table as CSV. */
export function toCsv(table: Table): string {
  const cell = (value: Json | undefined): string => (typeof value === 'string' ? textCell(value) : plainCell(cellText(value)))
  return csvOf([table.columns.map(textCell), ...table.rows.map((row) => row.map(cell))])
}
