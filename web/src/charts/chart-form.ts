/** A chart as it is edited. */
import type { Aggregate } from './load'
import type { ChartBody, ChartLine } from './saved'
import { pathName } from './series'

export interface DraftLine {
  /** Only the form's own: it tells lines apart while they are edited. */
  key: number
  script: string
  path: string
  agg: Aggregate | ''
  label: string
}

export interface ChartDraft {
  title: string
  /** As it is typed: separated by commas. */
  labels: string
  lines: DraftLine[]
  since: string
  bucket: string
}

let lastKey = 0
export function newLine(script = '', path = ''): DraftLine {
  lastKey += 1
  return { key: lastKey, script, path, agg: '', label: '' }
}

/** `everything` and `each` are choices of the form; the server says null. */
export const EVERYTHING = 'everything'
export const EACH = 'each'

export function draftOf(chart: ChartBody): ChartDraft {
  return {
    title: chart.title,
    labels: chart.labels.join(', '),
    lines: chart.lines.map((line) => ({ ...newLine(line.script, line.path), agg: line.agg ?? '', label: line.label ?? '' })),
    since: chart.since ?? EVERYTHING,
    bucket: chart.bucket ?? EACH,
  }
}

export const labelsOf = (typed: string): string[] => [...new Set(typed.split(/[,，、\n]/).map((label) => label.trim()).filter(Boolean))]

/** What is sent: lines without a script are not there yet. */
export function bodyOf(draft: ChartDraft): ChartBody {
  return {
    title: draft.title.trim(),
    labels: labelsOf(draft.labels),
    lines: completeLines(draft).map(({ script, path, agg, label }): ChartLine => ({
      script,
      path,
      ...(agg === '' ? {} : { agg }),
      ...(label.trim() === '' ? {} : { label: label.trim() }),
    })),
    since: draft.since === EVERYTHING ? null : draft.since,
    bucket: draft.bucket === EACH ? null : draft.bucket,
  }
}

export const completeLines = (draft: ChartDraft): DraftLine[] => draft.lines.filter((line) => line.script !== '')

/** Whether two charts are the same to the server. */
export function isSame(a: ChartBody, b: ChartBody): boolean {
  const plain = (chart: ChartBody): string =>
    JSON.stringify([
      chart.title, chart.labels, chart.since, chart.bucket,
      chart.lines.map((line) => [line.script, line.path, line.agg ?? '', line.label ?? '']),
    ])
  return plain(a) === plain(b)
}

type Named = Pick<DraftLine, 'script' | 'path' | 'label' | 'agg'>

/** What each line is called: as short as keeps them apart. `whole` is the word for a result that is a number itself. */
export function lineNames(lines: readonly Named[], whole: string): string[] {
  const hasScripts = new Set(lines.map((line) => line.script)).size > 1
  const hasPaths = new Set(lines.map((line) => line.path)).size > 1
  const names = lines.map((line) => {
    if (line.label.trim() !== '') return line.label.trim()
    const path = pathName(line.path) || whole
    if (!hasScripts) return path
    return hasPaths ? `${line.script}: ${path}` : line.script
  })
  const isDouble = (name: string): boolean => names.indexOf(name) !== names.lastIndexOf(name)
  return names.map((name, at) => (isDouble(name) ? `${name} (${lines[at]?.agg || 'avg'})` : name))
}

/** An address for a new chart, made from its title where that has Latin letters. */
export function newId(title: string, taken: ReadonlySet<string>): string {
  const plain = title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 48)
  const base = plain || 'chart'
  if (!taken.has(base)) return base
  let count = 2
  while (taken.has(`${base}-${count}`)) count += 1
  return `${base}-${count}`
}
