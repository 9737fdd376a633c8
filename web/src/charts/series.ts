/** Series of values: what the server sends, made into what a chart draws. */
import type { Schemas } from '../api/client'

/** One value at one time. */
export interface Sample {
  /** Milliseconds since 1970. */
  at: number
  /** Null: there is something, but not a number. It is drawn as a gap. */
  value: number | null
  /** The run that returned it. */
  run?: string | undefined
  /** How many values its slot has, where it is made from several. */
  count?: number | undefined
}

export interface Line {
  /** Tells lines of one chart apart. */
  key: string
  label: string
  /** Where its values come from: a click on a point goes to its run. */
  script: string
  samples: readonly Sample[]
  /** The width of its slots in milliseconds, where values are put together. */
  width?: number | undefined
}

export interface Span {
  from: number
  to: number
}

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export function samplesOf(points: readonly Schemas['Point'][]): Sample[] {
  return points.map((point) => ({
    at: Date.parse(point.at),
    value: typeof point.value === 'number' && Number.isFinite(point.value) ? point.value : null,
    run: point.run,
    count: point.count,
  }))
}

/** The first and last time of the lines. */
export function extent(lines: readonly Line[]): Span | undefined {
  let [from, to] = [Infinity, -Infinity]
  for (const { samples } of lines) {
    const [first, last] = [samples[0], samples.at(-1)]
    if (first && last) [from, to] = [Math.min(from, first.at), Math.max(to, last.at)]
  }
  return from <= to ? { from, to } : undefined
}

/** The place of the first sample at or after a time. */
export function firstFrom(samples: readonly Sample[], at: number): number {
  let [low, high] = [0, samples.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((samples[middle]?.at ?? Infinity) < at) low = middle + 1
    else high = middle
  }
  return low
}

/** Below so many samples nothing is known about their usual distance. */
const ENOUGH = 5

/**
 * The longest distance between two samples that is not a gap. Slots follow one another. Values of runs have no fixed distance:
 * what is far longer than nine of ten distances is a gap, so that the weekend of a price that comes on working days is none.
 */
export function longestStep({ samples, width }: Pick<Line, 'samples' | 'width'>): number {
  if (width !== undefined) return width * 1.5
  if (samples.length < ENOUGH) return Infinity
  const steps = new Float64Array(samples.length - 1)
  for (let at = 1; at < samples.length; at += 1) steps[at - 1] = (samples[at]?.at ?? 0) - (samples[at - 1]?.at ?? 0)
  steps.sort()
  const middle = steps[steps.length >> 1] ?? 0
  const long = steps[Math.floor((steps.length - 1) * 0.9)] ?? 0
  return long * (long > middle * 1.5 ? 3 : 1.5)
}

/** Says that a line is broken between two samples. */
const gapBetween = (before: Sample, after: Sample): Sample => ({ at: Math.floor((before.at + after.at) / 2), value: null })

/** What is kept of one column of pixels. */
class Column {
  private readonly places = new Set<number>()
  private low = Infinity
  private high = -Infinity
  private lowest = -1
  private highest = -1
  private last = -1

  public take(place: number, { value }: Sample): void {
    if (this.last < 0) this.places.add(place)
    this.last = place
    if (value === null) {
      this.places.add(place)
      return
    }
    if (value < this.low) [this.low, this.lowest] = [value, place]
    if (value > this.high) [this.high, this.highest] = [value, place]
  }

  public kept(): number[] {
    return [...this.places, this.lowest, this.highest, this.last].filter((place, at, all) => place >= 0 && all.indexOf(place) === at).sort((a, b) => a - b)
  }
}

/**
 * The samples of a span, few enough to draw: of each column of pixels the first, the lowest, the highest and the last, and where
 * the line is broken. The neighbours outside of the span stay too, so that the line goes on to the edge.
 */
