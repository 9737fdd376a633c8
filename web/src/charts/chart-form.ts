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

/** A choice of the form. The server has no word for it: it is since the beginning of time. */
export const EVERYTHING = 'everything'
const BEGINNING = '1970-01-01T00:00:00Z'
/** A choice of the form; the server says null. */
export const EACH = 'each'

/** How far back a chart goes, as a choice of the form. */
export const sinceChoice = (since: string): string =>
  Date.parse(since) === Date.parse(BEGINNING) ? EVERYTHING : since

/** The server takes no other aggregates than those of the form. */
export function draftOf(chart: ChartBody): ChartDraft {
  return {
    title: chart.title,
    labels: chart.labels.join(', '),
    lines: chart.lines.map((line) => ({ ...newLine(line.script, line.path), agg: (line.agg ?? '') as DraftLine['agg'], label: line.label ?? '' })),
    since: sinceChoice(chart.since),
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
    since: draft.since === EVERYTHING ? BEGINNING : draft.since,
    bucket: draft.bucket === EACH ? null : draft.bucket,
  }
}

const isComplete = (line: DraftLine): boolean => line.script !== ''
export const completeLines = (draft: ChartDraft): DraftLine[] => draft.lines.filter(isComplete)

/** Which line of the form a field of the request is about: `lines.1.path`. */
export function lineOfField(draft: ChartDraft, field: string | undefined): DraftLine | undefined {
  const number = /^lines\.(\d+)/.exec(field ?? '')?.[1]
  return number === undefined ? undefined : completeLines(draft)[Number(number)]
}

/** Whether two charts are the same to the server. */
export function isSame(a: ChartBody, b: ChartBody): boolean {
  const plain = (chart: ChartBody): string =>
    JSON.stringify([
      chart.title, chart.labels, sinceChoice(chart.since), chart.bucket,
      chart.lines.map((line) => [line.script, line.path, line.agg ?? '', line.label ?? '']),
    ])
  return plain(a) === plain(b)
}

type Named = Pick<DraftLine, 'script' | 'path' | 'label'> & { agg: string }

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

/** What a chart is called where nobody has named it. */
export function suggestedTitle(draft: ChartDraft): string {
  const first = completeLines(draft)[0]
  return first ? [first.script, pathName(first.path)].filter(Boolean).join(': ') : ''
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