export function downSample({ samples, width }: Pick<Line, 'samples' | 'width'>, span: Span, columns: number): Sample[] {
  const longest = longestStep({ samples, width })
  const begin = Math.max(0, firstFrom(samples, span.from) - 1)
  const end = Math.min(samples.length, firstFrom(samples, span.to) + 2)
  // Few samples have a column each.
  const pixel = end - begin <= columns * 4 ? 0 : Math.max(1, (span.to - span.from) / columns)
  const kept: Sample[] = []
  let column = new Column()
  const flush = (): void => {
    for (const place of column.kept()) {
      const sample = samples[place]
      if (sample) kept.push(sample)
    }
    column = new Column()
  }
  let [here, broken] = [NaN, NaN]
  let before: Sample | undefined
  for (let place = begin; place < end; place += 1) {
    const sample = samples[place]
    if (!sample) continue
    const next = pixel > 0 ? Math.floor((sample.at - span.from) / pixel) : place
    const isGap = before !== undefined && sample.at - before.at > longest
    if (next !== here || (isGap && broken !== here)) flush()
    // One break in a column is as many as can be seen.
    if (before && isGap && broken !== next) {
      kept.push(gapBetween(before, sample))
      broken = next
    }
    here = next
    column.take(place, sample)
    before = sample
  }
  flush()
  return kept
}

/** Lines on one row of times, as uPlot takes them: null is a gap, undefined is only no value at that time. */
export interface Aligned {
  times: number[]
  values: (number | null | undefined)[][]
  /** What is drawn of each line, its gaps among them. */
  shown: Sample[][]
}

export function align(lines: readonly Line[], span: Span, columns: number): Aligned {
  const shown = lines.map((line) => downSample(line, span, columns))
  const points = shown.map((samples) => new Map(samples.map(({ at, value }) => [at, value])))
  const times = [...new Set(points.flatMap((row) => [...row.keys()]))].sort((a, b) => a - b)
  return { times, values: points.map((row) => times.map((at) => row.get(at))), shown }
}

/** The lowest and highest value. */
export function range(samples: readonly Sample[]): { low: number; high: number } | undefined {
  let [low, high] = [Infinity, -Infinity]
  for (const { value } of samples) {
    if (value === null) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? { low, high } : undefined
}

export type Side = 'left' | 'right'

/** How many times the largest number of a line has to be that of another, so that each gets a scale of its own. */
const MUCH = 8

/**
 * The scale of each line. On one scale, small numbers beside large ones are a flat line; two scales are made where the largest
 * step between the sizes of the lines is, if that is much.
 */
export function sides(lines: readonly Pick<Line, 'samples'>[]): Side[] {
  const sizes = lines.map(({ samples }) => {
    const found = range(samples)
    return found ? Math.max(Math.abs(found.low), Math.abs(found.high)) : 0
  })
  const sorted = sizes.filter((size) => size > 0).sort((a, b) => a - b)
  let [largest, border] = [1, Infinity]
  for (let at = 1; at < sorted.length; at += 1) {
    const [below, above] = [sorted[at - 1] ?? 1, sorted[at] ?? 1]
    if (above / below > largest) [largest, border] = [above / below, above]
  }
  if (largest < MUCH) return sizes.map(() => 'left')
  // The first line is on the left.
  const isFirstLow = (sizes[0] ?? 0) < border
  return sizes.map((size) => (size < border === isFirstLow ? 'left' : 'right'))
}

/** Widths of slots that people know, with the text that the server takes. */
export const WIDTHS = [
  ['1m', MINUTE], ['5m', 5 * MINUTE], ['15m', 15 * MINUTE], ['1h', HOUR], ['3h', 3 * HOUR], ['6h', 6 * HOUR], ['12h', 12 * HOUR],
  ['1d', DAY], ['7d', 7 * DAY], ['30d', 30 * DAY],
] as const satisfies readonly (readonly [string, number])[]

/** The narrowest width that divides a span into at most so many slots. */
export function autoBucket(span: number, most: number): string {
  return (WIDTHS.find(([, width]) => span / width <= most) ?? WIDTHS[WIDTHS.length - 1] ?? ['30d'])[0]
}

const UNITS: Record<string, number> = { s: 1000, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY }

/** `90m`, `7d` in milliseconds; undefined for what the page does not read. */
export function duration(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(s|m|h|d|w)$/.exec(text.trim())
  const unit = UNITS[found?.[2] ?? '']
  return found && unit !== undefined ? Number(found[1]) * unit : undefined
}

/** What a JSON Pointer leads to, for people: `/book/bid` → `book › bid`. */
export function pathName(path: string): string {
  return path.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')).join(' › ')
}
